package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/billing"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// CheckTrialExpirations tells the owners of trials that end soon.
// SHORT: five statements for every 500 trials. A trial that is told of already is found again, and its key is taken.
func (s *Subscriptions) CheckTrialExpirations(ctx context.Context, tx *gorm.DB, _ *subscriptionspb.CheckTrialExpirationsArgs) (*subscriptionspb.CheckTrialExpirationsResult, error) {
	sent, err := s.remind(ctx, tx, billing.RemindTrial)
	if err != nil {
		return nil, err
	}
	return &subscriptionspb.CheckTrialExpirationsResult{Status: "done", Sent: sent}, nil
}
