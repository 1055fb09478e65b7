package fault

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestF04 stops and starts the broker, and then kills and starts it, under load. Tasks are accepted all the while.
func TestF04BrokerStoppedAndKilledUnderLoad(t *testing.T) {
	t.Parallel()
	w := newOwnWorld(t)
	w.start("one", nil)
	w.start("two", nil)
	p := w.produce()
	w.await("some tasks have run", func() bool { return w.count("select count(*) from fault.effect") > 100 })
	for _, down := range []func() error{func() error { return w.mq.Stop(t.Context()) }, w.mq.Kill} {
		require.NoError(t, down())
		w.more(p, 30) // accepted without a broker
		require.NoError(t, w.mq.Restart(t.Context()))
		before := w.count("select count(*) from fault.effect")
		w.await("tasks run again", func() bool { return w.count("select count(*) from fault.effect") > before+100 })
	}
	p.halt()
	_, refused := p.counts()
	require.Zero(t, refused, "tasks refused while the broker was down")
	w.finish(0)
}
