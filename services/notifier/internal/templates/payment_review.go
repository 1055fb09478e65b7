package templates

import (
	"makola/pkg/notifications"
)

// paymentReview tells a payer that a person looks at their payment, and that they need not pay again; or tells the platform that this person is them.
func (s *Set) paymentReview(c notifications.PaymentReview) letter {
	shop := business(c.Business)
	reference := plain(c.Reference, maxWord)
	facts := group{Title: "Your payment", Rows: []row{
		{Label: "Reference", Value: reference},
		{Label: "Price", Value: amount(c.ExpectedMinor, c.ExpectedCurrency)},
	}}
	if c.ReceivedCurrency != "" {
		facts.Rows = append(facts.Rows, row{Label: "Reported by the payment provider", Value: amount(c.ReceivedMinor, c.ReceivedCurrency)})
	}
	if !c.ReportedAt.IsZero() {
		facts.Rows = append(facts.Rows, row{Label: "Reported on", Value: moment(c.ReportedAt, c.Timezone)})
	}
	bought, promise := "the AI credits", "So no credits have been added yet."
	outcome := "you will either get your credits or your money back."
	if c.Product == "subscription" {
		bought, promise, outcome = "the subscription", "So no month has been added yet.", "you will either get your month or your money back."
	}
	if c.Platform {
		facts.Title = "The payment"
		return letter{
			Subject: "A payment waits for your decision (" + reference + ")",
			Preview: "What the payment provider reported does not match the purchase.",
			Title:   "A payment waits for your decision", Greeting: greeting(c.Name),
			Paragraphs: []string{
				"The payment provider reported a payment for " + bought + " of " + shop + ", but what it reported does not match the purchase. " + promise + " The payer has been told that a person is looking at it.",
				"See what there is to decide with: makola review list",
			},
			Groups: []group{facts},
			Reason: "You get this mail because this address is PLATFORM_EMAIL of this Makola. Mails about payments cannot be switched off.",
		}
	}
	return letter{
		Subject:  "We are checking your payment (" + reference + ")",
		Preview:  "Please do not pay again. A person is looking at it.",
		Title:    "We are checking your payment",
		Greeting: greeting(c.Name),
		Paragraphs: []string{
			"The payment provider reported a payment for " + bought + " of " + shop + ", but what it reported does not match the purchase. " + promise,
			"A person is looking at it. Please do not pay again: " + outcome,
		},
		Groups:  []group{facts},
		Closing: []string{"Please give the reference when you write to us about it."},
		Reason:  "You get this mail because a payment was made for " + shop + ". Mails about payments cannot be switched off.",
	}
}
