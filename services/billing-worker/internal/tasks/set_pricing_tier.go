package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/task"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// statusSet and statusKnown are the results of decisions about prices and taxes.
const (
	statusSet   = "set"
	statusKnown = "already_set"
)

// SetPricingTier changes the price list, as an operator decided.
// SHORT: a few rows that everybody reads.
func (s *Subscriptions) SetPricingTier(_ context.Context, tx *gorm.DB, args *subscriptionspb.SetPricingTierArgs) (*subscriptionspb.SetPricingTierResult, error) {
	id, err := uuid.Parse(args.GetTierId())
	if err != nil {
		return nil, task.Permanent(errors.New("tier_id is not a UUID"))
	}
	var replaces uuid.UUID
	if args.GetReplaces() != "" {
		if replaces, err = uuid.Parse(args.GetReplaces()); err != nil {
			return nil, task.Permanent(errors.New("replaces is not a UUID"))
		}
	}
	by, err := decidedBy(args.GetActor(), args.GetReason())
	if err != nil {
		return nil, err
	}
	base, err := money.Parse(args.GetBasePrice(), money.GHS)
	if err != nil {
		return nil, task.Permanent(fmt.Errorf("base_price: %w", err))
	}
	additional, err := money.Parse(args.GetPricePerAdditional(), money.GHS)
	if err != nil {
		return nil, task.Permanent(fmt.Errorf("price_per_additional: %w", err))
	}
	t := billing.ListedTier{
		Tier:       billing.Tier{MinStorefronts: int(args.GetMinStorefronts()), MaxStorefronts: number(args.MaxStorefronts), BaseMinor: base.Minor, AdditionalMinor: additional.Minor},
		MaxMembers: number(args.MaxMembers), MaxProducts: number(args.MaxProducts),
	}
	fresh, err := billing.SetTier(tx, id, replaces, t, by)
	if err != nil {
		return nil, final(err, billing.ErrTierRange, billing.ErrTierPrice, billing.ErrTierRetired, billing.ErrNoSuchTier)
	}
	if fresh {
		return &subscriptionspb.SetPricingTierResult{Status: statusSet}, nil
	}
	return &subscriptionspb.SetPricingTierResult{Status: statusKnown}, nil
}

// number is an optional argument.
func number(n *int32) *int {
	if n == nil {
		return nil
	}
	v := int(*n)
	return &v
}
