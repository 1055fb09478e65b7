package api

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
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
