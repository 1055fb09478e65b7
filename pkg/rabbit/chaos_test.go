package rabbit_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
)

// Publishers and a batching consumer, while the network is cut again and again: every message arrives, nothing hangs, nothing is
// dead-lettered, and in the end the queue is empty.
func TestConn_nothingIsLostWhileTheNetworkIsCut(t *testing.T) {
	t.Parallel()
	const publishers, cuts = 2, 15
	broker := rabbittest.New(t)
	proxy := broker.Proxy(t)
	start := func(role string) *rabbit.Conn {
		return rabbittest.Start(t, proxy.Through(t, broker.Config(role)), rabbit.Standard("reports"))
	}
	publishing, consuming := start("publish"), start("consume")
	pub := publishing.NewPublisher(rabbit.PublisherOptions{})
	k := consuming.NewConsumer(rabbit.ConsumerConfig{Queue: "reports", Prefetch: 64})

	var calm atomic.Bool // the last cut is over
	var published atomic.Int64
	var work sync.WaitGroup
	work.Go(func() { // cuts, each time both sides are up
		defer calm.Store(true)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; n < cuts && t.Context().Err() == nil; <-tick.C {
			if publishing.Ready(t.Context()) == nil && k.Ready() == nil {
				proxy.Cut()
				n++
			}
		}
	})
	var publisherWork sync.WaitGroup
	for n := range publishers {
		publisherWork.Go(func() {
			var left []rabbit.Publishing
			for i := 0; t.Context().Err() == nil; { // at least once, as a relay does it
				for ; len(left) < 20 && !calm.Load(); i++ {
					left = append(left, task("reports", fmt.Sprintf("%d.%d", n, i)))
				}
				if len(left) == 0 {
					published.Add(int64(i))
					return
				}
				var again []rabbit.Publishing
				for j, err := range pub.PublishBatch(t.Context(), left) {
					if err != nil {
						again = append(again, left[j])
					}
				}
				left = again
			}
		})
	}
	allPublished := make(chan struct{})
	work.Go(func() {
		publisherWork.Wait()
		close(allPublished)
	})

	seen := map[string]bool{}
	var redelivered, stale, batches int
	deadline := time.After(2 * rabbittest.Patience)
	for finished := allPublished; finished != nil || int64(len(seen)) < published.Load(); {
		var batch []rabbit.Delivery
		select {
		case <-finished:
			finished = nil
		case d := <-k.Deliveries():
			batch = append(batch, d)
		case <-deadline:
			t.Fatalf("%d of %d messages; consumer: %v, connection: %v", len(seen), published.Load(), k.Ready(), consuming.Ready(t.Context()))
		}
		for more := true; more; {
			select {
			case d := <-k.Deliveries():
				batch = append(batch, d)
			default:
				more = false
			}
		}
		for _, d := range batch {
			seen[d.MessageId] = true
			if d.Redelivered {
				redelivered++
			}
		}
		batches++
		if k.AckAll(batch) != nil {
			stale++
		}
	}
	work.Wait()
	drained := make(chan struct{})
	go func() { // duplicates
		defer close(drained)
		for d := range k.Deliveries() {
			_ = d.Ack()
		}
	}()
	rabbittest.Eventually(t, "an empty queue", func() bool {
		return len(k.Deliveries()) == 0 && broker.Depth(t, "reports") == 0
	})
	if err := k.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	<-drained
	if n := broker.Depth(t, "reports") + broker.Depth(t, rabbit.DeadQueue("reports")); n != 0 {
		t.Errorf("%d messages left or dead, want none", n)
	}
	t.Logf("%d messages in %d batches, %d redelivered, %d stale batches\npublish %+v\nconsume %+v",
		len(seen), batches, redelivered, stale, publishing.Stats(), consuming.Stats())
}
