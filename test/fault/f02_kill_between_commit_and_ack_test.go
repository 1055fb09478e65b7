package fault

import (
	"strings"
	"testing"
)

// TestF02 kills the worker by SIGKILL at every point of a task's life, the one between COMMIT and ack first, while it has much to do.
// Its supervisor starts it again; a second worker goes on meanwhile.
func TestF02KillBetweenCommitAndAck(t *testing.T) {
	t.Parallel()
	for _, point := range []string{
		"short.after_commit:20", "short.before_commit:20", "short.before_handler:20",
		"batch.after_commit:2", "batch.before_commit:2",
		"long.after_commit:5", "long.before_commit:5", "long.before_handler:5",
	} {
		t.Run(strings.ReplaceAll(point, ":", " "), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			// What the first crash leaves behind are suspects; the second one kills the process that has just claimed one of them.
			v := w.start("victim", nil, point, "suspect.claimed:1")
			w.accept(400)
			w.await("the worker is killed", func() bool { return v.deaths() >= 1 })
			w.accept(100)
			w.await("its successor is killed with a suspect in hand", func() bool { return v.deaths() >= 2 })
			w.start("neighbour", nil)
			w.accept(100)
			w.finish(0)
		})
	}
}
