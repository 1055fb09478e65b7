package rabbit_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	amqp "github.com/rabbitmq/amqp091-go"

	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
)

func task(queue, id string) rabbit.Publishing {
	return rabbit.Publishing{Exchange: rabbit.ExchangeTasks, Key: queue, Msg: amqp.Publishing{
		MessageId: id, DeliveryMode: amqp.Persistent, ContentType: "application/json", Body: []byte(`[[],{},{}]`),
	}}
}

func tasks(queue string, n int) []rabbit.Publishing {
	msgs := make([]rabbit.Publishing, n)
	for i := range msgs {
		msgs[i] = task(queue, fmt.Sprint(i+1))
	}
	return msgs
}

func TestPublishBatch_5000(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	pub := broker.Conn(t, rabbit.Standard("reports")).NewPublisher(rabbit.PublisherOptions{Timeout: 20 * time.Second})

	began := time.Now()
	for i, err := range pub.PublishBatch(t.Context(), tasks("reports", 5000)) {
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	t.Logf("5000 messages confirmed in %s", time.Since(began))
	rabbittest.Eventually(t, "5000 messages in the queue", func() bool { return broker.Depth(t, "reports") == 5000 })
}

func TestPublishBatch_eachMessageHasItsOwnAnswer(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	conn := broker.Conn(t, rabbit.Standard("reports"))
	pub := conn.NewPublisher(rabbit.PublisherOptions{Window: 4})

	var msgs []rabbit.Publishing
	var want []error
	for i := range 100 {
		m, err := task("reports", fmt.Sprint(i)), error(nil)
		switch i % 5 {
		case 1:
			m.Key, err = "nobody", rabbit.ErrReturned
		case 2:
			m.Msg.CorrelationId, err = strings.Repeat("x", 256), rabbit.ErrInvalid
		case 3:
			m.Msg.Headers, err = amqp.Table{"big": strings.Repeat("x", 200_000)}, rabbit.ErrInvalid
		}
		msgs, want = append(msgs, m), append(want, err)
	}
	got := pub.PublishBatch(t.Context(), msgs)

	if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
		t.Fatalf("answers (-want +got):\n%s", diff)
	}
	if text := got[1].Error(); !strings.Contains(text, "312 NO_ROUTE") {
		t.Errorf("returned: %q does not give the broker's reply", text)
	}
	if n := conn.Stats().Returned; n != 20 {
		t.Errorf("Stats().Returned = %d, want 20", n)
	}
	rabbittest.Eventually(t, "40 messages in the queue", func() bool { return broker.Depth(t, "reports") == 40 })
}

func TestPublishBatch_fullQueueNacks(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	topo := rabbit.Topology{Queues: []rabbit.Queue{{Name: "full", Durable: true, Args: amqp.Table{
		"x-max-length": int32(1), amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
	}}}}
	pub := broker.Conn(t, topo).NewPublisher(rabbit.PublisherOptions{})

	got := pub.PublishBatch(t.Context(), slices.Repeat([]rabbit.Publishing{{Key: "full"}}, 10))

	if got[0] != nil || !errors.Is(got[9], rabbit.ErrNacked) {
		t.Errorf("first %v, last %v; want the first kept and the last refused", got[0], got[9])
	}
}

func TestPublishBatch_missingExchangeIsUnknownAndTheNextBatchWorks(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	pub := broker.Conn(t, rabbit.Standard("reports")).NewPublisher(rabbit.PublisherOptions{})
	bad := task("reports", "1")
	bad.Exchange = "missing"

	got := pub.PublishBatch(t.Context(), []rabbit.Publishing{bad})
	if !errors.Is(got[0], rabbit.ErrUnknown) {
		t.Errorf("missing exchange: %v, want ErrUnknown", got[0])
	}
	if got := pub.PublishBatch(t.Context(), tasks("reports", 3)); errors.Join(got...) != nil {
		t.Errorf("next batch: %v", errors.Join(got...))
	}
}

func TestPublishBestEffort_missingExchangeDisturbsNobody(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	conn := broker.Conn(t, rabbit.Standard("reports"))
	pub := conn.NewPublisher(rabbit.PublisherOptions{})
	bad := task("reports", "lost")
	bad.Exchange = "missing"

	for range 3 {
		if err := pub.PublishBestEffort(t.Context(), bad); err != nil && !errors.Is(err, rabbit.ErrUnknown) {
			t.Fatalf("best effort: %v", err)
		}
		if err := errors.Join(pub.PublishBatch(t.Context(), tasks("reports", 10))...); err != nil {
			t.Fatalf("batch beside it: %v", err)
		}
	}
	rabbittest.Eventually(t, "a best-effort message that arrives", func() bool {
		_ = pub.PublishBestEffort(t.Context(), task("reports", "news")) // may still meet the dying channel
		return broker.Depth(t, "reports") > 30
	})
	if n := conn.Stats().Reconnects; n != 0 {
		t.Errorf("%d reconnects, want none", n)
	}
}

func TestPublishBatch_brokerDown(t *testing.T) {
	t.Parallel()
	conn := rabbittest.Start(t, rabbit.Config{URL: "amqp://user:secret@127.0.0.1:1/", Name: "nowhere"}, rabbit.Topology{})
	pub := conn.NewPublisher(rabbit.PublisherOptions{})

	if err := pub.PublishBatch(t.Context(), tasks("reports", 1))[0]; !errors.Is(err, rabbit.ErrUnknown) || !errors.Is(err, rabbit.ErrNotConnected) {
		t.Errorf("batch: %v, want ErrUnknown and ErrNotConnected", err)
	}
	rabbittest.Eventually(t, "a reason", func() bool { return strings.Contains(conn.Ready(t.Context()).Error(), "refused") })
	if text := conn.Ready(t.Context()).Error(); strings.Contains(text, "secret") {
		t.Errorf("Ready tells the password: %s", text)
	}
}

func TestPublishBatch_hangingSocketIsCutAtTheTimeout(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	proxy := broker.Proxy(t)
	cfg := proxy.Through(t, broker.Config(t.Name()))
	cfg.CallTimeout = 2 * rabbittest.Patience // so that only the batch's own watchdog can be what frees it
	conn := rabbittest.Start(t, cfg, rabbit.Standard("reports"))
	rabbittest.WaitReady(t, conn)
	pub := conn.NewPublisher(rabbit.PublisherOptions{Timeout: time.Second, Window: 4096})
	msgs := tasks("reports", 2000)
	for i := range msgs {
		msgs[i].Msg.Body = make([]byte, 64<<10)
	}
	publish(t, pub, "reports", 1) // opens the channel, so that a write is what hangs

	proxy.Stall(true)
	began := time.Now()
	errs := pub.PublishBatch(t.Context(), msgs)
	took := time.Since(began)
	proxy.Stall(false)

	if took > rabbittest.Patience {
		t.Errorf("took %s, want about a second", took)
	}
	if err := errs[len(errs)-1]; !errors.Is(err, rabbit.ErrUnknown) {
		t.Errorf("last message: %v, want ErrUnknown", err)
	}
	rabbittest.Eventually(t, "publishing works again", func() bool {
		return pub.PublishBatch(t.Context(), tasks("reports", 1))[0] == nil
	})
}

func TestPublishBestEffort_hangingSocketIsBounded(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	proxy := broker.Proxy(t)
	cfg := proxy.Through(t, broker.Config(t.Name()))
	cfg.CallTimeout = 3 * time.Second // enough to open a channel on a busy machine
	conn := rabbittest.Start(t, cfg, rabbit.Standard("reports"))
	rabbittest.WaitReady(t, conn)
	pub := conn.NewPublisher(rabbit.PublisherOptions{})
	news := task("reports", "1")
	news.Msg.Body = make([]byte, 256<<10)
	if err := pub.PublishBestEffort(t.Context(), news); err != nil { // opens the channel, so that a write is what hangs
		t.Fatalf("first: %v", err)
	}

	proxy.Stall(true)
	began := time.Now()
	var err error
	for err == nil && time.Since(began) < rabbittest.Patience {
		err = pub.PublishBestEffort(t.Context(), news)
	}
	if took := time.Since(began); !errors.Is(err, rabbit.ErrUnknown) {
		t.Errorf("got %v after %s, want ErrUnknown within seconds", err, took)
	}
	proxy.Stall(false)
	rabbittest.WaitReady(t, conn)
}

func TestPublishBatch_confirmThatDoesNotComeIsUnknown(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	proxy := broker.Proxy(t)
	conn := rabbittest.Start(t, proxy.Through(t, broker.Config(t.Name())), rabbit.Standard("reports"))
	rabbittest.WaitReady(t, conn)
	pub := conn.NewPublisher(rabbit.PublisherOptions{Timeout: 5 * time.Second})
	if err := pub.PublishBatch(t.Context(), tasks("reports", 1))[0]; err != nil {
		t.Fatalf("first: %v", err)
	}

	proxy.Stall(true)
	if err := pub.PublishBatch(t.Context(), tasks("reports", 1))[0]; !errors.Is(err, rabbit.ErrUnknown) {
		t.Errorf("while stalled: %v, want ErrUnknown", err)
	}
	proxy.Stall(false)
	rabbittest.Eventually(t, "an unroutable message is reported as returned", func() bool {
		return errors.Is(pub.PublishBatch(t.Context(), []rabbit.Publishing{task("nobody", "2")})[0], rabbit.ErrReturned)
	})
}

func TestPublishBatch_blockedByTheBroker(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	proxy := broker.Proxy(t)
	conn := rabbittest.Start(t, proxy.Through(t, broker.Config(t.Name())), rabbit.Standard("reports"))
	rabbittest.WaitReady(t, conn)
	pub := conn.NewPublisher(rabbit.PublisherOptions{})

	proxy.Inject(method(10, 60, "\x0alow memory")) // connection.blocked
	rabbittest.Eventually(t, "connection blocked", conn.Blocked)
	if err := pub.PublishBatch(t.Context(), tasks("reports", 1))[0]; !errors.Is(err, rabbit.ErrBlocked) {
		t.Errorf("batch while blocked: %v, want ErrBlocked", err)
	}
	if err := pub.PublishBestEffort(t.Context(), task("reports", "1")); !errors.Is(err, rabbit.ErrBlocked) {
		t.Errorf("best effort while blocked: %v, want ErrBlocked", err)
	}
	if _, err := conn.QueueDepth(t.Context(), "reports"); !errors.Is(err, rabbit.ErrBlocked) {
		t.Errorf("depth while blocked: %v, want ErrBlocked", err)
	}

	proxy.Inject(method(10, 61, "")) // connection.unblocked
	rabbittest.Eventually(t, "connection unblocked", func() bool { return !conn.Blocked() })
	if err := pub.PublishBatch(t.Context(), tasks("reports", 1))[0]; err != nil {
		t.Errorf("batch afterwards: %v", err)
	}
}

// method encodes a method frame on channel 0.
func method(class, number uint16, arguments string) []byte {
	frame := []byte{1, 0, 0}
	frame = binary.BigEndian.AppendUint32(frame, uint32(4+len(arguments)))
	frame = binary.BigEndian.AppendUint16(frame, class)
	frame = binary.BigEndian.AppendUint16(frame, number)
	return append(append(frame, arguments...), 0xCE)
}

func BenchmarkPublishBatch_512messages(b *testing.B) {
	broker := rabbittest.New(b)
	pub := broker.Conn(b, rabbit.Standard("reports")).NewPublisher(rabbit.PublisherOptions{})
	msgs := tasks("reports", 512)
	for b.Loop() {
		if err := errors.Join(pub.PublishBatch(b.Context(), msgs)...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(512*b.N)/b.Elapsed().Seconds(), "msgs/s")
}
