package templates

import (
	"strconv"

	"makola/pkg/notifications"
)

// subscriptionActivated is the receipt of a month that was paid for.
func (s *Set) subscriptionActivated(c notifications.SubscriptionActivated) letter {
	shop := business(c.Business)
	reference := plain(c.Reference, maxWord)
	l := letter{
		Subject:    "Receipt: your subscription (" + reference + ")",
		Preview:    amount(c.PaidMinor, c.Currency) + " paid. The subscription is active.",
		Title:      "Thank you for your payment",
		Greeting:   greeting(c.Name),
		Paragraphs: []string{"We received your payment of " + amount(c.PaidMinor, c.Currency) + " for one month of the subscription of " + shop + "."},
		Closing:    []string{"Please keep this receipt, and give the reference when you write to us about it."},
		Reason:     "You get this receipt because the subscription of " + shop + " was paid. Mails about payments cannot be switched off.",
	}
	month := group{Title: "Subscription"}
	if c.Storefronts > 0 {
		month.Rows = append(month.Rows, row{Label: "Storefronts", Value: strconv.Itoa(c.Storefronts)})
	}
	if !c.PeriodStart.IsZero() {
		month.Rows = append(month.Rows, row{Label: "From", Value: moment(c.PeriodStart, c.Timezone)})
	}
	if !c.PeriodEnd.IsZero() {
		month.Rows = append(month.Rows, row{"Until", moment(c.PeriodEnd, c.Timezone), true})
	}
	paid := group{Title: "Payment"}
	if c.BaseMinor > 0 {
		paid.Rows = append(paid.Rows, row{Label: "Price before tax", Value: amount(c.BaseMinor, c.Currency)})
	}
	for _, tax := range c.Taxes {
		paid.Rows = append(paid.Rows, row{Label: plain(tax.Name, maxWord) + " (" + percent(tax.BasisPoints) + ")", Value: amount(tax.AmountMinor, c.Currency)})
	}
	paid.Rows = append(paid.Rows, chargeRows(c.Charges, c.Currency)...)
	paid.Rows = append(paid.Rows, row{"Paid", amount(c.PaidMinor, c.Currency), true})
	if !c.PaidAt.IsZero() {
		paid.Rows = append(paid.Rows, row{Label: "Paid on", Value: moment(c.PaidAt, c.Timezone)})
	}
	paid.Rows = append(paid.Rows, row{Label: "Reference", Value: reference})
	if len(month.Rows) > 0 {
		l.Groups = append(l.Groups, month)
	}
	l.Groups = append(l.Groups, paid)
	if s.appURL != "" {
		l.Button = &link{"Open Makola", s.appURL}
	}
	return l
}
