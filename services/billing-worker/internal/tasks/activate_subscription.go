package tasks

import (
	"context"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// ActivateSubscription lifts a suspension, as an operator decided, and tells the owner what the subscription is then.
// SHORT: as SuspendSubscription.
func (s *Subscriptions) ActivateSubscription(ctx context.Context, tx *gorm.DB, args *subscriptionspb.ActivateSubscriptionArgs) (*subscriptionspb.ActivateSubscriptionResult, error) {
	ctx, tx, err := task.ForBusiness(ctx, tx, args.GetBusinessId())
	if err != nil {
		return nil, err
	}
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	at := s.now()
	sub, err := billing.ActivateSubscription(tx.WithContext(ctx), by, at)
	if err != nil {
		return nil, final(err, billing.ErrNoSubscription, billing.ErrNotSuspended)
	}
	if _, _, err := s.tellState(ctx, tx, sub, sub.Stored, at); err != nil {
		return nil, err
	}
	return &subscriptionspb.ActivateSubscriptionResult{Status: string(sub.Stored)}, tellSubscriptions(ctx, tx, s.Webhooks, []uuid.UUID{sub.Tenant}, nil)
}
