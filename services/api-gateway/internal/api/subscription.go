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
	"makola/pkg/money"
	"makola/pkg/problem"
	"makola/pkg/task"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/edge"
)

// errOwnerOnly reports a member who is not the owner.
var errOwnerOnly = problem.New(problem.Forbidden, "owner_only", "Only the owner of the business may do this.")

// GetSubscription shows what the business's subscription is now.
func (s *Server) GetSubscription(ctx context.Context, _ gen.GetSubscriptionRequestObject) (gen.GetSubscriptionResponseObject, error) {
	sub, err := s.subscription(ctx)
	if err != nil {
		return nil, err
	}
	return gen.GetSubscription200JSONResponse(subscriptionBody(sub, time.Now())), nil
}

func (s *Server) subscription(ctx context.Context) (sub *billing.Subscription, err error) {
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		sub, err = billing.SubscriptionOf(tx)
		return err
	})
	return sub, err
}

// storefrontsOf is how many storefronts a business has paid for; one, before it has a subscription.
func storefrontsOf(tx *gorm.DB, asked *int) (int, error) {
	if asked != nil {
		return *asked, nil
	}
	sub, err := billing.SubscriptionOf(tx)
	switch {
	case errors.Is(err, billing.ErrNoSubscription):
		return 1, nil
	case err != nil:
		return 0, err
	}
	return sub.Storefronts, nil
}

// GetSubscriptionPricing says what a month costs today.
func (s *Server) GetSubscriptionPricing(ctx context.Context, req gen.GetSubscriptionPricingRequestObject) (gen.GetSubscriptionPricingResponseObject, error) {
	if p := req.Params.Provider; p != nil && s.Providers[string(*p)] == nil {
		return nil, s.notConfigured(parameterProblem)
	}
	var q billing.SubscriptionQuote
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		n, err := storefrontsOf(tx, req.Params.Storefronts)
		if err != nil {
			return err
		}
		q, err = billing.PriceSubscription(tx, n, time.Now().UTC())
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetSubscriptionPricing200JSONResponse{
		Storefronts: q.Storefronts, Period: "month", BaseAmount: q.Base.Decimal(), Taxes: taxBodies(q.Taxes), TotalTax: q.Tax.Decimal(), TotalAmount: q.Total.Decimal(), Currency: string(q.Total.Currency),
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
	who, client := auth.From(ctx), clientOf(ctx)
	if who.Role != accounts.Owner {
		return nil, errOwnerOnly
	}
	var sub *billing.Subscription
	now := time.Now()
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		sub, err = billing.CancelSubscription(tx, audit.Entry{User: who.User, Actor: who.Email, IP: client.IP, UserAgent: client.UserAgent}, who.User, value(req.Body.Immediately), value(req.Body.Reason), now)
		if err != nil {
			return err
		}
		_, err = s.Subscriptions.SendCancellationNotice(ctx, tx, &subscriptionspb.SendCancellationNoticeArgs{BusinessId: who.Tenant.String(), AtOnce: sub.Stored == billing.SubCancelled})
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.CancelSubscription200JSONResponse(subscriptionBody(sub, now)), nil
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

func subscriptionBody(s *billing.Subscription, now time.Time) gen.Subscription {
	status := s.StatusAt(now)
	access := billing.AccessOf(status)
	body := gen.Subscription{
		Status: gen.SubscriptionStatus(status), IsTrial: s.IsTrial, Storefronts: s.Storefronts, PeriodStart: s.PeriodStart.UTC(), PeriodEnd: s.PeriodEnd.UTC(),
		DaysRemaining: max(0, int(s.PeriodEnd.Sub(now)/(24*time.Hour))), CancelAtPeriodEnd: s.CancelAtPeriodEnd, CancelledAt: utc(s.CancelledAt), SuspendedAt: utc(s.SuspendedAt),
		PaymentStatus: gen.SubscriptionPaymentStatus(s.PaymentStatus),
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
	case billing.SubInactive, billing.SubExpired, billing.SubSuspended, billing.SubCancelled:
	}
	return body
}

func subscriptionPaymentBody(p *billing.SubscriptionPayment) gen.SubscriptionPayment {
	body := gen.SubscriptionPayment{
		Reference: p.Reference, Status: gen.SubscriptionPaymentState(p.Status), Attempt: p.Attempt, Storefronts: p.Storefronts, BaseAmount: p.Base.Decimal(), Taxes: taxBodies(p.Taxes),
		TotalTax: p.Tax.Decimal(), TotalAmount: p.Total.Decimal(), Currency: string(p.Total.Currency), Provider: p.Provider,
		PeriodStart: utc(p.PeriodStart), PeriodEnd: utc(p.PeriodEnd), CreatedAt: p.CreatedAt.UTC(), CompletedAt: utc(p.CompletedAt),
	}
	if p.Status == billing.SubPaymentPending || p.Status == billing.SubPaymentFailed { // a failed one may still be paid on the same page
		body.AuthorizationURL, body.AccessCode = optional(p.CheckoutURL), optional(p.AccessCode)
	}
	return body
}
