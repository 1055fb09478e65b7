package rabbit_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
)

// next takes one delivery, failing the test when none comes.
func next(t *testing.T, k *rabbit.Consumer) rabbit.Delivery {
	t.Helper()
	select {
	case d, ok := <-k.Deliveries():
		if !ok {
			t.Fatal("Deliveries is closed")
		}
		return d
	case <-time.After(rabbittest.Patience):
		t.Fatal("no delivery")
		panic("unreachable")
	}
}

func publish(t *testing.T, pub *rabbit.Publisher, queue string, n int) {
	t.Helper()
	if err := errors.Join(pub.PublishBatch(t.Context(), tasks(queue, n))...); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

// consumer returns a registered consumer of "reports" and a publisher on another connection.
func consumer(t *testing.T, broker *rabbittest.Broker, prefetch int) (*rabbit.Conn, *rabbit.Consumer, *rabbit.Publisher) {
	t.Helper()
	conn := broker.Conn(t, rabbit.Standard("reports"))
	k := conn.NewConsumer(rabbit.ConsumerConfig{Queue: "reports", Prefetch: prefetch})
	waitRegistered(t, k)
	return conn, k, broker.Conn(t, rabbit.Standard()).NewPublisher(rabbit.PublisherOptions{})
}

func waitRegistered(t *testing.T, k *rabbit.Consumer) {
	t.Helper()
	rabbittest.Eventually(t, "consumer registered", func() bool { return k.Ready() == nil })
}

func TestConsumer_queueDeletedUnderIt(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	conn, k, pub := consumer(t, broker, 5)
	publish(t, pub, "reports", 1)
	held := next(t, k)

	broker.DeleteQueue(t, "reports")
	rabbittest.Eventually(t, "consumer registered on a new channel", func() bool { return held.Stale() && k.Ready() == nil })

	// The queue exists, and has its consumer, a moment before it is bound again. What is published in between comes back, which is not lost.
	rabbittest.Eventually(t, "queue bound again", func() bool {
		err := errors.Join(pub.PublishBatch(t.Context(), tasks("reports", 1))...)
		if err != nil && !errors.Is(err, rabbit.ErrReturned) {
			t.Fatalf("publish: %v", err)
		}
		return err == nil
	})
	if d := next(t, k); d.Epoch() <= held.Epoch() || d.Ack() != nil {
		t.Errorf("delivery of epoch %d after one of %d", d.Epoch(), held.Epoch())
	}
	if err := held.Ack(); !errors.Is(err, rabbit.ErrStale) {
		t.Errorf("ack of the deleted queue's delivery: %v, want ErrStale", err)
	}
	// A busy RabbitMQ 3.10 may answer the declaration of a queue whose deletion is still under way with 541 and close the connection itself.
	if n := conn.Stats().Reconnects; n > 1 {
		t.Errorf("%d reconnects: the connection was healthy", n)
	}
}

func TestConsumer_connectionClosedByAnOperator(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	conn, k, pub := consumer(t, broker, 2)
	publish(t, pub, "reports", 2)
	first := next(t, k)
	rabbittest.Eventually(t, "another one buffered, which will be dropped", func() bool { return len(k.Deliveries()) == 1 })

	broker.CloseConnections(t)
	rabbittest.Eventually(t, "reconnected and registered", func() bool {
		return conn.Stats().Reconnects > 0 && first.Stale() && k.Ready() == nil
	})

	if err := first.Ack(); !errors.Is(err, rabbit.ErrStale) {
		t.Errorf("ack on the lost channel: %v, want ErrStale", err)
	}
	for range 2 {
		d := next(t, k)
		if !d.Redelivered || d.Epoch() == first.Epoch() {
			t.Errorf("message %s: redelivered %v in epoch %d, want a redelivery in a new epoch", d.MessageId, d.Redelivered, d.Epoch())
		}
		if err := d.Ack(); err != nil {
			t.Errorf("ack: %v", err)
		}
	}
}

func TestConsumer_pauseGivesBackAndResumeTakesAgain(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	_, k, pub := consumer(t, broker, 2)
	publish(t, pub, "reports", 3)
	held := next(t, k)
	rabbittest.Eventually(t, "another one buffered", func() bool { return len(k.Deliveries()) == 1 })

	k.Pause()
	rabbittest.Eventually(t, "all messages back in the queue", func() bool { return broker.Depth(t, "reports") == 3 })
	if err := k.Ready(); err == nil {
		t.Error("Ready while paused: nil")
	}
	if err := held.Ack(); !errors.Is(err, rabbit.ErrStale) {
		t.Errorf("ack while paused: %v, want ErrStale", err)
	}
	if n := len(k.Deliveries()); n != 0 {
		t.Errorf("%d deliveries left while paused, want none", n)
	}

	k.Resume()
	for range 3 {
		if err := next(t, k).Ack(); err != nil {
			t.Errorf("ack: %v", err)
		}
	}
}

func TestConsumer_stopKeepsDeliveriesAckable(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	_, k, pub := consumer(t, broker, 3)
	publish(t, pub, "reports", 5)
	rabbittest.Eventually(t, "prefetched", func() bool { return len(k.Deliveries()) == 3 })

	if err := k.Stop(t.Context()); err != nil {
		t.Fatalf("stop: %v", err)
	}
	var got []rabbit.Delivery
	for d := range k.Deliveries() {
		got = append(got, d)
	}
	if len(got) != 3 {
		t.Fatalf("%d deliveries after stop, want the 3 prefetched", len(got))
	}
	if err := got[0].Ack(); err != nil {
		t.Errorf("ack after stop: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := got[1].Ack(); !errors.Is(err, rabbit.ErrStale) {
		t.Errorf("ack after close: %v, want ErrStale", err)
	}
	rabbittest.Eventually(t, "4 messages back in the queue", func() bool { return broker.Depth(t, "reports") == 4 })
}

func TestConsumer_AckAll(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	conn, k, pub := consumer(t, broker, 100)
	publish(t, pub, "reports", 100)
	var all []rabbit.Delivery
	for range 100 {
		all = append(all, next(t, k))
	}

	if err := all[9].AckMultiple(); err != nil {
		t.Fatalf("ack 1 to 10: %v", err)
	}
	if err := all[14].Ack(); err != nil {
		t.Fatalf("ack 15: %v", err)
	}
	// 11…14 and 16…50 are one frame, over 15 which is acked already; 60…69 need frames of their own.
	set := slices.Concat(all[59:69], all[15:50], all[10:14])
	if err := k.AckAll(set); err != nil {
		t.Fatalf("ack the set: %v", err)
	}
	if err := k.AckAll(set); !errors.Is(err, rabbit.ErrStale) {
		t.Errorf("second time: %v, want ErrStale", err)
	}
	if err := all[70].Nack(false, true); err == nil {
		t.Error("Nack worked; it is no tool for a retry")
	}

	if err := k.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	rabbittest.Eventually(t, "51…59 and 70…100 back in the queue", func() bool { return broker.Depth(t, "reports") == 9+31 })
	if d := broker.Get(t, "reports"); d.MessageId != "51" {
		t.Errorf("first message left is %s, want 51", d.MessageId)
	}
	if n := conn.Stats().Reconnects; n != 0 {
		t.Errorf("%d reconnects, want none", n)
	}
}

func TestConsumer_queueThatDoesNotExistYet(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	cfg := broker.Config(t.Name())
	cfg.Declare = false
	conn := rabbittest.Start(t, cfg, rabbit.Standard("reports"))
	k := conn.NewConsumer(rabbit.ConsumerConfig{Queue: "reports"})
	rabbittest.Eventually(t, "the missing topology reported", func() bool { return errors.Is(conn.Ready(t.Context()), rabbit.ErrTopology) })
	if err := k.Ready(); !errors.Is(err, rabbit.ErrNotConnected) {
		t.Errorf("consumer: %v, want ErrNotConnected", err)
	}

	if err := broker.Declare(t, rabbit.Standard("reports"), false); err != nil {
		t.Fatalf("deploy job: %v", err)
	}
	rabbittest.WaitReady(t, conn)
	waitRegistered(t, k)
}

func TestHeaderInt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value any
		want  int64
		ok    bool
	}{
		"byte":                     {byte(3), 3, true},
		"int8":                     {int8(-3), -3, true},
		"int16":                    {int16(3), 3, true},
		"uint32":                   {uint32(3), 3, true},
		"int64":                    {int64(3e9), 3e9, true},
		"whole float":              {float64(3), 3, true},
		"fraction is refused":      {3.5, 0, false},
		"huge unsigned is refused": {uint64(1) << 63, 0, false},
		"text is refused":          {"3", 0, false},
		"missing":                  {nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := rabbit.HeaderInt(amqp.Table{"x": test.value}, "x"); got != test.want || ok != test.ok {
				t.Errorf("got %d, %v; want %d, %v", got, ok, test.want, test.ok)
			}
		})
	}
}
