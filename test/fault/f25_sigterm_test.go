package fault

import "testing"

// TestF25 replaces workers by SIGTERM under load, as a deployment does: each exits 0 within 30 s, nothing is lost, nothing is dead-lettered,
// no attempt is spent.
func TestF25TermUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	generation := []*victim{w.start("one", nil), w.start("two", nil)}
	p := w.produce()
	for _, name := range []string{"three", "four", "five", "six"} {
		before := w.count("select count(*) from fault.effect")
		w.accept(200)
		w.accept(10, slow)
		w.await("the workers are busy", func() bool { return w.count("select count(*) from fault.effect") > before+50 })
		old := generation[0]
		generation = append(generation[1:], w.start(name, nil))
		old.retire()
	}
	p.halt()
	w.finish(0)
}
