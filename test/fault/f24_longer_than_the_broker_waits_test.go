package fault

import (
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/task"
	"makola/proto/makola/selftest/v1"
)

// TestF24LongerThanTheBrokerWaits runs a task for twice as long as the broker lets a consumer hold a message, which is 30 minutes elsewhere and twelve seconds here. Whoever holds one
// longer is cut off, and a worker that were would begin the task again, and again. Ours has let go of the message by then: the task runs once.
func TestF24LongerThanTheBrokerWaits(t *testing.T) {
	t.Parallel()
	w := newOwnWorld(t)
	// By default the broker looks once a minute who has held a message for half an hour.
	require.NoError(t, w.mq.Advanced("[{rabbit, [{consumer_timeout, 12000}, {channel_tick_interval, 1000}]}].\n"))
	require.NoError(t, w.mq.Restart(t.Context()))
	cut := w.holdForEver()
	v := w.start("victim", []string{"VICTIM_LEASE=20s", "VICTIM_EARLY_ACK=1s"})
	id := uuid.Must(uuid.NewV7())
	w.mu.Lock()
	w.accepted[id] = outcome{}
	w.mu.Unlock()
	require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := w.tasks.Slow(t.Context(), tx, &selftest.SlowArgs{Steps: 500}, task.WithID(id)) // 25 s at least
		return err
	}))
	w.await("who holds a message for ever is cut off", cut)
	require.Equal(t, 1, w.count("select count(*) from task.task where id = $1 and state = 'running'", id), "it runs for longer than that")
	w.settle()
	require.Equal(t, 1, w.count("select count(*) from task.task where id = $1 and state = 'succeeded' and attempt = 1", id))
	require.False(t, v.has("PRECONDITION_FAILED"), "the worker was not cut off")
	require.Zero(t, v.deaths())
	w.finish(0)
}

// holdForEver takes a message and keeps it, as a worker would that knew nothing of the broker's patience. What it returns tells whether it still may.
func (w *world) holdForEver() (cut func() bool) {
	w.t.Helper()
	conn, err := amqp.Dial(w.amqp)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(w.t, err)
	q, err := ch.QueueDeclare("held", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	require.NoError(w.t, err)
	held, err := ch.Consume(q.Name, "", false, false, false, false, nil)
	require.NoError(w.t, err)
	require.NoError(w.t, ch.PublishWithContext(w.t.Context(), "", q.Name, false, false, amqp.Publishing{Body: []byte("{}")}))
	select {
	case _, ok := <-held:
		require.True(w.t, ok)
	case <-time.After(patience):
		w.t.Fatal("no message came")
	}
	return func() bool {
		select {
		case _, ok := <-held: // closed with the channel, or with the consumer alone, as the broker's version likes it
			return !ok
		default:
			return false
		}
	}
}
