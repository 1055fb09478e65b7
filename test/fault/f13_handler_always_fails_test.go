package fault

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestF13 has a handler that always fails: its task ends failed after its attempts, and succeeds when it is replayed after the cause was mended.
func TestF13HandlerThatAlwaysFailsThenReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("victim", nil)
	id := w.one(failing, "error", outcome{ends: 2})
	w.accept(100)
	w.await("the attempts are used up", func() bool {
		return w.count("select count(*) from task.task where id = $1 and state = 'failed' and error_kind = 'attempts_used_up' and attempt = 3", id) == 1
	})
	w.exec("delete from fault.conduct where task_id = $1", id)
	w.replay(id)
	w.finish(0)
	require.Equal(t, 1, w.count("select count(*) from task.operator_action where task_id = $1 and action = 'replay' and actor = 'ama'", id))
}

// TestF13Refused has a LONG handler whose other server is down. Its error looks like a lost connection, yet it is not the database's: it must
// cost the task an attempt and a pause, and must not stop its neighbours.
func TestF13OtherServerDownIsNotTheDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.start("victim", nil)
	id := w.one(slow, "refused", outcome{attempts: 2})
	w.await("an attempt was spent", func() bool { return w.count("select count(*) from task.task where id = $1 and attempt = 2", id) == 1 })
	require.NotContains(t, v.output(), "pausing the queue")
	w.exec("delete from fault.conduct where task_id = $1", id)
	w.accept(100)
	w.finish(0)
}

// TestF13Gibberish has a handler whose error text no text column can hold.
func TestF13ErrorTextThatTheDatabaseCannotHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("victim", nil)
	w.one(failing, "gibberish", outcome{state: "failed", kind: "attempts_used_up", attempts: 3})
	w.accept(100)
	w.finish(0)
}
