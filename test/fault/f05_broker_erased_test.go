package fault

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestF05 erases the broker's data while retries and a backlog wait. The service declares the topology again by itself, and the
// sweeper publishes what was lost.
func TestF05BrokerErasedWithRetriesAndBacklog(t *testing.T) {
	t.Parallel()
	w := newOwnWorld(t)
	w.start("relay", []string{"VICTIM_WORK=false"})
	first := w.start("first worker", nil)
	w.await("the worker consumes", func() bool { return w.count("select count(*) from task.worker") == 1 })
	for range 10 {
		w.one(failing, "error", outcome{state: "failed", kind: "attempts_used_up", attempts: 3})
	}
	w.await("retries wait", func() bool {
		return w.count("select count(*) from task.task where attempt > 1 and state not in "+terminal) > 0
	})
	first.retire()
	w.accept(500)
	w.await("a backlog waits in the broker", func() bool { return w.depth(queueName) >= 500 })
	require.NoError(t, w.mq.Kill())
	require.NoError(t, w.mq.Erase())
	w.start("second worker", nil)
	w.accept(100)
	require.NoError(t, w.mq.Restart(t.Context()))
	w.finish(0)
	require.Positive(t, w.count("select count(*) from task.task where resends > 0"), "nothing was lost, so nothing was proved")
}
