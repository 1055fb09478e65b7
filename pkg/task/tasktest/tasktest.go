// Package tasktest runs task handlers in tests, on a real database and without a broker.
package tasktest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/proto/contract"
)

// Harness is a worker without a broker. Register handlers with it as with a worker, enqueue through Queue, then Drain.
type Harness struct {
	// Queue is what handlers and tests enqueue with.
	Queue  *task.Queue
	inline *task.Inline
	db     *postgres.DB
	t      testing.TB
}

var _ contract.Registrar = (*Harness)(nil)

// New makes a harness on db, which postgrestest provides.
func New(t testing.TB, db *postgres.DB) *Harness {
	t.Helper()
	q := task.NewQueue(db, nil, task.QueueConfig{})
	return &Harness{Queue: q, inline: task.NewInline(db, q), db: db, t: t}
}

// Register implements contract.Registrar.
func (h *Harness) Register(handler contract.Handler) { h.inline.Register(handler) }

// Drain runs everything that is due, and what it enqueues, until nothing is left; it returns the number of attempts.
func (h *Harness) Drain(ctx context.Context) int {
	h.t.Helper()
	n, err := h.inline.Drain(ctx)
	require.NoError(h.t, err)
	return n
}

// Advance lets d pass for everything that waits for its time.
func (h *Harness) Advance(ctx context.Context, d time.Duration) {
	h.t.Helper()
	require.NoError(h.t, h.inline.Advance(ctx, d))
}

// View returns a task as the platform sees it.
func (h *Harness) View(ctx context.Context, id uuid.UUID) *task.View {
	h.t.Helper()
	var v *task.View
	require.NoError(h.t, h.db.InSystem(ctx, func(tx *gorm.DB) (err error) {
		v, err = task.Get(tx, id)
		return err
	}))
	return v
}

// Tasks returns every task of the given name, oldest first.
func (h *Harness) Tasks(ctx context.Context, name string) []*task.View {
	h.t.Helper()
	var views []*task.View
	require.NoError(h.t, h.db.InSystem(ctx, func(tx *gorm.DB) (err error) {
		views, err = task.List(tx, task.Filter{Name: name, Limit: 100})
		return err
	}))
	for i, j := 0, len(views)-1; i < j; i, j = i+1, j-1 {
		views[i], views[j] = views[j], views[i]
	}
	return views
}
