package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/celery"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

// rig is one process: queue, relay and worker on real servers.
type rig struct {
	t      *testing.T
	pg     *postgrestest.Database
	broker *rabbittest.Broker
	db     *postgres.DB
	pub    *rabbit.Conn
	queue  *task.Queue
	tasks  *selftest.Tasks
	look   *pgx.Conn
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, pg: postgrestest.New(t), broker: rabbittest.New(t)}
	r.db = r.pg.Open("makola_billing")
	r.look = r.pg.Admin()
	r.pub = r.conn()
	r.queue = task.NewQueue(r.db, r.pub, task.QueueConfig{PollInterval: 50 * time.Millisecond, ConfirmTimeout: 2 * time.Second})
	r.tasks = selftest.NewTasks(r.queue)
	require.NoError(t, r.queue.Start(t.Context()))
	t.Cleanup(func() { _ = r.queue.Stop(context.WithoutCancel(t.Context())) })
	return r
}

func (r *rig) conn() *rabbit.Conn { return r.broker.Conn(r.t, rabbit.Standard("selftest")) }

func (r *rig) worker(h *handlers, change func(*task.WorkerConfig)) *task.Worker {
	cfg := task.WorkerConfig{Service: "test", Queues: []string{"selftest"}, SweepEvery: 100 * time.Millisecond, ResendAfter: time.Minute, Lease: 12 * time.Second, WorkerBeat: 100 * time.Millisecond, Grace: 20 * time.Second}
	if change != nil {
		change(&cfg)
	}
	w := task.NewWorker(r.db, r.conn(), r.queue, cfg)
	selftest.HandleTasks(w, h)
	require.NoError(r.t, w.Start(r.t.Context()))
	r.t.Cleanup(func() { _ = w.Stop(context.Background()) })
	return w
}

func (r *rig) enqueue(fn func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error)) (id uuid.UUID) {
	r.t.Helper()
	require.NoError(r.t, r.db.InSystem(r.t.Context(), func(tx *gorm.DB) (err error) { id, err = fn(r.t.Context(), tx); return err }))
	return id
}

func (r *rig) count(query string, args ...any) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.look.QueryRow(context.Background(), query, args...).Scan(&n))
	return n
}

func (r *rig) eventually(what string, query string, want int, args ...any) {
	r.t.Helper()
	rabbittest.Eventually(r.t, what, func() bool { return r.count(query, args...) == want })
}

func (r *rig) view(id uuid.UUID) (v *task.View) {
	r.t.Helper()
	require.NoError(r.t, r.db.InSystem(context.Background(), func(tx *gorm.DB) (err error) { v, err = task.Get(tx, id); return err }))
	return v
}

func TestEveryModeRunsThroughTheBroker(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.worker(&handlers{}, nil)
	require.NoError(t, r.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		for range 300 {
			_, err := r.tasks.Noop(t.Context(), tx, &selftest.NoopArgs{})
			require.NoError(t, err)
			_, err = r.tasks.NoopBatch(t.Context(), tx, &selftest.NoopBatchArgs{})
			require.NoError(t, err)
		}
		for range 20 {
			_, err := r.tasks.NoopLong(t.Context(), tx, &selftest.NoopLongArgs{})
			require.NoError(t, err)
		}
		return nil
	}))
	r.eventually("620 tasks succeed", "select count(*) from task.task where state = 'succeeded' and attempt = 1 and resends = 0", 620)
	rabbittest.Eventually(t, "the queue is empty", func() bool { return r.broker.Depth(t, "selftest") == 0 })
}

func TestARetryComesBackAfterItsBackoff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.worker(&handlers{fail: func(ctx context.Context, _ *gorm.DB, _ *selftest.FailArgs) (*selftest.FailResult, error) {
		if run := task.RunFrom(ctx); run.Attempt == 1 {
			return nil, errors.New("once")
		} else {
			return &selftest.FailResult{Attempt: int32(run.Attempt)}, nil
		}
	}}, nil)
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return r.tasks.Fail(ctx, tx, &selftest.FailArgs{})
	})
	r.eventually("the second attempt succeeds", "select count(*) from task.task where state = 'succeeded' and attempt = 2", 1)
	v := r.view(id)
	require.Len(t, v.History, 1)
	require.Equal(t, "retry", v.History[0].Event)
	require.Empty(t, v.Error)
}

func TestALongTaskShowsProgressAndStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stopped := make(chan error, 1)
	r.worker(&handlers{slow: func(ctx context.Context, run contract.Run, _ *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
		run.Progress(3, 10, "reading")
		<-ctx.Done()
		select {
		case stopped <- context.Cause(ctx):
		default: // a second run, after a lease lost on a busy machine: the test fails, and must not hang
		}
		return nil, ctx.Err()
	}}, nil)
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return r.tasks.Slow(ctx, tx, &selftest.SlowArgs{})
	})
	r.eventually("progress is visible", "select count(*) from task.task where state = 'running' and progress->>'done' = '3'", 1)
	require.Equal(t, 30, r.view(id).Percent())
	require.NoError(t, r.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		res, err := task.Cancel(tx, id, "ama")
		require.Equal(t, task.CancelRequested, res)
		return err
	}))
	require.ErrorContains(t, <-stopped, "cancelled")
	r.eventually("the task ends cancelled", "select count(*) from task.task where state = 'cancelled'", 1)
}

func TestProgressIsShownAlthoughOneHeartbeatFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	// A heartbeat that waits for the row, begun after $1.
	const beating = `select count(*) from pg_stat_activity
		where datname = current_database() and wait_event_type = 'Lock' and query like '%set lease_until%' and query_start > $1`
	started, locked := make(chan struct{}), make(chan struct{})
	begin := sync.OnceFunc(func() { close(started) })
	r.worker(&handlers{slow: func(ctx context.Context, run contract.Run, _ *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
		begin()
		<-locked
		run.Progress(3, 10, "reading")
		<-ctx.Done()
		return nil, ctx.Err()
	}}, func(c *task.WorkerConfig) { c.Lease = 20 * time.Second }) // a heartbeat gives up after a quarter of it
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return r.tasks.Slow(ctx, tx, &selftest.SlowArgs{})
	})
	<-started
	other, err := r.pg.Admin().Begin(t.Context())
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), "select from task.task where id = $1 for update", id)
	require.NoError(t, err)
	close(locked)
	r.eventually("a heartbeat with the progress waits for the row", beating, 1, time.Time{})
	var first time.Time
	require.NoError(t, r.look.QueryRow(t.Context(), "select clock_timestamp()").Scan(&first))
	r.eventually("it gives up, and the next one waits", beating, 1, first)
	require.NoError(t, other.Rollback(t.Context()))
	r.eventually("which writes the progress", "select count(*) from task.task where state = 'running' and progress->>'done' = '3'", 1)
}

func TestASilentHolderLosesItsTaskAndCannotCommit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var runs atomic.Int32
	hold := make(chan struct{})
	second := make(chan struct{})
	r.worker(&handlers{slow: func(ctx context.Context, run contract.Run, _ *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
		if runs.Add(1) == 1 {
			<-hold // deaf to its context: the worst kind of handler
			return func(*gorm.DB) (*selftest.SlowResult, error) { return &selftest.SlowResult{Steps: 1}, nil }, nil
		}
		close(second)
		return func(*gorm.DB) (*selftest.SlowResult, error) { return &selftest.SlowResult{Steps: 2}, nil }, nil
	}}, func(c *task.WorkerConfig) { c.Lease = 2 * time.Second })
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return r.tasks.Slow(ctx, tx, &selftest.SlowArgs{})
	})
	rabbittest.Eventually(t, "the first run begins", func() bool { return runs.Load() == 1 })
	// Somebody else takes it: the fence rises.
	_, err := r.look.Exec(t.Context(), "update task.task set fence = fence + 1 where id = $1", id)
	require.NoError(t, err)
	close(hold)
	r.eventually("the lease runs out and the task runs again", "select count(*) from task.task where state = 'succeeded'", 1)
	<-second
	require.JSONEq(t, `{"steps":2}`, string(r.view(id).Result), "the old holder's commit failed")
}

func TestQueuesErasedFromTheBrokerLoseNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var ids []uuid.UUID
	for range 50 {
		ids = append(ids, r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
			return r.tasks.Noop(ctx, tx, &selftest.NoopArgs{})
		}))
	}
	r.eventually("all are published", "select count(*) from task.task where state = 'published'", 50)
	r.broker.DeleteQueue(t, "selftest")
	require.NoError(t, r.broker.Declare(t, rabbit.Standard("selftest"), false))
	r.worker(&handlers{}, func(c *task.WorkerConfig) { c.ResendAfter = 300 * time.Millisecond })
	r.eventually("the sweeper publishes them again", "select count(*) from task.task where state = 'succeeded' and resends > 0", len(ids))
}

func TestForeignMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.worker(&handlers{}, nil)
	send := func(m rabbit.Publishing) {
		t.Helper()
		require.NoError(t, r.pub.NewPublisher(rabbit.PublisherOptions{}).PublishBatch(t.Context(), []rabbit.Publishing{m})[0])
	}
	encode := func(m celery.Message) rabbit.Publishing {
		msg, err := celery.Encode(m)
		require.NoError(t, err)
		return rabbit.Publishing{Exchange: "", Key: "selftest", Msg: msg}
	}
	id := uuid.NewString()
	send(encode(celery.Message{ID: id, Task: "selftest.echo", Args: json.RawMessage(`["hi", 7]`), Kwargs: json.RawMessage(`{"labels":{"a":"b"}}`)}))
	r.eventually("positional arguments run", "select count(*) from task.task where id = $1 and state = 'succeeded' and result->>'text' = 'hi' and result->>'number' = '7'", 1, id)
	send(encode(celery.Message{ID: id, Task: "selftest.echo", Args: json.RawMessage(`["changed"]`)}))

	send(encode(celery.Message{ID: "not-a-uuid", Task: "selftest.noop"}))
	r.eventually("any id runs", "select count(*) from task.task where id = $1 and state = 'succeeded'", 1, celery.TaskUUID("not-a-uuid"))

	send(encode(celery.Message{ID: uuid.NewString(), Task: "selftest.nosuch"}))
	r.eventually("an unknown task fails visibly", "select count(*) from task.task where name = 'selftest.nosuch' and state = 'failed' and error_kind = 'unknown_task'", 1)

	send(encode(celery.Message{ID: uuid.NewString(), Task: "selftest.echo", Args: json.RawMessage(`["hi", "seven"]`)}))
	r.eventually("wrong arguments fail visibly", "select count(*) from task.task where state = 'failed' and error_kind = 'invalid_arguments'", 1)

	past := time.Now().Add(-time.Minute)
	send(encode(celery.Message{ID: uuid.NewString(), Task: "selftest.noop", Expires: &past}))
	r.eventually("an expired task is cancelled", "select count(*) from task.task where state = 'cancelled' and error_kind = 'expired'", 1)

	soon := time.Now().Add(700 * time.Millisecond)
	eta := uuid.NewString()
	send(encode(celery.Message{ID: eta, Task: "selftest.noop", ETA: &soon}))
	r.eventually("a task with an eta runs at its time", "select count(*) from task.task where id = $1 and state = 'succeeded' and started_at >= $2", 1, eta, soon)

	garbage := rabbit.Publishing{Key: "selftest", Msg: rabbit.Message{Body: []byte("not json at all\x00\xff"), Headers: rabbit.Table{"x": "\x00"}}}
	send(garbage)
	big := encode(celery.Message{ID: uuid.NewString(), Task: "selftest.echo"})
	big.Msg.Body = make([]byte, 2<<20)
	send(big)
	r.eventually("garbage and the oversized are recorded", "select count(*) from task.dead_letter", 2)
	rabbittest.Eventually(t, "nothing is left behind", func() bool { return r.broker.Depth(t, "selftest") == 0 })

	id = uuid.NewString()
	send(encode(celery.Message{ID: id, Task: "selftest.noop"}))
	r.eventually("and the worker still works", "select count(*) from task.task where id = $1 and state = 'succeeded'", 1, id)
}

func TestStoppingLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.worker(&handlers{}, nil)
	for range 20 {
		require.NoError(t, r.db.InSystem(t.Context(), func(tx *gorm.DB) error {
			for range 50 {
				_, err := r.tasks.Noop(t.Context(), tx, &selftest.NoopArgs{})
				require.NoError(t, err)
			}
			return nil
		}))
	}
	rabbittest.Eventually(t, "some have run", func() bool { return r.count("select count(*) from task.task where state = 'succeeded'") > 100 })
	require.NoError(t, w.Stop(t.Context()))
	require.Equal(t, 1, r.count("select count(*) from task.worker where stopped_at is not null"))
	r.worker(&handlers{}, nil)
	r.eventually("the next process finishes the rest", "select count(*) from task.task where state = 'succeeded' and attempt = 1", 1000)
	require.Zero(t, r.count("select count(*) from task.dead_letter"))
}

func TestAnotherNetworksOutageIsTheTasksOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.worker(&handlers{slow: func(ctx context.Context, _ contract.Run, _ *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
		_, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:1") // nothing listens there
		return nil, fmt.Errorf("reach the mail server: %w", err)
	}}, nil)
	r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return r.tasks.Slow(ctx, tx, &selftest.SlowArgs{})
	})
	r.eventually("the attempt is spent, and no database outage suspected", "select count(*) from task.task where attempt = 2 and error_kind = 'retryable'", 1)
}
