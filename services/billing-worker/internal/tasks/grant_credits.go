package tasks

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// GrantCredits gives a business credits that an operator decided about.
// SHORT: the ledger alone. The operator's own role may ask for it and not touch a balance.
func (a *AIFeatures) GrantCredits(ctx context.Context, tx *gorm.DB, args *aifeatures.GrantCreditsArgs) (*aifeatures.GrantCreditsResult, error) {
	_, tx, err := task.ForBusiness(ctx, tx, args.GetBusinessId())
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(args.GetGrantId())
	if err != nil {
		return nil, task.Permanent(errors.New("grant_id is not a UUID"))
	}
	credits, err := money.ParseCredits(args.GetCredits())
	if err != nil {
		return nil, task.Permanent(errors.New("credits is not a number of credits"))
	}
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	transfer, fresh, err := billing.Grant(tx, id, credits, by)
	if err != nil {
		return nil, final(err, billing.ErrGrantAmount, billing.ErrNoAccount)
	}
	result := &aifeatures.GrantCreditsResult{Status: "already_granted", TransferId: transfer.String()}
	if fresh {
		result.Status = "granted"
	}
	return result, nil
}

// decidedBy is who decided and why; without either nothing is done.
func decidedBy(actor, reason string) (billing.By, error) {
	by := billing.By{Actor: strings.TrimSpace(actor), Reason: strings.TrimSpace(reason)}
	if by.Actor == "" || by.Reason == "" {
		return by, task.Permanent(errors.New("actor and reason are required"))
	}
	return by, nil
}

// final makes an error permanent when it is one of those that the same arguments bring about again.
func final(err error, permanent ...error) error {
	for _, p := range permanent {
		if errors.Is(err, p) {
			return task.Permanent(err)
		}
	}
	return err
}
