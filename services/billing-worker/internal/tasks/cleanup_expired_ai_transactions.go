package tasks

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/assist"
	"makola/pkg/billing"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// CleanupExpiredAiTransactions deletes calls that are past their retention, and keeps their sums; and questions and answers past theirs.
// SHORT: one batch in one transaction; a full batch enqueues the next run.
func (a *AIFeatures) CleanupExpiredAiTransactions(ctx context.Context, tx *gorm.DB, _ *aifeatures.CleanupExpiredAiTransactionsArgs,
) (*aifeatures.CleanupExpiredAiTransactionsResult, error) {
	deleted, more, err := billing.CleanUsage(tx, sweepLimit)
	if err != nil {
		return nil, fmt.Errorf("clean up usage: %w", err)
	}
	answers, moreAnswers, err := assist.Sweep(tx, sweepLimit)
	if err != nil {
		return nil, fmt.Errorf("clean up answers: %w", err)
	}
	more = more || moreAnswers
	result := &aifeatures.CleanupExpiredAiTransactionsResult{Status: "done", Deleted: int32(deleted), Answers: int32(answers)}
	if more {
		result.Status = "continued"
		if _, err := a.Tasks.CleanupExpiredAiTransactions(ctx, tx, &aifeatures.CleanupExpiredAiTransactionsArgs{}); err != nil {
			return nil, fmt.Errorf("clean up usage: %w", err)
		}
	}
	return result, nil
}
