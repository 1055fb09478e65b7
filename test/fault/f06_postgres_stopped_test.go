package fault

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestF06 stops PostgreSQL without warning, and then kills it, under load. What was accepted is kept, what was refused never existed, and
// no attempt is spent on the outage.
func TestF06PostgresStoppedAtOnceUnderLoad(t *testing.T) {
	t.Parallel()
	w := newOwnWorld(t)
	w.start("one", nil)
	w.start("two", nil)
	p := w.produce()
	w.await("some tasks have run", func() bool { return w.count("select count(*) from fault.effect") > 100 })
	kill := func() { require.NoError(t, w.pg.Kill()) }
	for _, down := range []func(){w.quitPostgres, kill, w.quitPostgres, w.quitPostgres} {
		down()
		_, before := p.counts()
		w.await("callers are refused", func() bool { _, fail := p.counts(); return fail > before+3 })
		require.NoError(t, w.pg.Restart(t.Context()))
		w.more(p, 20)
		ran := w.count("select count(*) from fault.effect")
		w.await("tasks run again", func() bool { return w.count("select count(*) from fault.effect") > ran+100 })
	}
	p.halt()
	w.finish(0)
}
