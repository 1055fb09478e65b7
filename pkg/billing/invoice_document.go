package billing

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"makola/pkg/document"
)

// invoiceDate is how an invoice writes a day.
const invoiceDate = "2 January 2006"

// Document is the invoice as a page to print. The same invoice gives the same bytes: the page bears no time of its making.
func (i *Invoice) Document() *document.Report {
	r := &document.Report{
		Business: i.Seller.Name, Address: lines(i.Seller.Address, i.Seller.Email), TIN: i.Seller.TIN, Title: "Invoice " + i.Number, Zone: i.Zone, Currency: i.Total.Currency,
		Period: "Issued on " + i.IssuedOn.Format(invoiceDate),
		Summary: []document.Figure{
			{Label: "Total", Kind: document.KindMoney, Value: document.Money(i.Total)},
			{Label: "Due on", Value: document.Text(i.DueOn.Format(invoiceDate))},
			{Label: "Status", Value: document.Text(i.status())},
		},
		Tables: []document.Table{
			{Name: "For", Columns: []document.Column{{Title: "Customer", Width: 30}, {Title: "TIN", Width: 16}, {Title: "Address", Width: 40}}, Rows: rows(
				[]document.Cell{document.Text(i.Customer.Name), document.Text(i.Customer.TIN), document.Text(strings.Join(lines(i.Customer.Address, i.Customer.Email), ", "))},
			)},
			i.amounts(),
		},
	}
	if i.PaidAt != nil {
		cells := []document.Cell{document.Instant(*i.PaidAt), document.Text(i.Reference), {}, {}}
		if i.PaidStart != nil && i.PaidEnd != nil {
			cells[2], cells[3] = document.Instant(*i.PaidStart), document.Instant(*i.PaidEnd)
		}
		r.Tables = append(r.Tables, document.Table{Name: "Payment", Rows: rows(cells), Columns: []document.Column{
			{Title: "Received", Kind: document.KindInstant}, {Title: "Reference", Width: 34}, {Title: "Month from", Kind: document.KindInstant}, {Title: "Until", Kind: document.KindInstant},
		}})
	}
	return r
}

// amounts are the month's price, its taxes and its service charges. They sum to the total.
func (i *Invoice) amounts() document.Table {
	places := "1 storefront"
	if i.Storefronts != 1 {
		places = strconv.Itoa(i.Storefronts) + " storefronts"
	}
	list := [][]document.Cell{{
		document.Text(fmt.Sprintf("Subscription, %s, one month: %s to %s", places, i.day(i.PeriodStart), i.day(i.PeriodEnd))), {}, document.Money(i.Base),
	}}
	for _, t := range i.Taxes {
		list = append(list, []document.Cell{document.Text(t.Name), document.Percent(t.BasisPoints), document.Money(t.Amount)})
	}
	for _, c := range i.Charges {
		rate := document.Cell{}
		if c.BasisPoints > 0 {
			rate = document.Percent(c.BasisPoints)
		}
		list = append(list, []document.Cell{document.Text(c.Name), rate, document.Money(c.Amount)})
	}
	return document.Table{Name: "Amounts", Rows: rows(list...), Columns: []document.Column{
		{Title: "Description", Width: 60}, {Title: "Rate", Kind: document.KindPercent}, {Title: "Amount", Kind: document.KindMoney, Total: true},
	}}
}

// status says in words where the invoice stands.
func (i *Invoice) status() string {
	switch i.Status {
	case InvoicePaid:
		return "Paid"
	case InvoiceOverdue:
		return "Overdue"
	case InvoiceCancelled:
		return "Cancelled"
	case InvoiceSent:
	}
	return "To be paid"
}

func (i *Invoice) day(t time.Time) string { return t.In(i.Zone).Format(invoiceDate) }

// lines are the lines of a text, and what else there is.
func lines(text string, more ...string) (list []string) {
	for _, line := range append(strings.Split(text, "\n"), more...) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

func rows(list ...[]document.Cell) iter.Seq2[[]document.Cell, error] {
	return func(yield func([]document.Cell, error) bool) {
		for _, row := range list {
			if !yield(row, nil) {
				return
			}
		}
	}
}
