package billing

import (
	"time"

	"github.com/google/uuid"

	"makola/pkg/money"
	"makola/pkg/payments"
)

// Evidence is a provider's own word about one payment. Only trustworthy evidence may be made into one: a body that the provider signed, or
// its answer to our question. A hint is asked about first.
type Evidence struct {
	// Event is the stored event that holds the word; its state follows the outcome. uuid.Nil when nothing was stored.
	Event uuid.UUID
	// Requester is the business on whose behalf the evidence is handled. A purchase of another business is then unknown. uuid.Nil sees all.
	Requester           uuid.UUID
	Provider, Reference string
	// Kind says what it is about; the zero value is a charge. Status is a charge's outcome, Return how far a refund or dispute has come.
	Kind   payments.Kind
	Status payments.Status
	Return payments.ReturnState
	// Amount is what was paid, is given back, or is disputed.
	Amount money.Amount
	// TransactionID is the provider's id of the money movement that paid. One movement pays for one purchase.
	TransactionID string
	// CaseID is the provider's id of the refund or dispute, which in its events may be another than in its answers. One refund is booked once all the same.
	CaseID string
	// ReturnedTotal is what was given back of the payment so far, this refund included; the zero Amount unless the provider says so.
	ReturnedTotal money.Amount
	// Asked is set for a provider's answer to our own question.
	Asked  bool
	PaidAt time.Time
}

// OutcomeKind says what became of a piece of evidence.
type OutcomeKind string

// The outcomes.
const (
	// Credited means that this evidence completed the purchase and its credits are in the ledger.
	Credited OutcomeKind = "credited"
	// AlreadyProcessed means that the purchase was completed by the same payment before.
	AlreadyProcessed OutcomeKind = "already_processed"
	// InReview means that a person has to look: the reason is with the review and, where the purchase was open, with the purchase.
	InReview OutcomeKind = "review"
	// MarkedFailed means that the provider says the payment failed, and the purchase was still pending. A later success is credited.
	MarkedFailed OutcomeKind = "failed"
	// Returned means that all the money has gone back, and the purchase with it: what was unspent of its credits is gone.
	Returned OutcomeKind = "refunded"
	// PartlyReturned means that a part of the money went back, and its share of the purchase with it. Of a payment that was not heard of yet it is only noted.
	PartlyReturned OutcomeKind = "partly_refunded"
	// DisputeOpened means that the payer's bank asks for the money back. Nothing is taken until it is decided, and a person has to answer the bank.
	DisputeOpened OutcomeKind = "disputed"
	// Ignored means that the evidence changes nothing: the payment has not ended, or it failed after it had succeeded.
	Ignored OutcomeKind = "ignored"
	// UnknownReference means that no purchase has the reference, perhaps not yet. Nothing was written; try again, and in the end call Unmatched.
	UnknownReference OutcomeKind = "unknown_reference"
)

// Outcome is the result of one piece of evidence.
type Outcome struct {
	Kind OutcomeKind
	// Tenant and Purchase are set unless the reference is unknown.
	Tenant, Purchase uuid.UUID
	// Credits is what this evidence added, bonus included; zero unless Kind is Credited.
	Credits money.Credits
	// Reason says why for InReview.
	Reason string
	// Parked is set when this evidence moved the purchase to review, so that its payer waits for a person.
	Parked bool
}

// The reasons of a review.
const (
	ReasonAmount      = "amount_mismatch"
	ReasonCurrency    = "currency_mismatch"
	ReasonNoTxn       = "transaction_id_missing"
	ReasonTxnReused   = "transaction_of_another_purchase"
	ReasonPaidAgain   = "paid_again"
	ReasonReversed    = "reversed_after_success" // filed by older builds
	ReasonPartial     = "refund_does_not_match"
	ReasonSpent       = "refunded_after_spending"
	ReasonDisputed    = "disputed"
	ReasonUnmatched   = "unknown_reference"
	ReasonUnsettled   = "unsettled_after_72_hours"
	ReasonWhileReview = "another_payment_while_in_review"
	// ReasonCancelled and ReasonEarlier are about subscription payments: paid after it was cancelled, and given back when later months had been paid on top of it.
	ReasonCancelled = "paid_after_cancellation"
	ReasonEarlier   = "refund_of_an_earlier_month"
)
