package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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
	// Snapshot makes the transaction read only, and all its queries see the database as the first one found it.
	Snapshot bool
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

// InSnapshot is InTenant for reading alone: all queries of fn see the database as it was when the first one began, however long they take. timeout bounds each of them.
func (db *DB) InSnapshot(ctx context.Context, timeout time.Duration, fn func(tx *gorm.DB) error) error {
	id, ok := tenant.From(ctx)
	if !ok {
		return ErrNoTenant
	}
	return db.in(ctx, Scope{Tenants: []uuid.UUID{id}, Timeout: timeout, Snapshot: true}, fn)
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

// Begin prepares a transaction bound to scope. Nothing is sent yet, and no connection taken: BEGIN and the binding travel with the first statement. A transaction that only
// enqueues tasks is committed together with others of its kind that arrive at the same time, and one that does nothing costs nothing. It is for the task engine, whose transactions do not fit a closure; everybody else uses InTenant or InSystem.
func (db *DB) Begin(ctx context.Context, scope Scope) (*Tx, error) {
	c := &conn{db: db, ctx: ctx, scope: scope}
	g := db.gorm.Session(&gorm.Session{NewDB: true, Context: ctx})
	g.Statement.ConnPool = c
	return &Tx{DB: g.Session(&gorm.Session{}), conn: c}, nil
}

// BeginQuery is Begin with a first query, in one round trip; scan is called with the query's rows and must read them.
func (db *DB) BeginQuery(ctx context.Context, scope Scope, query string, scan func(pgx.Rows) error, args ...any) (*Tx, error) {
	t, err := db.Begin(ctx, scope)
	if err != nil {
		return nil, err
	}
	if err := t.conn.query(scan, query, args...); err != nil {
		t.Rollback()
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	return t, nil
}

// Rebind changes what the transaction may see from here to its end. The timeouts of scope are ignored.
func (t *Tx) Rebind(scope Scope) error {
	if _, err := t.Exec("select set_config('app.tenants', $1, true), set_config('app.scope', $2, true)", arrayLiteral(scope.Tenants), scopeName(scope)); err != nil {
		return fmt.Errorf("bind transaction: %w", err)
	}
	return nil
}

// CommitWith runs the statements and COMMIT in one round trip. Because all travel together, a statement that must abort the transaction has to raise an error itself:
// Statement.Affected is known only afterwards. On error nothing was committed, unless the error is ErrOutcomeUnknown.
func (t *Tx) CommitWith(statements ...Statement) error {
	if t.conn.done {
		return sql.ErrTxDone
	}
	c := t.conn
	var err error
	switch {
	case !c.begun && len(statements) == 0 && len(c.deferred) == 0: // nothing was done
	case !c.begun && len(statements) == 0 && c.scope.Timeout == 0 && c.scope.LockTimeout == 0:
		err = c.db.commitShared(c.ctx, c.scope, c.deferred)
	default:
		var all []Statement
		for _, d := range c.deferred {
			all = append(all, d.Statements()...)
		}
		all = append(all, statements...)
		err = c.raw(func(pc *pgx.Conn) error { return c.commit(pc, all) })
	}
	if err != nil {
		t.Rollback()
		return fmt.Errorf("commit transaction: %w", err)
	}
	c.release()
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
func (t *Tx) Exec(query string, args ...any) (int64, error) { return t.conn.exec(query, args...) }

// Rebound reports whether BindTenants has changed what the transaction was begun with.
func (t *Tx) Rebound() bool { return t.conn.rebound }

// BindTenants replaces the set of tenants tx may touch, from here to its end. It is for batches that serve many tenants in one transaction and must first look up whose rows they are.
func BindTenants(tx *gorm.DB, ids []uuid.UUID) error {
	if err := RequireTx(tx); err != nil {
		return err
	}
	if _, err := Exec(tx, "select set_config('app.tenants', $1, true)", arrayLiteral(ids)); err != nil {
		return fmt.Errorf("bind tenants: %w", err)
	}
	if c, ok := tx.Statement.ConnPool.(*conn); ok {
		c.rebound = true
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
