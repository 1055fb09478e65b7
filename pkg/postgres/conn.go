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

// conn is one transaction's connection: gorm's ConnPool and TxCommitter. It is checked out, and BEGIN is sent, with the first statement.
type conn struct {
	db       *DB
	sql      *sql.Conn       // nil before the first statement
	ctx      context.Context // the transaction's own context, which ends with it; not kept beyond
	scope    Scope
	deferred []Deferred
	after    []func()
	local    map[any]any
	begun    bool
	rebound  bool
	done     bool
}

// raw calls fn with the connection, which it checks out first if need be.
func (c *conn) raw(fn func(*pgx.Conn) error) error {
	if c.done {
		return sql.ErrTxDone
	}
	if c.sql == nil {
		checkedOut, err := c.db.sql.Conn(c.ctx)
		if err != nil {
			return fmt.Errorf("get database connection: %w", err)
		}
		c.sql = checkedOut
	}
	return c.sql.Raw(func(dc any) error {
		pc, err := rawConn(dc)
		if err != nil {
			return err
		}
		return fn(pc)
	})
}

// giveBack returns the connection to the pool, if there is one.
func (c *conn) giveBack() error {
	c.done = true
	if c.sql == nil {
		return nil
	}
	return c.sql.Close()
}

// queueBegin puts BEGIN and the binding in front of a batch, once.
func (c *conn) queueBegin(b *pgx.Batch) (queued int) {
	if c.begun {
		return 0
	}
	if c.scope.Snapshot {
		b.Queue("begin isolation level repeatable read, read only")
	} else {
		b.Queue("begin")
	}
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
	if c.begun {
		return nil
	}
	return c.raw(func(pc *pgx.Conn) error {
		b := &pgx.Batch{}
		return c.send(pc, b, c.queueBegin(b), func(pgx.BatchResults) error { return nil })
	})
}

func (c *conn) exec(query string, args ...any) (affected int64, err error) {
	err = c.raw(func(pc *pgx.Conn) error {
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
	return c.raw(func(pc *pgx.Conn) error {
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
func (c *conn) commit(pc *pgx.Conn, statements []Statement) error {
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
	err := c.send(pc, b, 0, func(res pgx.BatchResults) (err error) {
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
		return commitError(err)
	}
	if tag.String() == "ROLLBACK" {
		return errors.New("transaction was already aborted and has been rolled back")
	}
	return nil
}

// commitError marks the errors of a commit that leave its outcome open. Only the server's own refusal is certain: when the connection broke, COMMIT may have arrived.
func commitError(err error) error {
	if err == nil {
		return nil
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && !IsUnavailable(pg) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// ExecContext implements gorm.ConnPool.
func (c *conn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.sql.ExecContext(ctx, query, args...)
}

// PrepareContext implements gorm.ConnPool.
func (c *conn) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.sql.PrepareContext(ctx, query)
}

// QueryContext implements gorm.ConnPool.
func (c *conn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.sql.QueryContext(ctx, query, args...)
}

// QueryRowContext implements gorm.ConnPool. A BEGIN that failed shows in the row: the query then runs on a context that has ended.
func (c *conn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := c.begin(); err != nil {
		ended, cancel := context.WithCancelCause(ctx)
		cancel(err)
		if c.sql == nil { // not even a connection
			return c.db.sql.QueryRowContext(ended, query, args...)
		}
		return c.sql.QueryRowContext(ended, query, args...)
	}
	return c.sql.QueryRowContext(ctx, query, args...)
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
		return c.giveBack()
	}
	// The work's context may be over already; undoing must still happen, and quickly.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 3*time.Second)
	defer cancel()
	if _, err := c.sql.ExecContext(ctx, "rollback"); err != nil {
		c.discard()
		return fmt.Errorf("roll back: %w", err)
	}
	return c.giveBack()
}

func (c *conn) release() {
	_ = c.giveBack()
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
	_ = c.raw(func(pc *pgx.Conn) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), time.Second)
		defer cancel()
		_ = pc.Close(ctx)
		return driver.ErrBadConn
	})
	_ = c.giveBack()
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
