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
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	bindSQL     = "select set_config('app.tenants', $1, true), set_config('app.scope', $2, true)"
	timeoutsSQL = "select set_config('app.tenants', $1, true), set_config('app.scope', $2, true), set_config('statement_timeout', $3, true), set_config('lock_timeout', $4, true)"
)

// conn is one checked-out connection inside a transaction: gorm's ConnPool and TxCommitter. BEGIN is sent with the first statement.
type conn struct {
	*sql.Conn
	ctx     context.Context // the transaction's own context, which ends with it; not kept beyond
	scope   Scope
	before  []func() []Statement
	after   []func()
	local   map[any]any
	begun   bool
	rebound bool
	done    bool
}

// queueBegin puts BEGIN and the binding in front of a batch, once.
func (c *conn) queueBegin(b *pgx.Batch) (queued int) {
	if c.begun {
		return 0
	}
	b.Queue("begin")
	c.queueBinding(b)
	return 2
}

func (c *conn) queueBinding(b *pgx.Batch) {
	tenants, scope := arrayLiteral(c.scope.Tenants), scopeName(c.scope)
	if c.scope.Timeout == 0 && c.scope.LockTimeout == 0 {
		b.Queue(bindSQL, tenants, scope)
		return
	}
	b.Queue(timeoutsSQL, tenants, scope, milliseconds(c.scope.Timeout), milliseconds(c.scope.LockTimeout))
}

// send runs a batch whose first queued begin statements, if any, have been counted, and calls read for the rest of the results.
func (c *conn) send(pc *pgx.Conn, b *pgx.Batch, begin int, read func(pgx.BatchResults) error) error {
	res := pc.SendBatch(c.ctx, b)
	for range begin {
		if _, err := res.Exec(); err != nil {
			_ = res.Close() // the first error is the cause
			return err
		}
		c.begun = true
	}
	if err := read(res); err != nil {
		_ = res.Close()
		return err
	}
	return res.Close()
}

// begin sends BEGIN alone, for statements that gorm sends through database/sql.
func (c *conn) begin() error {
	if c.begun || c.done {
		return nil
	}
	return c.Conn.Raw(func(dc any) error {
		pc, err := rawConn(dc)
		if err != nil {
			return err
		}
		b := &pgx.Batch{}
		return c.send(pc, b, c.queueBegin(b), func(pgx.BatchResults) error { return nil })
	})
}

func (c *conn) exec(query string, args ...any) (affected int64, err error) {
	if c.done {
		return 0, sql.ErrTxDone
	}
	err = c.Conn.Raw(func(dc any) error {
		pc, err := rawConn(dc)
		if err != nil {
			return err
		}
		b := &pgx.Batch{}
		begin := c.queueBegin(b)
		b.Queue(query, args...)
		return c.send(pc, b, begin, func(res pgx.BatchResults) error {
			tag, err := res.Exec()
			affected = tag.RowsAffected()
			return err
		})
	})
	return affected, err
}

func (c *conn) query(scan func(pgx.Rows) error, query string, args ...any) error {
	if c.done {
		return sql.ErrTxDone
	}
	return c.Conn.Raw(func(dc any) error {
		pc, err := rawConn(dc)
		if err != nil {
			return err
		}
		b := &pgx.Batch{}
		begin := c.queueBegin(b)
		b.Queue(query, args...)
		return c.send(pc, b, begin, func(res pgx.BatchResults) error {
			rows, err := res.Query()
			if err != nil {
				return err
			}
			defer rows.Close()
			if err := scan(rows); err != nil {
				return err
			}
			rows.Close()
			return rows.Err()
		})
	})
}

// commit sends the statements and COMMIT in one batch.
func (c *conn) commit(dc any, statements []Statement) error {
	pc, err := rawConn(dc)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	whole := !c.begun // one batch without BEGIN is one transaction, which its end commits
	if whole {
		c.queueBinding(b)
	}
	for _, s := range statements {
		b.Queue(s.SQL, s.Args...)
	}
	if !whole {
		b.Queue("commit")
	}
	var tag pgconn.CommandTag
	err = c.send(pc, b, 0, func(res pgx.BatchResults) error {
		if whole {
			if _, err := res.Exec(); err != nil {
				return err
			}
		}
		for _, s := range statements {
			t, err := res.Exec()
			if err != nil {
				return err // COMMIT, which is under way already, then rolls back
			}
			if s.Affected != nil {
				*s.Affected = t.RowsAffected()
			}
		}
		if whole {
			return nil
		}
		tag, err = res.Exec()
		return err
	})
	if err != nil {
		// Only the server's own refusal is certain. When the connection broke, COMMIT may have arrived.
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && !IsUnavailable(pg) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	if tag.String() == "ROLLBACK" {
		return errors.New("transaction was already aborted and has been rolled back")
	}
	return nil
}

// ExecContext implements gorm.ConnPool.
func (c *conn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.Conn.ExecContext(ctx, query, args...)
}

// PrepareContext implements gorm.ConnPool.
func (c *conn) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.Conn.PrepareContext(ctx, query)
}

// QueryContext implements gorm.ConnPool.
func (c *conn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.Conn.QueryContext(ctx, query, args...)
}

// QueryRowContext implements gorm.ConnPool. A BEGIN that failed shows in the row: the query then runs on a context that has ended.
func (c *conn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := c.begin(); err != nil {
		ended, cancel := context.WithCancelCause(ctx)
		cancel(err)
		return c.Conn.QueryRowContext(ended, query, args...)
	}
	return c.Conn.QueryRowContext(ctx, query, args...)
}

// Commit implements gorm.TxCommitter. Transactions are committed through Tx; gorm itself never begins one here.
func (c *conn) Commit() error { return errors.New("commit through postgres.Tx only") }

// Rollback implements gorm.TxCommitter.
//
//nolint:contextcheck // undoing outlives the context of the work, which the transaction keeps for that
func (c *conn) Rollback() error {
	if c.done {
		return nil
	}
	if !c.begun {
		c.done = true
		return c.Conn.Close()
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
//
//nolint:contextcheck // undoing outlives the context of the work, which the transaction keeps for that
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

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

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
