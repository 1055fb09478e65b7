package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// turnLimit is how long the delivery loop may stand still before Ready complains.
const turnLimit = 30 * time.Second

var (
	// ErrStale refuses an ack: the delivery's channel is gone, so the broker hands the message out again, or the delivery has been
	// acked already. Never ack it elsewhere; what was committed for it is found again by the next delivery.
	ErrStale = errors.New("delivery is stale")

	errPaused    = errors.New("paused")
	errStopping  = errors.New("stopping")
	errCancelled = errors.New("consumer cancelled by the broker (queue deleted?)")
)

// ConsumerConfig says what to consume. Queue is required; zero values of the rest work.
type ConsumerConfig struct {
	Queue string
	// Prefetch is how many deliveries may be unacked at once. Default 1. Use twice the concurrency, or 256 to 512 for batches.
	Prefetch int
	// Tag is the consumer's name in the broker's lists. Default: made by the library, unique in this process.
	Tag string
	// Buffer is the capacity of Deliveries; raised to Prefetch when smaller, so that everything unacked fits and the
	// delivery loop never waits for a handler.
	Buffer int
}

// Consumer keeps one consumer registered: across reconnects, channel closes and deleted queues, until Stop or Close.
// All methods are safe for concurrent use.
type Consumer struct {
	c   *Conn
	cfg ConsumerConfig
	out chan Delivery // closed by run

	poke        chan struct{} // wakes the loop after paused changed; holds at most one
	stop, close chan struct{} // closed by Stop and Close
	stopOnce    sync.Once
	closeOnce   sync.Once
	drained     chan struct{} // closed right after out
	done        chan struct{} // closed when run returns

	epoch  uint64       // of run alone
	turned atomic.Int64 // Unix nanoseconds of the loop's last turn
	mu     sync.Mutex
	paused bool
	err    error // why not registered; nil while registered
}

// NewConsumer returns a consumer that registers as soon as the connection is up, and whenever it is up again. Stop and Close
// it, or stop the connection.
func (c *Conn) NewConsumer(cfg ConsumerConfig) *Consumer {
	cfg.Prefetch = max(cfg.Prefetch, 1)
	k := &Consumer{
		c: c, cfg: cfg, out: make(chan Delivery, max(cfg.Buffer, cfg.Prefetch)), poke: make(chan struct{}, 1),
		stop: make(chan struct{}), close: make(chan struct{}), drained: make(chan struct{}), done: make(chan struct{}), err: ErrNotConnected,
	}
	c.work.Go(k.run)
	return k
}

// Deliveries returns the channel of deliveries, in the order of the broker. It is closed when Stop (or Close, or the connection's
// Stop) has taken effect; what is still in it may be handled and acked until Close, or left for the broker to requeue.
func (k *Consumer) Deliveries() <-chan Delivery { return k.out }

// Ready returns nil when the consumer is registered with the broker and its loop has turned within the last 30 s. Both matter:
// after a queue is deleted connection and channel stay healthy, and nothing ever arrives.
func (k *Consumer) Ready() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return fmt.Errorf("consumer of queue %q not registered: %w", k.cfg.Queue, k.err)
	}
	if idle := time.Since(time.Unix(0, k.turned.Load())); idle > turnLimit {
		return fmt.Errorf("consumer of queue %q stands still for %s", k.cfg.Queue, idle.Round(time.Second))
	}
	return nil
}

// Pause stops consuming and closes the channel: what is unacked goes back to the queue at once (one redelivery), and its acks are refused
// with ErrStale. For times when nothing can be handled, such as a lost database. It returns without waiting for the broker.
func (k *Consumer) Pause() { k.setPaused(true) }

// Resume consumes again after Pause.
func (k *Consumer) Resume() { k.setPaused(false) }

func (k *Consumer) setPaused(paused bool) {
	k.mu.Lock()
	k.paused = paused
	k.mu.Unlock()
	select {
	case k.poke <- struct{}{}:
	default: // a wake-up is pending already
	}
}

// Stop asks the broker for no more deliveries and waits until Deliveries is closed, or ctx is done. Deliveries handed out before stay
// ackable until Close.
func (k *Consumer) Stop(ctx context.Context) error {
	k.stopOnce.Do(func() { close(k.stop) })
	select {
	case <-k.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop consumer of queue %q: %w", k.cfg.Queue, ctx.Err())
	}
}

// Close closes the channel and waits for it, at most about twice Config.CallTimeout. Unacked deliveries go back to their queue.
// It implies Stop.
func (k *Consumer) Close() error {
	k.closeOnce.Do(func() { close(k.close) })
	<-k.done
	return nil
}

// ended returns why the loop must leave its session, or nil.
func (k *Consumer) ended() error {
	select {
	case <-k.close:
		return errStopping
	case <-k.stop:
		return errStopping
	case <-k.c.quit:
		return errStopping
	default:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.paused {
		return errPaused
	}
	return nil
}

func (k *Consumer) setErr(err error) {
	k.turned.Store(time.Now().UnixNano())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}
