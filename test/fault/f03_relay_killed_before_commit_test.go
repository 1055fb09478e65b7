package fault

import "testing"

// TestF03 kills the relay after the broker has confirmed its messages and before it could say so in the database: everything is published
// again, and workers see some tasks twice, or before their row says published.
func TestF03RelayKilledBetweenConfirmAndCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("worker", []string{"VICTIM_RELAY=false"})
	w.await("the worker consumes", func() bool { return w.count("select count(*) from task.worker") == 1 })
	relay := w.start("relay", []string{"VICTIM_WORK=false"}, "relay.after_confirm:1", "relay.after_confirm:2", "relay.after_confirm:3")
	p := w.produce()
	w.await("the relay is killed three times", func() bool { return relay.deaths() >= 3 })
	w.more(p, 20)
	p.halt()
	w.finish(0)
}
