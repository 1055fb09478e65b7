package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// eventItem is one event of a batch.
type eventItem = contract.Item[*aifeatures.ProcessWebhookEventArgs, *aifeatures.ProcessWebhookEventResult]

// errNoEvent is retried: a message that was published by hand may be faster than the row it names.
var errNoEvent = errors.New("no stored event has this id yet")

// ProcessWebhookEvent acts on the stored events of a batch, whatever they are about: the reference in our own tables says whose payment it is, and nothing in the event does.
// BATCH: as ProcessPaymentWebhook, with which it shares everything.
func (a *AIFeatures) ProcessWebhookEvent(ctx context.Context, tx *gorm.DB, items []*eventItem) error {
	claims := make([]*claim, len(items))
	var ids []uuid.UUID
	for i, item := range items {
		claims[i] = &claim{run: item.Run, event: item.Args.GetEventId()}
		id, err := uuid.Parse(item.Args.GetEventId())
		if err != nil {
			claims[i].err = task.Permanent(errors.New("event_id is not a UUID"))
			continue
		}
		ids = append(ids, id)
	}
	events, err := billing.Events(tx, ids)
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
