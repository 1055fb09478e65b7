package tasks

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/task"
	"makola/pkg/tenant"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// ResolveReview carries out what an operator decided about a payment in review.
// SHORT: the ledger alone. The operator's own role may ask for it and not touch a balance.
func (a *AIFeatures) ResolveReview(ctx context.Context, tx *gorm.DB, args *aifeatures.ResolveReviewArgs) (*aifeatures.ResolveReviewResult, error) {
	id, err := uuid.Parse(args.GetReviewId())
	if err != nil {
		return nil, task.Permanent(errors.New("review_id is not a UUID"))
	}
	d := billing.Decision{Review: id}
	switch args.GetDecision() {
	case "approve":
		d.Approve = true
	case "reject":
	default:
		return nil, task.Permanent(errors.New("decision is neither approve nor reject"))
	}
	if args.GetCredits() != "" {
		if d.Credits, err = money.ParseCredits(args.GetCredits()); err != nil {
			return nil, task.Permanent(errors.New("credits is not a number of credits"))
		}
	}
	if d.By, err = decidedBy(args.GetActor(), args.GetReason()); err != nil {
		return nil, err
	}
	if args.GetBusinessId() != "" {
		if ctx, tx, err = forBusiness(ctx, tx, args.GetBusinessId()); err != nil {
			return nil, err
		}
	}
	r, fresh, err := billing.Resolve(tx, d)
	if err != nil {
		return nil, final(err, billing.ErrReviewNotFound, billing.ErrReviewResolved, billing.ErrReviewStale, billing.ErrReviewCredits, billing.ErrReviewRefund, billing.ErrGrantAmount, billing.ErrNoAccount)
	}
	result := &aifeatures.ResolveReviewResult{Status: r.Resolution}
	if r.Transfer != uuid.Nil {
		result.TransferId = r.Transfer.String()
	}
	if fresh && d.Approve && r.Purchase != uuid.Nil && r.PurchaseStatus == billing.Review {
		// The payer has waited for this receipt.
		_, err = a.Tasks.SendCreditPurchaseNotification(tenant.With(ctx, r.Tenant), tx, &aifeatures.SendCreditPurchaseNotificationArgs{PurchaseId: r.Purchase.String()}, task.ForTenant(r.Tenant))
	}
	if fresh && d.Approve && r.Payment != uuid.Nil && err == nil {
		err = mailMonths(ctx, tx, a.Mail, a.Bell, a.PlatformEmail, []uuid.UUID{r.Payment}, nil)
	}
	if r.Extended && err == nil {
		err = tellSubscriptions(ctx, tx, a.Webhooks, []uuid.UUID{r.Tenant}, nil)
	}
	return result, err
}
