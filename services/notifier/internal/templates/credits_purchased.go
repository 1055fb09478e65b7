package templates

import (
	"makola/pkg/notifications"
)

// creditsPurchased is the receipt of a credit purchase.
func (s *Set) creditsPurchased(c notifications.CreditsPurchased) letter {
	shop := business(c.Business)
	reference := plain(c.Reference, maxWord)
	total := credits(c.TotalCredits)
	l := letter{
		Subject:    "Receipt: " + total + " AI credits (" + reference + ")",
		Preview:    amount(c.PaidMinor, c.Currency) + " paid. " + total + " credits are ready to use.",
		Title:      "Thank you for your purchase",
		Greeting:   greeting(c.Name),
		Paragraphs: []string{"We received your payment of " + amount(c.PaidMinor, c.Currency) + " and added " + total + " AI credits to " + shop + "."},
		Closing:    []string{"Please keep this receipt, and give the reference when you write to us about it."},
		Reason:     "You get this receipt because AI credits were bought for " + shop + ". Mails about payments cannot be switched off.",
	}
	bought := group{Title: "Credits"}
	if c.Package != "" {
		bought.Rows = append(bought.Rows, row{Label: "Package", Value: capital(plain(c.Package, maxWord))})
	}
	bought.Rows = append(bought.Rows, row{Label: "Credits", Value: credits(c.Credits)})
	if c.Bonus != 0 {
		bought.Rows = append(bought.Rows, row{Label: "Bonus", Value: credits(c.Bonus)})
	}
	bought.Rows = append(bought.Rows, row{"Total credits", total, true}, row{Label: "Balance now", Value: credits(c.Balance)})
	if !c.ExpiresAt.IsZero() {
		bought.Rows = append(bought.Rows, row{Label: "Valid until", Value: date(c.ExpiresAt, c.Timezone)})
	}

	paid := group{Title: "Payment", Rows: []row{{Label: "Price before tax", Value: amount(c.BaseMinor, c.Currency)}}}
	for _, tax := range c.Taxes {
		paid.Rows = append(paid.Rows, row{Label: plain(tax.Name, maxWord) + " (" + percent(tax.BasisPoints) + ")", Value: amount(tax.AmountMinor, c.Currency)})
	}
	paid.Rows = append(paid.Rows, row{"Paid", amount(c.PaidMinor, c.Currency), true})
	if !c.PaidAt.IsZero() {
		paid.Rows = append(paid.Rows, row{Label: "Paid on", Value: moment(c.PaidAt, c.Timezone)})
	}
	paid.Rows = append(paid.Rows, row{Label: "Reference", Value: reference})
	l.Groups = []group{bought, paid}
	if s.appURL != "" {
		l.Button = &link{"Open Makola", s.appURL}
	}
	return l
}
