package rabbit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
)

// Not parallel, so that every goroutine it finds at the end is its own.
func TestConn_100ReconnectsLeakNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("reconnect", func(t *testing.T) {
		broker := rabbittest.New(t)
		proxy := broker.Proxy(t)
		cfg := proxy.Through(t, broker.Config(t.Name()))
		cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 5*time.Millisecond
		conn := rabbittest.Start(t, cfg, rabbit.Standard("reports"))
		rabbittest.WaitReady(t, conn)
		k := conn.NewConsumer(rabbit.ConsumerConfig{Queue: "reports", Prefetch: 10})
		pub := conn.NewPublisher(rabbit.PublisherOptions{})

		for conn.Stats().Reconnects < 100 {
			reconnects := conn.Stats().Reconnects
			if reconnects%10 == 0 { // all parts in use, not only the supervisor
				rabbittest.Eventually(t, "published", func() bool {
					return errors.Join(pub.PublishBatch(t.Context(), tasks("reports", 1))...) == nil
				})
				rabbittest.Eventually(t, "consumed", func() bool { return next(t, k).Ack() == nil })
			}
			proxy.Cut()
			rabbittest.Eventually(t, "reconnected", func() bool { return conn.Stats().Reconnects > reconnects && conn.Ready(t.Context()) == nil })
		}
	})
	goleak.VerifyNone(t, before)
}

func TestConn_existingQueueWithOtherArguments(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	classic := rabbit.Topology{Queues: []rabbit.Queue{{Name: "reports", Durable: true}}}
	if err := broker.Declare(t, classic, false); err != nil {
		t.Fatalf("declare the other queue: %v", err)
	}
	conn := rabbittest.Start(t, broker.Config(t.Name()), rabbit.Standard("reports"))
	rabbittest.Eventually(t, "ErrTopology", func() bool { return errors.Is(conn.Ready(t.Context()), rabbit.ErrTopology) })
	text := conn.Ready(t.Context()).Error()
	for _, want := range []string{`"reports"`, "other arguments", "delete it", "406", "since"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}

	broker.DeleteQueue(t, "reports")
	rabbittest.WaitReady(t, conn)
}

func TestConn_deletedQueueComesBackForAPublisher(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	pub := broker.Conn(t, rabbit.Standard("reports")).NewPublisher(rabbit.PublisherOptions{})
	broker.DeleteQueue(t, "reports")

	if err := pub.PublishBatch(t.Context(), tasks("reports", 1))[0]; !errors.Is(err, rabbit.ErrReturned) {
		t.Errorf("without a queue: %v, want ErrReturned", err)
	}
	rabbittest.Eventually(t, "published again", func() bool { return pub.PublishBatch(t.Context(), tasks("reports", 1))[0] == nil })
}

func TestConn_QueueDepth(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	conn := broker.Conn(t, rabbit.Standard("reports"))
	publish(t, conn.NewPublisher(rabbit.PublisherOptions{}), "reports", 7)

	rabbittest.Eventually(t, "depth 7", func() bool {
		n, err := conn.QueueDepth(t.Context(), "reports")
		return err == nil && n == 7
	})
	if _, err := conn.QueueDepth(t.Context(), "missing"); err == nil {
		t.Error("depth of a missing queue: no error")
	}
	if _, err := conn.QueueDepth(t.Context(), "reports"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestStandard_everyQueueAndAnOwnOne(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	topo := rabbit.Standard(rabbit.Queues()...)
	topo.Queues = append(topo.Queues, rabbit.OwnQueue("gateway.1", rabbit.Binding{Exchange: rabbit.ExchangeEvents, Key: "#"}))
	conn := broker.Conn(t, topo)
	pub := conn.NewPublisher(rabbit.PublisherOptions{})

	for _, q := range rabbit.Queues() {
		if err := pub.PublishBatch(t.Context(), []rabbit.Publishing{
			task(q, "work"), {Exchange: rabbit.ExchangeDead, Key: q}, {Key: q}, // by name, as Celery clients do
		}); errors.Join(err...) != nil {
			t.Errorf("queue %s: %v", q, errors.Join(err...))
		}
		if d := broker.Get(t, rabbit.DeadQueue(q)); d.Exchange != rabbit.ExchangeDead {
			t.Errorf("dead queue of %s: message came by exchange %q", q, d.Exchange)
		}
	}
	if err := pub.PublishBestEffort(t.Context(), rabbit.Publishing{Exchange: rabbit.ExchangeEvents, Key: "task.succeeded"}); err != nil {
		t.Errorf("event: %v", err)
	}
	broker.Get(t, "gateway.1")
	if err := broker.Declare(t, topo, true); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestStandard_messageOutOfDeliveriesIsADeadLetter(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	_, k, pub := consumer(t, broker, 1)
	publish(t, pub, "reports", 1)

	deliveries := 0
	for dead := false; !dead; deliveries++ {
		held := next(t, k)
		k.Pause() // as a crash would: the channel closes with the message unacked
		rabbittest.Eventually(t, "given back or dead", func() bool {
			dead = broker.Depth(t, rabbit.DeadQueue("reports")) == 1
			return held.Stale() && (dead || broker.Depth(t, "reports") == 1)
		})
		k.Resume()
	}
	if deliveries != rabbit.DeliveryLimit+1 {
		t.Errorf("dead after %d deliveries, want %d", deliveries, rabbit.DeliveryLimit+1)
	}
	if d := broker.Get(t, rabbit.DeadQueue("reports")); d.MessageId != "1" {
		t.Errorf("dead letter %q, want 1", d.MessageId)
	}
}
