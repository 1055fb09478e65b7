package task

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/proto/contract"
)

// QueueConfig tunes publishing. The zero value is right for production; tests shorten the times.
type QueueConfig struct {
	// PollInterval is how often the relay looks for due tasks even when nobody rang; 1 s when zero.
	PollInterval time.Duration
	// ConfirmTimeout bounds the wait for the broker's confirms; 5 s when zero.
	ConfirmTimeout time.Duration
	// Metrics receives the queue's metrics when not nil.
	Metrics prometheus.Registerer
}

// relayBatch is how many rows one relay transaction publishes. 512 with pipelined confirms was the best of 128 to 2,048 (docs/benchmarks.md).
const relayBatch = 512

// Queue enqueues tasks and relays them to RabbitMQ. Every process that enqueues runs one; any of them may publish any row. Safe for concurrent use.
type Queue struct {
	db      *postgres.DB
	conn    *rabbit.Conn
	pub     *rabbit.Publisher
	cfg     QueueConfig
	metrics queueMetrics
	news    *announcer // nil without a broker

	wake   chan struct{} // capacity 1; never closed
	cancel context.CancelFunc
	done   sync.WaitGroup
}

var _ contract.Enqueuer = (*Queue)(nil)

// NewQueue makes a queue that publishes over conn, which the caller starts and stops. With a nil conn tasks are only inserted and other processes publish them.
func NewQueue(db *postgres.DB, conn *rabbit.Conn, cfg QueueConfig) *Queue {
	if cfg.PollInterval == 0 {
		cfg.PollInterval = time.Second
	}
	if cfg.ConfirmTimeout == 0 {
		cfg.ConfirmTimeout = 5 * time.Second
	}
	q := &Queue{db: db, conn: conn, cfg: cfg, wake: make(chan struct{}, 1), metrics: newQueueMetrics(cfg.Metrics)}
	if conn != nil {
		q.pub = conn.NewPublisher(rabbit.PublisherOptions{Timeout: cfg.ConfirmTimeout})
		q.news = newAnnouncer(conn.NewPublisher(rabbit.PublisherOptions{}), cfg.Metrics) // of its own, so that news never delays an answer
	}
	return q
}

// Start begins relaying. The context bounds the start only.
func (q *Queue) Start(ctx context.Context) error {
	if q.conn == nil {
		return nil
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	q.cancel = cancel
	q.done.Go(func() { q.relay(run) })
	q.done.Go(func() { q.news.run(run) })
	return nil
}

// Stop ends relaying after the batch at hand, and sends the last events. Pending rows stay for the next process.
func (q *Queue) Stop(context.Context) error {
	if q.cancel != nil {
		q.cancel()
		q.done.Wait()
	}
	return nil
}

// Wake makes the relay look for pending tasks now. Enqueue does it after each commit.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default: // already rung
	}
}
