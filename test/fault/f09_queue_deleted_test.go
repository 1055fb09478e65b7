package fault

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestF09 deletes the queue, with what is in it, under live consumers: neither their connection nor their channel closes, so only the
// consumer's cancel tells them.
func TestF09QueueDeletedUnderALiveConsumer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("one", nil)
	w.start("two", nil)
	p := w.produce()
	w.accept(300)
	for range 2 {
		w.await("some tasks have run", func() bool { return w.count("select count(*) from fault.effect") > 100 })
		w.accept(50, slow) // a second each, and a worker runs only some at once: the messages of the others are lost with the queue
		w.await("slow ones wait in the queue", func() bool {
			return w.count("select count(*) from task.task where name = 'selftest.slow' and state = 'published'") >= 20
		})
		w.channel(func(ch *amqp.Channel) {
			_, err := ch.QueueDelete(queueName, false, false, false)
			require.NoError(t, err)
		})
		w.more(p, 10)
		before := w.count("select count(*) from fault.effect")
		w.await("tasks run again", func() bool { return w.count("select count(*) from fault.effect") > before+50 })
	}
	p.halt()
	w.finish(0)
	require.Positive(t, w.count("select count(*) from task.task where resends > 0"), "nothing was lost, so nothing was proved")
}
