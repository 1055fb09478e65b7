package sales

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/document"
	"makola/pkg/money"
	"makola/pkg/problem"
)

// ErrNoReceipt reports a sale that was never completed.
var ErrNoReceipt = problem.New(problem.Conflict, "no_receipt", "There is a receipt once the sale is completed.")

// Receipt is what a customer takes home: a sale with what stands around it.
type Receipt struct {
	Business, TIN, Address string
	Phones                 []string
	Header, Footer         string
	// ShowTaxes and Barcode are what the business has chosen; Paper is "thermal-80mm" or "a4".
	ShowTaxes, Barcode bool
	Paper              string
	Language           string
	Cashier            string
	// Local is when the sale was completed, on the business's clocks.
	Local time.Time
	Sale  *Sale
}

// ReceiptOf returns the receipt of a sale. Errors: ErrNotFound, ErrNoReceipt.
func ReceiptOf(tx *gorm.DB, id uuid.UUID, scope Scope) (*Receipt, error) {
	s, err := SaleByID(tx, id, scope)
	switch {
	case err != nil:
		return nil, err
	case s.Receipt == nil || s.CompletedAt == nil:
		return nil, ErrNoReceipt
	}
	r := &Receipt{Sale: s, Local: s.CompletedAt.In(s.terms.zone)}
	err = query(tx, "read receipt's texts", `
		select b.name, coalesce(b.tin, ''), b.address, b.phone_numbers, v.receipt_header, v.receipt_footer, v.receipt_taxes, v.receipt_barcode, v.receipt_paper, v.language, coalesce(u.name, '')
		  from accounts.business b join accounts.v_settings v on v.tenant_id = b.id left join accounts.user u on u.id = $1`, func(rows pgx.Rows) error {
		return rows.Scan(&r.Business, &r.TIN, &r.Address, &r.Phones, &r.Header, &r.Footer, &r.ShowTaxes, &r.Barcode, &r.Paper, &r.Language, &r.Cashier)
	}, s.User)
	return r, err
}

// methodNames is what a method of payment is called on paper.
var methodNames = map[string]string{
	"CASH": "Cash", "MOMO": "Mobile money", "CARD": "Card", "PAYSTACK": "Paystack", "STRIPE": "Stripe", "BANK_TRANSFER": "Bank transfer", "CHECK": "Cheque", byExchange: "Goods returned",
}

// Document is the receipt as it is printed. Cash is what was handed over, with the change beneath it; what came back later is on no receipt.
func (r *Receipt) Document() *document.Receipt {
	s := r.Sale
	d := &document.Receipt{
		Shop: r.Business, Header: r.Header, TIN: r.TIN, Number: *s.Receipt, At: *s.CompletedAt, Zone: r.Local.Location(), Cashier: r.Cashier, Currency: s.Currency,
		Subtotal: s.Amount(s.Subtotal), Total: s.Amount(s.Total), Footer: r.Footer,
	}
	for _, line := range append([]string{r.Address}, r.Phones...) {
		if line != "" {
			d.Address = append(d.Address, line)
		}
	}
	if !s.WalkIn {
		d.Customer = s.CustomerName
	}
	d.Discount, d.Change, d.Due = s.present(s.Discount), s.present(s.Change), s.present(s.Due)
	for _, i := range s.Items {
		d.Lines = append(d.Lines, document.ReceiptLine{Name: i.Name, Quantity: i.Quantity, Price: s.Amount(i.UnitPrice), Discount: s.present(i.Discount), Total: s.Amount(i.Total)})
	}
	if s.Tax > 0 && r.ShowTaxes {
		d.Taxes = append(d.Taxes, document.ReceiptAmount{Label: fmt.Sprintf("Tax %d.%02d %%", s.Items[0].TaxBP/100, s.Items[0].TaxBP%100), Amount: s.Amount(s.Tax)})
	}
	change := s.Change
	for _, p := range s.Payments {
		minor := p.Minor
		if p.Method == Cash {
			minor, change = minor+change, 0
		}
		d.Payments = append(d.Payments, document.ReceiptAmount{Label: methodNames[p.Method], Amount: s.Amount(minor)})
	}
	return d
}

// present is an amount, or the zero value, which is left out, for nothing.
func (s *Sale) present(minor int64) money.Amount {
	if minor == 0 {
		return money.Amount{}
	}
	return s.Amount(minor)
}
