package task_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/pkg/tenant"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

// handlers are the self-test tasks with behaviour that each test chooses.
type handlers struct {
	echo  func(ctx context.Context, tx *gorm.DB, args *selftest.EchoArgs) (*selftest.EchoResult, error)
	fail  func(ctx context.Context, tx *gorm.DB, args *selftest.FailArgs) (*selftest.FailResult, error)
	batch func(ctx context.Context, tx *gorm.DB, items []*contract.Item[*selftest.NoopBatchArgs, *selftest.NoopBatchResult]) error
	slow  func(ctx context.Context, run contract.Run, args *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error)
}

func (h *handlers) Noop(context.Context, *gorm.DB, *selftest.NoopArgs) (*selftest.NoopResult, error) {
	return nil, nil
}

func (h *handlers) NoopBatch(ctx context.Context, tx *gorm.DB, items []*contract.Item[*selftest.NoopBatchArgs, *selftest.NoopBatchResult]) error {
	if h.batch == nil {
		return nil
	}
	return h.batch(ctx, tx, items)
}

func (h *handlers) NoopLong(context.Context, contract.Run, *selftest.NoopLongArgs) (contract.Commit[*selftest.NoopLongResult], error) {
	return nil, nil
}

func (h *handlers) Echo(ctx context.Context, tx *gorm.DB, args *selftest.EchoArgs) (*selftest.EchoResult, error) {
	if h.echo != nil {
		return h.echo(ctx, tx, args)
	}
	return &selftest.EchoResult{Text: args.GetText(), Number: args.GetNumber(), Labels: args.GetLabels()}, nil
}

func (h *handlers) Fail(ctx context.Context, tx *gorm.DB, args *selftest.FailArgs) (*selftest.FailResult, error) {
	if h.fail != nil {
		return h.fail(ctx, tx, args)
	}
	switch args.GetKind() {
	case "permanent":
		return nil, task.Permanent(errors.New("never again"))
	case "panic":
		panic("secret payload")
	case "throttled":
		return nil, task.Throttled(time.Minute)
	default:
		return nil, errors.New("try again")
	}
}

func (h *handlers) Slow(ctx context.Context, run contract.Run, args *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
	if h.slow != nil {
		return h.slow(ctx, run, args)
	}
	return func(*gorm.DB) (*selftest.SlowResult, error) { return &selftest.SlowResult{Steps: args.GetSteps()}, nil }, nil
}

type bench struct {
	*tasktest.Harness
	db    *postgres.DB
	tasks *selftest.Tasks
}

func newBench(t *testing.T, h *handlers) *bench {
	t.Helper()
	db := postgrestest.New(t).Open("makola_billing")
	b := &bench{Harness: tasktest.New(t, db), db: db}
	b.tasks = selftest.NewTasks(b.Queue)
	selftest.HandleTasks(b, h)
	return b
}

func (b *bench) enqueue(t *testing.T, ctx context.Context, fn func(tx *gorm.DB) (uuid.UUID, error)) (id uuid.UUID) {
	t.Helper()
	in := b.db.InSystem
	if _, ok := tenant.From(ctx); ok {
		in = b.db.InTenant
	}
	require.NoError(t, in(ctx, func(tx *gorm.DB) (err error) { id, err = fn(tx); return err }))
	return id
}

func TestAShortTaskRunsOnceAndKeepsItsResult(t *testing.T) {
	t.Parallel()
	shop := uuid.New()
	var seen contract.Run
	b := newBench(t, &handlers{echo: func(ctx context.Context, tx *gorm.DB, a *selftest.EchoArgs) (*selftest.EchoResult, error) {
		seen = task.RunFrom(ctx)
		id, ok := tenant.From(ctx)
		require.True(t, ok)
		require.Equal(t, shop, id)
		return &selftest.EchoResult{Text: a.GetText(), Number: a.GetNumber()}, nil
	}})
	ctx := tenant.With(t.Context(), shop)
	id := b.enqueue(t, ctx, func(tx *gorm.DB) (uuid.UUID, error) {
		return b.tasks.Echo(ctx, tx, &selftest.EchoArgs{Text: "Akwaaba ₵ <b>", Number: 9007199254740993})
	})
	require.Equal(t, "queued", b.View(t.Context(), id).Status())
	require.Equal(t, 1, b.Drain(t.Context()))
	v := b.View(t.Context(), id)
	require.Equal(t, "completed", v.Status())
	require.JSONEq(t, `{"text":"Akwaaba ₵ <b>","number":9007199254740993,"flag":false}`, string(v.Result))
	require.Equal(t, contract.Run{ID: id, Root: id, Tenant: shop, Attempt: 1, MaxAttempts: seen.MaxAttempts, CreatedAt: seen.CreatedAt}, seen)
	require.Zero(t, b.Drain(t.Context()))
}

func TestEnqueueOutsideATransactionIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, &handlers{})
	_, err := b.tasks.Noop(t.Context(), &gorm.DB{}, &selftest.NoopArgs{})
	require.ErrorIs(t, err, postgres.ErrNoTransaction)
}

func TestARolledBackTransactionEnqueuesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, &handlers{})
	require.Error(t, b.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := b.tasks.Noop(t.Context(), tx, &selftest.NoopArgs{})
		require.NoError(t, err)
		return errors.New("no")
	}))
	require.Empty(t, b.Tasks(t.Context(), "selftest.noop"))
}

func TestAUniqueKeyYieldsOneTaskPerTenant(t *testing.T) {
	t.Parallel()
	b := newBench(t, &handlers{})
	enqueue := func(shop uuid.UUID) uuid.UUID {
		ctx := tenant.With(t.Context(), shop)
		return b.enqueue(t, ctx, func(tx *gorm.DB) (uuid.UUID, error) {
			return b.tasks.Noop(ctx, tx, &selftest.NoopArgs{}, task.Unique("k"))
		})
	}
	one, two := uuid.New(), uuid.New()
	first := enqueue(one)
	require.Equal(t, first, enqueue(one))
	require.NotEqual(t, first, enqueue(two))
	b.Drain(t.Context())
	require.Equal(t, first, enqueue(one), "the key outlives the task's end")
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, errorKind string
		status          string
		attempts        int // run in the first drain and after an hour each time
	}{
		{"permanent", task.KindPermanent, "failed", 1},
		{"retry", task.KindExhausted, "failed", 3},
		{"panic", task.KindExhausted, "failed", 3},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, &handlers{})
			id := b.enqueue(t, t.Context(), func(tx *gorm.DB) (uuid.UUID, error) {
				return b.tasks.Fail(t.Context(), tx, &selftest.FailArgs{Kind: c.kind})
			})
			ran := 0
			for range 6 {
				ran += b.Drain(t.Context())
				b.Advance(t.Context(), time.Hour)
			}
			v := b.View(t.Context(), id)
			require.Equal(t, c.status, v.Status())
			require.Equal(t, c.errorKind, v.ErrorKind)
			require.Equal(t, c.attempts, ran)
			require.Len(t, v.History, c.attempts)
			require.NotContains(t, v.Error, "secret payload")
		})
	}
}

func TestThrottlingSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	calls := 0
	b := newBench(t, &handlers{fail: func(ctx context.Context, _ *gorm.DB, _ *selftest.FailArgs) (*selftest.FailResult, error) {
		if calls++; calls <= 10 {
			return nil, task.Throttled(time.Minute)
		}
		return &selftest.FailResult{Attempt: int32(task.RunFrom(ctx).Attempt)}, nil
	}})
	id := b.enqueue(t, t.Context(), func(tx *gorm.DB) (uuid.UUID, error) { return b.tasks.Fail(t.Context(), tx, &selftest.FailArgs{}) })
	for range 12 {
		b.Drain(t.Context())
		b.Advance(t.Context(), time.Hour)
	}
	require.JSONEq(t, `{"attempt":1}`, string(b.View(t.Context(), id).Result))
}

func TestABadTaskNeverHarmsItsBatch(t *testing.T) {
	t.Parallel()
	var guilty uuid.UUID
	calls := 0
	b := newBench(t, &handlers{batch: func(_ context.Context, tx *gorm.DB, items []*contract.Item[*selftest.NoopBatchArgs, *selftest.NoopBatchResult]) error {
		calls++
		for _, it := range items {
			if it.Run.ID == guilty {
				return errors.New("the whole call fails")
			}
		}
		items[0].Err = task.Permanent(errors.New("just me"))
		return nil
	}})
	var ids []uuid.UUID
	require.NoError(t, b.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		for range 64 {
			id, err := b.tasks.NoopBatch(t.Context(), tx, &selftest.NoopBatchArgs{})
			require.NoError(t, err)
			ids = append(ids, id)
		}
		return nil
	}))
	guilty = ids[41]
	b.Drain(t.Context())
	states := map[string]int{}
	for _, id := range ids {
		v := b.View(t.Context(), id)
		if id == guilty {
			require.Equal(t, task.Pending, v.State)
			require.Equal(t, 2, v.Attempts)
			continue
		}
		states[v.Status()]++
	}
	require.Equal(t, 63, states["completed"]+states["failed"])
	require.Less(t, calls, 20, "splitting costs about 2·log2(64) calls")
}

func TestHandlersWritesAndTasksCommitWithTheRow(t *testing.T) {
	t.Parallel()
	b := newBench(t, &handlers{})
	fail := true
	b2 := &handlers{echo: func(ctx context.Context, tx *gorm.DB, _ *selftest.EchoArgs) (*selftest.EchoResult, error) {
		_, err := b.tasks.Noop(ctx, tx, &selftest.NoopArgs{})
		require.NoError(t, err)
		if fail {
			return nil, errors.New("after enqueueing")
		}
		return nil, nil
	}}
	*b = *newBench(t, b2)
	id := b.enqueue(t, t.Context(), func(tx *gorm.DB) (uuid.UUID, error) { return b.tasks.Echo(t.Context(), tx, &selftest.EchoArgs{}) })
	b.Drain(t.Context())
	require.Empty(t, b.Tasks(t.Context(), "selftest.noop"))
	fail = false
	b.Advance(t.Context(), 2*time.Hour)
	b.Drain(t.Context())
	require.Len(t, b.Tasks(t.Context(), "selftest.noop"), 1)
	require.Equal(t, "completed", b.View(t.Context(), id).Status())
}

func TestALongTaskReportsCommitsAndCanBeCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, &handlers{})
	id := b.enqueue(t, t.Context(), func(tx *gorm.DB) (uuid.UUID, error) {
		return b.tasks.Slow(t.Context(), tx, &selftest.SlowArgs{Steps: 3})
	})
	b.Drain(t.Context())
	v := b.View(t.Context(), id)
	require.Equal(t, "completed", v.Status())
	require.JSONEq(t, `{"steps":3}`, string(v.Result))

	id = b.enqueue(t, t.Context(), func(tx *gorm.DB) (uuid.UUID, error) { return b.tasks.Slow(t.Context(), tx, &selftest.SlowArgs{}) })
	require.NoError(t, b.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		res, err := task.Cancel(tx, id, "tester")
		require.Equal(t, task.CancelDone, res)
		return err
	}))
	b.Drain(t.Context())
	require.Equal(t, "cancelled", b.View(t.Context(), id).Status())
}

func TestReplayGivesAFailedTaskItsAttemptsAgain(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db := pg.Open("makola_billing")
	h := tasktest.New(t, db)
	broken := true
	selftest.HandleTasks(h, &handlers{fail: func(context.Context, *gorm.DB, *selftest.FailArgs) (*selftest.FailResult, error) {
		if broken {
			return nil, task.Permanent(errors.New("broken"))
		}
		return &selftest.FailResult{Attempt: 1}, nil
	}})
	var id uuid.UUID
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = selftest.NewTasks(h.Queue).Fail(t.Context(), tx, &selftest.FailArgs{})
		return err
	}))
	h.Drain(t.Context())
	require.Equal(t, "failed", h.View(t.Context(), id).Status())
	broken = false
	op := pg.Open("makola_operator")
	require.NoError(t, op.InSystem(t.Context(), func(tx *gorm.DB) error { return task.Replay(tx, id, "ama", "fixed") }))
	h.Drain(t.Context())
	require.Equal(t, "completed", h.View(t.Context(), id).Status())
	require.ErrorIs(t, op.InSystem(t.Context(), func(tx *gorm.DB) error { return task.Replay(tx, id, "ama", "again") }), task.ErrNotFound)
}
