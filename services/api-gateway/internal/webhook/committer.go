package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
)

const (
	// maxShared is the most events one commit holds; beyond it a commit takes longer without costing less per event.
	maxShared = 256
	// maxWaiting bounds the events that wait for a commit. At 5,000 a second it is less than a second's worth; whoever comes on top is better told to come again.
	maxWaiting = 4096
	// committers work in parallel, so that one gathers and stores while another waits for the disk.
	committers = 2
	// statementTimeout bounds each statement of a commit; commitTimeout the whole of it, a lost connection included.
	statementTimeout = 2 * time.Second
	commitTimeout    = 5 * time.Second
)

// Errors of Store. Both mean that the event is not known to be stored.
var (
	// ErrBusy reports that too many events wait already, or that the committer has stopped.
	ErrBusy = errors.New("webhook queue is full")
	// ErrNotStored reports a commit that failed, or whose outcome is unknown.
	ErrNotStored = errors.New("webhook was not stored")
)

// State says what became of an event.
type State int

// The states of an event that is in the database.
const (
	// Queued means that the event is new.
	Queued State = iota
	// Duplicate means that it was there before.
	Duplicate
)

// Committer stores events, many in one transaction. It is a component: Store works from Start to Stop. Safe for concurrent use.
type Committer struct {
	db       *postgres.DB
	tasks    *aifeatures.Tasks
	wake     func()
	outcomes *prometheus.CounterVec
	sizes    prometheus.Histogram

	mu      sync.RWMutex // held for writing only to close waiting
	waiting chan *waiter // closed by Stop
	stopped bool
	done    sync.WaitGroup
}

// waiter is one request that waits for its event.
type waiter struct {
	event  billing.Event
	answer chan answer // buffered by one, so that nobody waits for a client that is gone; never closed
}

type answer struct {
	state State
	err   error
}

// NewCommitter makes a committer that writes through db, which should be opened with the role makola_webhook. tasks must enqueue in transactions of the same
// db. wake is called after each commit that enqueued something, to ring the relay of a queue that may read tasks; nil rings nobody.
func NewCommitter(db *postgres.DB, tasks *aifeatures.Tasks, wake func(), metrics prometheus.Registerer) *Committer {
	c := &Committer{
		db: db, tasks: tasks, wake: wake, waiting: make(chan *waiter, maxWaiting),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "makola_webhook_requests_total", Help: "Webhook requests by provider and outcome."}, []string{"provider", "outcome"}),
		sizes: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "makola_webhook_commit_events", Help: "Events stored by one commit.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}}),
	}
	if metrics != nil {
		metrics.MustRegister(c.outcomes, c.sizes)
	}
	return c
}

// Start begins to store. It does not wait for the database.
func (c *Committer) Start(ctx context.Context) error {
	for range committers {
		c.done.Go(func() { c.run(ctx) })
	}
	return nil
}

// Stop refuses new events, stores those that wait and returns. When ctx ends first, what still waits is answered ErrNotStored by the end of its commit's time.
func (c *Committer) Stop(ctx context.Context) error {
	c.mu.Lock()
	if !c.stopped {
		c.stopped = true
		close(c.waiting)
	}
	c.mu.Unlock()
	finished := make(chan struct{})
	go func() { c.done.Wait(); close(finished) }()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Store hands the event to a committer and waits until it is in the database. When ctx ends first it returns ErrNotStored, and the event is stored all the same.
func (c *Committer) Store(ctx context.Context, e billing.Event) (State, error) {
	w := &waiter{event: e, answer: make(chan answer, 1)}
	if !c.offer(w) {
		return Queued, ErrBusy
	}
	select {
	case a := <-w.answer:
		return a.state, a.err
	case <-ctx.Done():
		return Queued, errors.Join(ErrNotStored, ctx.Err())
	}
}

func (c *Committer) offer(w *waiter) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.stopped {
		return false
	}
	select {
	case c.waiting <- w:
		return true
	default:
		return false
	}
}

// run stores until the queue is closed and empty.
func (c *Committer) run(ctx context.Context) {
	for first := range c.waiting {
		shared := []*waiter{first}
	gather:
		for len(shared) < maxShared {
			select {
			case w, ok := <-c.waiting:
				if !ok {
					break gather
				}
				shared = append(shared, w)
			default:
				break gather
			}
		}
		c.store(ctx, shared)
	}
}

// store commits the events together, and in halves when that fails because of one of them.
func (c *Committer) store(ctx context.Context, shared []*waiter) {
	fresh, err := c.commit(ctx, shared)
	switch {
	case err == nil:
		c.sizes.Observe(float64(len(shared)))
		for _, w := range shared {
			a := answer{state: Queued}
			if !fresh[w] {
				a.state = Duplicate
			}
			w.answer <- a
		}
	case len(shared) > 1 && !postgres.IsUnavailable(err) && !errors.Is(err, postgres.ErrOutcomeUnknown) && ctx.Err() == nil:
		half := len(shared) / 2
		c.store(ctx, shared[:half])
		c.store(ctx, shared[half:])
	default:
		slog.ErrorContext(ctx, "webhook events not stored", "count", len(shared), "error", err)
		for _, w := range shared {
			w.answer <- answer{err: ErrNotStored}
		}
	}
}

// commit stores the events and their tasks in one transaction, and returns the waiters whose events are new.
func (c *Committer) commit(ctx context.Context, shared []*waiter) (map[*waiter]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	events := make([]billing.Event, len(shared))
	for i, w := range shared {
		if !w.event.Ignored {
			id, err := uuid.NewV7()
			if err != nil {
				return nil, fmt.Errorf("make task id: %w", err)
			}
			w.event.Task = id // so that the event tells what acts on it
		}
		events[i] = w.event
	}
	tx, err := c.db.Begin(ctx, postgres.Scope{System: true, Timeout: statementTimeout})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	ids, err := billing.RecordEvents(tx.DB, events)
	if err != nil {
		return nil, err
	}
	fresh := make(map[*waiter]bool, len(ids))
	tasks := 0
	for _, w := range shared {
		if !ids[w.event.ID] {
			continue
		}
		fresh[w] = true
		if w.event.Ignored {
			continue
		}
		if err := c.enqueue(ctx, tx.DB, w.event); err != nil {
			return nil, err
		}
		tasks++
	}
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	if tasks > 0 && c.wake != nil {
		c.wake()
	}
	return fresh, nil
}

// enqueue adds the task that settles the event: at once the one for credit purchases when the reference is of that kind, as nearly all are, and otherwise the one that finds out
// whose payment it is. The facts travel for the eyes of whoever looks at the task; the worker believes the stored event alone.
func (c *Committer) enqueue(ctx context.Context, tx *gorm.DB, e billing.Event) error {
	if e.Kind != payments.KindCharge && e.Kind != "" || !strings.HasPrefix(e.Reference, billing.ReferencePrefix) {
		_, err := c.tasks.ProcessWebhookEvent(ctx, tx, &aifeatures.ProcessWebhookEventArgs{EventId: e.ID.String()}, task.WithID(e.Task))
		return err
	}
	args := &aifeatures.ProcessPaymentWebhookArgs{
		PaymentReference: e.Reference, PaymentProvider: &e.Provider, EventId: e.ID.String(), AmountMinor: e.Amount.Minor, Currency: string(e.Amount.Currency),
		Status: string(e.Status), ProviderTransactionId: e.TransactionID,
	}
	if e.Amount.Currency.Known() {
		args.AmountPaid = e.Amount.Decimal()
	}
	if !e.PaidAt.IsZero() {
		args.PaidAt = e.PaidAt.UTC().Format(time.RFC3339)
	}
	_, err := c.tasks.ProcessPaymentWebhook(ctx, tx, args, task.WithID(e.Task))
	return err
}
