package api

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/once"
)

// CreateSubscriptionPayment records a payment, commits it, and only then asks the provider to open it, as CreateCreditPurchase does.
func (s *Server) CreateSubscriptionPayment(ctx context.Context, req gen.CreateSubscriptionPaymentRequestObject) (gen.CreateSubscriptionPaymentResponseObject, error) {
	who := auth.From(ctx)
	provider := ""
	if req.Body.Provider != nil {
		provider = string(*req.Body.Provider)
	}
	provider, callback, err := s.readCheckout(provider, req.Body.CallbackURL)
	if err != nil {
		return nil, err
	}
	p, email, err := s.recordSubscriptionPayment(ctx, billing.NewSubscriptionPayment{Tenant: who.Tenant, User: who.User, Provider: provider, Now: time.Now()}, req.Body.Storefronts)
	if err != nil {
		return nil, err
	}
	if p.Status == billing.SubPaymentPending && p.CheckoutURL == "" {
		init := payments.InitRequest{
			Reference: p.Reference, Email: email, Amount: p.Total, CallbackURL: callback,
			Metadata: map[string]string{"kind": "subscription", "storefronts": strconv.Itoa(p.Storefronts)},
		}
		checkout, err := s.openCheckout(ctx, p.Provider, init, func(tx *gorm.DB, c payments.Checkout) error {
			return billing.AttachSubscriptionCheckout(tx, p.ID, c.URL, c.AccessCode)
		})
		if err != nil {
			return nil, err
		}
		p.CheckoutURL, p.AccessCode = checkout.URL, checkout.AccessCode
	}
	location := "/api/v1/subscription/payments/" + p.Reference
	return gen.CreateSubscriptionPayment201JSONResponse{Body: subscriptionPaymentBody(p), Headers: gen.CreateSubscriptionPayment201ResponseHeaders{Location: &location}}, nil
}

// recordSubscriptionPayment commits the pending payment, or finds the one that the same Idempotency-Key made before.
func (s *Server) recordSubscriptionPayment(ctx context.Context, order billing.NewSubscriptionPayment, storefronts *int) (p *billing.SubscriptionPayment, email string, err error) {
	claim := once.From(ctx)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		me, err := accounts.Me(tx, order.User)
		if err != nil {
			return err
		}
		email = me.User.Email
		if id := claim.Made(); id != uuid.Nil {
			if p, err = billing.SubscriptionPaymentByID(tx, id); err != nil || p.Status != billing.SubPaymentPending || p.CheckoutURL != "" {
				return err
			}
			return billing.AdmitCheckout(tx, p.Provider) // it is opened once more
		}
		if err := billing.AdmitCheckout(tx, order.Provider); err != nil {
			return err // before there is a payment that nobody can make
		}
		if order.Storefronts, err = storefrontsOf(tx, storefronts); err != nil {
			return err
		}
		if p, err = billing.CreateSubscriptionPayment(tx, order); err != nil {
			return err
		}
		return claim.Keep(tx, p.ID)
	})
	return p, email, purchaseError(err)
}
