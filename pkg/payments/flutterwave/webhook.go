package flutterwave

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// EventChargeCompleted is the event that tells the outcome of a charge, good or bad.
const EventChargeCompleted = "charge.completed"

// envelope is the part of a webhook that is read.
type envelope struct {
	ID    json.RawMessage `json:"id"` // the event's own; older set-ups have none
	Event string          `json:"event"`
	Data  transaction     `json:"data"`
}

// VerifyWebhook implements payments.Provider. The signature, or the secret, is checked before a byte is parsed. The evidence is BodyBound in
// ModeSignature and Hint in ModeHash. A genuine charge.completed without a usable id, tx_ref, amount or currency is ErrMalformed; any other event is
// returned as far as it can be read.
func (c *Client) VerifyWebhook(body []byte, header http.Header) (payments.Event, error) {
	level, err := verify(c.mode, c.secrets, body, header)
	if err != nil {
		return payments.Event{}, err
	}
	return parseEvent(body, level)
}

func parseEvent(body []byte, level payments.EventEvidence) (payments.Event, error) {
	var in envelope
	if err := json.Unmarshal(body, &in); err != nil {
		// The decoder goes on after a field of another type, so events we do not know may have any shape inside.
		if _, wrongType := errors.AsType[*json.UnmarshalTypeError](err); !wrongType || in.Event == EventChargeCompleted {
			return payments.Event{}, fmt.Errorf("%w: webhook is not readable JSON", payments.ErrMalformed)
		}
	}
	if in.Event == "" || !exchange.Storable(in.Event) {
		return payments.Event{}, fmt.Errorf("%w: webhook has no usable event name", payments.ErrMalformed)
	}
	id := exchange.StorableOrEmpty(exchange.Scalar(in.Data.ID))
	out := payments.Event{
		Provider:              Name,
		Type:                  in.Event,
		DedupeKey:             exchange.DedupeKey(in.Event, id, in.Data.Status, body),
		Reference:             exchange.StorableOrEmpty(in.Data.TxRef),
		Status:                payments.StatusUnknown,
		ProviderTransactionID: id,
		Evidence:              level,
	}
	if own := exchange.StorableOrEmpty(exchange.Scalar(in.ID)); own != "" {
		out.DedupeKey = exchange.DedupeKey("id", own, in.Data.Status, body)
	}
	if in.Event != EventChargeCompleted {
		return out, nil
	}
	out.Kind, out.Status = payments.KindCharge, status(in.Data.Status)
	if id == "" || out.Reference == "" || in.Data.Currency == "" {
		return payments.Event{}, fmt.Errorf("%w: %s without id, tx_ref or currency", payments.ErrMalformed, in.Event)
	}
	amount, err := in.Data.amount()
	if err != nil && !errors.Is(err, money.ErrUnknownCurrency) {
		return payments.Event{}, fmt.Errorf("%w: %s amount: %w", payments.ErrMalformed, in.Event, err)
	}
	out.Amount = amount
	if out.Status == payments.StatusSucceeded {
		out.PaidAt = exchange.Time(in.Data.CreatedAt)
	}
	return out, nil
}
