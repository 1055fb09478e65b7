package fake

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"makola/pkg/money"
)

// Provider is a payment provider whose API the simulator speaks.
type Provider string

// The providers.
const (
	Paystack    Provider = "paystack"
	Flutterwave Provider = "flutterwave"
	Stripe      Provider = "stripe"
)

// State is what became of a transaction, in words of no provider.
type State string

// The states.
const (
	StateOpen   State = "open"   // The customer has not acted.
	StateFailed State = "failed" // The last attempt was declined. Paying afterwards works.
	StatePaid   State = "paid"   // For good: refunds and disputes stand beside it.
)

// Errors of acting on a transaction.
var (
	// ErrUnknownReference reports a reference that was never initialized, or whose transaction was forgotten (see Config.MaxTransactions).
	ErrUnknownReference = errors.New("transaction reference not found")
	// ErrAlreadyPaid reports that the transaction has succeeded before; a reference is paid once.
	ErrAlreadyPaid = errors.New("transaction already paid")
	// ErrNotPaid reports a refund or dispute of a transaction that was not paid.
	ErrNotPaid = errors.New("transaction is not paid")
	// ErrRefundTooLarge reports a refund of nothing, or of more than is left of the payment.
	ErrRefundTooLarge = errors.New("refund exceeds what is left of the payment")
	// ErrDisputed reports a second dispute while one is open.
	ErrDisputed = errors.New("transaction is disputed already")
	// ErrNotDisputed reports the end of a dispute that is not open.
	ErrNotDisputed = errors.New("transaction has no open dispute")
	// ErrNoEvent reports that there is no webhook which could be sent again.
	ErrNoEvent = errors.New("no such webhook to send again")
	// ErrUnsupported reports something that this provider does not do.
	ErrUnsupported = errors.New("not at this provider")
	// ErrCompleted reports that the customer went through the page before, and an asynchronous payment failed afterwards.
	ErrCompleted = errors.New("checkout session is complete")
	// ErrUnknownMode reports a mode outside the list.
	ErrUnknownMode = errors.New("unknown mode")
)

// Transaction is one payment at the simulator, whichever provider's API opened it. Values handed out are copies.
type Transaction struct {
	Provider        Provider
	ID              int64  // Unique over all providers.
	Reference       string // Ours: Paystack's reference, Flutterwave's tx_ref, Stripe's client_reference_id.
	AccessCode      string // Names the checkout page. At Stripe it is the session's id.
	Email           string
	Requested       money.Amount
	Paid            money.Amount // What was taken; zero value until paid.
	State           State
	ReturnURL       string // Where the customer goes after paying; empty: nowhere.
	CancelURL       string // Stripe only: where the page's way back leads.
	Metadata        json.RawMessage
	PaymentMetadata json.RawMessage // Stripe only: what the payment and its charge carry, and not the session.
	CreatedAt       time.Time
	PaidAt          time.Time // Zero until paid.
	Refunds         []Refund  // Oldest first.
	Disputes        []Dispute // Oldest first; at most the last is open.

	page      string    // Stripe only: the checkout page's address without the session's id, as the opener reached it.
	expiresAt time.Time // Stripe only: as asked for; nothing happens then.
	completed bool      // Stripe only: the customer is through with the session, whether or not money came.
	events    []event   // What was told about it, or would have been, oldest first; the latest maxEvents.
}

// Refund is money given back.
type Refund struct {
	ID        int64
	Amount    money.Amount
	Reason    string
	Metadata  json.RawMessage // Stripe only.
	CreatedAt time.Time
}

// Dispute is a customer's complaint to the bank about the whole payment.
type Dispute struct {
	ID        int64
	Amount    money.Amount
	Won       bool // By the shop; meaningful once closed.
	CreatedAt time.Time
	ClosedAt  time.Time // Zero while open.
}

// Open reports whether the dispute awaits its end.
func (d Dispute) Open() bool { return d.ClosedAt.IsZero() }

// shown is the amount that API answers and webhooks carry: what was taken, or else what was asked for.
func (t Transaction) shown() money.Amount {
	if t.State == StatePaid {
		return t.Paid
	}
	return t.Requested
}

// refunded is what was given back so far.
func (t Transaction) refunded() money.Amount {
	sum := money.FromMinor(0, t.Paid.Currency)
	for _, r := range t.Refunds {
		sum.Minor += r.Amount.Minor // Each was checked against what was left.
	}
	return sum
}

// disputed reports whether the shop does not have the money because of a dispute.
func (t Transaction) disputed() bool {
	return len(t.Disputes) > 0 && !t.Disputes[len(t.Disputes)-1].Won
}

// copied returns t without anything that t's owner still changes.
func (t Transaction) copied() Transaction {
	t.Refunds, t.Disputes, t.events = slices.Clone(t.Refunds), slices.Clone(t.Disputes), slices.Clone(t.events)
	return t
}

// twisted returns t as a provider would show it that gets one fact wrong. Other kinds change nothing.
func (t Transaction) twisted(kind Kind) Transaction {
	amount := &t.Requested
	if t.State == StatePaid {
		amount = &t.Paid
	}
	*amount = twistedAmount(*amount, kind)
	return t
}

func twistedAmount(a money.Amount, kind Kind) money.Amount {
	switch kind { //nolint:exhaustive // the other kinds are not about the amount
	case KindWrongAmount:
		a.Minor--
	case KindWrongCurrency:
		a.Currency = otherCurrency(a.Currency)
	}
	return a
}

func otherCurrency(c money.Currency) money.Currency {
	if c == money.NGN {
		return money.GHS
	}
	return money.NGN
}
