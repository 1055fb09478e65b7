package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/audit"
	"makola/pkg/billing"
	"makola/pkg/inventory"
	"makola/pkg/money"
	"makola/pkg/problem"
	"makola/pkg/task"
	"makola/pkg/webhooks"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/edge"
)

// errOwnerOnly reports a member who is not the owner.
var errOwnerOnly = problem.New(problem.Forbidden, "owner_only", "Only the owner of the business may do this.")

// GetSubscription shows what the business's subscription is now.
func (s *Server) GetSubscription(ctx context.Context, _ gen.GetSubscriptionRequestObject) (gen.GetSubscriptionResponseObject, error) {
	body, err := s.onSubscription(ctx, func(tx *gorm.DB, _ audit.Entry, _ time.Time) (*billing.Subscription, error) {
		return billing.SubscriptionOf(tx)
	})
	return gen.GetSubscription200JSONResponse(body), err
}

// OpenSubscription gives a business that has none a subscription, as its owner decides.
func (s *Server) OpenSubscription(ctx context.Context, _ gen.OpenSubscriptionRequestObject) (gen.OpenSubscriptionResponseObject, error) {
	if auth.From(ctx).Role != accounts.Owner {
		return nil, errOwnerOnly
	}
	fresh := false
	body, err := s.onSubscription(ctx, func(tx *gorm.DB, _ audit.Entry, now time.Time) (sub *billing.Subscription, err error) {
		sub, fresh, err = billing.OpenSubscription(tx, now)
		return sub, err
	})
	if fresh {
		return gen.OpenSubscription201JSONResponse(body), err
	}
	return gen.OpenSubscription200JSONResponse(body), err
}

// ChangeSubscription changes how the subscription goes on.
func (s *Server) ChangeSubscription(ctx context.Context, req gen.ChangeSubscriptionRequestObject) (gen.ChangeSubscriptionResponseObject, error) {
	body, err := s.onSubscription(ctx, func(tx *gorm.DB, who audit.Entry, now time.Time) (*billing.Subscription, error) {
		open, err := inventory.OpenStorefronts(tx)
		if err != nil {
			return nil, err
		}
		return billing.ChangeSubscription(tx, who, billing.SubscriptionChange{Storefronts: req.Body.Storefronts, AutoRenew: req.Body.AutoRenew}, open, now)
	})
	return gen.ChangeSubscription200JSONResponse(body), err
}

// ReactivateSubscription takes a cancellation back, as the owner decides.
func (s *Server) ReactivateSubscription(ctx context.Context, _ gen.ReactivateSubscriptionRequestObject) (gen.ReactivateSubscriptionResponseObject, error) {
	if auth.From(ctx).Role != accounts.Owner {
		return nil, errOwnerOnly
	}
	body, err := s.onSubscription(ctx, billing.ReactivateSubscription)
	return gen.ReactivateSubscription200JSONResponse(body), err
}

// onSubscription answers with the business's subscription after fn, and what it covers.
func (s *Server) onSubscription(ctx context.Context, fn func(tx *gorm.DB, who audit.Entry, now time.Time) (*billing.Subscription, error)) (body gen.Subscription, err error) {
	now := time.Now()
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		before, err := billing.SubscriptionOf(tx)
		if err != nil && !errors.Is(err, billing.ErrNoSubscription) {
			return err
		}
		sub, err := fn(tx, actor(ctx), now)
		if err != nil {
			return err
		}
		if before == nil || sub.StatusAt(now) != before.StatusAt(now) || sub.CancelAtPeriodEnd != before.CancelAtPeriodEnd {
			err := webhooks.Emit(ctx, tx, s.Webhooks, []webhooks.Event{{Tenant: sub.Tenant, At: now, Data: webhooks.SubscriptionChanged{
				Status: string(sub.StatusAt(now)), Storefronts: sub.Storefronts, PeriodStart: sub.PeriodStart.UTC(), PeriodEnd: sub.PeriodEnd.UTC(), CancelAtPeriodEnd: sub.CancelAtPeriodEnd,
			}}})
			if err != nil {
				return err
			}
		}
		usage, err := billing.UsageOf(tx, now)
		if err != nil {
			return err
		}
		body = subscriptionBody(sub, usage, now)
		return nil
	})
	return body, err
}

func (s *Server) subscription(ctx context.Context) (sub *billing.Subscription, err error) {
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		sub, err = billing.SubscriptionOf(tx)
		return err
	})
	return sub, err
}

// storefrontsOf is for how many storefronts the next month is paid: as many as were asked for, which may not be fewer than are open; else as many as the business has chosen, or has
// open.
func storefrontsOf(tx *gorm.DB, asked *int) (int, error) {
	open, err := inventory.OpenStorefronts(tx)
	switch {
	case err != nil:
		return 0, err
	case asked != nil && *asked < open:
		return 0, billing.ErrStorefrontsOpen
	case asked != nil:
		return *asked, nil
	}
	sub, err := billing.SubscriptionOf(tx)
	switch {
	case errors.Is(err, billing.ErrNoSubscription):
		return max(1, open), nil
	case err != nil:
		return 0, err
	}
	return max(sub.BilledStorefronts(), open), nil
}

// GetSubscriptionPricing says what a month costs today.
func (s *Server) GetSubscriptionPricing(ctx context.Context, req gen.GetSubscriptionPricingRequestObject) (gen.GetSubscriptionPricingResponseObject, error) {
	provider := s.ProviderNames[0] // with whom a payment is begun that names none
	if p := req.Params.Provider; p != nil {
		provider = string(*p)
	}
	if s.Providers[provider] == nil {
		return nil, s.notConfigured(parameterProblem)
	}
	var q billing.SubscriptionQuote
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		n := value(req.Params.Storefronts) // any number may be asked for
		if req.Params.Storefronts == nil {
			var err error
			if n, err = storefrontsOf(tx, nil); err != nil {
				return err
			}
		}
		var err error
		q, err = billing.PriceSubscription(tx, n, provider, time.Now().UTC())
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetSubscriptionPricing200JSONResponse{
		Storefronts: q.Storefronts, Period: "month", Provider: provider, BaseAmount: q.Base.Decimal(), Taxes: taxBodies(q.Taxes), TotalTax: q.Tax.Decimal(),
		Charges: chargeBodies(q.Charges), TotalCharges: q.Charged.Decimal(), TotalAmount: q.Total.Decimal(), Currency: string(q.Total.Currency),
		Tier: gen.PricingTier{
			MinStorefronts: q.Tier.MinStorefronts, MaxStorefronts: q.Tier.MaxStorefronts,
			BasePrice: money.FromMinor(q.Tier.BaseMinor, q.Base.Currency).Decimal(), PricePerAdditional: money.FromMinor(q.Tier.AdditionalMinor, q.Base.Currency).Decimal(),
		},
	}, nil
}

// ListSubscriptionPayments pages through the payments of the business's subscription.
func (s *Server) ListSubscriptionPayments(ctx context.Context, req gen.ListSubscriptionPaymentsRequestObject) (gen.ListSubscriptionPaymentsResponseObject, error) {
	after, _, err := decodeCursor(cursorSubscriptionPayments, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	var list []*billing.SubscriptionPayment
	var next uuid.UUID
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = billing.SubscriptionPayments(tx, after, pageSize(req.Params.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.SubscriptionPaymentPage{Items: []gen.SubscriptionPayment{}}
	if next != uuid.Nil {
		page.NextCursor = encodeCursor(cursorSubscriptionPayments, next, 0)
	}
	for _, p := range list {
		page.Items = append(page.Items, subscriptionPaymentBody(p))
	}
	return gen.ListSubscriptionPayments200JSONResponse(page), nil
}

// GetSubscriptionPayment shows one payment.
func (s *Server) GetSubscriptionPayment(ctx context.Context, req gen.GetSubscriptionPaymentRequestObject) (gen.GetSubscriptionPaymentResponseObject, error) {
	var p *billing.SubscriptionPayment
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		p, err = billing.SubscriptionPaymentByReference(tx, req.Reference)
		return err
	})
	if err != nil {
		return nil, purchaseError(err)
	}
	return gen.GetSubscriptionPayment200JSONResponse(subscriptionPaymentBody(p)), nil
}

// VerifySubscriptionPayment answers for a payment whose end is known, and has the provider asked about any other. It is looked up as its own business sees it, so another's
// reference asks nobody.
func (s *Server) VerifySubscriptionPayment(ctx context.Context, req gen.VerifySubscriptionPaymentRequestObject) (gen.VerifySubscriptionPaymentResponseObject, error) {
	var p *billing.SubscriptionPayment
	var asked uuid.UUID
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if p, err = billing.SubscriptionPaymentByReference(tx, req.Reference); err != nil {
			return err
		}
		switch p.Status {
		case billing.SubPaymentSuccessful, billing.SubPaymentRefunded, billing.SubPaymentReview, billing.SubPaymentDisputed:
			return nil // only evidence or a person changes these
		case billing.SubPaymentPending, billing.SubPaymentFailed, billing.SubPaymentExpired, billing.SubPaymentCancelled:
		}
		slot := strconv.FormatInt(time.Now().Unix()/int64(askAgainAfter.Seconds()), 10)
		asked, err = s.Subscriptions.VerifyPayment(ctx, tx, &subscriptionspb.VerifyPaymentArgs{PaymentReference: p.Reference, PaymentProvider: &p.Provider, Reason: "return"},
			task.Unique("return:"+p.Reference+":"+slot), task.CreatedBy(auth.From(ctx).User))
		return err
	})
	switch {
	case err != nil:
		return nil, purchaseError(err)
	case asked == uuid.Nil:
		return gen.VerifySubscriptionPayment200JSONResponse(subscriptionPaymentBody(p)), nil
	}
	body := gen.VerifyingSubscription{TaskID: asked, StatusURL: "/api/v1/tasks/" + asked.String(), Payment: subscriptionPaymentBody(p)}
	return gen.VerifySubscriptionPayment202JSONResponse{Body: body, Headers: gen.VerifySubscriptionPayment202ResponseHeaders{Location: &body.StatusURL, RetryAfter: &retrySeconds}}, nil
}

// CancelSubscription ends the subscription, at once or when its period is over, as its owner decides.
func (s *Server) CancelSubscription(ctx context.Context, req gen.CancelSubscriptionRequestObject) (gen.CancelSubscriptionResponseObject, error) {
	who := auth.From(ctx)
	if who.Role != accounts.Owner {
		return nil, errOwnerOnly
	}
	body, err := s.onSubscription(ctx, func(tx *gorm.DB, entry audit.Entry, now time.Time) (*billing.Subscription, error) {
		sub, fresh, err := billing.CancelSubscription(tx, entry, who.User, value(req.Body.Immediately), value(req.Body.Reason), now)
		if err != nil || !fresh {
			return sub, err
		}
		_, err = s.Subscriptions.SendCancellationNotice(ctx, tx, &subscriptionspb.SendCancellationNoticeArgs{
			BusinessId: who.Tenant.String(), AtOnce: sub.Stored == billing.SubCancelled, DecidedAt: now.UTC().Format(time.RFC3339Nano),
		})
		return sub, err
	})
	return gen.CancelSubscription200JSONResponse(body), err
}

// requireSubscription refuses what a business may not do with the subscription that it has now. One indexed read, for the operations that ask for it.
func (s *Server) requireSubscription(c *gin.Context, op *edge.Operation) error {
	if op.Subscription == "" {
		return nil
	}
	sub, err := s.subscription(c.Request.Context())
	if err != nil && !errors.Is(err, billing.ErrNoSubscription) {
		return err
	}
	status := billing.SubInactive
	if err == nil {
		status = sub.StatusAt(time.Now())
	}
	access := billing.AccessOf(status)
	if access.Change || op.Subscription == edge.SubscriptionGrace && access.Reports {
		return nil
	}
	if status == billing.SubSuspended {
		return problem.New(problem.Forbidden, "subscription_required", "The subscription of this business is SUSPENDED. Paying does not change that; write to us.")
	}
	return problem.New(problem.PaymentRequired, "subscription_required", "This needs an active subscription, and that of this business is "+string(status)+
		". Pay for a month with "+http.MethodPost+" /api/v1/subscription/payments.")
}

func subscriptionBody(s *billing.Subscription, usage []billing.ResourceUsage, now time.Time) gen.Subscription {
	status := s.StatusAt(now)
	access := billing.AccessOf(status)
	body := gen.Subscription{
		Status: gen.SubscriptionStatus(status), IsTrial: s.IsTrial, Storefronts: s.Storefronts, PeriodStart: s.PeriodStart.UTC(), PeriodEnd: s.PeriodEnd.UTC(),
		DaysRemaining: max(0, int(s.PeriodEnd.Sub(now)/(24*time.Hour))), CancelAtPeriodEnd: s.CancelAtPeriodEnd, CancelledAt: utc(s.CancelledAt), SuspendedAt: utc(s.SuspendedAt),
		PaymentStatus: gen.SubscriptionPaymentStatus(s.PaymentStatus), NextStorefronts: s.BilledStorefronts(), AutoRenew: s.AutoRenew, Limits: []gen.SubscriptionLimit{},
	}
	for _, u := range usage {
		body.Limits = append(body.Limits, gen.SubscriptionLimit{Resource: gen.SubscriptionLimitResource(u.Resource), Used: u.Used, Limit: u.Limit})
	}
	body.Access.Change, body.Access.Automation, body.Access.Reports, body.Access.Exports = access.Change, access.Automation, access.Reports, access.Exports
	switch status {
	case billing.SubTrial, billing.SubActive:
		if !s.CancelAtPeriodEnd {
			body.NextBillingAt = &body.PeriodEnd
		}
	case billing.SubPastDue:
		end := s.GraceEnds()
		body.NextBillingAt, body.GraceEndsAt = &body.PeriodEnd, utc(&end)
	case billing.SubCancelled:
		body.DaysRemaining = 0 // what was left when it was cancelled at once is not to be had
	case billing.SubInactive, billing.SubExpired, billing.SubSuspended:
	}
	return body
}

func subscriptionPaymentBody(p *billing.SubscriptionPayment) gen.SubscriptionPayment {
	body := gen.SubscriptionPayment{
		PaymentID: p.ID, Reference: p.Reference, Status: gen.SubscriptionPaymentState(p.Status), Attempt: p.Attempt, Storefronts: p.Storefronts, BaseAmount: p.Base.Decimal(), Taxes: taxBodies(p.Taxes),
		TotalTax: p.Tax.Decimal(), Charges: chargeBodies(p.Charges), TotalCharges: p.Charged.Decimal(), TotalAmount: p.Total.Decimal(), Currency: string(p.Total.Currency), Provider: p.Provider,
		PeriodStart: utc(p.PeriodStart), PeriodEnd: utc(p.PeriodEnd), CreatedAt: p.CreatedAt.UTC(), CompletedAt: utc(p.CompletedAt),
	}
	if p.Status == billing.SubPaymentPending || p.Status == billing.SubPaymentFailed { // a failed one may still be paid on the same page
		body.AuthorizationURL, body.AccessCode = optional(p.CheckoutURL), optional(p.AccessCode)
	}
	return body
}
