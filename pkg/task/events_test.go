package task_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	selftest "makola/proto/makola/selftest/v1"
)

// news collects the events that the broker hands out.
func (r *rig) news() <-chan task.Event {
	r.t.Helper()
	own := rabbit.OwnQueue("gateway."+uuid.NewString(), rabbit.Binding{Exchange: rabbit.ExchangeEvents, Key: "#"})
	topo := rabbit.Standard()
	topo.Queues = append(topo.Queues, own)
	k := r.broker.Conn(r.t, topo).NewConsumer(rabbit.ConsumerConfig{Queue: own.Name, Prefetch: 256})
	rabbittest.Eventually(r.t, "consumer of events", func() bool { return k.Ready() == nil })
	out := make(chan task.Event, 10_000)
	go func() {
		defer close(out)
		for d := range k.Deliveries() {
			events, err := task.DecodeEvents(d)
			if err != nil {
				r.t.Errorf("decode: %v", err)
			}
			for _, e := range events {
				out <- e
			}
			_ = d.Ack()
		}
	}()
	r.t.Cleanup(func() { _ = k.Close() })
	return out
}

func (r *rig) ofTenant(id uuid.UUID, fn func(ctx context.Context, tx *gorm.DB) error) {
	r.t.Helper()
	ctx := tenant.With(r.t.Context(), id)
	require.NoError(r.t, r.db.InTenant(ctx, func(tx *gorm.DB) error { return fn(ctx, tx) }))
}

// until reads events until the task is in the state, and returns what was said about it.
func until(t *testing.T, news <-chan task.Event, id uuid.UUID, last task.State) []task.Event {
	t.Helper()
	return slices.DeleteFunc(untilAll(t, news, id, last), func(e task.Event) bool { return e.ID != id })
}

// untilAll is until, with what was said about other tasks meanwhile.
func untilAll(t *testing.T, news <-chan task.Event, id uuid.UUID, last task.State) (seen []task.Event) {
	t.Helper()
	deadline := time.After(rabbittest.Patience)
	for {
		select {
		case e := <-news:
			if seen = append(seen, e); e.ID == id && e.State == last {
				return seen
			}
		case <-deadline:
			t.Fatalf("no event %s of task %s, only %v", last, id, seen)
		}
	}
}

func TestEventsTellTheLifeOfATask(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	news := r.news()
	goOn := make(chan struct{})
	r.worker(&handlers{slow: func(ctx context.Context, run contract.Run, _ *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
		run.Progress(30, 120, "page 3")
		select {
		case <-goOn:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}, nil)
	owner := uuid.New()
	var first, id, nobodys uuid.UUID
	r.ofTenant(owner, func(ctx context.Context, tx *gorm.DB) (err error) {
		first, err = r.tasks.Slow(ctx, tx, &selftest.SlowArgs{})
		return err
	})
	deadline := time.After(rabbittest.Patience)
	var states []task.State
	for progressed := false; !progressed; {
		select {
		case e := <-news:
			require.Equal(t, owner, e.Tenant)
			require.Equal(t, 1, e.Attempt)
			states = append(states, e.State)
			if progressed = e.Progress != nil; progressed {
				require.Equal(t, task.Progress{Done: 30, Total: 120, Note: "page 3"}, *e.Progress)
			}
		case <-deadline:
			t.Fatalf("no progress, only %v", states)
		}
	}
	require.Subset(t, []task.State{task.Published, task.Running}, states)
	close(goOn)
	until(t, news, first, task.Succeeded)

	// A task of the platform is nobody's to watch: the next event is that of the tenant's task behind it.
	nobodys = r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return r.tasks.Noop(ctx, tx, &selftest.NoopArgs{})
	})
	r.eventually("the platform's task succeeds", "select count(*) from task.task where id = $1 and state = 'succeeded'", 1, nobodys)
	r.ofTenant(owner, func(ctx context.Context, tx *gorm.DB) (err error) {
		id, err = r.tasks.NoopBatch(ctx, tx, &selftest.NoopBatchArgs{})
		return err
	})
	for _, e := range untilAll(t, news, id, task.Succeeded) {
		if e.ID != first { // the relay may be late to tell that it was published
			require.Equal(t, id, e.ID)
		}
	}
}

func TestEventsTellOfRetriesAndFailures(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	news := r.news()
	r.worker(&handlers{fail: func(ctx context.Context, _ *gorm.DB, _ *selftest.FailArgs) (*selftest.FailResult, error) {
		if task.RunFrom(ctx).Attempt == 1 {
			return nil, errors.New("once")
		}
		return nil, task.Permanent(errors.New("once"))
	}}, nil)
	var id uuid.UUID
	r.ofTenant(uuid.New(), func(ctx context.Context, tx *gorm.DB) (err error) {
		id, err = r.tasks.Fail(ctx, tx, &selftest.FailArgs{})
		return err
	})
	require.NotEmpty(t, until(t, news, id, task.Pending), "it will be tried again")
	_, err := r.look.Exec(t.Context(), `update task.task set available_at = now() where id = $1`, id)
	require.NoError(t, err)
	seen := until(t, news, id, task.Failed)
	require.Equal(t, 2, seen[len(seen)-1].Attempt)
}

// Whoever watches must never slow down the work: without a broker the events are counted as dropped and nothing waits.
func TestEventsAreDroppedRatherThanWaitedFor(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	down := rabbit.New(rabbit.Config{URL: "amqp://guest:guest@127.0.0.1:1/"}, rabbit.Standard(), slog.New(slog.DiscardHandler))
	q := task.NewQueue(postgrestest.New(t).Open("makola_billing"), down, task.QueueConfig{Metrics: reg, PollInterval: time.Hour})
	const flood = 20_000
	for range flood { // it waits for nobody: nothing that could take the news has been started
		q.Announce(task.Event{ID: uuid.New(), Tenant: uuid.New(), State: task.Succeeded, Attempt: 1})
	}
	require.NoError(t, q.Start(t.Context()))
	dropped := func() float64 { return counter(t, reg, "makola_task_events_dropped_total") }
	rabbittest.Eventually(t, "all of it is dropped", func() bool { return dropped() == flood })
	require.NoError(t, q.Stop(t.Context()))
	require.Zero(t, counter(t, reg, "makola_task_events_total"))
}

func counter(t testing.TB, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// What an event costs the process that tells it, from Announce to the socket: in floods that leave nothing out, the processor time is what counts.
func BenchmarkAnnounce(b *testing.B) {
	broker := rabbittest.New(b)
	reg := prometheus.NewRegistry()
	conn := broker.Conn(b, rabbit.Standard())
	q := task.NewQueue(postgrestest.New(b).Open("makola_billing"), conn, task.QueueConfig{Metrics: reg, PollInterval: time.Hour})
	require.NoError(b, q.Start(b.Context()))
	b.Cleanup(func() { _ = q.Stop(context.WithoutCancel(b.Context())) })
	e := task.Event{Tenant: uuid.New(), State: task.Succeeded, Attempt: 1}
	ids := make([]uuid.UUID, 4096)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	told := 0
	begin := processorTime(b)
	for b.Loop() {
		e.ID = ids[told%len(ids)]
		q.Announce(e)
		if told++; told%len(ids) == 0 {
			rabbittest.Eventually(b, "all are sent", func() bool { return counter(b, reg, "makola_task_events_total") == float64(told) })
		}
	}
	b.ReportMetric(float64(processorTime(b)-begin)/float64(b.N), "cpu-ns/op")
	require.Zero(b, counter(b, reg, "makola_task_events_dropped_total"))
}

// processorTime is what this process has used so far.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
