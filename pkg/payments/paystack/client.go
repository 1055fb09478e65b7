package paystack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"makola/pkg/money"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// Client is a payments.Provider for one Paystack account. It is safe for concurrent use; make one per process, because it
// holds the connections, the circuit breaker and the signature checker.
type Client struct {
	api      *exchange.JSON
	verifier *verifier
}

var _ payments.Provider = (*Client)(nil)

// New returns a client, or every fault of cfg. It refuses an empty secret: a webhook could otherwise be signed by anyone. It checks by the rules of
// development; whoever knows that this is production calls cfg.Validate(true) before.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(false); err != nil {
		return nil, fmt.Errorf("configure paystack: %w", err)
	}
	return &Client{
		api: &exchange.JSON{
			Caller:  exchange.NewCaller(Name, cfg.Outbound.Timeout, cfg.Observe),
			BaseURL: strings.TrimRight(cfg.BaseURL, "/"), Key: cfg.SecretKeys[0], HTTP: outbound.New(cfg.Outbound),
		},
		verifier: newVerifier(cfg.SecretKeys),
	}, nil
}

// Close lets idle connections go. Calls still running are not disturbed.
func (c *Client) Close() { c.api.HTTP.CloseIdleConnections() }

// Name implements payments.Provider.
func (c *Client) Name() string { return Name }

// BreakerState is "closed", "open" or "half-open", for a metric.
func (c *Client) BreakerState() string { return c.api.BreakerState() }

// referenceRule is Paystack's: letters, digits, - . = and nothing else. One letter or digit at least, so that "." and ".." cannot
// change the path of the verify request.
var referenceRule = regexp.MustCompile(`^[A-Za-z0-9.=-]*[A-Za-z0-9][A-Za-z0-9.=-]*$`)

// maxReference is ours, not Paystack's; it is what the tables hold comfortably.
const maxReference = 100

// ValidReference reports whether Paystack takes the reference.
func ValidReference(reference string) bool {
	return len(reference) <= maxReference && referenceRule.MatchString(reference)
}

// initializeBody is the request of POST /transaction/initialize.
type initializeBody struct {
	Reference   string            `json:"reference"`
	Email       string            `json:"email"`
	Amount      int64             `json:"amount"` // minor units
	Currency    money.Currency    `json:"currency"`
	CallbackURL string            `json:"callback_url,omitempty"`
	Channels    []string          `json:"channels,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

// Initialize implements payments.Provider. It is never retried here, because Paystack refuses a reference the second time and the first answer
// with the address of the page would be lost: after ErrUnavailable or ErrDuplicateReference, Verify tells what became of it.
func (c *Client) Initialize(ctx context.Context, req payments.InitRequest) (payments.Checkout, error) {
	if err := checkInit(req); err != nil {
		return payments.Checkout{}, fmt.Errorf("initialize payment: %w", err)
	}
	var data struct {
		AuthorizationURL string `json:"authorization_url"`
		AccessCode       string `json:"access_code"`
		Reference        string `json:"reference"`
	}
	err := c.post(ctx, "/transaction/initialize", initializeBody{
		Reference: req.Reference, Email: req.Email, Amount: req.Amount.Minor, Currency: req.Amount.Currency,
		CallbackURL: req.CallbackURL, Channels: req.Channels, Metadata: req.Metadata,
	}, &data)
	if err != nil {
		return payments.Checkout{}, fmt.Errorf("initialize payment %s: %w", req.Reference, err)
	}
	page, err := url.Parse(data.AuthorizationURL)
	if err != nil || page.Host == "" || (page.Scheme != "https" && page.Scheme != "http") || data.Reference != req.Reference {
		return payments.Checkout{}, fmt.Errorf("initialize payment %s: %w: no page for this reference", req.Reference, payments.ErrMalformed)
	}
	return payments.Checkout{Reference: data.Reference, URL: data.AuthorizationURL, AccessCode: data.AccessCode}, nil
}

func checkInit(req payments.InitRequest) error {
	var faults []error
	if !ValidReference(req.Reference) {
		faults = append(faults, errors.New("reference: letters, digits, - . = only, at most 100"))
	}
	if _, err := accepted(string(req.Amount.Currency)); err != nil {
		faults = append(faults, err)
	}
	if !req.Amount.Positive() {
		faults = append(faults, errors.New("amount: must be positive"))
	}
	if !strings.Contains(req.Email, "@") {
		faults = append(faults, errors.New("email: required"))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", payments.ErrInvalidRequest, errors.Join(faults...))
}

// Verify implements payments.Provider. A reference that Paystack's rules forbid is ErrUnknownReference without a call.
func (c *Client) Verify(ctx context.Context, reference string, _ ...payments.Opening) (payments.Verification, error) {
	if !ValidReference(reference) {
		return payments.Verification{}, fmt.Errorf("verify payment: %w", payments.ErrUnknownReference)
	}
	var data transaction
	if err := c.get(ctx, "/transaction/verify/"+url.PathEscape(reference), &data, nil); err != nil {
		return payments.Verification{}, fmt.Errorf("verify payment %s: %w", reference, err)
	}
	out, err := data.verification()
	if err == nil && out.Reference != reference {
		err = fmt.Errorf("%w: answer is about something else", payments.ErrMalformed)
	}
	if err != nil {
		return payments.Verification{}, fmt.Errorf("verify payment %s: %w", reference, err)
	}
	return out, nil
}
