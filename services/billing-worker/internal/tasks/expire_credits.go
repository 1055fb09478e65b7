package tasks

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/billing"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// sweepLimit is how many rows one run of a sweep takes: a transaction of some hundred milliseconds, which holds nobody up for long.
const sweepLimit = 1000

// ExpireCredits posts the end of lots that have ended with something left.
// SHORT: one batch in one transaction; a full batch enqueues the next run.
func (a *AIFeatures) ExpireCredits(ctx context.Context, tx *gorm.DB, _ *aifeatures.ExpireCreditsArgs) (*aifeatures.ExpireCreditsResult, error) {
	lots, credits, more, err := billing.ExpireLots(tx, sweepLimit)
	if err != nil {
		return nil, fmt.Errorf("expire credits: %w", err)
	}
	result := &aifeatures.ExpireCreditsResult{Status: "done", Lots: int32(lots), Credits: credits.String()}
	if more {
		result.Status = "continued"
		if _, err := a.Tasks.ExpireCredits(ctx, tx, &aifeatures.ExpireCreditsArgs{}); err != nil {
			return nil, fmt.Errorf("expire credits: %w", err)
		}
	}
	return result, nil
}
