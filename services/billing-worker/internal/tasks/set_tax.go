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
	if t.From, t.Until, err = days(args.GetEffectiveFrom(), args.EffectiveUntil); err != nil {
		return nil, err
	}
	fresh, err := billing.SetTax(tx, t, by, s.now())
	if err != nil {
		return nil, final(err, append(datedFaults(), billing.ErrTaxRate)...)
	}
	if fresh {
		return &subscriptionspb.SetTaxResult{Status: statusSet}, nil
	}
	return &subscriptionspb.SetTaxResult{Status: statusKnown}, nil
}

// days reads the first and the last day of something that is dated.
func days(from string, until *string) (first, last time.Time, err error) {
	if first, err = time.Parse(time.DateOnly, from); err != nil {
		return first, last, task.Permanent(errors.New("effective_from is not a date"))
	}
	if until != nil {
		if last, err = time.Parse(time.DateOnly, *until); err != nil {
			return first, last, task.Permanent(errors.New("effective_until is not a date"))
		}
	}
	return first, last, nil
}

// datedFaults are the errors of decisions about what is charged by the day.
func datedFaults() []error {
	return []error{billing.ErrDates, billing.ErrCharged, billing.ErrEnded, billing.ErrNextBegins}
}
