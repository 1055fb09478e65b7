package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// SignatureHeader carries the time and the signatures: t=…,v1=…,v1=….
const SignatureHeader = "Stripe-Signature"

// tolerance is how far the time in a signature may be from ours.
const tolerance = webhook.DefaultTolerance

// Sign returns the header that Stripe, holding secret, would send with body at that time. For tests, simulators and load generators.
func Sign(secret payments.SecretKey, body []byte, at time.Time) string {
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: string(secret), Timestamp: at})
	return signed.Header
}

// VerifyWebhook implements payments.Provider. The signature is checked by Stripe's library before a byte is parsed: every v1 against every active secret, and not
// older than 300 s. The evidence is always BodyBound. A signed event of the other mode, test or live, is ErrWrongMode. An event about a session of ours that
// cannot be read is ErrMalformed; any other event is returned as far as it can be read.
func (c *Client) VerifyWebhook(body []byte, header http.Header) (payments.Event, error) {
	event, err := c.open(body, header.Get(SignatureHeader))
	if err != nil {
		return payments.Event{}, err
	}
	if event.Livemode != c.live {
		return payments.Event{}, fmt.Errorf("%w: livemode is %t", payments.ErrWrongMode, event.Livemode)
	}
	return parseEvent(&event, body)
}

// open tries every secret, whatever the others gave, so the time taken tells nothing of which one fits.
func (c *Client) open(body []byte, signature string) (event stripe.Event, err error) {
	options := webhook.ConstructEventOptions{Tolerance: tolerance, IgnoreAPIVersionMismatch: true} // We read a few members that no version has changed.
	err = payments.ErrSignature
	for _, secret := range c.secrets {
		got, failure := webhook.ConstructEventWithOptions(body, signature, string(secret), options)
		switch {
		case failure == nil:
			event, err = got, nil
		case !signatureFault(failure):
			err = fmt.Errorf("%w: webhook is not a readable event", payments.ErrMalformed)
		}
	}
	if fromTheFuture(signature) { // The library looks for age only.
		return stripe.Event{}, payments.ErrSignature
	}
	return event, err
}

func signatureFault(err error) bool {
	return errors.Is(err, webhook.ErrNotSigned) || errors.Is(err, webhook.ErrInvalidHeader) || errors.Is(err, webhook.ErrNoValidSignature) || errors.Is(err, webhook.ErrTooOld)
}

// fromTheFuture reports whether the signature's time, the last one as for the library, is too far ahead of ours.
func fromTheFuture(signature string) bool {
	ahead := false
	for pair := range strings.SplitSeq(signature, ",") {
		if text, ok := strings.CutPrefix(pair, "t="); ok {
			seconds, err := strconv.ParseInt(text, 10, 64)
			ahead = err != nil || time.Until(time.Unix(seconds, 0)) > tolerance
		}
	}
	return ahead
}

func parseEvent(in *stripe.Event, body []byte) (payments.Event, error) {
	kind := string(in.Type)
	if in.ID == "" || !exchange.Storable(in.ID) || kind == "" || !exchange.Storable(kind) || in.Data == nil {
		return payments.Event{}, fmt.Errorf("%w: event without id, type or data", payments.ErrMalformed)
	}
	out := payments.Event{Provider: Name, Type: kind, DedupeKey: in.ID, Status: payments.StatusUnknown, Evidence: payments.BodyBound}
	var err error
	switch in.Type {
	case stripe.EventTypeCheckoutSessionCompleted, stripe.EventTypeCheckoutSessionAsyncPaymentSucceeded, stripe.EventTypeCheckoutSessionAsyncPaymentFailed:
		err = sessionEvent(&out, in)
	case stripe.EventTypeChargeRefunded:
		err = refundedEvent(&out, in, body)
	case stripe.EventTypeRefundFailed, stripe.EventTypeChargeRefundUpdated:
		err = refundEvent(&out, in)
	default:
		if strings.HasPrefix(kind, "charge.dispute.") {
			err = disputeEvent(&out, in)
		}
	}
	if err != nil {
		return payments.Event{}, fmt.Errorf("%w: %s", err, kind)
	}
	return out, nil
}

// sessionEvent reads a session's end. A session without a reference is somebody else's, and stays an event about something else.
func sessionEvent(out *payments.Event, in *stripe.Event) error {
	var s stripe.CheckoutSession
	if err := json.Unmarshal(in.Data.Raw, &s); err != nil {
		return payments.ErrMalformed
	}
	if out.Reference = exchange.StorableOrEmpty(s.ClientReferenceID); out.Reference == "" {
		return nil
	}
	v, err := verification(&s)
	if err != nil {
		return payments.ErrMalformed
	}
	out.Kind, out.Status, out.Amount = payments.KindCharge, v.Status, v.Amount
	out.ProviderTransactionID = exchange.StorableOrEmpty(v.ProviderTransactionID)
	if in.Type == stripe.EventTypeCheckoutSessionAsyncPaymentFailed && out.Status == payments.StatusPending {
		out.Status = payments.StatusFailed
	}
	if out.Status == payments.StatusSucceeded {
		if out.ProviderTransactionID == "" || s.Currency == "" {
			return payments.ErrMalformed
		}
		out.PaidAt = time.Unix(in.Created, 0).UTC()
	}
	return nil
}

// refundedEvent reads charge.refunded, which shows the charge: what was refunded so far, and before.
func refundedEvent(out *payments.Event, in *stripe.Event, body []byte) error {
	var charge stripe.Charge
	if err := json.Unmarshal(in.Data.Raw, &charge); err != nil || charge.AmountRefunded < 0 {
		return payments.ErrMalformed
	}
	out.Kind, out.Return = payments.KindRefund, payments.ReturnDone
	out.Reference = exchange.StorableOrEmpty(charge.Metadata[metadataReference])
	out.ProviderTransactionID = exchange.StorableOrEmpty(intentID(charge.PaymentIntent))
	if charge.Refunds != nil && len(charge.Refunds.Data) > 0 { // Older versions of the API show the newest refund first.
		out.CaseID = exchange.StorableOrEmpty(charge.Refunds.Data[0].ID)
	}
	currency, err := accepted(string(charge.Currency))
	if err != nil {
		return nil //nolint:nilerr // kept, with an amount that equals none
	}
	out.ReturnedTotal = money.FromMinor(charge.AmountRefunded, currency)
	if before, ok := refundedBefore(body); ok && before >= 0 && before <= charge.AmountRefunded {
		out.Amount = money.FromMinor(charge.AmountRefunded-before, currency)
	}
	return nil
}

// refundedBefore reads data.previous_attributes.amount_refunded; the library keeps it as a floating-point number.
func refundedBefore(body []byte) (int64, bool) {
	var in struct {
		Data struct {
			Previous struct {
				AmountRefunded *int64 `json:"amount_refunded"`
			} `json:"previous_attributes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &in); err != nil || in.Data.Previous.AmountRefunded == nil {
		return 0, false
	}
	return *in.Data.Previous.AmountRefunded, true
}

// refundEvent reads a refund by itself. Only its failure is news: charge.refunded told of it before.
func refundEvent(out *payments.Event, in *stripe.Event) error {
	var refund stripe.Refund
	if err := json.Unmarshal(in.Data.Raw, &refund); err != nil || refund.Amount < 0 {
		return payments.ErrMalformed
	}
	if refundState(string(refund.Status)) != payments.ReturnDenied {
		return nil
	}
	out.Kind, out.Return = payments.KindRefund, payments.ReturnDenied
	out.CaseID = exchange.StorableOrEmpty(refund.ID)
	out.Reference = exchange.StorableOrEmpty(refund.Metadata[metadataReference])
	out.ProviderTransactionID = exchange.StorableOrEmpty(intentID(refund.PaymentIntent))
	if currency, err := accepted(string(refund.Currency)); err == nil {
		out.Amount = money.FromMinor(refund.Amount, currency)
	}
	return nil
}

// disputeEvent reads a dispute. It names the payment intent; our reference is not in it.
func disputeEvent(out *payments.Event, in *stripe.Event) error {
	var dispute stripe.Dispute
	if err := json.Unmarshal(in.Data.Raw, &dispute); err != nil || dispute.Amount < 0 {
		return payments.ErrMalformed
	}
	out.Kind, out.Return = payments.KindDispute, disputeState(string(dispute.Status))
	out.CaseID = exchange.StorableOrEmpty(dispute.ID)
	out.ProviderTransactionID = exchange.StorableOrEmpty(intentID(dispute.PaymentIntent))
	if currency, err := accepted(string(dispute.Currency)); err == nil {
		out.Amount = money.FromMinor(dispute.Amount, currency)
	}
	return nil
}
