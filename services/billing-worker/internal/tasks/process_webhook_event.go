package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// eventItem is one event of a batch.
type eventItem = contract.Item[*aifeatures.ProcessWebhookEventArgs, *aifeatures.ProcessWebhookEventResult]

// errNoEvent is retried: a message that was published by hand may be faster than the row it names.
var errNoEvent = errors.New("no stored event has this id yet")

// ProcessWebhookEvent acts on the stored events of a batch, whatever they are about: the reference in our own tables says whose payment it is, and nothing in the event does.
// BATCH: as ProcessPaymentWebhook, with which it shares everything.
func (a *AIFeatures) ProcessWebhookEvent(ctx context.Context, tx *gorm.DB, items []*eventItem) error {
	claims := make([]*claim, len(items))
	for i, item := range items {
		claims[i] = &claim{run: item.Run, event: item.Args.GetEventId()}
	}
	if err := nameEvents(tx, claims); err != nil {
		return err
	}
	if err := a.settle(ctx, tx, claims); err != nil {
		return err
	}
	for i, c := range claims {
		if items[i].Err = c.err; c.err == nil {
			items[i].Result = &aifeatures.ProcessWebhookEventResult{
				Status: c.result.status, Reference: c.reference, CreditsAdded: c.result.credits.String(), BusinessId: c.result.business, PurchaseId: c.result.purchase,
			}
		}
	}
	return nil
}

// nameEvents completes claims that name nothing but an event by what the event says, and refuses those whose event is not there.
func nameEvents(tx *gorm.DB, claims []*claim) error {
	for _, c := range claims {
		if _, err := uuid.Parse(c.event); err != nil {
			c.err = task.Permanent(errors.New("event_id is not a UUID"))
		}
	}
	events, err := storedEvents(tx, claims)
	if err != nil {
		return err
	}
	for _, c := range claims {
		if c.err != nil {
			continue
		}
		e, ok := events[uuid.MustParse(c.event)]
		if !ok {
			c.err = fmt.Errorf("act on event %s: %w", c.event, errNoEvent)
			continue
		}
		c.reference, c.provider = e.Reference, e.Provider
	}
	return nil
}

// monthEventItem is one event of a batch.
type monthEventItem = contract.Item[*subscriptionspb.ProcessWebhookEventArgs, *subscriptionspb.ProcessWebhookEventResult]

// ProcessWebhookEvent acts on the stored events of a batch that are about subscription payments, and hands the others over.
// BATCH: as ProcessPayment, with which it shares everything.
func (s *Subscriptions) ProcessWebhookEvent(ctx context.Context, tx *gorm.DB, items []*monthEventItem) error {
	claims := make([]*claim, len(items))
	for i, item := range items {
		claims[i] = &claim{run: item.Run, event: item.Args.GetEventId()}
	}
	if err := nameEvents(tx, claims); err != nil {
		return err
	}
	if err := s.settle(ctx, tx, claims); err != nil {
		return err
	}
	for i, c := range claims {
		if items[i].Err = c.err; c.err == nil {
			items[i].Result = &subscriptionspb.ProcessWebhookEventResult{Status: c.result.status, Reference: c.reference, BusinessId: c.result.business, PaymentId: c.result.purchase}
		}
	}
	return nil
}
