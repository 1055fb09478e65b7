package fault

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

// kind is which task to enqueue.
type kind int

const (
	short kind = iota
	batch
	long
	failing // three attempts, a second apart
	slow    // LONG, 20 steps of 50 ms
)

func (w *world) enqueueOne(ctx context.Context, tx *gorm.DB, k kind, opts ...contract.Option) (uuid.UUID, error) {
	switch k {
	case batch:
		return w.tasks.NoopBatch(ctx, tx, &selftest.NoopBatchArgs{}, opts...)
	case long:
		return w.tasks.NoopLong(ctx, tx, &selftest.NoopLongArgs{}, opts...)
	case failing:
		return w.tasks.Fail(ctx, tx, &selftest.FailArgs{}, opts...)
	case slow:
		return w.tasks.Slow(ctx, tx, &selftest.SlowArgs{Steps: 20}, opts...)
	default:
		return w.tasks.Noop(ctx, tx, &selftest.NoopArgs{}, opts...)
	}
}

// tenants of the load; half of the tasks belong to nobody.
func (w *world) options() []contract.Option {
	if w.rnd.IntN(2) == 0 {
		return nil
	}
	return []contract.Option{task.ForTenant(uuid.UUID{15: byte(1 + w.rnd.IntN(3))})}
}

// offer enqueues tasks of the given kinds in one transaction and remembers what was accepted. An error means that nothing was, except when it is in doubt.
func (w *world) offer(ctx context.Context, kinds ...kind) error {
	w.mu.Lock()
	opts := make([][]contract.Option, len(kinds))
	for i := range kinds {
		opts[i] = w.options()
	}
	w.mu.Unlock()
	var ids []uuid.UUID
	err := w.db.InSystem(ctx, func(tx *gorm.DB) error {
		for i, k := range kinds {
			id, err := w.enqueueOne(ctx, tx, k, opts[i]...)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		switch {
		case err == nil:
			w.accepted[id] = outcome{}
		case errors.Is(err, postgres.ErrOutcomeUnknown): // if the row exists, it must end like any other
			w.doubtful[id] = true
		default: // refused: the row must not exist
		}
	}
	return err
}

// accept offers n tasks, mixed, in transactions of up to 50, to a database that works.
func (w *world) accept(n int, of ...kind) {
	w.t.Helper()
	for n > 0 {
		size := min(n, 50)
		require.NoError(w.t, w.offer(w.t.Context(), w.mix(size, of)...))
		n -= size
	}
}

// one accepts one task that ends as said, and behaves as conduct says; see victim/handlers.go.
func (w *world) one(k kind, conduct string, want outcome) uuid.UUID {
	w.t.Helper()
	id := uuid.Must(uuid.NewV7())
	if conduct != "" {
		w.exec("insert into fault.conduct (task_id, conduct) values ($1, $2)", id, conduct)
	}
	w.mu.Lock()
	w.accepted[id] = want
	w.mu.Unlock()
	require.NoError(w.t, w.db.InSystem(w.t.Context(), func(tx *gorm.DB) error {
		_, err := w.enqueueOne(w.t.Context(), tx, k, task.WithID(id))
		return err
	}))
	return id
}

func (w *world) mix(n int, of []kind) []kind {
	if len(of) == 0 {
		of = []kind{short, short, short, short, batch, batch, batch, batch, batch, long}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	kinds := make([]kind, n)
	for i := range kinds {
		kinds[i] = of[w.rnd.IntN(len(of))]
	}
	return kinds
}

// producer enqueues without pause until it is stopped; errors are part of the story.
type producer struct {
	stop     context.CancelFunc
	done     sync.WaitGroup
	mu       sync.Mutex
	ok, fail int
}

// produce starts load: a transaction of 1 to 8 tasks every few milliseconds.
func (w *world) produce() *producer {
	ctx, stop := context.WithCancel(w.t.Context())
	p := &producer{stop: stop}
	w.t.Cleanup(p.halt)
	p.done.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			w.mu.Lock()
			n := 1 + w.rnd.IntN(8)
			w.mu.Unlock()
			call, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			err := w.offer(call, w.mix(n, nil)...)
			cancel()
			p.mu.Lock()
			if err == nil {
				p.ok++
			} else {
				p.fail++
			}
			p.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return p
}

func (p *producer) halt() {
	p.stop()
	p.done.Wait()
}

// counts is how many transactions were accepted and refused so far.
func (p *producer) counts() (ok, fail int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ok, p.fail
}

// more waits until n more transactions have been accepted.
func (w *world) more(p *producer, n int) {
	w.t.Helper()
	before, _ := p.counts()
	w.await("more load is accepted", func() bool { ok, _ := p.counts(); return ok >= before+n })
}

// replay gives a failed task all its attempts again, as the operator's command does and in its role.
func (w *world) replay(id uuid.UUID) {
	w.t.Helper()
	operator, err := postgres.Open(w.t.Context(), postgres.Config{URL: w.url("makola_operator"), MaxConns: 1})
	require.NoError(w.t, err)
	defer operator.Close()
	require.NoError(w.t, operator.InSystem(w.t.Context(), func(tx *gorm.DB) error { return task.Replay(tx, id, "ama", "tried again") }))
}
