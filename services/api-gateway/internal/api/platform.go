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
	"makola/pkg/task"
	"makola/pkg/tenant"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

// GetPlatformStats adds up all businesses.
func (s *Server) GetPlatformStats(ctx context.Context, _ gen.GetPlatformStatsRequestObject) (gen.GetPlatformStatsResponseObject, error) {
	var stats billing.PlatformStats
	err := s.asPlatform(ctx, func(_ context.Context, tx *gorm.DB) (err error) {
		stats, err = billing.StatsOfPlatform(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	body := gen.PlatformStats{Subscriptions: []gen.PlatformSubscriptions{}, Revenue: []gen.PlatformRevenue{}, Invoices: []gen.PlatformInvoices{}}
	for _, c := range stats.Subscriptions {
		body.Subscriptions = append(body.Subscriptions, gen.PlatformSubscriptions{
			Status: gen.SubscriptionStatus(c.Status), Currency: string(c.Monthly.Currency), Businesses: c.Businesses, Storefronts: c.Storefronts, MonthlyAmount: c.Monthly.Decimal(),
		})
	}
	for _, r := range stats.Revenue {
		body.Revenue = append(body.Revenue, gen.PlatformRevenue{Month: r.Month, Currency: string(r.Paid.Currency), Payments: r.Payments, PaidAmount: r.Paid.Decimal()})
	}
	for _, i := range stats.Invoices {
		body.Invoices = append(body.Invoices, gen.PlatformInvoices{Status: string(i.Status), Currency: string(i.Total.Currency), Invoices: i.Number, TotalAmount: i.Total.Decimal()})
	}
	return gen.GetPlatformStats200JSONResponse(body), nil
}

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
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make tier id: %w", err)
	}
	args := &subscriptionspb.SetPricingTierArgs{
		TierId: id.String(), MinStorefronts: int32(b.MinStorefronts), MaxStorefronts: small(b.MaxStorefronts), BasePrice: base.Decimal(), PricePerAdditional: additional.Decimal(),
		MaxMembers: small(b.MaxMembers), MaxProducts: small(b.MaxProducts), Actor: auth.From(ctx).Email, Reason: b.Reason,
	}
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return s.Subscriptions.SetPricingTier(ctx, tx, args)
	})
	return gen.SetPricingTier202JSONResponse{Body: asked, Headers: gen.SetPricingTier202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
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
	args := &subscriptionspb.SetTaxArgs{
		Code: b.Code, Name: b.Name, RateBp: int32(b.RateBp), Cumulative: t.Cumulative, CalculationOrder: int32(b.CalculationOrder), EffectiveFrom: b.EffectiveFrom.Format(time.DateOnly),
		Actor: auth.From(ctx).Email, Reason: b.Reason,
	}
	if b.EffectiveUntil != nil {
		until := b.EffectiveUntil.Format(time.DateOnly)
		t.Until, args.EffectiveUntil = b.EffectiveUntil.Time, &until
	}
	if err := t.Check(time.Now()); err != nil {
		return nil, err
	}
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return s.Subscriptions.SetTax(ctx, tx, args)
	})
	return gen.SetTax202JSONResponse{Body: asked, Headers: gen.SetTax202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
}

// GetPlatformSubscription shows one business's subscription to those who run Makola.
func (s *Server) GetPlatformSubscription(ctx context.Context, req gen.GetPlatformSubscriptionRequestObject) (gen.GetPlatformSubscriptionResponseObject, error) {
	var body gen.Subscription
	now := time.Now()
	err := s.DB.InTenant(tenant.With(ctx, req.ID), func(tx *gorm.DB) error {
		sub, err := billing.SubscriptionOf(tx)
		if err != nil {
			return err
		}
		usage, err := billing.UsageOf(tx, now)
		body = subscriptionBody(sub, usage, now)
		return err
	})
	return gen.GetPlatformSubscription200JSONResponse(body), err
}

// SuspendSubscription asks billing-worker to take a business's access away.
func (s *Server) SuspendSubscription(ctx context.Context, req gen.SuspendSubscriptionRequestObject) (gen.SuspendSubscriptionResponseObject, error) {
	if err := s.hasSubscription(ctx, req.ID); err != nil {
		return nil, err
	}
	args := &subscriptionspb.SuspendSubscriptionArgs{BusinessId: req.ID.String(), Actor: auth.From(ctx).Email, Reason: req.Body.Reason}
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return s.Subscriptions.SuspendSubscription(ctx, tx, args)
	})
	return gen.SuspendSubscription202JSONResponse{Body: asked, Headers: gen.SuspendSubscription202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
}

// ActivateSubscription asks billing-worker to lift a suspension.
func (s *Server) ActivateSubscription(ctx context.Context, req gen.ActivateSubscriptionRequestObject) (gen.ActivateSubscriptionResponseObject, error) {
	if err := s.hasSubscription(ctx, req.ID); err != nil {
		return nil, err
	}
	args := &subscriptionspb.ActivateSubscriptionArgs{BusinessId: req.ID.String(), Actor: auth.From(ctx).Email, Reason: req.Body.Reason}
	asked, err := s.askPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return s.Subscriptions.ActivateSubscription(ctx, tx, args)
	})
	return gen.ActivateSubscription202JSONResponse{Body: asked, Headers: gen.ActivateSubscription202ResponseHeaders{Location: &asked.StatusURL, RetryAfter: &retrySeconds}}, err
}

// hasSubscription refuses a business that does not exist, or has none.
func (s *Server) hasSubscription(ctx context.Context, business uuid.UUID) error {
	_, err := s.subscription(tenant.With(ctx, business))
	return err
}

// GetPlatformTask shows one of the platform's own tasks.
func (s *Server) GetPlatformTask(ctx context.Context, req gen.GetPlatformTaskRequestObject) (gen.GetPlatformTaskResponseObject, error) {
	var v *task.View
	err := s.asPlatform(ctx, func(_ context.Context, tx *gorm.DB) (err error) {
		if v, err = task.Get(tx, req.ID); err == nil && v.TenantID != nil {
			err = task.ErrNotFound // what a business's task is about is that business's alone
		}
		return err
	})
	if err != nil {
		return nil, taskError(err)
	}
	return answerTask(v, req.Params.IfNoneMatch)
}

// platformTask is where those who run Makola poll a task that they have asked for.
func platformTask(id uuid.UUID) string { return "/api/v1/platform/tasks/" + id.String() }

// asPlatform runs fn for no business, also when whoever asks belongs to one.
func (s *Server) asPlatform(ctx context.Context, fn func(ctx context.Context, tx *gorm.DB) error) error {
	ctx = tenant.With(ctx, uuid.Nil)
	return s.DB.InSystem(ctx, func(tx *gorm.DB) error { return fn(ctx, tx) })
}

// askPlatform enqueues a platform's task. The worker decides: the gateway's role may not touch what it is about.
func (s *Server) askPlatform(ctx context.Context, enqueue func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error)) (asked gen.AskedFor, err error) {
	err = s.asPlatform(ctx, func(ctx context.Context, tx *gorm.DB) (err error) {
		asked.TaskID, err = enqueue(ctx, tx)
		return err
	})
	asked.StatusURL = platformTask(asked.TaskID)
	return asked, err
}

func small(n *int) *int32 {
	if n == nil {
		return nil
	}
	v := int32(*n)
	return &v
}
