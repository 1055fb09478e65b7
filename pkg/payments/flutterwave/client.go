package flutterwave

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"makola/pkg/money"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// Name is the provider's name in events, rows and metrics.
const Name = "flutterwave"

// sessionMinutes is how long a page can be paid on: a day, the most that Flutterwave allows.
const sessionMinutes = 1440

// maxReference is ours, not Flutterwave's; it is what the tables hold comfortably.
const maxReference = 100

// Client is a payments.Provider for one Flutterwave account. It is safe for concurrent use; make one per process, because it holds the connections
// and the circuit breaker.
type Client struct {
	api     *exchange.JSON
	mode    WebhookMode
	secrets []payments.SecretKey
	// returnURL is where browsers go when the purchase names no page.
	returnURL string
}

var _ payments.Provider = (*Client)(nil)

// New returns a client, or every fault of cfg. It refuses an empty secret: a webhook could otherwise be sent by anyone. It checks by the rules of
// development; whoever knows that this is production calls cfg.Validate(true) before.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(false); err != nil {
		return nil, fmt.Errorf("configure flutterwave: %w", err)
	}
	return &Client{
		api: &exchange.JSON{
			Caller:  exchange.NewCaller(Name, cfg.Outbound.Timeout, cfg.Observe),
			BaseURL: strings.TrimRight(cfg.BaseURL, "/"), Key: cfg.SecretKey, HTTP: outbound.New(cfg.Outbound),
		},
		mode: cfg.WebhookMode, secrets: cfg.WebhookSecrets, returnURL: cfg.ReturnURL,
	}, nil
}

// Name implements payments.Provider.
func (c *Client) Name() string { return Name }

// Close lets idle connections go. Calls still running are not disturbed.
func (c *Client) Close() { c.api.HTTP.CloseIdleConnections() }

// BreakerState is "closed", "open" or "half-open", for a metric.
func (c *Client) BreakerState() string { return c.api.BreakerState() }

// paymentBody is the request of POST /payments.
type paymentBody struct {
	TxRef           string            `json:"tx_ref"`
	Amount          json.Number       `json:"amount"` // major units, with all decimal places of the currency
	Currency        money.Currency    `json:"currency"`
	RedirectURL     string            `json:"redirect_url"`
	PaymentOptions  string            `json:"payment_options,omitempty"`
	SessionDuration int               `json:"session_duration"` // minutes
	Customer        customer          `json:"customer"`
	Meta            map[string]string `json:"meta,omitempty"`
}

type customer struct {
	Email string `json:"email"`
}

// Initialize implements payments.Provider. It is never repeated here, because a second page for the same reference could be paid as well.
func (c *Client) Initialize(ctx context.Context, req payments.InitRequest) (payments.Checkout, error) {
	req.CallbackURL = cmp.Or(req.CallbackURL, c.returnURL)
	if err := checkInit(req); err != nil {
		return payments.Checkout{}, fmt.Errorf("initialize payment: %w", err)
	}
	var data struct {
		Link string `json:"link"`
	}
	err := c.post(ctx, "/payments", paymentBody{
		TxRef: req.Reference, Amount: json.Number(req.Amount.Decimal()), Currency: req.Amount.Currency, RedirectURL: req.CallbackURL,
		PaymentOptions: paymentOptions(req.Channels), SessionDuration: sessionMinutes, Customer: customer{Email: req.Email}, Meta: req.Metadata,
	}, &data)
	if err != nil {
		return payments.Checkout{}, fmt.Errorf("initialize payment %s: %w", req.Reference, err)
	}
	page, err := url.Parse(data.Link)
	if err != nil || page.Host == "" || (page.Scheme != "https" && page.Scheme != "http") {
		return payments.Checkout{}, fmt.Errorf("initialize payment %s: %w: no page", req.Reference, payments.ErrMalformed)
	}
	return payments.Checkout{Reference: req.Reference, URL: data.Link}, nil
}

func checkInit(req payments.InitRequest) error {
	faults := checkPayment(req.Reference, req.Amount)
	if !strings.Contains(req.Email, "@") {
		faults = append(faults, errors.New("email: required"))
	}
	if u, err := url.Parse(req.CallbackURL); err != nil || u.Host == "" {
		faults = append(faults, errors.New("callback: required"))
	}
	return invalid(faults)
}

func checkPayment(reference string, amount money.Amount) (faults []error) {
	if !validReference(reference) {
		faults = append(faults, fmt.Errorf("reference: printable, without spaces, at most %d", maxReference))
	}
	if _, err := accepted(string(amount.Currency)); err != nil {
		faults = append(faults, err)
	}
	if !amount.Positive() {
		faults = append(faults, errors.New("amount: must be positive"))
	}
	return faults
}

func invalid(faults []error) error {
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", payments.ErrInvalidRequest, errors.Join(faults...))
}

func validReference(reference string) bool {
	return reference != "" && len(reference) <= maxReference && exchange.Storable(reference) && !strings.ContainsAny(reference, " ")
}

// Verify implements payments.Provider, by our reference: the transaction's own id is known only from a webhook, which may never come.
func (c *Client) Verify(ctx context.Context, reference string, _ ...payments.Opening) (payments.Verification, error) {
	if !validReference(reference) {
		return payments.Verification{}, fmt.Errorf("verify payment: %w", payments.ErrUnknownReference)
	}
	var data transaction
	if err := c.get(ctx, "/transactions/verify_by_reference?"+url.Values{"tx_ref": {reference}}.Encode(), &data, nil); err != nil {
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

// get asks Flutterwave and decodes the data member of the answer into out and, unless it is nil, the meta member into meta.
func (c *Client) get(ctx context.Context, path string, out, meta any) error {
	got, err := c.api.Get(ctx, path)
	if err != nil {
		return err
	}
	return decode(got, out, meta)
}

// post has Flutterwave do something and decodes the data member of the answer into out.
func (c *Client) post(ctx context.Context, path string, in, out any) error {
	got, err := c.api.Post(ctx, path, in)
	if err != nil {
		return err
	}
	return decode(got, out, nil)
}

// decode turns an answer into data or into one of the errors of package payments.
func decode(a *exchange.Answer, out, meta any) error {
	var outer struct {
		Status  string          `json:"status"` // "success" or "error"
		Message string          `json:"message"`
		Code    string          `json:"code"`
		Data    json.RawMessage `json:"data"`
		Meta    json.RawMessage `json:"meta"`
	}
	err := json.Unmarshal(a.Body, &outer)
	if a.Status >= http.StatusOK && a.Status < http.StatusMultipleChoices && outer.Status == "success" && err == nil {
		if err := json.Unmarshal(outer.Data, out); err != nil {
			return fmt.Errorf("%w: data of the answer", payments.ErrMalformed)
		}
		if meta != nil && json.Unmarshal(outer.Meta, meta) != nil {
			return fmt.Errorf("%w: meta of the answer", payments.ErrMalformed)
		}
		return nil
	}
	switch message := strings.ToLower(outer.Message); {
	case err == nil && strings.Contains(message, "no transaction was found"):
		return payments.ErrUnknownReference
	case err == nil && (strings.Contains(message, "duplicate") || strings.Contains(message, "already exist")) && strings.Contains(message, "reference"):
		return payments.ErrDuplicateReference
	case a.Status >= http.StatusBadRequest || (err == nil && a.Status == http.StatusOK):
		return &payments.DeclinedError{HTTPStatus: a.Status, Code: outer.Code, Message: exchange.Redact(outer.Message)}
	default: // A redirect, or something that is not Flutterwave's JSON.
		return fmt.Errorf("%w: HTTP %d", payments.ErrMalformed, a.Status)
	}
}
