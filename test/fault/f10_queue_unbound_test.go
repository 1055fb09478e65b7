package fault

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestF10 unbinds the queue: the broker confirms and returns what is published. Returned tasks stay pending, and run once the binding is back.
func TestF10QueueUnbound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("victim", nil)
	w.accept(50)
	w.settle()
	w.channel(func(ch *amqp.Channel) { require.NoError(t, ch.QueueUnbind(queueName, queueName, "tasks", nil)) })
	w.accept(100)
	w.await("every one was returned at least once", func() bool {
		return w.count("select count(*) from task.task where state = 'pending' and publish_errors > 0 and error like '%returned%'") == 100
	})
	require.Zero(t, w.count("select count(*) from task.task where state = 'published'"))
	require.Equal(t, 50, w.count("select count(*) from fault.effect"))
	w.channel(func(ch *amqp.Channel) { require.NoError(t, ch.QueueBind(queueName, queueName, "tasks", false, nil)) })
	w.finish(0)
}
