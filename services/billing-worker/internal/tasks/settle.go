package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/notifications"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// errNoPurchase is retried: a webhook can be faster than our own commit of the purchase.
var errNoPurchase = errors.New("no purchase has this reference yet")

// claim is one task's word that something happened to a payment, until the stored event that it names proves it.
type claim struct {
	run                        contract.Run
	reference, provider, event string
	err                        error
	result                     struct {
		status, business, purchase string
		credits                    money.Credits
	}
}

// settle acts on the claims of a batch that have no error, and gives each its result or its error.
func (a *AIFeatures) settle(ctx context.Context, tx *gorm.DB, claims []*claim) error {
	events, err := storedEvents(tx, claims)
	if err != nil {
		return err
	}
	foreign, err := ofSubscriptions(tx, claims, events)
	if err != nil {
		return err
	}
	var evidence []billing.Evidence
	var settled []*claim
	var aside []uuid.UUID
	for i, c := range claims {
		if c.err != nil {
			continue
		}
		if foreign[i] {
			if err := a.handOver(ctx, tx, c, events); err != nil {
				return err
			}
			continue
		}
		event, ok := evidenceOf(a.Policy, c, events)
		if !ok {
			if err := a.ask(ctx, tx, c, event); err != nil {
				return err
			}
			if event.Event != uuid.Nil {
				aside = append(aside, event.Event)
			}
			continue
		}
		event.Requester = c.run.Tenant
		evidence, settled = append(evidence, event.Evidence), append(settled, c)
	}
	if err := billing.SetAside(tx, aside); err != nil {
		return err
	}
	outcomes, err := billing.CreditBatch(ctx, tx, evidence)
	if err != nil {
		return fmt.Errorf("credit batch of %d: %w", len(evidence), err)
	}
	if err := bindAll(tx, claims, owners(outcomes, func(o billing.Outcome) uuid.UUID { return o.Tenant })); err != nil {
		return err
	}
	var unmatched []billing.Evidence
	for i, c := range settled {
		if outcomes[i].Kind == billing.UnknownReference && c.run.Attempt >= c.run.MaxAttempts {
			unmatched = append(unmatched, evidence[i])
		}
		if err := a.conclude(ctx, tx, c, outcomes[i]); err != nil {
			return err
		}
	}
	if err := a.tellPayers(ctx, tx, settled, outcomes); err != nil {
		return err
	}
	if err := a.tellPurchases(ctx, tx, settled, outcomes); err != nil {
		return err
	}
	return billing.Unmatched(tx, unmatched)
}

// bindAll binds the transaction to the businesses of the tasks as well as to those of the purchases, where CreditBatch bound it to the latter alone: what
// follows is enqueued for either.
func bindAll(tx *gorm.DB, claims []*claim, owners []uuid.UUID) error {
	seen := map[uuid.UUID]bool{uuid.Nil: true}
	var tenants []uuid.UUID
	add := func(id uuid.UUID) {
		if !seen[id] {
			seen[id] = true
			tenants = append(tenants, id)
		}
	}
	for _, c := range claims {
		add(c.run.Tenant)
	}
	if len(tenants) == 0 {
		return nil // the usual case: platform tasks
	}
	for _, id := range owners {
		add(id)
	}
	return postgres.BindTenants(tx, tenants)
}

// owners takes the businesses out of outcomes.
func owners[O any](outcomes []O, owner func(O) uuid.UUID) []uuid.UUID {
	ids := make([]uuid.UUID, len(outcomes))
	for i, o := range outcomes {
		ids[i] = owner(o)
	}
	return ids
}

// storedEvents reads the events that the claims name, and refuses claims whose arguments can never be understood.
func storedEvents(tx *gorm.DB, claims []*claim) (map[uuid.UUID]billing.StoredEvent, error) {
	var ids []uuid.UUID
	for _, c := range claims {
		if c.err != nil || c.event == "" {
			continue
		}
		id, err := uuid.Parse(c.event)
		if err != nil {
			c.err = task.Permanent(errors.New("event_id is not a UUID"))
			continue
		}
		ids = append(ids, id)
	}
	return billing.Events(tx, ids)
}

// evidenceOf returns the event that a claim names, and whether it may be acted on: it exists, speaks of this reference and provider, and is the provider's own word.
// The amounts in the message are not looked at: whoever can write to the broker could have made them up.
func evidenceOf(policy payments.VerifyPolicy, c *claim, events map[uuid.UUID]billing.StoredEvent) (billing.StoredEvent, bool) {
	event, ok := eventOf(c, events)
	if !ok {
		return billing.StoredEvent{}, false
	}
	// A provider that is asked about a payment tells of its charge and not of every refund, so a signed word about money that goes back is taken as it is: it gives nobody anything.
	takesBack := event.Kind == payments.KindRefund || event.Kind == payments.KindDispute
	return event, event.Trusted && (event.Asked || takesBack || policy != payments.VerifyAlways)
}

// eventOf returns the event that a claim names, if it speaks of this reference and provider: a message that names somebody else's event is a message without one.
func eventOf(c *claim, events map[uuid.UUID]billing.StoredEvent) (billing.StoredEvent, bool) {
	id, err := uuid.Parse(c.event)
	if err != nil {
		return billing.StoredEvent{}, false
	}
	event, ok := events[id]
	if !ok || event.Reference != c.reference || event.Provider != c.provider {
		return billing.StoredEvent{}, false
	}
	return event, true
}

// ofSubscriptions says which claims are about subscription payments: by our reference, or the money movement where an event names nothing else.
func ofSubscriptions(tx *gorm.DB, claims []*claim, events map[uuid.UUID]billing.StoredEvent) ([]bool, error) {
	about := make([]billing.Evidence, len(claims))
	for i, c := range claims {
		event, _ := eventOf(c, events)
		about[i] = billing.Evidence{Provider: c.provider, Reference: c.reference, TransactionID: event.TransactionID}
	}
	return billing.OfSubscriptions(tx, about)
}

// follow is how a task is enqueued that goes on with a claim: for its business, and as its consequence.
func (c *claim) follow() []contract.Option {
	opts := []contract.Option{task.CausedBy(c.run)}
	if c.run.Tenant != uuid.Nil {
		opts = append(opts, task.ForTenant(c.run.Tenant))
	}
	return opts
}

// reason says why the provider is asked about a claim that brings no evidence.
func (c *claim) reason(event billing.StoredEvent) string {
	switch {
	case event.Kind == payments.KindRefund || event.Kind == payments.KindDispute:
		return reasonReturned
	case c.event != "":
		return "webhook"
	default:
		return "message"
	}
}

// handedOver is the result of a task whose payment is another product's.
const handedOver = "handed_over"

// handOver has a claim about a subscription payment acted on by the tasks of subscriptions. They believe the stored event as little as we do.
func (a *AIFeatures) handOver(ctx context.Context, tx *gorm.DB, c *claim, events map[uuid.UUID]billing.StoredEvent) (err error) {
	c.result.status = handedOver
	if event, ok := eventOf(c, events); ok {
		_, err = a.Subscriptions.ProcessWebhookEvent(ctx, tx, &subscriptionspb.ProcessWebhookEventArgs{EventId: event.Event.String()}, c.follow()...)
		return err
	}
	_, err = a.Subscriptions.ProcessPayment(ctx, tx, &subscriptionspb.ProcessPaymentArgs{PaymentReference: c.reference, PaymentProvider: &c.provider}, c.follow()...)
	return err
}

// ask has the provider asked, because the task brings no evidence.
func (a *AIFeatures) ask(ctx context.Context, tx *gorm.DB, c *claim, event billing.StoredEvent) error {
	_, err := a.Tasks.VerifyPayment(ctx, tx, &aifeatures.VerifyPaymentArgs{PaymentReference: c.reference, PaymentProvider: &c.provider, Reason: c.reason(event)}, c.follow()...)
	c.result.status = "verifying"
	return err
}

// conclude turns an outcome into the task's result, and enqueues the receipt of what was credited.
func (a *AIFeatures) conclude(ctx context.Context, tx *gorm.DB, c *claim, o billing.Outcome) error {
	c.result.status, c.result.credits = string(o.Kind), o.Credits
	if o.Purchase != uuid.Nil {
		c.result.business, c.result.purchase = o.Tenant.String(), o.Purchase.String()
	}
	switch o.Kind {
	case billing.Credited:
		c.result.status = "success"
		_, err := a.Tasks.SendCreditPurchaseNotification(tenant.With(ctx, o.Tenant), tx,
			&aifeatures.SendCreditPurchaseNotificationArgs{PurchaseId: o.Purchase.String()}, task.ForTenant(o.Tenant), task.CausedBy(c.run))
		return err
	case billing.UnknownReference:
		if c.run.Attempt < c.run.MaxAttempts {
			c.err = fmt.Errorf("settle %.100s: %w", c.reference, errNoPurchase)
			return nil
		}
		c.result.status = "unmatched"
	case billing.AlreadyProcessed, billing.InReview, billing.MarkedFailed, billing.Ignored, billing.Returned, billing.PartlyReturned, billing.DisputeOpened:
	}
	return nil
}

// tellPayers stores a mail and a notice for the payer of each purchase that has gone to review just now, because they paid and wait for a person, and of each whose payment
// has failed.
func (a *AIFeatures) tellPayers(ctx context.Context, tx *gorm.DB, settled []*claim, outcomes []billing.Outcome) error {
	var ids []uuid.UUID
	cause := map[uuid.UUID]contract.Run{}
	for i, o := range outcomes {
		if o.Parked || o.Kind == billing.MarkedFailed {
			ids = append(ids, o.Purchase)
			cause[o.Purchase] = settled[i].run
		}
	}
	if len(ids) == 0 {
		return nil
	}
	receipts, err := billing.ReceiptsFor(tx, ids)
	if err != nil {
		return err
	}
	var mails []notifications.Email
	var notices []notifications.Notice
	for id, r := range receipts {
		p := r.Purchase
		m := notifications.Email{Tenant: p.Tenant, To: r.Email, Cause: cause[id]}
		var notice notifications.Notice
		switch p.Status {
		case billing.Review:
			m.Key = "pay:" + p.Reference + ":review"
			review := notifications.PaymentReview{
				Name: r.Name, Business: r.Business, Reference: p.Reference, ExpectedMinor: p.Total.Minor, ExpectedCurrency: p.Total.Currency,
				ReceivedMinor: p.Received.Minor, ReceivedCurrency: p.Received.Currency, ReportedAt: cause[id].CreatedAt, Timezone: r.Timezone,
			}
			m.Content, notice = review, reviewNotice(review, creditsLink)
		case billing.Failed:
			m.Key = "pay:" + p.Reference + ":failed"
			failed := notifications.PaymentFailed{
				Name: r.Name, Business: r.Business, Reference: p.Reference, ExpectedMinor: p.Total.Minor, ExpectedCurrency: p.Total.Currency,
				ReportedAt: cause[id].CreatedAt, Timezone: r.Timezone,
			}
			m.Content, notice = failed, failedNotice(failed, creditsLink)
		case billing.Pending, billing.Completed, billing.Refunded, billing.Expired, billing.Disputed:
			continue // more has happened to it in the same batch
		}
		notice.Tenant = p.Tenant
		mails, notices = append(append(mails, m), platformCopy(a.PlatformEmail, m)...), append(notices, notice)
	}
	if _, err := notifications.Post(tx, a.Bell, notices); err != nil {
		return err
	}
	_, err = notifications.QueueAll(ctx, tx, a.Mail, mails) // a payer without a usable address is no reason to lose the review
	return err
}
