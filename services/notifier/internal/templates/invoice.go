package templates

import (
	"strconv"
	"strings"
	"time"

	"makola/pkg/money"
	"makola/pkg/notifications"
)

// invoice asks for the payment of a month, or reminds of it.
func (s *Set) invoice(c notifications.Invoice) letter {
	shop, number, total := business(c.Business), plain(c.Number, maxWord), amount(c.TotalMinor, c.Currency)
	l := letter{
		Subject:    "Invoice " + number + ": " + total,
		Preview:    total + " for one month.",
		Title:      "Your next month",
		Greeting:   greeting(c.Name),
		Paragraphs: []string{"This is the invoice for the next month of the subscription of " + shop + ". Nothing is taken from your account: the month begins when you pay."},
		Closing:    []string{"You can download the invoice as a PDF in Makola. Please give its number when you write to us about it."},
		Button:     s.toSubscription("Pay this invoice"),
		Reason:     "You get this invoice because the subscription of " + shop + " renews. Mails about payments cannot be switched off.",
	}
	due := dueDay(c.DueOn)
	if c.Reminder > 0 {
		l.Subject, l.Title = "Overdue: invoice "+number+", "+total, "An invoice is overdue"
		l.Preview = total + " was due" + due + "."
		l.Paragraphs = []string{"The invoice for a month of the subscription of " + shop + " was due" + due + ", and we have not received a payment. If you have paid in the meantime, please ignore this mail."}
		l.Reason = "You get this mail because an invoice of " + shop + " is overdue. Mails about payments cannot be switched off."
	}
	g := group{Title: "Invoice " + number}
	if !c.PeriodStart.IsZero() && !c.PeriodEnd.IsZero() {
		g.Rows = append(g.Rows, row{Label: "Month", Value: date(c.PeriodStart, c.Timezone) + " to " + date(c.PeriodEnd, c.Timezone)})
	}
	if c.Storefronts > 0 {
		g.Rows = append(g.Rows, row{Label: "Storefronts", Value: strconv.Itoa(c.Storefronts)})
	}
	if c.BaseMinor > 0 {
		g.Rows = append(g.Rows, row{Label: "Price before tax", Value: amount(c.BaseMinor, c.Currency)})
	}
	for _, tax := range c.Taxes {
		g.Rows = append(g.Rows, row{Label: plain(tax.Name, maxWord) + " (" + percent(tax.BasisPoints) + ")", Value: amount(tax.AmountMinor, c.Currency)})
	}
	g.Rows = append(g.Rows, chargeRows(c.Charges, c.Currency)...)
	g.Rows = append(g.Rows, row{"To pay", total, true})
	if due != "" {
		g.Rows = append(g.Rows, row{Label: "Due", Value: strings.TrimPrefix(due, " on ")})
	}
	l.Groups = []group{g}
	return l
}

// chargeRows list service charges, a fixed one without a rate.
func chargeRows(charges []notifications.Tax, currency money.Currency) (rows []row) {
	for _, charge := range charges {
		label := plain(charge.Name, maxWord)
		if charge.BasisPoints > 0 {
			label += " (" + percent(charge.BasisPoints) + ")"
		}
		rows = append(rows, row{Label: label, Value: amount(charge.AmountMinor, currency)})
	}
	return rows
}

// dueDay is " on" and a day, or nothing when there is none.
func dueDay(text string) string {
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return ""
	}
	return " on " + d.Format("2 January 2006")
}
