package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"

	"makola/pkg/tenant"
)

// ErrNoTenant is returned by InTenant when the context belongs to no business. It is a programmer's mistake: such work belongs in InSystem.
var ErrNoTenant = errors.New("no tenant in context")

// ErrNoTransaction is returned by RequireTx for a *gorm.DB that is not inside a transaction.
var ErrNoTransaction = errors.New("not inside a transaction; begin one with postgres.InTenant or postgres.InSystem")

// ErrOutcomeUnknown wraps a COMMIT that failed on the wire: the transaction may or may not have happened, and only the rows can tell.
var ErrOutcomeUnknown = errors.New("outcome of commit unknown")

// Tx is an open transaction. DB is the gorm handle to pass on; it must not be used after Commit or Rollback. Not safe for concurrent use.
type Tx struct {
	// DB is the gorm session inside this transaction.
	DB   *gorm.DB
	conn *conn
}

// Scope says what a transaction may see: the rows of Tenants, and, when System is set, the tables whose policies open to platform work.
type Scope struct {
	Tenants []uuid.UUID
	System  bool
	// Timeout becomes the transaction's statement_timeout; zero means none.
	Timeout time.Duration
	// LockTimeout becomes the transaction's lock_timeout; zero means none.
	LockTimeout time.Duration
}

// InTenant runs fn in a transaction bound to the context's tenant. It commits when fn returns nil and rolls back otherwise, also on panic.
// Errors: ErrNoTenant; whatever fn returned, unwrapped; ErrOutcomeUnknown when the connection broke during COMMIT.
func (db *DB) InTenant(ctx context.Context, fn func(tx *gorm.DB) error) error {
	id, ok := tenant.From(ctx)
	if !ok {
		return ErrNoTenant
	}
	return db.in(ctx, Scope{Tenants: []uuid.UUID{id}}, fn)
}

// InSystem runs fn in a platform transaction: bound to no tenant, open to the tables whose policies admit platform work for this role.
// Commit, rollback and errors are as for InTenant.
func (db *DB) InSystem(ctx context.Context, fn func(tx *gorm.DB) error) error {
	return db.in(ctx, Scope{System: true}, fn)
}

func (db *DB) in(ctx context.Context, scope Scope, fn func(tx *gorm.DB) error) (err error) {
	t, err := db.Begin(ctx, scope)
	if err != nil {
		return err
	}
	defer t.Rollback() // a no-op after Commit; runs on panic too
	if err := fn(t.DB); err != nil {
		return err
	}
	return t.Commit()
}

// Begin opens a transaction bound to scope, in one round trip. It is for the task engine, whose transactions do not fit a closure; everybody else uses InTenant or InSystem.
func (db *DB) Begin(ctx context.Context, scope Scope) (*Tx, error) {
	t, _, err := db.BeginQuery(ctx, scope, "", nil)
	return t, err
}

// BeginQuery is Begin with one query in the same round trip; scan, when not nil, is called with the query's rows and must read them.
// It reports whether the query was run.
func (db *DB) BeginQuery(ctx context.Context, scope Scope, query string, scan func(pgx.Rows) error, args ...any) (*Tx, bool, error) {
	sqlConn, err := db.sql.Conn(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("get database connection: %w", err)
	}
	c := &conn{Conn: sqlConn, ctx: ctx}
	ran := false
	err = sqlConn.Raw(func(dc any) error {
		pc, err := rawConn(dc)
		if err != nil {
			return err
		}
		b := &pgx.Batch{}
		b.Queue("begin")
		b.Queue(bindSQL, arrayLiteral(scope.Tenants), scopeName(scope), milliseconds(scope.Timeout), milliseconds(scope.LockTimeout))
		if query != "" {
			q := b.Queue(query, args...)
			q.Query(func(rows pgx.Rows) error { ran = true; return scan(rows) })
		}
		return pc.SendBatch(ctx, b).Close()
	})
	if err != nil {
		c.discard()
		return nil, false, fmt.Errorf("begin transaction: %w", err)
	}
	g := db.gorm.Session(&gorm.Session{NewDB: true, Context: ctx})
	g.Statement.ConnPool = c
	return &Tx{DB: g.Session(&gorm.Session{}), conn: c}, ran, nil
}

const bindSQL = "select set_config('app.tenants', $1, true), set_config('app.scope', $2, true), set_config('statement_timeout', $3, true), set_config('lock_timeout', $4, true)"

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

// Rebind changes what the transaction may see from here to its end. The timeouts of scope are ignored.
func (t *Tx) Rebind(scope Scope) error {
	if _, err := t.Exec("select set_config('app.tenants', $1, true), set_config('app.scope', $2, true)", arrayLiteral(scope.Tenants), scopeName(scope)); err != nil {
		return fmt.Errorf("bind transaction: %w", err)
	}
	return nil
}

// CommitWith runs the statements and COMMIT in one round trip. check, when not nil, sees each statement's affected-row count before COMMIT is known
// to have happened; because all travel together, a statement that must abort the transaction has to raise an error itself.
// On error nothing was committed, unless the error is ErrOutcomeUnknown.
func (t *Tx) CommitWith(statements ...Statement) error {
	if t.conn.done {
		return sql.ErrTxDone
	}
	var hooked []Statement
	for _, fn := range t.conn.before {
		hooked = append(hooked, fn()...)
	}
	statements = append(hooked, statements...)
	err := t.conn.Conn.Raw(func(dc any) error {
		pc, err := rawConn(dc)
		if err != nil {
			return err
		}
		b := &pgx.Batch{}
		for _, s := range statements {
			b.Queue(s.SQL, s.Args...)
		}
		b.Queue("commit")
		res := pc.SendBatch(t.conn.ctx, b)
		for i := range statements {
			tag, err := res.Exec()
			if err == nil && statements[i].Affected != nil {
				*statements[i].Affected = tag.RowsAffected()
			}
			if err != nil {
				_ = res.Close() // the first error is the cause; COMMIT after it rolls back
				return err
			}
		}
		tag, err := res.Exec()
		if cerr := res.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			if pc.IsClosed() || t.conn.ctx.Err() != nil {
				return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
			}
			return err
		}
		if tag.String() == "ROLLBACK" {
			return errors.New("transaction was already aborted and has been rolled back")
		}
		return nil
	})
	if err != nil {
		t.Rollback()
		return fmt.Errorf("commit transaction: %w", err)
	}
	t.conn.release()
	return nil
}

// Statement is one SQL statement for CommitWith. Affected, when set, receives the number of rows it changed.
type Statement struct {
	SQL      string
	Args     []any
	Affected *int64
}

// Commit commits. ErrOutcomeUnknown means the connection broke while it was under way.
func (t *Tx) Commit() error { return t.CommitWith() }

// Rollback undoes the transaction; after Commit or a first Rollback it does nothing. A connection that cannot roll back is thrown away.
func (t *Tx) Rollback() { _ = t.conn.Rollback() }

// Exec runs one statement in the transaction, past gorm, and returns the number of rows it changed.
func (t *Tx) Exec(query string, args ...any) (int64, error) {
	res, err := t.conn.ExecContext(t.conn.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// BindTenants replaces the set of tenants tx may touch, from here to its end. It is for batches that serve many tenants in one transaction and must first look up whose rows they are.
func BindTenants(tx *gorm.DB, ids []uuid.UUID) error {
	if err := RequireTx(tx); err != nil {
		return err
	}
	if err := tx.Exec("select set_config('app.tenants', ?, true)", arrayLiteral(ids)).Error; err != nil {
		return fmt.Errorf("bind tenants: %w", err)
	}
	return nil
}

// RequireTx returns ErrNoTransaction unless tx is inside a transaction.
func RequireTx(tx *gorm.DB) error {
	if tx == nil || tx.Statement == nil {
		return ErrNoTransaction
	}
	if _, ok := tx.Statement.ConnPool.(gorm.TxCommitter); !ok {
		return ErrNoTransaction
	}
	return nil
}

// AfterCommit registers fn to run once, after tx has committed; it is dropped when tx rolls back. It reports false when tx is not one of this package's transactions.
func AfterCommit(tx *gorm.DB, fn func()) bool {
	c, ok := tx.Statement.ConnPool.(*conn)
	if ok {
		c.after = append(c.after, fn)
	}
	return ok
}

// BeforeCommit registers fn to run when tx is about to commit; the statements it returns travel with COMMIT, before those of CommitWith.
// It reports false when tx is not one of this package's transactions.
func BeforeCommit(tx *gorm.DB, fn func() []Statement) bool {
	c, ok := tx.Statement.ConnPool.(*conn)
	if ok {
		c.before = append(c.before, fn)
	}
	return ok
}

// Local returns the value that tx keeps under key, making it with create on first use. It lets a library gather work during a transaction;
// nil when tx is not one of this package's transactions. Keys should be of an unexported type of the caller's.
func Local[T any](tx *gorm.DB, key any, create func() *T) *T {
	c, ok := tx.Statement.ConnPool.(*conn)
	if !ok {
		return nil
	}
	if c.local == nil {
		c.local = map[any]any{}
	}
	if v, ok := c.local[key].(*T); ok {
		return v
	}
	v := create()
	c.local[key] = v
	return v
}

// conn is one checked-out connection inside a transaction: gorm's ConnPool and TxCommitter.
type conn struct {
	*sql.Conn
	ctx    context.Context // the transaction's own context, which ends with it; not kept beyond
	before []func() []Statement
	after  []func()
	local  map[any]any
	done   bool
}

// Commit implements gorm.TxCommitter. Transactions are committed through Tx; gorm itself never begins one here.
func (c *conn) Commit() error { return errors.New("commit through postgres.Tx only") }

// Rollback implements gorm.TxCommitter.
func (c *conn) Rollback() error {
	if c.done {
		return nil
	}
	// The work's context may be over already; undoing must still happen, and quickly.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 3*time.Second)
	defer cancel()
	if _, err := c.Conn.ExecContext(ctx, "rollback"); err != nil {
		c.discard()
		return fmt.Errorf("roll back: %w", err)
	}
	c.done = true
	return c.Conn.Close()
}

func (c *conn) release() {
	c.done = true
	_ = c.Conn.Close()
	for _, fn := range c.after {
		fn()
	}
}

// discard throws the connection away instead of returning it to the pool, because its state is unknown.
func (c *conn) discard() {
	if c.done {
		return
	}
	c.done = true
	_ = c.Conn.Raw(func(dc any) error {
		if pc, err := rawConn(dc); err == nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), time.Second)
			defer cancel()
			_ = pc.Close(ctx)
		}
		return driver.ErrBadConn
	})
	_ = c.Conn.Close()
}

func rawConn(dc any) (*pgx.Conn, error) {
	sc, ok := dc.(*stdlib.Conn)
	if !ok {
		return nil, fmt.Errorf("unexpected database driver %T", dc)
	}
	return sc.Conn(), nil
}

func scopeName(s Scope) string {
	if s.System {
		return "system"
	}
	return "tenant"
}

func arrayLiteral(ids []uuid.UUID) string {
	if len(ids) == 0 {
		return ""
	}
	var b strings.Builder
	b.Grow(2 + 37*len(ids))
	for i, id := range ids {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(id.String())
	}
	b.WriteByte('}')
	return b.String()
}

// Exec runs one statement in tx with pgx's own parameters ($1, $2, …; slices become arrays) and returns the number of rows it changed.
// gorm would expand a slice into a list of parameters, which set-based statements cannot use.
func Exec(tx *gorm.DB, query string, args ...any) (int64, error) {
	c, ok := tx.Statement.ConnPool.(*conn)
	if !ok {
		return 0, ErrNoTransaction
	}
	res, err := c.ExecContext(c.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// QueryRow runs a query of one row in tx with pgx's own parameters. Scan of the result reports sql.ErrNoRows when there is none.
func QueryRow(tx *gorm.DB, query string, args ...any) *sql.Row {
	c, ok := tx.Statement.ConnPool.(*conn)
	if !ok {
		panic("postgres.QueryRow outside a transaction")
	}
	return c.QueryRowContext(c.ctx, query, args...)
}

// Query runs a query in tx with pgx's own parameters, and calls scan for its rows. pgx's rows decode arrays and composite values that database/sql cannot.
func Query(tx *gorm.DB, scan func(pgx.Rows) error, query string, args ...any) error {
	c, ok := tx.Statement.ConnPool.(*conn)
	if !ok {
		return ErrNoTransaction
	}
	return c.Conn.Raw(func(dc any) error {
		pc, err := rawConn(dc)
		if err != nil {
			return err
		}
		rows, err := pc.Query(c.ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		if err := scan(rows); err != nil {
			return err
		}
		return rows.Err()
	})
}
