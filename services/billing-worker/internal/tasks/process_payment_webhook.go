package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// paymentItem is one payment task of a batch.
type paymentItem = contract.Item[*aifeatures.ProcessPaymentWebhookArgs, *aifeatures.ProcessPaymentWebhookResult]

// errNoPurchase is retried: a webhook can be faster than our own commit of the purchase.
var errNoPurchase = errors.New("no purchase has this reference yet")

// ProcessPaymentWebhook settles the payments of a batch on the evidence of their stored events.
// BATCH: everything is set-based, so 256 payments need as many statements as one.
func (a *AIFeatures) ProcessPaymentWebhook(ctx context.Context, tx *gorm.DB, items []*paymentItem) error {
	events, err := a.events(tx, items)
	if err != nil {
		return err
	}
	var evidence []billing.Evidence
	var settled []*paymentItem
	var aside []uuid.UUID
	for _, item := range items {
		if item.Err != nil {
			continue
		}
		event, ok := a.evidence(item.Args, events)
		if !ok {
			if err := a.ask(ctx, tx, item); err != nil {
				return err
			}
			if event.Event != uuid.Nil {
				aside = append(aside, event.Event)
			}
			continue
		}
		event.Requester = item.Run.Tenant
		evidence, settled = append(evidence, event), append(settled, item)
	}
	if err := billing.SetAside(tx, aside); err != nil {
		return err
	}
	outcomes, err := billing.CreditBatch(ctx, tx, evidence)
	if err != nil {
		return fmt.Errorf("credit batch of %d: %w", len(evidence), err)
	}
	if err := bindAll(tx, items, outcomes); err != nil {
		return err
	}
	var unmatched []billing.Evidence
	for i, item := range settled {
		if outcomes[i].Kind == billing.UnknownReference && item.Run.Attempt >= item.Run.MaxAttempts {
			unmatched = append(unmatched, evidence[i])
		}
		if err := a.conclude(ctx, tx, item, outcomes[i]); err != nil {
			return err
		}
	}
	return billing.Unmatched(tx, unmatched)
}

// bindAll binds the transaction to the businesses of the tasks as well as to those of the purchases, where CreditBatch bound it to the latter alone: what
// follows is enqueued for either.
func bindAll(tx *gorm.DB, items []*paymentItem, outcomes []billing.Outcome) error {
	seen := map[uuid.UUID]bool{uuid.Nil: true}
	var tenants []uuid.UUID
	add := func(id uuid.UUID) {
		if !seen[id] {
			seen[id] = true
			tenants = append(tenants, id)
		}
	}
	for _, item := range items {
		add(item.Run.Tenant)
	}
	if len(tenants) == 0 {
		return nil // the usual case: platform tasks
	}
	for _, o := range outcomes {
		add(o.Tenant)
	}
	return postgres.BindTenants(tx, tenants)
}

// events reads the events that the items name, and refuses items whose arguments can never be understood.
func (a *AIFeatures) events(tx *gorm.DB, items []*paymentItem) (map[uuid.UUID]billing.StoredEvent, error) {
	var ids []uuid.UUID
	for _, item := range items {
		if item.Args.GetPaymentReference() == "" {
			item.Err = task.Permanent(errors.New("payment_reference is empty"))
			continue
		}
		if item.Args.GetEventId() == "" {
			continue
		}
		id, err := uuid.Parse(item.Args.GetEventId())
		if err != nil {
			item.Err = task.Permanent(errors.New("event_id is not a UUID"))
			continue
		}
		ids = append(ids, id)
	}
	return billing.Events(tx, ids)
}

// evidence returns the event that a task names, and whether it may be acted on: it exists, speaks of this reference and provider, and is the provider's own word.
// The amounts in the message are not looked at: whoever can write to the broker could have made them up.
func (a *AIFeatures) evidence(args *aifeatures.ProcessPaymentWebhookArgs, events map[uuid.UUID]billing.StoredEvent) (billing.Evidence, bool) {
	id, err := uuid.Parse(args.GetEventId())
	if err != nil {
		return billing.Evidence{}, false
	}
	event, ok := events[id]
	if !ok || event.Reference != args.GetPaymentReference() || event.Provider != providerOf(args.GetPaymentProvider()) {
		return billing.Evidence{}, false // a message that names somebody else's event is a message without one
	}
	return event.Evidence, event.Trusted && (event.Asked || a.Policy != payments.VerifyAlways)
}

// ask has the provider asked, because the task brings no evidence.
func (a *AIFeatures) ask(ctx context.Context, tx *gorm.DB, item *paymentItem) error {
	provider := providerOf(item.Args.GetPaymentProvider())
	reason := "message"
	if item.Args.GetEventId() != "" {
		reason = "webhook"
	}
	opts := []contract.Option{task.CausedBy(item.Run)}
	if item.Run.Tenant != uuid.Nil {
		opts = append(opts, task.ForTenant(item.Run.Tenant))
	}
	_, err := a.Tasks.VerifyPayment(ctx, tx, &aifeatures.VerifyPaymentArgs{
		PaymentReference: item.Args.GetPaymentReference(), PaymentProvider: &provider, Reason: reason,
	}, opts...)
	if err != nil {
		return err
	}
	item.Result = &aifeatures.ProcessPaymentWebhookResult{Status: "verifying", Reference: item.Args.GetPaymentReference(), CreditsAdded: money.Credits(0).String()}
	return nil
}

// conclude turns an outcome into the task's result, and enqueues the receipt of what was credited.
func (a *AIFeatures) conclude(ctx context.Context, tx *gorm.DB, item *paymentItem, o billing.Outcome) error {
	result := &aifeatures.ProcessPaymentWebhookResult{Status: string(o.Kind), Reference: item.Args.GetPaymentReference(), CreditsAdded: o.Credits.String()}
	if o.Purchase != uuid.Nil {
		result.BusinessId, result.PurchaseId = o.Tenant.String(), o.Purchase.String()
	}
	switch o.Kind {
	case billing.Credited:
		result.Status = "success"
		_, err := a.Tasks.SendCreditPurchaseNotification(tenant.With(ctx, o.Tenant), tx,
			&aifeatures.SendCreditPurchaseNotificationArgs{PurchaseId: o.Purchase.String()}, task.ForTenant(o.Tenant), task.CausedBy(item.Run))
		if err != nil {
			return err
		}
	case billing.UnknownReference:
		if item.Run.Attempt < item.Run.MaxAttempts {
			item.Err = fmt.Errorf("settle %s: %w", result.Reference, errNoPurchase)
			return nil
		}
		result.Status = "unmatched"
	case billing.AlreadyProcessed, billing.InReview, billing.MarkedFailed, billing.Ignored:
	}
	item.Result = result
	return nil
}

func providerOf(name string) string {
	if name == "" {
		return defaultProvider
	}
	return name
}
