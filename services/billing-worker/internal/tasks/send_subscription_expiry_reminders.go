package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/billing"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// SendSubscriptionExpiryReminders tells the owners of subscriptions that end soon unless somebody pays.
// SHORT: as CheckTrialExpirations.
func (s *Subscriptions) SendSubscriptionExpiryReminders(ctx context.Context, tx *gorm.DB, _ *subscriptionspb.SendSubscriptionExpiryRemindersArgs) (*subscriptionspb.SendSubscriptionExpiryRemindersResult, error) {
	sent, err := s.remind(ctx, tx, billing.RemindExpiry)
	if err != nil {
		return nil, err
	}
	return &subscriptionspb.SendSubscriptionExpiryRemindersResult{Status: "done", Sent: sent}, nil
}
