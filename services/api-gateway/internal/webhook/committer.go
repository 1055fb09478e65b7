package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/groupcommit"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

const (
	// maxShared is the most events one commit holds; beyond it a commit takes longer without costing less per event.
	maxShared = 256
	// maxWaiting bounds the events that wait for a commit. At 5,000 a second it is less than a second's worth; whoever comes on top is better told to come again.
	maxWaiting = 4096
	// commits are under way at once, so that one is prepared while another waits for the disk.
	commits = 2
	// statementTimeout bounds each statement of a commit unless Committer.Patience says otherwise; after connectTimeout more the whole commit is given up, a
	// lost connection included.
	statementTimeout = 2 * time.Second
	connectTimeout   = 3 * time.Second
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

// Committer stores events, many in one transaction. It is a component: Store works until Stop. Safe for concurrent use.
type Committer struct {
	// Subscriptions enqueues what is about subscription payments, as the tasks of NewCommitter do. Nil leaves that to ai_features.process_webhook_event, which hands it over.
	Subscriptions *subscriptionspb.Tasks
	// Patience is how long one statement of a commit may take, for example while somebody else holds a table; two seconds when zero.
	Patience time.Duration

	db       *postgres.DB
	tasks    *aifeatures.Tasks
	wake     func()
	outcomes *prometheus.CounterVec
	sizes    prometheus.Histogram
	group    groupcommit.Group[*waiter]
}

// waiter is one request that waits for its event.
type waiter struct {
	event billing.Event
	state State
	err   error
}

// NewCommitter makes a committer that writes through db, which should be opened with the role makola_webhook. tasks must enqueue in transactions of the same
// db. wake is called after each commit that enqueued something, to ring the relay of a queue that may read tasks; nil rings nobody.
func NewCommitter(db *postgres.DB, tasks *aifeatures.Tasks, wake func(), metrics prometheus.Registerer) *Committer {
	c := &Committer{
		db: db, tasks: tasks, wake: wake,
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "makola_webhook_requests_total", Help: "Webhook requests by provider and outcome."}, []string{"provider", "outcome"}),
		sizes: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "makola_webhook_commit_events", Help: "Events stored by one commit.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}}),
	}
	c.group.Run, c.group.Max, c.group.Leaders, c.group.Waiting = c.store, maxShared, commits, maxWaiting
	if metrics != nil {
		metrics.MustRegister(c.outcomes, c.sizes)
	}
	return c
}

// Start implements service.Component. There is nothing to start: events are stored by the requests that bring them.
func (c *Committer) Start(context.Context) error { return nil }

// Stop refuses new events and returns when those that wait are stored, or when ctx ends.
func (c *Committer) Stop(ctx context.Context) error { return c.group.Close(ctx) }

// Store returns when the event is in the database, or is known not to be. A client that hangs up, which ends ctx, does not stop its event from being stored.
// Errors: ErrBusy, ErrNotStored.
func (c *Committer) Store(ctx context.Context, e billing.Event) (State, error) {
	w := &waiter{event: e}
	if err := c.group.Do(context.WithoutCancel(ctx), w); err != nil {
		return Queued, errors.Join(ErrBusy, err)
	}
	return w.state, w.err
}

// store commits the events together, and in halves when that fails because of one of them.
func (c *Committer) store(ctx context.Context, shared []*waiter) {
	fresh, err := c.commit(ctx, shared)
	switch {
	case err == nil:
		c.sizes.Observe(float64(len(shared)))
		for _, w := range shared {
			w.state = Queued
			if !fresh[w] {
				w.state = Duplicate
			}
		}
	case len(shared) > 1 && !postgres.IsUnavailable(err) && !errors.Is(err, postgres.ErrOutcomeUnknown):
		half := len(shared) / 2
		c.store(ctx, shared[:half])
		c.store(ctx, shared[half:])
	default:
		slog.ErrorContext(ctx, "webhook events not stored", "count", len(shared), "error", err)
		for _, w := range shared {
			w.err = ErrNotStored
		}
	}
}

// commit stores the events and their tasks in one transaction, and returns the waiters whose events are new.
func (c *Committer) commit(ctx context.Context, shared []*waiter) (map[*waiter]bool, error) {
	patience := c.Patience
	if patience <= 0 {
		patience = statementTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, patience+connectTimeout)
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
	tx, err := c.db.Begin(ctx, postgres.Scope{System: true, Timeout: patience})
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

// enqueue adds the task that settles the event: at once the one for credit purchases or subscription payments when the reference is of that kind, as nearly all are, and otherwise the
// one that finds out whose payment it is. The facts travel for the eyes of whoever looks at the task; the worker believes the stored event alone.
func (c *Committer) enqueue(ctx context.Context, tx *gorm.DB, e billing.Event) error {
	if c.Subscriptions != nil && strings.HasPrefix(e.Reference, billing.SubscriptionPrefix) {
		return c.enqueueMonth(ctx, tx, e)
	}
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

// enqueueMonth is enqueue for an event that names a subscription payment.
func (c *Committer) enqueueMonth(ctx context.Context, tx *gorm.DB, e billing.Event) (err error) {
	if e.Kind == payments.KindCharge || e.Kind == "" {
		args := &subscriptionspb.ProcessPaymentArgs{PaymentReference: e.Reference, EventId: e.ID.String(), PaymentProvider: &e.Provider}
		_, err = c.Subscriptions.ProcessPayment(ctx, tx, args, task.WithID(e.Task))
		return err
	}
	_, err = c.Subscriptions.ProcessWebhookEvent(ctx, tx, &subscriptionspb.ProcessWebhookEventArgs{EventId: e.ID.String()}, task.WithID(e.Task))
	return err
}
