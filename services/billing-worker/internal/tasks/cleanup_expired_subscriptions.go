package tasks

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// periodLimit is how many subscriptions one run writes down anew.
const periodLimit = 1000

// CleanupExpiredSubscriptions writes down what subscriptions have become since their periods ended, and tells their owners.
// SHORT: the database alone, in batches.
func (s *Subscriptions) CleanupExpiredSubscriptions(ctx context.Context, tx *gorm.DB, _ *subscriptionspb.CleanupExpiredSubscriptionsArgs) (*subscriptionspb.CleanupExpiredSubscriptionsResult, error) {
	changed, more, err := s.endPeriods(ctx, tx, false)
	if err != nil {
		return nil, err
	}
	result := &subscriptionspb.CleanupExpiredSubscriptionsResult{Status: "done", Changed: changed}
	if more {
		result.Status = "continued"
		_, err = s.Tasks.CleanupExpiredSubscriptions(ctx, tx, &subscriptionspb.CleanupExpiredSubscriptionsArgs{})
	}
	return result, err
}

// endPeriods writes down one batch and tells the owners.
func (s *Subscriptions) endPeriods(ctx context.Context, tx *gorm.DB, trials bool) (changed int32, more bool, err error) {
	ended, more, err := billing.EndPeriods(tx, s.now(), trials, periodLimit)
	if err != nil {
		return 0, false, err
	}
	tenants := make([]uuid.UUID, len(ended))
	for i, e := range ended {
		tenants[i] = e.Tenant
	}
	people, err := billing.Addressees(tx, tenants)
	if err != nil {
		return 0, false, err
	}
	var messages []message
	for _, e := range ended {
		if who, open := people[e.Tenant]; open {
			messages = append(messages, stateMessage(e.Subscription, who, e.Stored, e.PeriodEnd))
		}
	}
	if _, err = s.tellOwners(ctx, tx, messages); err != nil {
		return 0, false, err
	}
	return int32(len(ended)), more, tellSubscriptions(ctx, tx, s.Webhooks, tenants, nil)
}

// now is the instant that a handler works at.
func (s *Subscriptions) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
