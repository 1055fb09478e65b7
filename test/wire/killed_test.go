package wire

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"makola/pkg/rabbit/rabbittest"
	"makola/test/stack"
)

func TestMain(m *testing.M) { stack.Main(m) }

// TestAKilledWorkerCostsACeleryClientNothing kills one of two workers while it holds tasks of a stock client.
func TestAKilledWorkerCostsACeleryClientNothing(t *testing.T) {
	t.Parallel()
	s := stack.New(t)
	victim, other := s.Start("reports-worker"), s.Start("reports-worker")
	stack.Ready(t, victim, other)
	calls := make([]call, 100)
	for i := range calls {
		calls[i] = call{Task: "reports.self_test", Kwargs: map[string]any{"note": fmt.Sprint(i)}}
	}
	killed := make(chan int, 1) // how many tasks had ended at the kill
	go func() { killed <- killInTheMiddle(t.Context(), s.DB.URL(""), victim) }()
	for i, o := range client(t, s.Broker.URL, "reports", calls...) {
		var note any
		if v, ok := decoded(t, o.Value).(map[string]any); ok {
			note = v["note"]
		}
		if o.Error != "" || note != fmt.Sprint(i) {
			t.Errorf("call %d: the client saw %s, error %q %v", i, o.Value, o.Error, o.Args)
		}
	}
	if ended := <-killed; ended < 1 || ended >= len(calls) {
		t.Errorf("the worker was killed after %d of %d tasks, which is not the middle", ended, len(calls))
	}
	var once int
	look := s.DB.Admin()
	if err := look.QueryRow(t.Context(), "select count(*) from task.task where state = 'succeeded'").Scan(&once); err != nil || once != len(calls) {
		t.Errorf("%d tasks succeeded, want %d: %v", once, len(calls), err)
	}
	rabbittest.Eventually(t, "the queue is empty", func() bool { return s.Broker.Depth(t, "reports") == 0 })
}

// killInTheMiddle kills the process once ten tasks have ended, and returns how many had; -1 when that could not be seen.
func killInTheMiddle(ctx context.Context, database string, victim *stack.Process) int {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return -1
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var ended int
		if err := conn.QueryRow(ctx, "select count(*) from task.task where state = 'succeeded'").Scan(&ended); err != nil {
			return -1
		}
		if ended >= 10 {
			victim.Signal(syscall.SIGKILL)
			return ended
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return -1
		}
	}
}
