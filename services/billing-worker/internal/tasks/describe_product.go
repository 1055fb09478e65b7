package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/assist"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// DescribeProduct has the description of a product written.
// LONG: the model is asked outside any transaction; the description is stored, and paid for, in the one that ends the task.
func (a *AIFeatures) DescribeProduct(ctx context.Context, run contract.Run, args *aifeatures.DescribeProductArgs) (contract.Commit[*aifeatures.DescribeProductResult], error) {
	commit, err := a.answer(ctx, run, args.GetRequestId(), assist.Description)
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*aifeatures.DescribeProductResult, error) {
		got, err := commit(tx)
		return &aifeatures.DescribeProductResult{Status: "answered", RequestId: got.request, CreditsUsed: got.credits}, err
	}, nil
}
