package postgres

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"

	"makola/pkg/groupcommit"
)

// Deferred is work that a transaction leaves for its end, such as the tasks it enqueued. Transactions that consist of nothing else share their commits.
type Deferred interface {
	// Statements returns what does the work of this one and of others, which have the same type. It changes none of them, because a commit that failed is tried again in parts.
	Statements(others ...Deferred) []Statement
}

const (
	// maxShared is the most transactions that one commit holds; beyond it a commit takes longer without costing less for each.
	maxShared = 256
	// sharedCommits is how many shared commits are under way at once, so that one is prepared while another waits for the disk.
	sharedCommits = 2
	// sharedTimeout bounds a shared commit, which no single caller's context may cut short.
	sharedTimeout = 10 * time.Second
)

// sharer is one transaction that waits to be committed.
type sharer struct {
	scope    Scope
	deferred []Deferred
	err      error
}

// commitShared commits a transaction that has sent nothing yet and consists of deferred work alone.
// A context that ends before the commit is under way means that nothing was committed; afterwards it means ErrOutcomeUnknown.
func (db *DB) commitShared(ctx context.Context, scope Scope, deferred []Deferred) error {
	s := &sharer{scope: scope, deferred: deferred}
	err := db.sharing.Do(ctx, s)
	switch {
	case errors.Is(err, groupcommit.ErrUnderWay):
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	case err != nil:
		return err
	}
	return s.err
}

// commitAll commits what arrived together.
func (db *DB) commitAll(ctx context.Context, batch []*sharer) {
	ctx, cancel := context.WithTimeout(ctx, sharedTimeout)
	defer cancel()
	db.commitTogether(ctx, batch)
}

// commitTogether commits the transactions in one, and in halves when the server refuses that because of one of them.
func (db *DB) commitTogether(ctx context.Context, batch []*sharer) {
	err := db.sendTogether(ctx, batch)
	if err != nil && len(batch) > 1 && !errors.Is(err, ErrOutcomeUnknown) && !IsUnavailable(err) && ctx.Err() == nil {
		half := len(batch) / 2
		db.commitTogether(ctx, batch[:half])
		db.commitTogether(ctx, batch[half:])
		return
	}
	for _, w := range batch {
		w.err = err
	}
}

// sendTogether sends the deferred work of all as one batch, which the server takes as one transaction. The work of one scope follows the binding to that scope, so
// row security judges each transaction's rows by its own tenants.
func (db *DB) sendTogether(ctx context.Context, batch []*sharer) error {
	type kind struct {
		scope string
		of    reflect.Type
	}
	var kinds []kind
	work := map[kind][]Deferred{}
	scopes := map[string]Scope{}
	for _, w := range batch {
		key := scopeName(w.scope) + arrayLiteral(w.scope.Tenants)
		scopes[key] = w.scope
		for _, d := range w.deferred {
			k := kind{key, reflect.TypeOf(d)}
			if len(work[k]) == 0 {
				kinds = append(kinds, k)
			}
			work[k] = append(work[k], d)
		}
	}
	c, err := db.sql.Conn(ctx)
	if err != nil {
		return fmt.Errorf("get database connection: %w", err)
	}
	defer c.Close()
	b := &pgx.Batch{}
	bound := ""
	for i, k := range kinds {
		if i == 0 || k.scope != bound {
			b.Queue(bindSQL, arrayLiteral(scopes[k.scope].Tenants), scopeName(scopes[k.scope]))
			bound = k.scope
		}
		for _, s := range work[k][0].Statements(work[k][1:]...) {
			b.Queue(s.SQL, s.Args...)
		}
	}
	err = c.Raw(func(dc any) error {
		pc, err := rawConn(dc)
		if err != nil {
			return err
		}
		res := pc.SendBatch(ctx, b)
		for range b.Len() {
			if _, err := res.Exec(); err != nil {
				_ = res.Close() // the first error is the cause
				return err
			}
		}
		return res.Close()
	})
	return commitError(err)
}
