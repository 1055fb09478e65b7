package sales

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

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
