package tasks

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// ActivateSubscription lifts a suspension, as an operator decided.
// SHORT: as SuspendSubscription.
func (s *Subscriptions) ActivateSubscription(ctx context.Context, tx *gorm.DB, args *subscriptionspb.ActivateSubscriptionArgs) (*subscriptionspb.ActivateSubscriptionResult, error) {
	ctx, tx, err := forBusiness(ctx, tx, args.GetBusinessId())
	if err != nil {
		return nil, err
	}
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	now, err := billing.ActivateSubscription(tx.WithContext(ctx), by, time.Now())
	if err != nil {
		return nil, final(err, billing.ErrNoSubscription, billing.ErrNotSuspended)
	}
	return &subscriptionspb.ActivateSubscriptionResult{Status: string(now.Stored)}, tellSubscriptions(ctx, tx, s.Webhooks, []uuid.UUID{now.Tenant}, nil)
}
