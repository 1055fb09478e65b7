package fault

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestF12 gives a worker one task that ends the process, among 50 good ones. The guilty one fails as a crash loop after four deaths (the
// first in company, three alone); the good ones succeed at their first attempt.
func TestF12HandlerThatExitsTheProcess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		guilty  kind
		conduct string
	}{
		"SHORT by exit":    {short, "exit"},
		"BATCH by SIGKILL": {batch, "kill"},
		"LONG by SIGKILL":  {long, "kill"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.accept(25)
			w.one(c.guilty, c.conduct, outcome{state: "failed", kind: "crash_loop"})
			w.accept(25)
			v := w.start("victim", nil)
			w.settle()
			require.Equal(t, 50, w.count("select count(*) from task.task where state = 'succeeded'"))
			require.LessOrEqual(t, v.deaths(), 4)
			require.GreaterOrEqual(t, v.deaths(), 3)
			w.finish(0)
		})
	}
}

// TestF12ReplayedCrashLoop replays a crash loop whose cause was not mended. It is a suspect from its first delivery on; that delivery must stay
// unacknowledged while it runs, because only the broker can bring it back at once (the sweeper's patience is made longer than the test's).
func TestF12ReplayedCrashLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.start("victim", []string{"VICTIM_RESEND=10m"})
	id := w.one(short, "kill", outcome{state: "failed", kind: "crash_loop", ends: 2})
	w.accept(20)
	w.settle()
	before := v.deaths()
	w.replay(id)
	w.await("it fails again", func() bool {
		return w.count("select count(*) from fault.step where task_id = $1 and after = 'failed'", id) == 2
	})
	require.Equal(t, 3, v.deaths()-before, "all three alone")
	w.accept(20)
	w.finish(0)
}

// TestF12HandlerThatExitsTheProcessWithTwoWorkers lets two workers share the guilty task and the good ones.
func TestF12HandlerThatExitsTheProcessWithTwoWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.one(short, "kill", outcome{state: "failed", kind: "crash_loop"})
	w.one(batch, "exit", outcome{state: "failed", kind: "crash_loop"})
	w.accept(100)
	w.start("one", nil)
	w.start("two", nil)
	p := w.produce()
	w.more(p, 100)
	p.halt()
	w.finish(0)
}
