package payments

import (
	"context"
	"net/http"
	"time"

	"makola/pkg/money"
)

// Provider is one payment provider. Implementations are safe for concurrent use, and all their errors can be told apart with the
// types and sentinels of this package.
type Provider interface {
	// Initialize opens a payment and returns the page on which the customer pays. The payment's own row must be committed before the
	// call. After ErrUnavailable the outcome is unknown: Verify the reference before trying again.
	Initialize(ctx context.Context, req InitRequest) (Checkout, error)
	// Verify asks the provider what became of a payment. It changes nothing and may be repeated. It waits for a network, so it is
	// never called inside a transaction.
	Verify(ctx context.Context, reference string) (Verification, error)
	// VerifyWebhook checks the signature over the raw body, in constant time, and then reads the event. It does no I/O. ErrSignature
	// means: answer 401, store nothing. Events of unknown types are returned, not refused.
	VerifyWebhook(body []byte, header http.Header) (Event, error)
}

// InitRequest asks for one payment.
type InitRequest struct {
	Reference   string            // Ours, unique; the provider's rules for its letters apply.
	Email       string            // The customer's; providers require one.
	Amount      money.Amount      // Positive.
	CallbackURL string            // Where the customer's browser returns. Optional; coming back proves nothing.
	Metadata    map[string]string // Echoed in events. Never the basis of a decision. Optional.
	Channels    []string          // Ways to pay ("card", "mobile_money"). Empty means all the account has.
}

// Checkout is an opened payment.
type Checkout struct {
	Reference  string
	URL        string // The page to send the customer to.
	AccessCode string // The provider's handle of this page.
}

// Status is what a provider says of a payment, in our words.
type Status string

// The statuses. Only StatusSucceeded means that money was taken.
const (
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"    // May still succeed later: customers try another card on the same page.
	StatusAbandoned Status = "abandoned" // The customer has not finished; this too can turn into a success.
	StatusPending   Status = "pending"
	StatusReversed  Status = "reversed" // Taken and given back.
	StatusUnknown   Status = "unknown"  // The event is not about a charge, or the provider used a new word.
)

// EventEvidence says how far an event may be believed.
type EventEvidence string

const (
	// BodyBound means that the signature covers every byte of the body: the provider's own word for status, amount, currency and
	// reference. It may be old, because some signatures carry no time: only states that move forward make it harmless.
	BodyBound EventEvidence = "body_bound"
	// Hint means that anyone who knows the URL, or a static secret, could have written the body: ask Verify first.
	Hint EventEvidence = "hint"
)

// Event is one webhook whose signature was right.
type Event struct {
	Provider              string        // "paystack".
	Type                  string        // The provider's name for the event, as received: "charge.success".
	DedupeKey             string        // Equal for redeliveries of the same fact, different when its status changed. At most 255 bytes.
	Reference             string        // Ours; empty when the event is not about one payment.
	Status                Status        // StatusUnknown for events that are not charges.
	Amount                money.Amount  // Zero value (no currency) when absent or in a currency we do not take; it then equals no expected amount.
	ProviderTransactionID string        // Empty when absent. For events that are not charges it may be the id of something else.
	PaidAt                time.Time     // UTC; zero when absent.
	Evidence              EventEvidence // How far to believe all of the above.
}

// Verification is a provider's answer about one payment, asked over TLS: the best evidence there is.
type Verification struct {
	Provider              string
	Reference             string
	Status                Status
	ProviderStatus        string // The provider's own word, for the record.
	Amount                money.Amount
	ProviderTransactionID string
	PaidAt                time.Time // UTC; zero unless paid.
	Channel               string    // "card", "mobile_money"; empty when the provider does not say.
}

// Charge reports whether the event tells the outcome of a charge.
func (e Event) Charge() bool { return e.Status != StatusUnknown }
