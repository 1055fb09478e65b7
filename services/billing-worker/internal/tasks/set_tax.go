package tasks

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// SetTax changes the taxes of days to come, as an operator decided.
// SHORT: a row that everybody reads.
func (s *Subscriptions) SetTax(_ context.Context, tx *gorm.DB, args *subscriptionspb.SetTaxArgs) (*subscriptionspb.SetTaxResult, error) {
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	t := billing.DatedTax{
		TaxRate: billing.TaxRate{Code: args.GetCode(), Name: args.GetName(), BasisPoints: int64(args.GetRateBp()), Cumulative: args.GetCumulative()}, Order: int(args.GetCalculationOrder()),
	}
	if t.Code == "" || t.Name == "" {
		return nil, task.Permanent(errors.New("code and name are required"))
	}
	if t.From, err = time.Parse(time.DateOnly, args.GetEffectiveFrom()); err != nil {
		return nil, task.Permanent(errors.New("effective_from is not a date"))
	}
	if args.EffectiveUntil != nil {
		if t.Until, err = time.Parse(time.DateOnly, args.GetEffectiveUntil()); err != nil {
			return nil, task.Permanent(errors.New("effective_until is not a date"))
		}
	}
	fresh, err := billing.SetTax(tx, t, by, s.now())
	if err != nil {
		return nil, final(err, billing.ErrTaxDate, billing.ErrTaxRate, billing.ErrTaxOverlap)
	}
	if fresh {
		return &subscriptionspb.SetTaxResult{Status: statusSet}, nil
	}
	return &subscriptionspb.SetTaxResult{Status: statusKnown}, nil
}
