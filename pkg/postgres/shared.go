package postgres

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Deferred is work that a transaction leaves for its end, such as the tasks it enqueued. Transactions that consist of nothing else share their commits.
type Deferred interface {
	// Statements returns what does the work of this one and of others, which have the same type. It changes none of them, because a commit that failed is tried again in parts.
	Statements(others ...Deferred) []Statement
}

const (
	// maxShared is the most transactions that one commit holds; beyond it a commit takes longer without costing less for each.
	maxShared = 256
	// maxLeaders is how many shared commits are under way at once, so that one is prepared while another waits for the disk.
	maxLeaders = 2
	// sharedTimeout bounds a shared commit, which no single caller's context may cut short.
	sharedTimeout = 10 * time.Second
)

// sharing lets transactions that arrive while others commit be committed together. Whoever arrives first leads: it commits for all that wait, and then makes the next one
// leader. Nobody waits for company, so a lone transaction is committed at once. The zero value is ready.
type sharing struct {
	mu      sync.Mutex
	waiting []*sharer
	leaders int
}

// sharer is one transaction that waits to be committed.
type sharer struct {
	scope    Scope
	deferred []Deferred
	promoted bool          // guarded by sharing.mu
	lead     chan struct{} // capacity 1; a token makes it the leader
	done     chan error    // capacity 1
}

// commitShared commits a transaction that has sent nothing yet and consists of deferred work alone.
// A context that ends before the commit is under way means that nothing was committed; afterwards it means ErrOutcomeUnknown.
func (db *DB) commitShared(ctx context.Context, scope Scope, deferred []Deferred) error {
	s := &db.sharing
	w := &sharer{scope: scope, deferred: deferred, lead: make(chan struct{}, 1), done: make(chan error, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	if s.leaders < maxLeaders {
		s.leaders++
		w.promoted = true
		w.lead <- struct{}{}
	}
	s.mu.Unlock()
	// Another leader may have taken along the transaction of one that was just made leader. Whoever holds the token passes it on, whatever became of its own.
	defer func() {
		select {
		case <-w.lead:
			db.leadCommit(ctx)
		default:
		}
	}()
	select {
	case err := <-w.done:
		return err
	case <-w.lead:
		db.leadCommit(ctx)
		return <-w.done
	case <-ctx.Done():
	}
	s.mu.Lock()
	at := slices.Index(s.waiting, w)
	if at < 0 {
		s.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, context.Cause(ctx))
	}
	s.waiting = slices.Delete(s.waiting, at, at+1)
	s.mu.Unlock()
	return context.Cause(ctx)
}

// leadCommit commits what waits, the leader's own transaction among it, and passes the lead on.
func (db *DB) leadCommit(ctx context.Context) {
	s := &db.sharing
	s.mu.Lock()
	n := min(len(s.waiting), maxShared)
	// Leaders stand in front, so that each finds itself in its batch: of two, the first takes both.
	slices.SortStableFunc(s.waiting, func(a, b *sharer) int { return ahead(b) - ahead(a) })
	batch := s.waiting[:n:n]
	s.waiting = slices.Clone(s.waiting[n:])
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedTimeout)
	defer cancel()
	if n > 0 { // none: the other leader took ours too
		db.commitTogether(ctx, batch)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.waiting {
		if !w.promoted {
			w.promoted = true
			w.lead <- struct{}{}
			return
		}
	}
	s.leaders--
}

func ahead(w *sharer) int {
	if w.promoted {
		return 1
	}
	return 0
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
		w.done <- err
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
