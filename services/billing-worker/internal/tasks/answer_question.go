package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/assist"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// AnswerQuestion answers a question about a shop's own figures.
// LONG: the model is asked outside any transaction; the answer is stored, and paid for, in the one that ends the task.
func (a *AIFeatures) AnswerQuestion(ctx context.Context, run contract.Run, args *aifeatures.AnswerQuestionArgs) (contract.Commit[*aifeatures.AnswerQuestionResult], error) {
	commit, err := a.answer(ctx, run, args.GetRequestId(), assist.Question)
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*aifeatures.AnswerQuestionResult, error) {
		got, err := commit(tx)
		return &aifeatures.AnswerQuestionResult{Status: "answered", RequestId: got.request, CreditsUsed: got.credits}, err
	}, nil
}
