package tasks

import (
	"context"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// SuspendSubscription takes a business's access away, as an operator decided, and tells its owner.
// SHORT: one row, its audit entry and a mail. The operator's own role may ask for it and not touch the row.
func (s *Subscriptions) SuspendSubscription(ctx context.Context, tx *gorm.DB, args *subscriptionspb.SuspendSubscriptionArgs) (*subscriptionspb.SuspendSubscriptionResult, error) {
	ctx, tx, err := task.ForBusiness(ctx, tx, args.GetBusinessId())
	if err != nil {
		return nil, err
	}
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	sub, fresh, err := billing.SuspendSubscription(tx.WithContext(ctx), by)
	if err != nil {
		return nil, final(err, billing.ErrNoSubscription)
	}
	if !fresh {
		return &subscriptionspb.SuspendSubscriptionResult{Status: "already_suspended"}, nil
	}
	if _, _, err := s.tellState(ctx, tx, sub, billing.SubSuspended, s.now()); err != nil {
		return nil, err
	}
	return &subscriptionspb.SuspendSubscriptionResult{Status: "suspended"}, tellSubscriptions(ctx, tx, s.Webhooks, []uuid.UUID{sub.Tenant}, nil)
}
