package fake

import (
	"net/http"
	"time"
)

// facade is what differs between the providers: their words, their webhooks and their signatures. It keeps no transactions.
// paystackFacade, flutterwaveFacade and stripeFacade implement it. The methods that return events are called with Simulator.mu held.
type facade interface {
	// title is the provider's name for people.
	title() string
	// authorized reports whether the request carries the account's key.
	authorized(r *http.Request) bool
	// failure is the body of an error answer in the provider's form.
	failure(status int, message string) any
	// charged returns the webhooks that tell what became of a charge, oldest first. With earlier the customer went through something else
	// before, if the provider tells of that: a declined attempt, an unpaid session.
	charged(tx Transaction, earlier bool) []event
	// refunded returns the webhooks about a refund, oldest first. The refund is in tx.Refunds already.
	refunded(tx Transaction, r Refund) []event
	// disputed returns the webhook that tells of a dispute's beginning or, if it is closed, of its end.
	disputed(tx Transaction, d Dispute) []event
	// webhook is where webhooks go; empty: nowhere.
	webhook() string
	// sign returns the headers of a webhook that is sent now.
	sign(body []byte, now time.Time) http.Header
	// delivered reports whether the receiver's answer ends the retries.
	delivered(status int) bool
	// returnURL is where the customer's browser goes after acting; empty: it stays.
	returnURL(tx Transaction) string
}

// facade returns the provider's facade.
func (s *Simulator) facade(p Provider) facade {
	switch p {
	case Flutterwave:
		return s.flutterwave
	case Stripe:
		return s.stripe
	default:
		return s.paystack
	}
}

// event is one webhook as it is sent, again and again if need be.
type event struct {
	name   string // The provider's.
	body   []byte
	charge bool // It tells what became of a charge.
}

// maxEvents is how many webhooks are kept per transaction to be sent again.
const maxEvents = 20
