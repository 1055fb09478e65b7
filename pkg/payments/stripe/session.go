package stripe

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"

	"makola/pkg/money"
	"makola/pkg/payments"
)

// sessionRule is what the id of a Checkout Session looks like; it keeps foreign text from changing the path of a request.
var sessionRule = regexp.MustCompile(`^cs_[A-Za-z0-9_]{1,250}$`)

// verification is what a session says, in our words. The session's reference may be empty: it is then not one of ours.
func verification(s *stripe.CheckoutSession) (payments.Verification, error) {
	if s.ID == "" || s.PaymentStatus == "" || s.AmountTotal < 0 {
		return payments.Verification{}, fmt.Errorf("%w: session without id, payment status or amount", payments.ErrMalformed)
	}
	out := payments.Verification{
		Provider: Name, Reference: s.ClientReferenceID, Status: status(s), ProviderStatus: string(s.Status) + "/" + string(s.PaymentStatus),
		ProviderTransactionID: intentID(s.PaymentIntent),
	}
	if currency, err := accepted(string(s.Currency)); err == nil { // The zero amount of an unknown currency equals no expected one.
		out.Amount = money.FromMinor(s.AmountTotal, currency)
	}
	if charge := latestCharge(s); charge != nil && out.Status == payments.StatusSucceeded && charge.Created > 0 {
		out.PaidAt = time.Unix(charge.Created, 0).UTC()
	}
	if charge := latestCharge(s); charge != nil && charge.PaymentMethodDetails != nil {
		out.Channel = string(charge.PaymentMethodDetails.Type)
	}
	return out, nil
}

// status reads the outcome from session, payment intent and charge; the latter two are there when they were asked for.
func status(s *stripe.CheckoutSession) payments.Status {
	charge := latestCharge(s)
	switch {
	case s.PaymentStatus == stripe.CheckoutSessionPaymentStatusPaid && charge != nil && charge.Refunded:
		return payments.StatusReversed // The session stays paid for ever.
	case s.PaymentStatus == stripe.CheckoutSessionPaymentStatusPaid:
		return payments.StatusSucceeded
	case s.PaymentStatus != stripe.CheckoutSessionPaymentStatusUnpaid:
		return payments.StatusUnknown // Nothing to pay, which we never ask for.
	case s.Status == stripe.CheckoutSessionStatusExpired:
		return payments.StatusFailed // Its page is gone.
	case s.Status == stripe.CheckoutSessionStatusComplete && gaveUp(s.PaymentIntent):
		return payments.StatusFailed // A slow way to pay, that failed in the end.
	default:
		return payments.StatusPending
	}
}

func gaveUp(p *stripe.PaymentIntent) bool {
	return p != nil && (p.Status == stripe.PaymentIntentStatusRequiresPaymentMethod || p.Status == stripe.PaymentIntentStatusCanceled)
}

func intentID(p *stripe.PaymentIntent) string {
	if p == nil {
		return ""
	}
	return p.ID
}

func latestCharge(s *stripe.CheckoutSession) *stripe.Charge {
	if s.PaymentIntent == nil {
		return nil
	}
	return s.PaymentIntent.LatestCharge
}

// accepted returns the currency if Stripe counts it in the same minor units as ISO 4217; Stripe writes it in small letters. Shillings of Uganda and dinars of
// Tunisia it counts differently.
func accepted(code string) (money.Currency, error) {
	c := money.Currency(strings.ToUpper(code))
	if code != strings.ToLower(code) || !c.Known() || c == money.UGX || c == money.TND {
		return "", fmt.Errorf("%w for Stripe: %.8q", money.ErrUnknownCurrency, code)
	}
	return c, nil
}

// refundState translates Stripe's word for the state of a refund.
func refundState(word string) payments.ReturnState {
	switch stripe.RefundStatus(word) {
	case stripe.RefundStatusSucceeded:
		return payments.ReturnDone
	case stripe.RefundStatusFailed, stripe.RefundStatusCanceled:
		return payments.ReturnDenied
	case stripe.RefundStatusPending, stripe.RefundStatusRequiresAction:
		return payments.ReturnPending
	default:
		return ""
	}
}

// disputeState translates Stripe's word for the state of a dispute. A warning is an inquiry: no money has moved yet.
func disputeState(word string) payments.ReturnState {
	switch stripe.DisputeStatus(word) {
	case stripe.DisputeStatusLost:
		return payments.ReturnDone
	case stripe.DisputeStatusWon, stripe.DisputeStatusWarningClosed, stripe.DisputeStatusPrevented:
		return payments.ReturnDenied
	case stripe.DisputeStatusNeedsResponse, stripe.DisputeStatusUnderReview, stripe.DisputeStatusWarningNeedsResponse, stripe.DisputeStatusWarningUnderReview:
		return payments.ReturnPending
	default:
		return ""
	}
}
