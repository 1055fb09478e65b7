package api

import (
	"context"
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

// ListServiceCharges shows the service charges of all days.
func (s *Server) ListServiceCharges(ctx context.Context, _ gen.ListServiceChargesRequestObject) (gen.ListServiceChargesResponseObject, error) {
	body := gen.ServiceChargeList{Items: []gen.ServiceCharge{}}
	err := s.asPlatform(ctx, func(_ context.Context, tx *gorm.DB) error {
		list, err := billing.ServiceCharges(tx)
		for _, c := range list {
			item := gen.ServiceCharge{
				Code: c.Code, Name: c.Name, Kind: gen.ChargeKind(c.Kind), AppliesTo: gen.SUBTOTAL, Provider: optional(c.Provider), EffectiveFrom: openapitypes.Date{Time: c.From},
			}
			if c.OnTotal {
				item.AppliesTo = gen.TOTAL
			}
			if c.Kind == billing.ChargePercentage {
				rate := int(c.BasisPoints)
				item.RateBp = &rate
			} else {
				amount := money.FromMinor(c.AmountMinor, money.GHS).Decimal()
				item.Amount = &amount
			}
			if !c.Until.IsZero() {
				item.EffectiveUntil = &openapitypes.Date{Time: c.Until}
			}
			body.Items = append(body.Items, item)
		}
		return err
	})
	return gen.ListServiceCharges200JSONResponse(body), err
}

// SetServiceCharge asks billing-worker to have a service charge begin.
func (s *Server) SetServiceCharge(ctx context.Context, req gen.SetServiceChargeRequestObject) (gen.SetServiceChargeResponseObject, error) {
	b := req.Body
	c := billing.DatedCharge{
		ServiceCharge: billing.ServiceCharge{Code: b.Code, Name: b.Name, Kind: billing.ChargeKind(b.Kind), BasisPoints: int64(value(b.RateBp)), OnTotal: value(b.AppliesTo) == gen.TOTAL, Provider: string(value(b.Provider))},
		From:          b.EffectiveFrom.Time,
	}
	if err := priceOver(&c.AmountMinor, "/amount", b.Amount); err != nil {
		return nil, err
	}
	if b.EffectiveUntil != nil {
		c.Until = b.EffectiveUntil.Time
	}
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		if err := billing.PlaceServiceCharge(tx, c, time.Now()); err != nil {
			return uuid.Nil, err
		}
		return s.setCharge(ctx, tx, c, b.Reason)
	})
	return gen.SetServiceCharge202JSONResponse{Body: asked, Headers: gen.SetServiceCharge202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
}

// ChangeServiceCharge asks billing-worker to change a service charge of days to come.
func (s *Server) ChangeServiceCharge(ctx context.Context, req gen.ChangeServiceChargeRequestObject) (gen.ChangeServiceChargeResponseObject, error) {
	b := req.Body
	change, err := chargeChange(b)
	if err != nil {
		return nil, err
	}
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		c, err := billing.ChangedServiceCharge(tx, req.Code, req.From.Time, change, time.Now())
		if err != nil {
			return uuid.Nil, err
		}
		return s.setCharge(ctx, tx, c, b.Reason)
	})
	return gen.ChangeServiceCharge202JSONResponse{Body: asked, Headers: gen.ChangeServiceCharge202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
}

func chargeChange(b *gen.ServiceChargeChange) (c billing.ServiceChargeChange, err error) {
	if c.DatedChange, err = daysOver(b.EffectiveFrom, b.EffectiveUntil); err != nil {
		return c, err
	}
	c.Name, c.Kind, c.BasisPoints = b.Name, (*billing.ChargeKind)(b.Kind), wide(b.RateBp)
	if b.Amount != nil {
		c.AmountMinor = new(int64)
		if err := priceOver(c.AmountMinor, "/amount", b.Amount); err != nil {
			return c, err
		}
	}
	if b.AppliesTo != nil {
		total := *b.AppliesTo == gen.TOTAL
		c.OnTotal = &total
	}
	provider, err := written[string](b.Provider)
	if err != nil {
		return c, fmt.Errorf("read provider: %w", err)
	}
	if provider != nil {
		whose := value(*provider)
		c.Provider = &whose
	}
	return c, nil
}

func (s *Server) setCharge(ctx context.Context, tx *gorm.DB, c billing.DatedCharge, reason string) (uuid.UUID, error) {
	args := &subscriptionspb.SetServiceChargeArgs{
		Code: c.Code, Name: c.Name, Kind: string(c.Kind), RateBp: int32(c.BasisPoints), OnTotal: c.OnTotal, PaymentProvider: c.Provider, EffectiveFrom: c.From.Format(time.DateOnly),
		EffectiveUntil: lastDay(c.Until), Actor: auth.From(ctx).Email, Reason: reason,
	}
	if c.AmountMinor > 0 {
		args.Amount = money.FromMinor(c.AmountMinor, money.GHS).Decimal()
	}
	return s.Subscriptions.SetServiceCharge(ctx, tx, args)
}

// chargeBodies are the service charges of a price, a payment or an invoice.
func chargeBodies(lines []billing.ChargeLine) []gen.ServiceChargeLine {
	list := []gen.ServiceChargeLine{}
	for _, l := range lines {
		line := gen.ServiceChargeLine{Code: l.Code, Name: l.Name, Amount: l.Amount.Decimal()}
		if l.BasisPoints > 0 {
			rate := percent(l.BasisPoints)
			line.RatePercent = &rate
		}
		list = append(list, line)
	}
	return list
}
