package tasks

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// SendCancellationNotice tells that a subscription was cancelled. The gateway, which cancels, may write neither mails nor notices.
// SHORT: one business. What is told is what is true when it runs.
func (s *Subscriptions) SendCancellationNotice(ctx context.Context, tx *gorm.DB, args *subscriptionspb.SendCancellationNoticeArgs) (*subscriptionspb.SendCancellationNoticeResult, error) {
	ctx, tx, err := task.ForBusiness(ctx, tx, args.GetBusinessId())
	if err != nil {
		return nil, err
	}
	sub, err := billing.SubscriptionOf(tx)
	if err != nil {
		return nil, final(err, billing.ErrNoSubscription)
	}
	state, at := cancelling, sub.PeriodEnd
	if args.GetDecidedAt() != "" {
		if at, err = time.Parse(time.RFC3339Nano, args.GetDecidedAt()); err != nil {
			return nil, task.Permanent(errors.New("decided_at is not a time"))
		}
	}
	switch {
	case args.GetAtOnce() && sub.Stored == billing.SubCancelled && sub.CancelledAt != nil:
		state, at = billing.SubCancelled, *sub.CancelledAt
	case args.GetAtOnce(), !sub.CancelAtPeriodEnd, sub.Stored != billing.SubActive:
		return &subscriptionspb.SendCancellationNoticeResult{Status: "taken_back"}, nil
	}
	fresh, inactive, err := s.tellState(ctx, tx, sub, state, at)
	if err != nil {
		return nil, err
	}
	result := &subscriptionspb.SendCancellationNoticeResult{Status: "already_queued"}
	switch {
	case inactive:
		result.Status = "inactive"
	case fresh > 0:
		result.Status = "queued"
	}
	return result, nil
}
