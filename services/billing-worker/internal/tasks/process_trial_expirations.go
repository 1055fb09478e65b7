package tasks

import (
	"context"

	"gorm.io/gorm"

	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// ProcessTrialExpirations writes down which trials are over, and tells their owners. A trial that was paid for is no trial any more: its payment made it active.
// SHORT: as CleanupExpiredSubscriptions.
func (s *Subscriptions) ProcessTrialExpirations(ctx context.Context, tx *gorm.DB, _ *subscriptionspb.ProcessTrialExpirationsArgs) (*subscriptionspb.ProcessTrialExpirationsResult, error) {
	changed, more, err := s.endPeriods(ctx, tx, true)
	if err != nil {
		return nil, err
	}
	result := &subscriptionspb.ProcessTrialExpirationsResult{Status: "done", Changed: changed}
	if more {
		result.Status = "continued"
		_, err = s.Tasks.ProcessTrialExpirations(ctx, tx, &subscriptionspb.ProcessTrialExpirationsArgs{})
	}
	return result, err
}
