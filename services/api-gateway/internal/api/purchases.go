package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/problem"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/once"
)

// attachTime is how long storing the page of an opened payment may take, counted anew: the client may have gone while the provider thought.
const attachTime = 5 * time.Second

// CreateCreditPurchase records a purchase, commits it, and only then asks the provider to open the payment: a link that can be paid never exists
// without a row that knows whose it is.
func (s *Server) CreateCreditPurchase(ctx context.Context, req gen.CreateCreditPurchaseRequestObject) (gen.CreateCreditPurchaseResponseObject, error) {
	who := auth.From(ctx)
	order, callback, err := s.readOrder(who, req.Body)
	if err != nil {
		return nil, err
	}
	purchase, email, err := s.recordPurchase(ctx, order)
	if err != nil {
		return nil, err
	}
	if purchase.Status == billing.Pending && purchase.CheckoutURL == "" {
		if err := s.openPayment(ctx, purchase, email, callback); err != nil {
			return nil, err
		}
	}
	location := "/api/v1/ai/credits/purchases/" + purchase.Reference
	return gen.CreateCreditPurchase201JSONResponse{
		Body: purchaseBody(purchase), Headers: gen.CreateCreditPurchase201ResponseHeaders{Location: &location},
	}, nil
}

// readOrder turns the body into what billing wants, and checks where the browser may return to.
func (s *Server) readOrder(who accounts.Principal, body *gen.CreateCreditPurchaseJSONRequestBody) (order billing.NewPurchase, callback string, err error) {
	order = billing.NewPurchase{Tenant: who.Tenant, User: who.User, Package: string(body.Package), Now: time.Now()}
	if body.CustomAmount != nil {
		amount, err := money.Parse(*body.CustomAmount, money.GHS)
		if err != nil {
			return order, "", fieldProblem("custom_amount", "invalid", "must be an amount in GHS")
		}
		order.Custom = &amount
	}
	if body.Method != nil {
		order.Method = string(*body.Method)
	}
	if body.Provider != nil {
		order.Provider = string(*body.Provider)
	}
	order.Provider, callback, err = s.readCheckout(order.Provider, body.CallbackURL)
	return order, callback, err
}

// readCheckout checks who takes a payment, the default when none is named, and where the browser may return to.
func (s *Server) readCheckout(provider string, callback *string) (string, string, error) {
	provider = cmp.Or(provider, s.ProviderNames[0])
	if s.Providers[provider] == nil {
		return "", "", s.notConfigured(fieldProblem)
	}
	if callback == nil {
		return provider, "", nil
	}
	if !s.allowsCallback(*callback) {
		return "", "", fieldProblem("callback_url", "not_allowed", "must begin with an origin that this server allows")
	}
	return provider, *callback, nil
}

// notConfigured reports a provider that this server does not take payments with, as a fault of the body or of a parameter.
func (s *Server) notConfigured(fault func(name, code, message string) error) error {
	return fault("provider", "not_configured", "must be one that this server takes payments with: "+strings.Join(s.ProviderNames, ", "))
}

// allowsCallback keeps strangers from having our payers sent to a page of theirs.
func (s *Server) allowsCallback(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Opaque != "" {
		return false
	}
	for _, o := range s.CallbackOrigins {
		if u.Scheme == o.Scheme && u.Host == o.Host {
			return true
		}
	}
	return false
}

// recordPurchase commits the pending purchase, or finds the one that the same Idempotency-Key made before.
func (s *Server) recordPurchase(ctx context.Context, order billing.NewPurchase) (p *billing.Purchase, email string, err error) {
	claim := once.From(ctx)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		me, err := accounts.Me(tx, order.User)
		if err != nil {
			return err
		}
		email = me.User.Email
		if id := claim.Made(); id != uuid.Nil {
			if p, err = billing.PurchaseByID(tx, id); err != nil || p.Status != billing.Pending || p.CheckoutURL != "" {
				return err
			}
			return billing.AdmitCheckout(tx, p.Provider) // it is opened once more
		}
		if err := billing.AdmitCheckout(tx, order.Provider); err != nil {
			return err // before there is a purchase that nobody can pay
		}
		if p, err = billing.CreatePurchase(tx, order); err != nil {
			return err
		}
		return claim.Keep(tx, p.ID)
	})
	return p, email, purchaseError(err)
}

// openPayment asks the provider for the page on which to pay and stores it. When the provider fails the purchase stays pending, for all to see.
func (s *Server) openPayment(ctx context.Context, p *billing.Purchase, email, callback string) error {
	init := payments.InitRequest{
		Reference: p.Reference, Email: email, Amount: p.Total, CallbackURL: callback,
		Metadata: map[string]string{"kind": "credit_purchase", "package": p.Package},
	}
	if p.Method != "" {
		init.Channels = []string{p.Method}
	}
	checkout, err := s.openCheckout(ctx, p.Provider, init, func(tx *gorm.DB, c payments.Checkout) error {
		_, err := billing.AttachCheckout(tx, p.ID, c.URL, c.AccessCode)
		return err
	})
	p.CheckoutURL, p.AccessCode = checkout.URL, checkout.AccessCode
	return err
}

// openCheckout asks the provider called name for a page on which to pay, and attaches it to what is paid for.
func (s *Server) openCheckout(ctx context.Context, name string, init payments.InitRequest, attach func(*gorm.DB, payments.Checkout) error) (payments.Checkout, error) {
	provider := s.Providers[name]
	if provider == nil { // begun yesterday, with a provider that is not configured any more
		return payments.Checkout{}, fieldProblem("provider", "not_configured", "of this purchase is not configured any more; start a new one")
	}
	checkout, err := provider.Initialize(ctx, init)
	if err != nil {
		return payments.Checkout{}, providerError(init.Reference, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attachTime)
	defer cancel()
	if err := s.DB.InTenant(ctx, func(tx *gorm.DB) error { return attach(tx, checkout) }); err != nil {
		return payments.Checkout{}, fmt.Errorf("attach checkout to %s: %w", init.Reference, err)
	}
	return checkout, nil
}

// ListCreditPurchases pages through the business's purchases.
func (s *Server) ListCreditPurchases(ctx context.Context, req gen.ListCreditPurchasesRequestObject) (gen.ListCreditPurchasesResponseObject, error) {
	after, _, err := decodeCursor(cursorPurchases, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	var (
		list []*billing.Purchase
		next uuid.UUID
	)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = billing.Purchases(tx, after, pageSize(req.Params.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.PurchasePage{Items: []gen.Purchase{}}
	if next != uuid.Nil {
		page.NextCursor = encodeCursor(cursorPurchases, next, 0)
	}
	for _, p := range list {
		page.Items = append(page.Items, purchaseBody(p))
	}
	return gen.ListCreditPurchases200JSONResponse(page), nil
}

// GetCreditPurchase shows one purchase.
func (s *Server) GetCreditPurchase(ctx context.Context, req gen.GetCreditPurchaseRequestObject) (gen.GetCreditPurchaseResponseObject, error) {
	var p *billing.Purchase
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		p, err = billing.PurchaseByReference(tx, req.Reference)
		return err
	})
	if err != nil {
		return nil, purchaseError(err)
	}
	return gen.GetCreditPurchase200JSONResponse(purchaseBody(p)), nil
}

func purchaseBody(p *billing.Purchase) gen.Purchase {
	body := gen.Purchase{
		Reference: p.Reference, Status: gen.PurchaseStatus(p.Status), Package: p.Package, BaseAmount: p.Base.Decimal(), Taxes: taxBodies(p.Taxes),
		TotalTax: p.Tax.Decimal(), TotalAmount: p.Total.Decimal(), Currency: string(p.Total.Currency), Credits: p.Credits.String(), BonusCredits: p.Bonus.String(),
		Provider: p.Provider, Method: optional(p.Method), CreatedAt: p.CreatedAt.UTC(), CompletedAt: utc(p.CompletedAt),
	}
	if p.Status == billing.Pending || p.Status == billing.Failed { // a failed one may still be paid on the same page
		body.AuthorizationURL, body.AccessCode = optional(p.CheckoutURL), optional(p.AccessCode)
	}
	return body
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func fieldProblem(field, code, message string) error {
	return problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/" + field, Field: field, Code: code, Message: message})
}

func parameterProblem(name, code, message string) error {
	return problem.New(problem.Invalid, "", "", problem.FieldError{Field: name, Code: code, Message: message})
}

// purchaseError says what billing's errors mean to a client.
func purchaseError(err error) error {
	switch {
	case errors.Is(err, billing.ErrUnknownPackage):
		return fieldProblem("package", "not_allowed", "is not on sale")
	case errors.Is(err, billing.ErrCustomAmount):
		return fieldProblem("custom_amount", "invalid", fmt.Sprintf("is for the custom package alone, and there from %s to %s",
			money.FromMinor(billing.MinCustomMinor, money.GHS).Display(), money.FromMinor(billing.MaxCustomMinor, money.GHS).Display()))
	case errors.Is(err, billing.ErrNoAccount):
		return problem.New(problem.Conflict, "no_credit_account", "This business has no credit account.")
	case errors.Is(err, billing.ErrNotFound), errors.Is(err, billing.ErrSubscriptionPaymentNotFound):
		return problem.New(problem.NotFound, "", "")
	}
	if down, ok := errors.AsType[*billing.GatewayDownError](err); ok {
		return fmt.Errorf("%w: %w", problem.Later(problem.Unavailable, "provider_down",
			"Payments with "+down.Provider+" do not work at the moment. Nothing was bought; try again later or with another provider.", down.RetryAfter), err)
	}
	return err
}

// providerError says what a failed call to the provider means to a client. The cause stays in the chain, for our logs.
func providerError(reference string, err error) error {
	if unavailable, ok := errors.AsType[*payments.UnavailableError](err); ok {
		after := max(unavailable.RetryAfter, 10*time.Second)
		return fmt.Errorf("%w: %w", problem.Later(problem.Unavailable, "provider_unavailable",
			"The payment provider does not answer. Nothing was charged; the purchase "+reference+" stays pending.", after), err)
	}
	if errors.Is(err, payments.ErrDuplicateReference) {
		return fmt.Errorf("%w: %w", problem.New(problem.Conflict, "checkout_unknown",
			"The payment of purchase "+reference+" was opened before and its page is not known yet. Look at the purchase again shortly, or start a new one."), err)
	}
	if _, ok := errors.AsType[*payments.DeclinedError](err); ok || errors.Is(err, payments.ErrMalformed) {
		return fmt.Errorf("%w: %w", problem.New(problem.BadGateway, "provider_refused",
			"The payment provider refused to open the payment. Nothing was charged; the purchase "+reference+" stays pending."), err)
	}
	return fmt.Errorf("open payment %s: %w", reference, err)
}
