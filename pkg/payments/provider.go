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
	// Name is what events, rows and metrics call the provider: "paystack".
	Name() string
	// Initialize opens a payment and returns the page on which the customer pays. The payment's own row must be committed before the
	// call. After ErrUnavailable the outcome is unknown: Verify the reference before trying again.
	Initialize(ctx context.Context, req InitRequest) (Checkout, error)
	// Verify asks the provider what became of a payment. It changes nothing and may be repeated. It waits for a network, so it is
	// never called inside a transaction.
	//
	// opened says what is known of the payment's opening. Stripe keeps a payment under a handle of its own and needs the access code, or
	// else the time around which to look for it; the others find a payment by our reference and do not look at it.
	Verify(ctx context.Context, reference string, opened ...Opening) (Verification, error)
	// Refund gives a payment back, whole or in part. ErrUnavailable leaves the outcome unknown: only a provider that honours the
	// idempotency key may be asked again at once, with the others the list of refunds or their webhook tells.
	Refund(ctx context.Context, req RefundRequest) (Refund, error)
	// List returns one page of the payments that were opened in a period, in any status and in no promised order. It changes nothing.
	// Payments of others than this product may be among them: the account may be shared.
	List(ctx context.Context, req ListRequest) (ListPage, error)
	// Probe asks something cheap that needs our key, once, and whatever the breaker of this process says; nil means that it was answered as it should be. It changes nothing.
	// ErrUnavailable means that the provider did not answer; with any other error it did, for example with a DeclinedError because it does not take our key.
	Probe(ctx context.Context) error
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

// Opening is what is known of the opening of a payment.
type Opening struct {
	AccessCode string    // From Checkout; empty when the answer to Initialize was lost.
	At         time.Time // When our row of the payment was made, which is shortly before Initialize.
}

// RefundRequest asks for one refund of one payment.
type RefundRequest struct {
	Reference             string       // Ours, of the payment.
	ProviderTransactionID string       // The provider's, of the money movement that is given back.
	Amount                money.Amount // Positive, and in the currency of the payment; less than was paid gives a part back.
	Reason                string       // For the provider's records and perhaps the payer's eyes. Optional.
	// IdempotencyKey makes a repeated request the same refund. Stripe honours it. Paystack and Flutterwave have no such key; they refuse
	// what exceeds the rest of the payment, so that only a partial refund can happen twice.
	IdempotencyKey string
}

// Refund is what became of a RefundRequest.
type Refund struct {
	Provider       string
	ID             string // The provider's, of the refund.
	State          ReturnState
	ProviderStatus string       // The provider's own word, for the record.
	Amount         money.Amount // What is given back; compare it with what was asked.
}

// ListRequest asks for one page of the payments of a period.
type ListRequest struct {
	From, To time.Time // Payments opened at From or later, and before To.
	Cursor   string    // ListPage.Next of the page before; empty for the first. Good for the same period only.
}

// ListPage is one page of a list. A page may be empty and yet not be the last.
type ListPage struct {
	Payments []Verification
	Next     string // Empty on the last page.
}

// Kind says what an event is about.
type Kind string

// The kinds. The zero value is an event about something else, which is kept and not acted on.
const (
	// KindCharge is about money that a customer pays: Status tells its outcome.
	KindCharge Kind = "charge"
	// KindRefund is about money that we give back: Return tells how far it has come.
	KindRefund Kind = "refund"
	// KindDispute is about money that a customer's bank takes back: Return tells how far it has come.
	KindDispute Kind = "dispute"
)

// ReturnState says how far a refund or a dispute has come, as seen by the money.
type ReturnState string

// The states. The zero value is for events that are neither, and for words we do not know.
const (
	ReturnPending ReturnState = "pending" // Asked for, or in dispute: the money may go.
	ReturnDone    ReturnState = "done"    // The payer has, or is certain to get, the money: a refund that was processed, a dispute that was lost.
	ReturnDenied  ReturnState = "denied"  // The money stays with us: a refund that failed, a dispute that was won.
)

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
	Provider  string // "paystack".
	Type      string // The provider's name for the event, as received: "charge.success".
	Kind      Kind   // What it is about; a refund or a dispute never passes for a charge.
	DedupeKey string // Equal for redeliveries of the same fact, different when its status changed. At most 255 bytes.
	// Reference is ours, of the payment. Stripe's disputes bring none: they name the payment by ProviderTransactionID alone.
	Reference string
	Status    Status      // StatusUnknown for events that are not charges.
	Return    ReturnState // Empty for events that are neither refunds nor disputes.
	// Amount is what was paid, what this refund gives back, or what is disputed. It is the zero value (no currency) when absent or in a
	// currency we do not take; it then equals no expected amount.
	Amount money.Amount
	// ReturnedTotal is what has been given back of the payment so far, this refund included; the zero value unless the provider says so.
	ReturnedTotal         money.Amount
	ProviderTransactionID string        // Of the payment, for refunds and disputes too; empty when absent.
	CaseID                string        // The provider's id of the refund or dispute; empty for charges and when absent.
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
func (e Event) Charge() bool { return e.Kind == KindCharge && e.Status != StatusUnknown }
