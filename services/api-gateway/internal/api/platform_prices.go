package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	openapitypes "github.com/oapi-codegen/runtime/types"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

// ListPricingTiers shows the price list.
func (s *Server) ListPricingTiers(ctx context.Context, _ gen.ListPricingTiersRequestObject) (gen.ListPricingTiersResponseObject, error) {
	body := gen.PricingTierList{Items: []gen.ListedPricingTier{}}
	err := s.asPlatform(ctx, func(_ context.Context, tx *gorm.DB) error {
		list, err := billing.PriceList(tx)
		for _, t := range list {
			c := money.Currency(t.Currency)
			body.Items = append(body.Items, gen.ListedPricingTier{
				ID: t.ID, MinStorefronts: t.MinStorefronts, MaxStorefronts: t.MaxStorefronts, BasePrice: money.FromMinor(t.BaseMinor, c).Decimal(),
				PricePerAdditional: money.FromMinor(t.AdditionalMinor, c).Decimal(), MaxMembers: t.MaxMembers, MaxProducts: t.MaxProducts, Currency: t.Currency,
			})
		}
		return err
	})
	return gen.ListPricingTiers200JSONResponse(body), err
}

// SetPricingTier asks billing-worker to change the price list.
func (s *Server) SetPricingTier(ctx context.Context, req gen.SetPricingTierRequestObject) (gen.SetPricingTierResponseObject, error) {
	b := req.Body
	base, err := priceIn("/base_price", &b.BasePrice, money.GHS)
	if err != nil {
		return nil, err
	}
	additional, err := priceIn("/price_per_additional", &b.PricePerAdditional, money.GHS)
	if err != nil {
		return nil, err
	}
	t := billing.ListedTier{
		Tier:       billing.Tier{MinStorefronts: b.MinStorefronts, MaxStorefronts: b.MaxStorefronts, BaseMinor: base.Minor, AdditionalMinor: additional.Minor},
		MaxMembers: b.MaxMembers, MaxProducts: b.MaxProducts,
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) { return s.setTier(ctx, tx, t, b.Reason) })
	return gen.SetPricingTier202JSONResponse{Body: asked, Headers: gen.SetPricingTier202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
}

// ChangePricingTier asks billing-worker to have another tier take a tier's place.
func (s *Server) ChangePricingTier(ctx context.Context, req gen.ChangePricingTierRequestObject) (gen.ChangePricingTierResponseObject, error) {
	b := req.Body
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		t, err := billing.TierByID(tx, req.ID)
		if err != nil {
			return uuid.Nil, err
		}
		if err := priceOver(&t.BaseMinor, "/base_price", b.BasePrice); err != nil {
			return uuid.Nil, err
		}
		if err := priceOver(&t.AdditionalMinor, "/price_per_additional", b.PricePerAdditional); err != nil {
			return uuid.Nil, err
		}
		if err := limitOver(&t.MaxMembers, b.MaxMembers); err != nil {
			return uuid.Nil, err
		}
		if err := limitOver(&t.MaxProducts, b.MaxProducts); err != nil {
			return uuid.Nil, err
		}
		if err := t.Check(); err != nil {
			return uuid.Nil, err
		}
		return s.setTier(ctx, tx, t, b.Reason)
	})
	return gen.ChangePricingTier202JSONResponse{Body: asked, Headers: gen.ChangePricingTier202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
}

// setTier enqueues the decision about a tier; one that has an id replaces the one of that id.
func (s *Server) setTier(ctx context.Context, tx *gorm.DB, t billing.ListedTier, reason string) (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("make tier id: %w", err)
	}
	args := &subscriptionspb.SetPricingTierArgs{
		TierId: id.String(), MinStorefronts: int32(t.MinStorefronts), MaxStorefronts: small(t.MaxStorefronts), BasePrice: money.FromMinor(t.BaseMinor, money.GHS).Decimal(),
		PricePerAdditional: money.FromMinor(t.AdditionalMinor, money.GHS).Decimal(), MaxMembers: small(t.MaxMembers), MaxProducts: small(t.MaxProducts), Actor: auth.From(ctx).Email, Reason: reason,
	}
	if t.ID != uuid.Nil {
		args.Replaces = t.ID.String()
	}
	return s.Subscriptions.SetPricingTier(ctx, tx, args)
}

// priceOver sets a price that a change has.
func priceOver(minor *int64, pointer string, text *string) error {
	price, err := priceIn(pointer, text, money.GHS)
	if err == nil && price != nil {
		*minor = price.Minor
	}
	return err
}

// limitOver sets a limit that a change has, or lifts it.
func limitOver(limit **int, raw json.RawMessage) error {
	to, err := written[int](raw)
	if err == nil && to != nil {
		*limit = *to
	}
	return err
}

// ListTaxes shows the taxes of all days.
func (s *Server) ListTaxes(ctx context.Context, _ gen.ListTaxesRequestObject) (gen.ListTaxesResponseObject, error) {
	body := gen.DatedTaxList{Items: []gen.DatedTax{}}
	err := s.asPlatform(ctx, func(_ context.Context, tx *gorm.DB) error {
		list, err := billing.Taxes(tx)
		for _, t := range list {
			item := gen.DatedTax{Code: t.Code, Name: t.Name, RateBp: int(t.BasisPoints), Cumulative: t.Cumulative, CalculationOrder: t.Order, EffectiveFrom: openapitypes.Date{Time: t.From}}
			if !t.Until.IsZero() {
				item.EffectiveUntil = &openapitypes.Date{Time: t.Until}
			}
			body.Items = append(body.Items, item)
		}
		return err
	})
	return gen.ListTaxes200JSONResponse(body), err
}

// SetTax asks billing-worker to have a tax begin.
func (s *Server) SetTax(ctx context.Context, req gen.SetTaxRequestObject) (gen.SetTaxResponseObject, error) {
	b := req.Body
	t := billing.DatedTax{TaxRate: billing.TaxRate{Code: b.Code, Name: b.Name, BasisPoints: int64(b.RateBp), Cumulative: value(b.Cumulative)}, Order: b.CalculationOrder, From: b.EffectiveFrom.Time}
	if b.EffectiveUntil != nil {
		t.Until = b.EffectiveUntil.Time
	}
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		if err := billing.PlaceTax(tx, t, time.Now()); err != nil {
			return uuid.Nil, err
		}
		return s.setTax(ctx, tx, t, b.Reason)
	})
	return gen.SetTax202JSONResponse{Body: asked, Headers: gen.SetTax202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
}

// ChangeTax asks billing-worker to change a tax of days to come.
func (s *Server) ChangeTax(ctx context.Context, req gen.ChangeTaxRequestObject) (gen.ChangeTaxResponseObject, error) {
	b := req.Body
	days, err := daysOver(b.EffectiveFrom, b.EffectiveUntil)
	if err != nil {
		return nil, err
	}
	change := billing.TaxChange{DatedChange: days, Name: b.Name, BasisPoints: wide(b.RateBp), Cumulative: b.Cumulative, Order: b.CalculationOrder}
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		t, err := billing.ChangedTax(tx, req.Code, req.From.Time, change, time.Now())
		if err != nil {
			return uuid.Nil, err
		}
		return s.setTax(ctx, tx, t, b.Reason)
	})
	return gen.ChangeTax202JSONResponse{Body: asked, Headers: gen.ChangeTax202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
}

func (s *Server) setTax(ctx context.Context, tx *gorm.DB, t billing.DatedTax, reason string) (uuid.UUID, error) {
	return s.Subscriptions.SetTax(ctx, tx, &subscriptionspb.SetTaxArgs{
		Code: t.Code, Name: t.Name, RateBp: int32(t.BasisPoints), Cumulative: t.Cumulative, CalculationOrder: int32(t.Order), EffectiveFrom: t.From.Format(time.DateOnly),
		EffectiveUntil: lastDay(t.Until), Actor: auth.From(ctx).Email, Reason: reason,
	})
}

// daysOver reads what a change says of days.
func daysOver(from *openapitypes.Date, until json.RawMessage) (c billing.DatedChange, err error) {
	if from != nil {
		c.From = &from.Time
	}
	last, err := written[openapitypes.Date](until)
	if err != nil {
		return c, fmt.Errorf("read effective_until: %w", err)
	}
	if last != nil {
		c.Until = new(time.Time) // no end
		if *last != nil {
			c.Until = &(*last).Time
		}
	}
	return c, nil
}

// lastDay is a last day as tasks take it: nil for no end.
func lastDay(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	day := t.Format(time.DateOnly)
	return &day
}

func small(n *int) *int32 {
	if n == nil {
		return nil
	}
	v := int32(*n)
	return &v
}

func wide(n *int) *int64 {
	if n == nil {
		return nil
	}
	v := int64(*n)
	return &v
}
