package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/billing"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// periodLimit is how many subscriptions one run writes down anew.
const periodLimit = 1000

// CleanupExpiredSubscriptions writes down what subscriptions have become since their periods ended.
// SHORT: the database alone, in batches.
func (s *Subscriptions) CleanupExpiredSubscriptions(ctx context.Context, tx *gorm.DB, _ *subscriptionspb.CleanupExpiredSubscriptionsArgs) (*subscriptionspb.CleanupExpiredSubscriptionsResult, error) {
	ended, more, err := billing.EndPeriods(tx, periodLimit)
	if err != nil {
		return nil, err
	}
	if err := tellSubscriptions(ctx, tx, s.Webhooks, ended, nil); err != nil {
		return nil, err
	}
	result := &subscriptionspb.CleanupExpiredSubscriptionsResult{Status: "done", Changed: int32(len(ended))}
	if more {
		result.Status = "continued"
		_, err = s.Tasks.CleanupExpiredSubscriptions(ctx, tx, &subscriptionspb.CleanupExpiredSubscriptionsArgs{})
	}
	return result, err
}
