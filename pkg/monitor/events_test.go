package monitor_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/celery"
	"makola/pkg/monitor"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/proto/makola/selftest/v1"
)

func TestMonitorsSeeEachTaskToItsOneEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start(one, newHandlers(), monitor.Config{Events: true}, nil)
	w := r.watch(one)
	past := time.Now().Add(-time.Hour)
	want := map[string][]string{}
	for _, c := range []struct {
		m      celery.Message
		events []string
	}{
		{celery.Message{Task: "selftest.echo", Kwargs: []byte(`{"text": "hello", "labels": {"api_key": "hunter2"}}`)}, []string{"task-received", "task-started", "task-succeeded"}},
		{celery.Message{Task: "selftest.slow", Args: []byte(`[3]`)}, []string{"task-received", "task-started", "task-succeeded"}},
		{celery.Message{Task: "selftest.noop_batch"}, []string{"task-received", "task-started", "task-succeeded"}},
		{celery.Message{Task: "selftest.fail", Args: []byte(`["permanent"]`)}, []string{"task-received", "task-started", "task-failed"}},
		{celery.Message{Task: "selftest.fail"}, []string{"task-received", "task-started", "task-retried", "task-received", "task-started", "task-succeeded"}},
		{celery.Message{Task: "selftest.nosuch"}, []string{"task-received", "task-started", "task-failed"}},
		{celery.Message{Task: "selftest.noop", Args: []byte(`[1]`)}, []string{"task-received", "task-started", "task-failed"}},
		{celery.Message{Task: "selftest.noop", Expires: &past}, []string{"task-received", "task-revoked"}},
		{celery.Message{ID: "any text", Task: "selftest.tasks.echo"}, []string{"task-received", "task-started", "task-succeeded"}},
	} {
		want[r.foreign(c.m)] = c.events
	}
	own := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return n.tasks.Echo(ctx, tx, &selftest.EchoArgs{Text: "own"})
	})
	want[own.String()] = []string{"task-received", "task-started", "task-succeeded"}
	cancelled := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		id, err := n.tasks.Noop(ctx, tx, &selftest.NoopArgs{}, task.Delay(time.Hour))
		return id, err
	})
	for id := range want {
		w.final(id)
	}
	// What a person cancels while its message is on the way: the worker finds the row cancelled.
	_, err := r.look.Exec(t.Context(), "update task.task set state = 'cancelled', error_kind = 'cancelled', finished_at = now() where id = $1", cancelled)
	require.NoError(t, err)
	want[r.foreign(celery.Message{ID: cancelled.String(), Task: "selftest.noop"})] = []string{"task-received", "task-revoked"}
	w.final(cancelled.String())

	// Everything has been sent by the time of this worker's goodbye.
	n.stop()
	w.until("goodbye", func(e event) bool { return e.Type == "worker-offline" })
	for id, events := range want {
		require.Equal(t, events, w.of(id), id)
	}
	last := int64(0)
	for _, e := range w.seen {
		require.Equal(t, one, e.Hostname)
		require.Greater(t, e.Clock, last, "the clock of one worker only grows: %+v", w.seen)
		last = e.Clock
		require.NotContains(t, e.Kwargs+e.Args+e.Result+e.Exception, "hunter2")
	}
	named := func(kind, name string) event {
		return w.until(kind, func(e event) bool { return e.Type == kind && (name == "" || e.Name == name) })
	}
	require.Equal(t, `{'text': 'hello', 'labels': {'api_key': '********'}}`, named("task-received", "selftest.echo").Kwargs)
	require.Equal(t, `{'text': 'hello', 'number': 0, 'flag': False, 'labels': {'api_key': '********'}}`, resultOf(w, named("task-received", "selftest.echo").UUID))
	failed := w.until("the failure", func(e event) bool {
		return e.Type == "task-failed" && e.Exception == `ValueError('never again: password=********')`
	})
	require.NotEmpty(t, failed.UUID)
	retried := named("task-retried", "")
	require.Equal(t, `RuntimeError('once')`, retried.Exception)
	require.Equal(t, 1, w.until("the second delivery", func(e event) bool { return e.UUID == retried.UUID && e.Retries == 1 }).Retries)
	require.True(t, w.until("the expired one", func(e event) bool { return e.Type == "task-revoked" && e.Expired }).Timestamp > 1e9)
	require.InDelta(t, 2.0, named("worker-heartbeat", "").Freq, 0)
}

func resultOf(w *watcher, id string) string { return w.final(id).Result }

func TestATaskThatFailsAfterItsCancelWasPromisedEndsOnce(t *testing.T) {
	t.Parallel()
	r, h := newRig(t), newHandlers()
	n := r.start(one, h, monitor.Config{Events: true}, nil)
	w := r.watch(one)
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return n.tasks.Slow(ctx, tx, &selftest.SlowArgs{Steps: -2})
	})
	w.until("it runs", func(e event) bool { return e.UUID == id.String() && e.Type == "task-started" })
	_, err := r.look.Exec(t.Context(), "update task.task set cancel_requested = true where id = $1", id)
	require.NoError(t, err)
	h.letGo() // it fails, or its heartbeat was quicker
	require.True(t, w.final(id.String()).Terminated)
	r.eventually("it is cancelled", "select count(*) from task.task where id = $1 and state = 'cancelled'", 1, id)
	n.stop()
	w.until("goodbye", func(e event) bool { return e.Type == "worker-offline" })
	require.Equal(t, []string{"task-received", "task-started", "task-revoked"}, w.of(id.String()))
}

func TestNobodyPaysForEventsThatNobodySees(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start(one, newHandlers(), monitor.Config{Events: true}, nil)
	r.ask(one, "heartbeat", nil)
	rabbittest.Eventually(t, "it knows that nobody listens", func() bool { return !n.mon.Watch().Wanted() })
	w := r.watch(one)
	require.True(t, n.mon.Watch().Wanted())
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return n.tasks.Noop(ctx, tx, &selftest.NoopArgs{})
	})
	w.final(id.String())
}

func TestEventsAreSwitchedByCommand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start(one, newHandlers(), monitor.Config{Events: false}, nil)
	w := r.watch(one)
	run := func() string {
		id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
			return n.tasks.Noop(ctx, tx, &selftest.NoopArgs{})
		}).String()
		r.eventually("it ran", "select count(*) from task.task where id = $1 and state = 'succeeded'", 1, id)
		return id
	}
	silent := run()
	require.Equal(t, `{"ok":"task events already disabled"}`, r.ask(one, "disable_events", nil))
	require.Equal(t, `{"ok":"task events enabled"}`, r.ask(one, "enable_events", nil))
	require.Equal(t, `{"ok":"task events already enabled"}`, r.ask(one, "enable_events", nil))
	w.final(run())
	require.Empty(t, w.of(silent))
	require.Equal(t, `{"ok":"task events disabled"}`, r.ask(one, "disable_events", nil))
	again := run()
	n.stop()
	w.until("goodbye", func(e event) bool { return e.Type == "worker-offline" })
	require.Empty(t, w.of(again))
	require.True(t, slices.ContainsFunc(w.seen, func(e event) bool { return e.Type == "worker-heartbeat" }), "heartbeats are sent all the same")
}

func TestAWorkerIsSeenAgainAfterItsConnectionsWereCut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start(one, newHandlers(), monitor.Config{Events: true}, nil)
	r.broker.CloseConnections(t)
	r.dial() // its own connection was among them
	r.awake(one)
	w := r.watch(one)
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return n.tasks.Noop(ctx, tx, &selftest.NoopArgs{})
	})
	w.final(id.String())
}
