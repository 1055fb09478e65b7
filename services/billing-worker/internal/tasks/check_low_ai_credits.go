package tasks

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	aifeatures "makola/proto/makola/ai_features/v1"
)

// CheckLowAiCredits raises the alerts that are due in all businesses.
// SHORT: two statements, however many businesses there are. Uses of credits raise theirs at once (RecordUsage); this finds what time alone brings about.
func (a *AIFeatures) CheckLowAiCredits(ctx context.Context, tx *gorm.DB, _ *aifeatures.CheckLowAiCreditsArgs) (*aifeatures.CheckLowAiCreditsResult, error) {
	raised, err := a.alert(ctx, tx, nil)
	if err != nil {
		return nil, fmt.Errorf("check low credits: %w", err)
	}
	return &aifeatures.CheckLowAiCreditsResult{Status: "done", Alerts: int32(raised)}, nil
}
