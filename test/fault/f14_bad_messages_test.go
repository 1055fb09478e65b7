package fault

import (
	"bytes"
	"testing"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestF14 mixes messages that cannot become tasks, or name a task nobody knows, with good ones. Each is recorded, none is lost, none stops the others.
func TestF14UndecodableOversizedAndUnknownMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("victim", nil)
	w.accept(50)
	w.settle()
	unknown := uuid.New()
	w.mu.Lock()
	w.accepted[unknown] = outcome{state: "failed", kind: "unknown_task"}
	w.mu.Unlock()
	envelope := []byte(`[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`)
	named := func(id, name string) amqp.Table { return amqp.Table{"id": id, "task": name, "lang": "py"} }
	bad := map[string]amqp.Publishing{
		"undecodable":            {Headers: named(uuid.NewString(), "selftest.noop"), ContentType: "application/json", Body: []byte("not json \x00\xff")},
		"without headers":        {ContentType: "text/plain", Body: []byte("hello")},
		"oversized":              {Headers: named(uuid.NewString(), "selftest.noop"), ContentType: "application/json", ContentEncoding: "utf-8", Body: bytes.Repeat([]byte("x"), 1<<20)},
		"oversized batch":        {Headers: named(uuid.NewString(), "selftest.noop_batch"), ContentType: "application/json", ContentEncoding: "utf-8", Body: bytes.Repeat([]byte(" "), 400<<10)},
		"pickled":                {Headers: named(uuid.NewString(), "selftest.noop"), ContentType: "application/x-python-serialize", ContentEncoding: "binary", Body: []byte("\x80\x04.")},
		"NUL in an argument":     {Headers: named(uuid.NewString(), "selftest.echo"), ContentType: "application/json", ContentEncoding: "utf-8", Body: []byte(`[[], {"text": "a\u0000b"}, {}]`)},
		"an empty body":          {Headers: named(uuid.NewString(), "selftest.noop"), ContentType: "application/json", ContentEncoding: "utf-8"},
		"a task name of bytes":   {Headers: amqp.Table{"id": uuid.NewString(), "task": "\xff\xfe\x00"}, ContentType: "application/json", ContentEncoding: "utf-8", Body: envelope},
		"a task name of no text": {Headers: amqp.Table{"id": uuid.NewString(), "task": int64(7)}, ContentType: "application/json", ContentEncoding: "utf-8", Body: envelope},
	}
	w.channel(func(ch *amqp.Channel) {
		send := func(m amqp.Publishing) {
			m.DeliveryMode = amqp.Persistent
			require.NoError(t, ch.Publish("tasks", queueName, true, false, m))
		}
		require.NoError(t, ch.Confirm(false))
		for _, m := range bad {
			send(m)
		}
		send(amqp.Publishing{Headers: named(unknown.String(), "selftest.nosuch"), ContentType: "application/json", ContentEncoding: "utf-8", Body: envelope})
		w.accept(100)
		w.await("each is recorded", func() bool { return w.count("select count(*) from task.dead_letter") >= len(bad) })
		w.await("the unknown task is recorded", func() bool { return w.count("select count(*) from task.task where id = $1", unknown) == 1 })
	})
	require.Equal(t, 1, w.count("select count(*) from task.dead_letter where size_bytes = 1 << 20 and octet_length(payload) < size_bytes and detail like '%sha256%'"))
	w.finish(len(bad))
}
