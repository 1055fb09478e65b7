package sales

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
)

// part is what one sale gets of a payment.
type part struct {
	sale  uuid.UUID
	minor int64
}

// Pay takes a payment on a sale that is not paid in full, whether it was sold on credit or not. Errors: ErrNotFound, ErrNothingDue, ErrOverpaid.
func Pay(tx *gorm.DB, who Actor, id uuid.UUID, t Tender, now time.Time) (*Sale, error) {
	s, err := lockSale(tx, id, who.Scope)
	switch {
	case err != nil:
		return nil, err
	case s.Due == 0:
		return nil, ErrNothingDue
	case t.Minor > s.Due:
		return nil, ErrOverpaid
	}
	if _, err := take(tx, who, &s.ID, s.Customer, t, []part{{s.ID, t.Minor}}, now); err != nil {
		return nil, err
	}
	return SaleByID(tx, id, who.Scope)
}

// PayAccount takes a payment on what a customer owes, and spreads it over their oldest debts. More than they owe is refused. Errors: ErrCustomerNotFound, ErrOverpaid.
func PayAccount(tx *gorm.DB, who Actor, customer uuid.UUID, t Tender, now time.Time) (*Payment, error) {
	if _, err := CustomerByID(tx, customer); err != nil {
		return nil, err
	}
	// The sales are locked before the customer, as everybody does; what is due is read when they are.
	parts, left := []part{}, t.Minor
	err := query(tx, "lock sales of customer", `
		with owed as (
		  select s.id, s.due_minor, s.completed_at from sales.sale s
		   where s.customer_id = $1 and s.id in (select r.sale_id from sales.receivable r where r.customer_id = $1 and r.outstanding_minor > 0) order by s.id for update of s)
		select id, due_minor from owed where due_minor > 0 order by completed_at, id`, func(rows pgx.Rows) error {
		var p part
		if err := rows.Scan(&p.sale, &p.minor); err != nil {
			return err
		}
		if p.minor = min(p.minor, left); p.minor > 0 {
			parts, left = append(parts, p), left-p.minor
		}
		return nil
	}, customer)
	switch {
	case err != nil:
		return nil, err
	case left > 0:
		return nil, ErrOverpaid
	}
	return take(tx, who, nil, customer, t, parts, now)
}

// take books a payment: the payment itself, the parts of it on receivables and sales, and the customer's debt. The sales are locked.
func take(tx *gorm.DB, who Actor, sale *uuid.UUID, customer uuid.UUID, t Tender, parts []part, now time.Time) (*Payment, error) {
	c, err := lockCustomer(tx, customer)
	if err != nil {
		return nil, err
	}
	ids, err := newIDs("payment", 2+len(parts))
	if err != nil {
		return nil, err
	}
	p := Payment{ID: ids[0], Sale: sale, Customer: customer, Minor: t.Minor, Currency: c.Currency, Method: t.Method, Reference: t.Reference, User: who.Entry.User, At: now}
	if err := insertPayments(tx, who, []Payment{p}); err != nil {
		return nil, err
	}
	sales, amounts := make([]uuid.UUID, len(parts)), make([]int64, len(parts))
	for k, p := range parts {
		sales[k], amounts[k] = p.sale, p.minor
	}
	_, err = exec(tx, "book payment", `
		with x as (select * from unnest($3::uuid[], $4::uuid[], $5::bigint[]) as x (id, sale, amount)),
		  owed as (
		    update sales.receivable r set paid_minor = r.paid_minor + x.amount, outstanding_minor = r.outstanding_minor - x.amount, updated_at = now(),
		           status = case when r.outstanding_minor = x.amount then 'PAID' when r.status = 'IN_COLLECTION' then r.status else 'PARTIAL' end
		      from x where r.tenant_id = $1 and r.sale_id = x.sale
		    returning r.id, x.id as part, x.amount),
		  booked as (insert into sales.receivable_payment (id, tenant_id, receivable_id, payment_id, amount_minor, at) select part, $1, id, $6, amount, $7 from owed),
		  debt as (
		    insert into sales.credit_transaction (id, tenant_id, customer_id, kind, amount_minor, balance_minor, source_type, source_id, reference, user_id)
		    values ($8, $1, $9, 'PAYMENT', -$10::bigint, $11, 'payment', $6, $12, $2))
		update sales.sale s set paid_minor = s.paid_minor + x.amount, due_minor = s.due_minor - x.amount, updated_at = now(),
		       status = case when s.due_minor = x.amount then 'COMPLETED' else 'PARTIAL' end
		  from x where s.tenant_id = $1 and s.id = x.sale`,
		who.Entry.Tenant, who.Entry.User, ids[2:], sales, amounts, p.ID, now, ids[1], customer, t.Minor, c.Outstanding-t.Minor, t.Reference)
	if err != nil {
		return nil, err
	}
	changes := map[string]any{"amount": c.Amount(t.Minor).Decimal(), "currency": c.Currency, "method": t.Method, "customer_id": customer}
	if sale != nil {
		changes["sale_id"] = *sale
	}
	return &p, who.record(tx, audit.Payment, "payment", p.ID, changes)
}

// PaymentByID returns a payment on account.
func PaymentByID(tx *gorm.DB, id uuid.UUID) (p *Payment, err error) {
	err = query(tx, "read payment", `select id, sale_id, customer_id, amount_minor, currency, method, reference, processed_by, at from sales.payment where id = $1`, func(rows pgx.Rows) error {
		one, err := scanPayment(rows)
		p = &one
		return err
	}, id)
	if err == nil && p == nil {
		err = ErrNotFound
	}
	return p, err
}
