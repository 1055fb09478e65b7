package tasks

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/webhooks"
	"makola/proto/contract"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// tellPurchases tells the businesses' endpoints of the credits that were bought just now, in the transaction that credits them: one statement for all payments of a batch where
// nobody wants to know.
func (a *AIFeatures) tellPurchases(ctx context.Context, tx *gorm.DB, settled []*claim, outcomes []billing.Outcome) error {
	var events []webhooks.Event
	for i, o := range outcomes {
		if o.Kind == billing.Credited {
			events = append(events, webhooks.Event{Tenant: o.Tenant, At: time.Now(), Cause: settled[i].run, Data: webhooks.CreditsPurchased{
				PurchaseID: o.Purchase, Reference: settled[i].reference, Credits: o.Credits.String(),
			}})
		}
	}
	return webhooks.Emit(ctx, tx, a.Webhooks, events)
}

// tellSubscriptions tells the endpoints of the businesses what their subscriptions are now, in the transaction that changed them; cause is what changed each, where that was one of
// several tasks. tx must be bound to all of them.
func tellSubscriptions(ctx context.Context, tx *gorm.DB, tasks *webhookspb.Tasks, changed []uuid.UUID, cause map[uuid.UUID]contract.Run) error {
	listening, err := webhooks.Listening(tx, webhooks.KindSubscriptionChanged, changed)
	if err != nil || len(listening) == 0 {
		return err
	}
	var who []uuid.UUID
	for id := range listening {
		who = append(who, id)
	}
	subscriptions, err := billing.SubscriptionsOf(tx, who)
	if err != nil {
		return err
	}
	now := time.Now()
	var events []webhooks.Event
	for _, s := range subscriptions {
		events = append(events, webhooks.Event{Tenant: s.Tenant, At: now, Cause: cause[s.Tenant], Data: webhooks.SubscriptionChanged{
			Status: string(s.StatusAt(now)), Storefronts: s.Storefronts, PeriodStart: s.PeriodStart.UTC(), PeriodEnd: s.PeriodEnd.UTC(), CancelAtPeriodEnd: s.CancelAtPeriodEnd,
		}})
	}
	return webhooks.Emit(ctx, tx, tasks, events)
}
