package cli

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
)

// bury inserts a dead message as a worker records it.
func (r *rig) bury(queue, headers, payload string, size int) uuid.UUID {
	r.t.Helper()
	id := uuid.Must(uuid.NewV7())
	r.exec(`insert into task.dead_letter (id, queue, reason, detail, message_id, task_name, headers, payload, size_bytes) values ($1, $2, 'malformed_body', 'not JSON', 'm-1', 'sales.import', $3, $4, $5)`,
		id, queue, headers, []byte(payload), size)
	return id
}

func (r *rig) kill(id uuid.UUID) {
	r.t.Helper()
	r.exec(`update task.task set state = 'failed', attempt = 4, error = 'no luck', error_kind = 'attempts_used_up', finished_at = now() where id = $1`, id)
}

func TestDeadListShowsTasksAndMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := r.enqueue(2)
	r.kill(ids[0])
	letter := r.bury("sales", `{"id": "m-1"}`, "{oops", 5)
	list := decode[[]map[string]any](r, "dead", "list")
	require.Len(t, list, 2)
	require.Equal(t, []any{"task", ids[0].String(), "attempts_used_up"}, []any{list[0]["kind"], list[0]["id"], list[0]["reason"]})
	require.Equal(t, []any{"message", letter.String(), "malformed_body"}, []any{list[1]["kind"], list[1]["id"], list[1]["reason"]})
	require.Len(t, decode[[]map[string]any](r, "dead", "list", "--queue", "selftest"), 1)
	require.Len(t, decode[[]map[string]any](r, "dead", "list", "--queue", "sales"), 1)
	require.Len(t, decode[[]map[string]any](r, "dead", "list", "--name", "sales.import"), 1)
	r.bury("reports", `{"id": "m-2"}`, "{oops", 5)
	older := decode[[]map[string]any](r, "dead", "list", "--queue", "sales", "--limit", "1")
	require.Len(t, older, 1, "what newer messages of other queues do not hide")
	require.Equal(t, letter.String(), older[0]["id"])
	require.Contains(t, r.ok("dead", "list"), "no luck")

	require.Contains(t, r.ok("dead", "show", ids[0].String()), "attempt 4  attempts_used_up no luck", "the timeline ends with the failure")
	shown := r.ok("dead", "show", letter.String())
	require.Contains(t, shown, "{oops")
	require.Contains(t, shown, "5 bytes, 5 kept")
	foreign := r.bury("sales", `{}`, "{\x1b]0;mine\a\u009b2J", 14)
	shown = r.ok("dead", "show", foreign.String())
	require.NotContains(t, shown, "\x1b", "a stranger's message does not speak to the terminal")
	require.Contains(t, shown, "]0;mine")
	code, _, _ := r.run("dead", "show", uuid.NewString())
	require.Equal(t, exitNotFound, code)
}

func TestDeadReplayAndDiscardOfTasks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := r.enqueue(2)
	r.kill(ids[0])
	r.kill(ids[1])
	require.Equal(t, "task is pending again\n", r.ok("dead", "replay", ids[0].String(), "--reason", "provider is back"))
	require.Equal(t, "task is discarded\n", r.ok("dead", "discard", ids[1].String(), "--reason", "a test", "--actor", "kofi"))
	require.Equal(t, 1, r.count(`select count(*) from task.task where id = $1 and state = 'pending' and attempt = 1`, ids[0]))
	require.Equal(t, 1, r.count(`select count(*) from task.task where id = $1 and state = 'cancelled'`, ids[1]))
	require.Equal(t, 1, r.count(`select count(*) from task.operator_action where task_id = $1 and actor = 'ama' and action = 'replay' and reason = 'provider is back'`, ids[0]))
	require.Equal(t, 1, r.count(`select count(*) from task.operator_action where task_id = $1 and actor = 'kofi' and action = 'discard'`, ids[1]))
	for _, command := range []string{"replay", "discard"} {
		code, _, errs := r.run("dead", command, ids[0].String(), "--reason", "again")
		require.Equal(t, exitNotFound, code, "a pending task is no dead letter")
		require.Contains(t, errs, "task not found in state failed")
	}
}

func TestDeadDiscardOfAMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	letter := r.bury("sales", `{}`, "{oops", 5)
	require.Equal(t, "message is discarded\n", r.ok("dead", "discard", letter.String(), "--reason", "garbage"))
	require.Empty(t, decode[[]any](r, "dead", "list"))
	require.Contains(t, r.ok("dead", "show", letter.String()), "by ama", "it can still be looked at")
	code, _, _ := r.run("dead", "discard", letter.String(), "--reason", "garbage")
	require.Equal(t, exitNotFound, code)
	require.Equal(t, 1, r.count(`select count(*) from task.operator_action where dead_letter_id = $1`, letter))
}

func TestDeadReplayPublishesAMessageAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	broker := rabbittest.New(t)
	broker.Conn(t, rabbit.Standard("sales"))
	r.vars = append(r.vars, "AMQP_URL="+broker.URL)
	letter := r.bury("sales", `{"id": "m-1", "task": "sales.import", "retries": 3, "timelimit": [null, 30], "x-death": [{"count": 2}], "x-delivery-count": 5, "x-acquired-count": 6}`, `[[], {}, {}]`, 12)
	require.Equal(t, "message is published again\n", r.ok("dead", "replay", letter.String(), "--reason", "the worker knows it now"))
	got := broker.Get(t, "sales")
	require.Equal(t, `[[], {}, {}]`, string(got.Body))
	require.Contains(t, []any{nil, int64(0)}, got.Headers["x-delivery-count"], "the broker counts anew; 3.x says 0, 4.x says nothing of a first delivery")
	delete(got.Headers, "x-delivery-count")
	require.Equal(t, rabbit.Table{"id": "m-1", "task": "sales.import", "retries": int64(3), "timelimit": []any{nil, int64(30)}}, rabbit.Table(got.Headers))
	require.Equal(t, []any{"application/json", "utf-8", uint8(rabbit.Persistent), "sales"}, []any{got.ContentType, got.ContentEncoding, got.DeliveryMode, got.RoutingKey})
	require.Equal(t, 1, r.count(`select count(*) from task.dead_letter where replayed_by = 'ama'`))
	code, _, _ := r.run("dead", "replay", letter.String(), "--reason", "twice")
	require.Equal(t, exitNotFound, code)
	require.Zero(t, broker.Depth(t, "sales"), "a message is replayed once")
}

func TestDeadReplayKeepsTheLetterWhenTheBrokerDoesNot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	broker := rabbittest.New(t)
	broker.Conn(t, rabbit.Standard()) // the exchange, and no queue bound to it
	r.vars = append(r.vars, "AMQP_URL="+broker.URL)
	letter := r.bury("sales", `{}`, `[]`, 2)
	code, _, errs := r.run("dead", "replay", letter.String(), "--reason", "try")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "returned by the broker")
	cut := r.bury("sales", `{}`, `[`, 400_000)
	code, _, errs = r.run("dead", "replay", cut.String(), "--reason", "try")
	require.Equal(t, exitRefused, code)
	require.Contains(t, errs, "only 1 of the message's 400000 bytes were kept")
	require.Equal(t, 2, r.count(`select count(*) from task.dead_letter where replayed_at is null`))
	require.Zero(t, r.count(`select count(*) from task.operator_action`))
}

func TestTopologyDeclaresAndReportsAConflict(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	r := &rig{t: t, vars: []string{"AMQP_URL=" + broker.URL}}
	for range 2 {
		list := decode[[]declared](r, "topology")
		require.Len(t, list, 3+2*len(rabbit.Queues()))
		raw, err := json.Marshal(list[len(list)-1])
		require.NoError(t, err)
		require.JSONEq(t, `{"kind": "queue", "name": "webhooks", "type": "quorum", "messages": 0}`, string(raw))
	}
	other := rabbittest.New(t)
	other.Conn(t, rabbit.Topology{Queues: []rabbit.Queue{{Name: "reports", Durable: true}}})
	r.vars = []string{"AMQP_URL=" + other.URL}
	code, _, errs := r.run("topology")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, `"reports": it exists with other arguments`)
	require.Contains(t, errs, "406")
}
