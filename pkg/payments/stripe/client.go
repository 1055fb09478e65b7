package stripe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/stripe/stripe-go/v85"

	"makola/pkg/money"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// Name is the provider's name in events, rows and metrics.
const Name = "stripe"

// metadataReference is the key of our reference in Stripe's metadata.
const metadataReference = "reference"

// Client is a payments.Provider for one Stripe account. It is safe for concurrent use; make one per process, because it holds the connections and the
// circuit breaker.
type Client struct {
	*exchange.Caller
	api       *stripe.Client
	http      *http.Client
	secrets   []payments.SecretKey
	returnURL string
	live      bool
}

var _ payments.Provider = (*Client)(nil)

// New returns a client, or every fault of cfg. It refuses an empty secret: a webhook could otherwise be signed by anyone. It checks by the rules of
// development; whoever knows that this is production calls cfg.Validate(true) before.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(false); err != nil {
		return nil, fmt.Errorf("configure stripe: %w", err)
	}
	base, err := url.Parse(strings.TrimRight(cfg.BaseURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("configure stripe: %w", outbound.WithoutURL(err)) // Cannot happen: Validate has parsed it.
	}
	guarded := outbound.New(cfg.Outbound)
	guarded.Transport = &recorder{next: guarded.Transport, prefix: base.Path}
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL:               stripe.String(base.Scheme + "://" + base.Host),
		HTTPClient:        guarded,
		MaxNetworkRetries: stripe.Int64(0), // The policies are ours, and one set is enough.
		EnableTelemetry:   stripe.Bool(false),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull}, // It would log errors with personal data; ours are redacted.
	})
	return &Client{
		Caller:  exchange.NewCaller(Name, cfg.Outbound.Timeout, cfg.Observe),
		api:     stripe.NewClient(string(cfg.SecretKey), stripe.WithBackends(backends)),
		http:    guarded,
		secrets: cfg.WebhookSecrets, returnURL: cfg.ReturnURL, live: cfg.Live(),
	}, nil
}

// Name implements payments.Provider.
func (c *Client) Name() string { return Name }

// Close lets idle connections go. Calls still running are not disturbed.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// referenceRule is Stripe's for client_reference_id; the length is ours.
var referenceRule = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// Initialize implements payments.Provider. The reference is also the idempotency key, so the same request asked again gets the same page, and another request
// with the same reference is ErrDuplicateReference. Stripe decides by the account's settings how a page can be paid; of Channels only "card" narrows it.
func (c *Client) Initialize(ctx context.Context, req payments.InitRequest) (payments.Checkout, error) {
	back, err := c.returnPage(req)
	if err := errors.Join(err, checkInit(req)); err != nil {
		return payments.Checkout{}, fmt.Errorf("initialize payment: %w: %w", payments.ErrInvalidRequest, err)
	}
	metadata := map[string]string{}
	for k, v := range req.Metadata {
		metadata[k] = v
	}
	metadata[metadataReference] = req.Reference
	params := &stripe.CheckoutSessionCreateParams{
		Mode:              stripe.String(string(stripe.CheckoutSessionModePayment)),
		ClientReferenceID: stripe.String(req.Reference),
		CustomerEmail:     stripe.String(req.Email),
		SuccessURL:        stripe.String(back),
		CancelURL:         stripe.String(back),
		Metadata:          metadata,
		PaymentIntentData: &stripe.CheckoutSessionCreatePaymentIntentDataParams{Metadata: metadata},
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency:    stripe.String(strings.ToLower(string(req.Amount.Currency))),
				UnitAmount:  stripe.Int64(req.Amount.Minor),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("Payment " + req.Reference)},
			},
		}},
	}
	if len(req.Channels) == 1 && req.Channels[0] == "card" {
		params.PaymentMethodTypes = []*string{stripe.String("card")}
	}
	params.SetIdempotencyKey("checkout-" + req.Reference)
	var s *stripe.CheckoutSession
	err = c.call(ctx, func(ctx context.Context) (err error) {
		s, err = c.api.V1CheckoutSessions.Create(ctx, params)
		return err
	})
	if err != nil {
		return payments.Checkout{}, fmt.Errorf("initialize payment %s: %w", req.Reference, err)
	}
	page, err := url.Parse(s.URL)
	if err != nil || page.Host == "" || (page.Scheme != "https" && page.Scheme != "http") || s.ClientReferenceID != req.Reference || !sessionRule.MatchString(s.ID) {
		return payments.Checkout{}, fmt.Errorf("initialize payment %s: %w: no page for this reference", req.Reference, payments.ErrMalformed)
	}
	return payments.Checkout{Reference: s.ClientReferenceID, URL: s.URL, AccessCode: s.ID}, nil
}

// returnPage is where the payer's browser goes afterwards, with our reference as a hint.
func (c *Client) returnPage(req payments.InitRequest) (string, error) {
	u, err := url.Parse(cmp.Or(req.CallbackURL, c.returnURL))
	if err != nil || u.Host == "" {
		return "", errors.New("callback: required")
	}
	query := u.Query()
	query.Set("reference", req.Reference)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func checkInit(req payments.InitRequest) error {
	faults := []error{checkPayment(req.Reference, req.Amount)}
	if !strings.Contains(req.Email, "@") {
		faults = append(faults, errors.New("email: required"))
	}
	return errors.Join(faults...)
}

func checkPayment(reference string, amount money.Amount) error {
	var faults []error
	if !referenceRule.MatchString(reference) {
		faults = append(faults, errors.New("reference: letters, digits, - _ only, at most 100"))
	}
	if _, err := accepted(strings.ToLower(string(amount.Currency))); err != nil {
		faults = append(faults, err)
	}
	if !amount.Positive() {
		faults = append(faults, errors.New("amount: must be positive"))
	}
	return errors.Join(faults...)
}

// Refund implements payments.Provider. Stripe gives a reason of its own choice of words only, so ours goes into the metadata.
func (c *Client) Refund(ctx context.Context, req payments.RefundRequest) (payments.Refund, error) {
	err := checkPayment(req.Reference, req.Amount)
	if !strings.HasPrefix(req.ProviderTransactionID, "pi_") {
		err = errors.Join(err, errors.New("transaction id: required, pi_…"))
	}
	if req.IdempotencyKey == "" {
		err = errors.Join(err, errors.New("idempotency key: required"))
	}
	if err != nil {
		return payments.Refund{}, fmt.Errorf("refund payment: %w: %w", payments.ErrInvalidRequest, err)
	}
	params := &stripe.RefundCreateParams{
		PaymentIntent: stripe.String(req.ProviderTransactionID),
		Amount:        stripe.Int64(req.Amount.Minor),
		Metadata:      map[string]string{metadataReference: req.Reference},
	}
	if req.Reason != "" {
		params.AddMetadata("reason", req.Reason)
	}
	params.SetIdempotencyKey("refund-" + req.IdempotencyKey)
	var r *stripe.Refund
	err = c.call(ctx, func(ctx context.Context) (err error) {
		r, err = c.api.V1Refunds.Create(ctx, params)
		return err
	})
	if err != nil {
		return payments.Refund{}, fmt.Errorf("refund payment %s: %w", req.Reference, err)
	}
	currency, err := accepted(string(r.Currency))
	if err != nil || r.ID == "" || r.Amount < 0 {
		return payments.Refund{}, fmt.Errorf("refund payment %s: %w: no id or amount", req.Reference, payments.ErrMalformed)
	}
	return payments.Refund{
		Provider: Name, ID: r.ID, State: refundState(string(r.Status)), ProviderStatus: string(r.Status), Amount: money.FromMinor(r.Amount, currency),
	}, nil
}
