package templates

import (
	"makola/pkg/notifications"
)

// paymentFailed tells a payer that their payment was not received, and that they may try again.
func (s *Set) paymentFailed(c notifications.PaymentFailed) letter {
	shop := business(c.Business)
	reference := plain(c.Reference, maxWord)
	bought, nothing := "the AI credits of ", "No credits were added."
	if c.Product == "subscription" {
		bought, nothing = "the subscription of ", "No month was added."
	}
	facts := group{Title: "The payment", Rows: []row{
		{Label: "Reference", Value: reference},
		{Label: "Price", Value: amount(c.ExpectedMinor, c.ExpectedCurrency)},
		{Label: "Received", Value: "nothing"},
	}}
	if !c.ReportedAt.IsZero() {
		facts.Rows = append(facts.Rows, row{Label: "Reported on", Value: moment(c.ReportedAt, c.Timezone)})
	}
	l := letter{
		Subject:  "We did not receive your payment (" + reference + ")",
		Preview:  "The payment provider says that it failed. You can try again.",
		Title:    "We did not receive your payment",
		Greeting: greeting(c.Name),
		Paragraphs: []string{
			"The payment provider told us that a payment for " + bought + shop + " failed. " + nothing,
			"You can start a new payment at any time. If the money has left your account all the same, please wait: when the provider reports it, what you paid for is added automatically.",
		},
		Groups:  []group{facts},
		Closing: []string{"Please give the reference when you write to us about it."},
		Reason:  "You get this mail because a payment was started for " + shop + ". Mails about payments cannot be switched off.",
	}
	if s.appURL != "" {
		l.Button = &link{"Open Makola", s.appURL}
	}
	return l
}
