package fault

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestF08 runs two relays and two workers, and delivers every message twice: a tap on the exchange sends each one again.
func TestF08TwoRelaysTwoWorkersEveryPublishTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("one", nil)
	w.start("two", nil)
	w.await("both workers consume", func() bool { return w.count("select count(*) from task.worker") == 2 })
	again := w.repeat()
	p := w.produce()
	w.more(p, 150)
	p.halt()
	w.settle()
	w.await("every message was sent again", func() bool { return w.depth("tap") == 0 })
	w.finish(0)
	require.GreaterOrEqual(t, again(), len(w.accepted))
}

// repeat publishes again, straight to the queue, each message that passes the exchange. The function returned tells how many so far.
func (w *world) repeat() func() int {
	w.t.Helper()
	conn, err := amqp.Dial(w.amqp)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(w.t, err)
	_, err = ch.QueueDeclare("tap", true, false, false, false, nil)
	require.NoError(w.t, err)
	w.await("the exchange exists", func() bool { return w.bindTap() == nil })
	taken, err := ch.Consume("tap", "", false, false, false, false, nil)
	require.NoError(w.t, err)
	counted := make(chan int, 1)
	counted <- 0
	go func() { // ends with the connection
		for d := range taken {
			err := ch.Publish("", queueName, false, false, amqp.Publishing{Headers: d.Headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
				DeliveryMode: d.DeliveryMode, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, Body: d.Body})
			if err != nil || d.Ack(false) != nil {
				return
			}
			counted <- <-counted + 1
		}
	}()
	return func() int {
		n := <-counted
		counted <- n
		return n
	}
}

// bindTap uses a channel of its own, because a missing exchange closes it.
func (w *world) bindTap() (err error) {
	w.channel(func(ch *amqp.Channel) { err = ch.QueueBind("tap", queueName, "tasks", false, nil) })
	return err
}
