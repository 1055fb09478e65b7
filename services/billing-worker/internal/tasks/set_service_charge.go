package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/task"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// SetServiceCharge changes the service charges of days to come, as an operator decided.
// SHORT: a row that everybody reads.
func (s *Subscriptions) SetServiceCharge(_ context.Context, tx *gorm.DB, args *subscriptionspb.SetServiceChargeArgs) (*subscriptionspb.SetServiceChargeResult, error) {
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	c := billing.DatedCharge{ServiceCharge: billing.ServiceCharge{
		Code: args.GetCode(), Name: args.GetName(), Kind: billing.ChargeKind(args.GetKind()), BasisPoints: int64(args.GetRateBp()), OnTotal: args.GetOnTotal(), Provider: args.GetPaymentProvider(),
	}}
	switch {
	case c.Code == "" || c.Name == "":
		return nil, task.Permanent(errors.New("code and name are required"))
	case !slices.Contains([]string{"", "paystack", "flutterwave", "stripe"}, c.Provider):
		return nil, task.Permanent(errors.New("payment_provider must be paystack, flutterwave, stripe or nothing"))
	}
	if args.GetAmount() != "" {
		amount, err := money.Parse(args.GetAmount(), money.GHS)
		if err != nil {
			return nil, task.Permanent(fmt.Errorf("amount: %w", err))
		}
		c.AmountMinor = amount.Minor
	}
	if c.From, c.Until, err = days(args.GetEffectiveFrom(), args.EffectiveUntil); err != nil {
		return nil, err
	}
	fresh, err := billing.SetServiceCharge(tx, c, by, s.now())
	if err != nil {
		return nil, final(err, append(datedFaults(), billing.ErrChargeAmount)...)
	}
	if fresh {
		return &subscriptionspb.SetServiceChargeResult{Status: statusSet}, nil
	}
	return &subscriptionspb.SetServiceChargeResult{Status: statusKnown}, nil
}
