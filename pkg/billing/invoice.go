package billing

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// InvoiceStatus is the state of an invoice.
//
//	SENT ──it is due, and a day has passed──▶ OVERDUE       SENT, OVERDUE ──a payment──▶ PAID ──all of it goes back──▶ CANCELLED
//	SENT, OVERDUE ──another amount is owed, or nothing any more──▶ CANCELLED
type InvoiceStatus string

// The states of an invoice. There are no drafts: an invoice has its number from the transaction that makes it.
const (
	InvoiceSent      InvoiceStatus = "SENT"
	InvoicePaid      InvoiceStatus = "PAID"
	InvoiceOverdue   InvoiceStatus = "OVERDUE"
	InvoiceCancelled InvoiceStatus = "CANCELLED"
)

// ErrInvoiceNotFound reports an invoice that does not exist in the transaction's tenant; another tenant's is the same as none.
var ErrInvoiceNotFound = problem.New(problem.NotFound, "invoice_not_found", "There is no such invoice.")

// Party is who issues an invoice, or whom it is for, as they were called when it was issued.
type Party struct {
	Name    string `json:"name"`
	TIN     string `json:"tin"`
	Address string `json:"address"`
	Email   string `json:"email"`
}

// Invoice is what a business owes, or has paid, for one month.
type Invoice struct {
	ID, Tenant uuid.UUID
	// Number is INV-YYYYMM-000123, by the month in which it was issued: without a gap, whatever rolls back.
	Number string
	Status InvoiceStatus
	SubscriptionQuote
	// PeriodStart and PeriodEnd are the month as it was invoiced. A payment that comes late gives a month from its own day on, see PaidStart.
	PeriodStart, PeriodEnd time.Time
	// IssuedOn and DueOn are dates of the business's calendar.
	IssuedOn, DueOn  time.Time
	Seller, Customer Party
	// PaidAt, Reference, PaidStart and PaidEnd are the payment's, and the month's that it gave; unset while it is not paid.
	PaidAt             *time.Time
	Reference          string
	PaidStart, PaidEnd *time.Time
	// Reminders is how many times the business was reminded since it was due.
	Reminders int
	Zone      *time.Location
}

const selectInvoice = `
	select i.id, i.tenant_id, i.number, i.status, i.period_start, i.period_end, i.storefronts, i.tier, i.base_minor, i.tax_lines, i.tax_minor, i.charge_lines, i.charges_minor,
	       i.total_minor, i.currency,
	       i.issued_on, i.due_on, i.seller, i.customer, i.paid_at, coalesce(p.reference, ''), p.period_start, p.period_end, i.reminders, b.timezone
	  from billing.invoice i join accounts.business b on b.id = i.tenant_id
	  left join billing.subscription_payment p on p.tenant_id = i.tenant_id and p.id = i.payment_id `

func scanInvoice(rows pgx.Rows) (*Invoice, error) {
	i := &Invoice{}
	var tier, taxes, charges, seller, customer []byte
	var currency, zone string
	if err := rows.Scan(&i.ID, &i.Tenant, &i.Number, &i.Status, &i.PeriodStart, &i.PeriodEnd, &i.Storefronts, &tier, &i.Base.Minor, &taxes, &i.Tax.Minor, &charges, &i.Charged.Minor,
		&i.Total.Minor, &currency, &i.IssuedOn, &i.DueOn, &seller, &customer, &i.PaidAt, &i.Reference, &i.PaidStart, &i.PaidEnd, &i.Reminders, &zone); err != nil {
		return nil, err
	}
	c := money.Currency(currency)
	i.Base.Currency, i.Tax.Currency, i.Charged.Currency, i.Total.Currency = c, c, c, c
	i.Zone = location(zone)
	for what, part := range map[string]struct {
		raw  []byte
		into any
	}{"tier": {tier, &i.Tier}, "seller": {seller, &i.Seller}, "customer": {customer, &i.Customer}} {
		if err := json.Unmarshal(part.raw, part.into); err != nil {
			return nil, fmt.Errorf("decode %s of invoice %s: %w", what, i.Number, err)
		}
	}
	var err error
	if i.Taxes, err = decodeTaxes(taxes, c); err == nil {
		i.Charges, err = decodeCharges(charges, c)
	}
	return i, err
}

// Invoices returns the tenant's invoices after the one with id after, newest first, and the id to continue with, as Purchases does.
func Invoices(tx *gorm.DB, after uuid.UUID, limit int) (list []*Invoice, next uuid.UUID, err error) {
	limit = min(max(limit, 1), MaxPage)
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list invoices: %w", err)
	}
	if after == uuid.Nil {
		after = uuid.Max
	}
	err = query(tx, "list invoices", selectInvoice+`where i.tenant_id = $1 and i.id < $2 order by i.id desc limit $3`, func(rows pgx.Rows) error {
		i, err := scanInvoice(rows)
		list = append(list, i)
		return err
	}, owner, after, limit+1)
	if err != nil {
		return nil, uuid.Nil, err
	}
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].ID
	}
	return list, next, nil
}

// InvoiceByID returns one invoice of the tenant's. Errors: ErrInvoiceNotFound.
func InvoiceByID(tx *gorm.DB, id uuid.UUID) (i *Invoice, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read invoice: %w", err)
	}
	list, err := invoices(tx, `where i.tenant_id = $1 and i.id = $2`, owner, id)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, fmt.Errorf("read invoice: %w", ErrInvoiceNotFound)
	}
	return list[0], nil
}

func invoices(tx *gorm.DB, where string, args ...any) (list []*Invoice, err error) {
	err = query(tx, "read invoices", selectInvoice+where, func(rows pgx.Rows) error {
		i, err := scanInvoice(rows)
		list = append(list, i)
		return err
	}, args...)
	return list, err
}

// cancelInvoices cancels what the tenant still owes. What is owed from then on is invoiced anew.
func cancelInvoices(tx *gorm.DB, tenant uuid.UUID) error {
	_, err := exec(tx, "cancel open invoices", `
		update billing.invoice set status = 'CANCELLED', cancelled_at = now(), updated_at = now() where tenant_id = $1 and status in ('SENT', 'OVERDUE')`, tenant)
	return err
}
