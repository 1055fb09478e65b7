package wire

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// link is a plain connection with one channel, as a foreign program would have it.
func link(t *testing.T, broker string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(broker)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatalf("open channel: %v", err)
	}
	return ch
}

func consume(t *testing.T, ch *amqp.Channel, queue string) <-chan amqp.Delivery {
	t.Helper()
	deliveries, err := ch.Consume(queue, "", true, false, false, false, nil)
	if err != nil {
		t.Fatalf("consume %s: %v", queue, err)
	}
	return deliveries
}

func receive(t *testing.T, deliveries <-chan amqp.Delivery) amqp.Delivery {
	t.Helper()
	select {
	case d, ok := <-deliveries:
		if !ok {
			t.Fatal("the broker closed the channel")
		}
		return d
	case <-time.After(patience):
		t.Fatalf("no message within %s", patience)
	}
	return amqp.Delivery{}
}
