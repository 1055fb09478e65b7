package paystack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// Name is the provider's name in events, rows and metrics.
const Name = "paystack"

// EventChargeSuccess is the one event that brings money.
const EventChargeSuccess = "charge.success"

// Refund events are refund.pending, processing, processed and failed; dispute events charge.dispute.create, remind and resolve.
const (
	refundPrefix  = "refund."
	disputePrefix = "charge.dispute."
)

// envelope is the part of a webhook that is read. Everything else (card, customer, metadata) is skipped while scanning and never
// held, and so can be neither logged nor believed.
type envelope struct {
	Event string      `json:"event"`
	Data  transaction `json:"data"`
}

// transaction is a Paystack transaction as webhooks and the verify endpoint show it. Numbers stay text until they are converted exactly.
type transaction struct {
	ID        json.RawMessage `json:"id"`
	Status    string          `json:"status"`
	Reference string          `json:"reference"`
	Amount    json.RawMessage `json:"amount"`
	Currency  string          `json:"currency"`
	PaidAt    string          `json:"paid_at"`
	CreatedAt string          `json:"created_at"`
	Channel   string          `json:"channel"`
	// Refund events name the payment here, and themselves by a reference …
	TransactionReference string `json:"transaction_reference"`
	RefundReference      string `json:"refund_reference"`
	// … and dispute events have the payment in an object, and what is disputed as an amount of its own.
	Transaction  json.RawMessage `json:"transaction"`
	RefundAmount json.RawMessage `json:"refund_amount"`
	Resolution   string          `json:"resolution"`
}

// VerifyWebhook implements payments.Provider. The signature is checked before a byte is parsed. The evidence is always BodyBound. A signed charge.success
// without a usable id, reference, amount or currency is ErrMalformed; any other event is returned as far as it can be read.
func (c *Client) VerifyWebhook(body []byte, header http.Header) (payments.Event, error) {
	if err := c.verifier.verify(body, header); err != nil {
		return payments.Event{}, err
	}
	return parseEvent(body)
}

func parseEvent(body []byte) (payments.Event, error) {
	var in envelope
	if err := json.Unmarshal(body, &in); err != nil {
		// The decoder goes on after a field of another type, so events we do not know may have any shape inside.
		if _, wrongType := errors.AsType[*json.UnmarshalTypeError](err); !wrongType || in.Event == EventChargeSuccess {
			return payments.Event{}, fmt.Errorf("%w: webhook is not readable JSON", payments.ErrMalformed)
		}
	}
	if in.Event == "" || !exchange.Storable(in.Event) {
		return payments.Event{}, fmt.Errorf("%w: webhook has no usable event name", payments.ErrMalformed)
	}
	id := exchange.Scalar(in.Data.ID)
	if !exchange.Storable(id) {
		id = "" // The body's hash takes its place in the key.
	}
	out := payments.Event{
		Provider:  Name,
		Type:      in.Event,
		DedupeKey: exchange.DedupeKey(in.Event, id, in.Data.Status, body),
		Reference: exchange.StorableOrEmpty(in.Data.reference()),
		Status:    payments.StatusUnknown,
		PaidAt:    exchange.Time(in.Data.PaidAt),
		Evidence:  payments.BodyBound,
	}
	switch {
	case in.Event == EventChargeSuccess:
		return chargeEvent(out, &in.Data, id)
	case strings.HasPrefix(in.Event, refundPrefix):
		out.Kind, out.Return = payments.KindRefund, refundState(in.Data.Status)
		out.CaseID = id
		if id == "" {
			out.CaseID = exchange.StorableOrEmpty(in.Data.RefundReference)
		}
	case strings.HasPrefix(in.Event, disputePrefix):
		out.Kind, out.Return = payments.KindDispute, disputeState(in.Data.Status, in.Data.Resolution)
		out.CaseID = id
		in.Data.Amount = in.Data.RefundAmount
	default:
		out.ProviderTransactionID = id
		return out, nil
	}
	out.ProviderTransactionID = exchange.StorableOrEmpty(in.Data.inner().id())
	if amount, err := in.Data.amount(); err == nil { // A case without a readable amount is still a case.
		out.Amount = amount
	}
	return out, nil
}

// chargeEvent completes the event that brings money. Everything that is compared must be there.
func chargeEvent(out payments.Event, data *transaction, id string) (payments.Event, error) {
	out.Kind, out.Status, out.ProviderTransactionID = payments.KindCharge, status(data.Status), id
	if id == "" || out.Reference == "" || data.Currency == "" {
		return payments.Event{}, fmt.Errorf("%w: %s without id, reference or currency", payments.ErrMalformed, out.Type)
	}
	amount, err := data.amount()
	if err != nil && !errors.Is(err, money.ErrUnknownCurrency) {
		return payments.Event{}, fmt.Errorf("%w: %s amount: %w", payments.ErrMalformed, out.Type, err)
	}
	out.Amount = amount
	return out, nil
}

// reference finds our reference wherever this kind of event keeps it.
func (t *transaction) reference() string {
	if t.Reference != "" {
		return t.Reference
	}
	if t.TransactionReference != "" {
		return t.TransactionReference
	}
	return t.inner().Reference
}

// innerTransaction is the payment inside a dispute or refund.
type innerTransaction struct {
	ID        json.RawMessage `json:"id"`
	Reference string          `json:"reference"`
}

func (t innerTransaction) id() string { return exchange.Scalar(t.ID) }

// inner reads the payment that an event about something else carries; refunds may name it by its bare id.
func (t *transaction) inner() (inner innerTransaction) {
	if len(t.Transaction) == 0 || t.Transaction[0] != '{' {
		return innerTransaction{ID: t.Transaction}
	}
	if err := json.Unmarshal(t.Transaction, &inner); err != nil {
		return innerTransaction{} // Kept without a reference.
	}
	return inner
}

// amount converts data.amount, which counts minor units, exactly. Refund events send it as a string.
func (t *transaction) amount() (money.Amount, error) {
	currency, err := accepted(t.Currency)
	if err != nil {
		return money.Amount{}, err
	}
	amount, err := money.FromMinorNumber(exchange.Scalar(t.Amount), currency)
	if err != nil {
		return money.Amount{}, err
	}
	if amount.Minor < 0 {
		return money.Amount{}, fmt.Errorf("negative amount: %w", money.ErrOverflow)
	}
	return amount, nil
}

// accepted returns the currency if Paystack counts it in the same minor units as ISO 4217. For XOF it is said to count hundredths,
// which do not exist; until an account in XOF shows what it sends, we neither ask for nor credit XOF.
func accepted(code string) (money.Currency, error) {
	switch c := money.Currency(code); c {
	case money.GHS, money.NGN, money.USD, money.ZAR, money.KES:
		return c, nil
	default:
		return "", fmt.Errorf("%w for Paystack: %.8q", money.ErrUnknownCurrency, code)
	}
}

// status translates Paystack's word for the state of a transaction.
func status(word string) payments.Status {
	switch word {
	case "success":
		return payments.StatusSucceeded
	case "failed":
		return payments.StatusFailed
	case "abandoned":
		return payments.StatusAbandoned
	case "reversed":
		return payments.StatusReversed
	case "pending", "ongoing", "processing", "queued":
		return payments.StatusPending
	default:
		return payments.StatusUnknown
	}
}
