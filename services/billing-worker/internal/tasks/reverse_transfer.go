package tasks

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// ReverseTransfer undoes a grant, a trial or a use that an operator decided about.
// SHORT: the ledger alone.
func (a *AIFeatures) ReverseTransfer(ctx context.Context, tx *gorm.DB, args *aifeatures.ReverseTransferArgs) (*aifeatures.ReverseTransferResult, error) {
	_, tx, err := task.ForBusiness(ctx, tx, args.GetBusinessId())
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(args.GetTransferId())
	if err != nil {
		return nil, task.Permanent(errors.New("transfer_id is not a UUID"))
	}
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	r, err := billing.ReverseTransfer(tx, id, by)
	if err != nil {
		return nil, final(err, billing.ErrTransferNotFound, billing.ErrNotReversible, billing.ErrNoAccount)
	}
	result := &aifeatures.ReverseTransferResult{Status: "already_reversed", TransferId: r.Transfer.String(), Credits: r.Credits.String()}
	if r.Fresh {
		result.Status = "reversed"
	}
	return result, nil
}
