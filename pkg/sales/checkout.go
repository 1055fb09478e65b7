package sales

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
)

// The ways in which a sale was paid.
const (
	PaidCash   = "CASH"
	PaidCard   = "CARD"
	PaidMobile = "MOBILE"
	PaidCredit = "CREDIT"
	PaidMixed  = "MIXED"
)

// The methods of payments that the rules know by name.
const (
	Cash = "CASH"
	// byExchange is no money: goods that came back paid.
	byExchange = "EXCHANGE"
)

// paidBy is the way that a method belongs to. Whatever a bank or a card company carries counts as a card.
var paidBy = map[string]string{"CASH": PaidCash, "MOMO": PaidMobile, "CARD": PaidCard, "PAYSTACK": PaidCard, "STRIPE": PaidCard, "BANK_TRANSFER": PaidCard, "CHECK": PaidCard, byExchange: PaidMixed}

// Tender is one payment as it is offered. Cash may be more than is to pay: the rest is change.
type Tender struct {
	Method    string
	Minor     int64
	Reference string
}

// Payout says how a sale is paid.
type Payout struct {
	Tenders []Tender
	// All is the method of one payment of the whole, instead of Tenders; empty when there is none.
	All string
	// OnCredit lets the customer owe what is not paid.
	OnCredit bool
	// DueDate is when it must be paid; nil means after the customer's own terms.
	DueDate *time.Time
	// Override is the reason for which a manager overrides the rules of credit; empty overrides nothing.
	Override string
}

// Checkout is how a cart becomes a sale.
type Checkout struct {
	Payout
	// Discount is on the whole.
	Discount Discount
	Notes    *string
}

// Complete checks a cart out, in one transaction: whatever is refused leaves nothing behind, and of two who complete the same cart one finds it completed.
// Errors: ErrNotFound, ErrNotDraft, ErrStorefrontClosed, ErrEmpty, ErrDiscount, ErrTooLarge, ErrOverpaid, ErrUnderpaid, ErrDueDate, ErrOverrideForbidden, a refusal of credit,
// InsufficientStock.
func Complete(tx *gorm.DB, shelf Shelf, who Actor, id uuid.UUID, c Checkout, now time.Time) (*Sale, error) {
	s, err := lockDraft(tx, id, who)
	switch {
	case err != nil:
		return nil, err
	case len(s.Items) == 0:
		return nil, ErrEmpty
	}
	if c.Notes != nil {
		s.Notes = *c.Notes
	}
	if err := s.price(c.Discount, s.terms.taxBP); err != nil {
		return nil, err
	}
	paid, err := s.settle(c.Payout, who, now)
	if err != nil {
		return nil, err
	}
	ids, _ := products(s.Items)
	offers, err := shelf.Offers(tx, s.Storefront, ids)
	if err != nil {
		return nil, err
	}
	if err := s.available(tx, offers); err != nil {
		return nil, err
	}
	return s, s.finish(tx, shelf, who, c.Payout, paid, now)
}

// settle allots what is offered to what is to pay, and says what is due then. Change is given from cash alone.
func (s *Sale) settle(c Payout, who Actor, now time.Time) (paid []Payment, err error) {
	if c.All != "" && s.Total > 0 {
		c.Tenders = append(slices.Clip(c.Tenders), Tender{Method: c.All, Minor: s.Total})
	}
	var others, cash int64
	for _, t := range c.Tenders {
		if t.Minor > MaxMinor {
			return nil, ErrTooLarge
		}
		if t.Method == Cash {
			cash += t.Minor
		} else {
			others += t.Minor
		}
	}
	if others > s.Total {
		return nil, ErrOverpaid
	}
	s.Change = max(0, others+cash-s.Total)
	s.Paid = others + cash - s.Change
	s.Due = s.Total - s.Paid
	s.OnCredit = s.Due > 0
	switch {
	case s.OnCredit && !c.OnCredit:
		return nil, ErrUnderpaid
	case c.Override != "" && !who.Approves:
		return nil, ErrOverrideForbidden
	}
	way, change := "", s.Change
	for _, t := range c.Tenders {
		if t.Method == Cash {
			given := min(t.Minor, change)
			t.Minor, change = t.Minor-given, change-given
		}
		if t.Minor == 0 {
			continue // all of it was change
		}
		id, err := newID("payment")
		if err != nil {
			return nil, err
		}
		paid = append(paid, Payment{ID: id, Sale: &s.ID, Customer: s.Customer, Minor: t.Minor, Currency: s.Currency, Method: t.Method, Reference: t.Reference, User: who.Entry.User, At: now})
		switch by := paidBy[t.Method]; way {
		case "", by:
			way = by
		default:
			way = PaidMixed
		}
	}
	switch {
	case s.OnCredit && s.Paid == 0:
		way = PaidCredit
	case s.OnCredit:
		way = PaidMixed
	case way == "":
		way = PaidCash // nothing was to pay
	}
	s.PaymentType = &way
	switch {
	case s.Due == 0:
		s.Status = Completed
	case s.Paid == 0:
		s.Status = Pending
	default:
		s.Status = Partial
	}
	return paid, nil
}

// finish does what makes a sale of a cart that is priced, settled and available.
func (s *Sale) finish(tx *gorm.DB, shelf Shelf, who Actor, c Payout, paid []Payment, now time.Time) error {
	takes := make([]Take, len(s.Items))
	for k, i := range s.Items {
		takes[k] = Take{Item: i.ID, Product: i.Product, Quantity: i.Quantity}
	}
	costs, err := shelf.Sell(tx, s.Storefront, takes, who.Entry.User, now)
	if err != nil {
		return err
	}
	for k := range s.Items {
		cost := costs[s.Items[k].ID]
		s.Items[k].Cost = &cost
	}
	if err := s.writeLines(tx, who); err != nil {
		return err
	}
	if err := insertPayments(tx, who, paid); err != nil {
		return err
	}
	s.Payments = append(s.Payments, paid...)
	if s.OnCredit {
		if err := s.owe(tx, who, c, now); err != nil {
			return err
		}
	}
	changes := map[string]any{"status": [2]Status{Draft, s.Status}, "total": s.Amount(s.Total).Decimal(), "paid": s.Amount(s.Paid).Decimal(), "due": s.Amount(s.Due).Decimal(), "currency": s.Currency}
	if s.OverrideReason != "" {
		changes["credit_override"] = s.OverrideReason
	}
	if err := who.record(tx, audit.Sale, "sale", s.ID, changes); err != nil {
		return err
	}
	return s.number(tx, who, now)
}

// writeLines writes what checkout decided about each line, and ends the reservations that it used up.
func (s *Sale) writeLines(tx *gorm.DB, who Actor) error {
	ids := make([]uuid.UUID, len(s.Items))
	shares, taxes, costs := make([]int64, len(s.Items)), make([]int64, len(s.Items)), make([]int64, len(s.Items))
	for k, i := range s.Items {
		ids[k], shares[k], taxes[k], costs[k] = i.ID, i.SaleDiscount, i.Tax, *i.Cost
	}
	_, err := exec(tx, "write lines of sale", `
		with used as (update sales.reservation set status = 'COMMITTED', ended_at = clock_timestamp() where tenant_id = $1 and sale_id = $2 and status = 'ACTIVE')
		update sales.sale_item i set sale_discount_minor = x.share, tax_rate_bp = $3, tax_minor = x.tax, cost_minor = x.cost
		  from unnest($4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[]) as x (id, share, tax, cost)
		 where i.tenant_id = $1 and i.sale_id = $2 and i.id = x.id`, who.Entry.Tenant, s.ID, s.terms.taxBP, ids, shares, taxes, costs)
	return err
}

func insertPayments(tx *gorm.DB, who Actor, list []Payment) error {
	if len(list) == 0 {
		return nil
	}
	n := len(list)
	ids, amounts := make([]uuid.UUID, n), make([]int64, n)
	methods, references := make([]string, n), make([]string, n)
	for k, p := range list {
		ids[k], amounts[k], methods[k], references[k] = p.ID, p.Minor, p.Method, p.Reference
	}
	p := list[0] // all are of one sale, or of none, and one customer
	_, err := exec(tx, "write payments", `
		insert into sales.payment (id, tenant_id, sale_id, customer_id, amount_minor, currency, method, reference, processed_by, at)
		select x.id, $1, $2, $3, x.amount, $4, x.method, x.reference, $5, $6 from unnest($7::uuid[], $8::bigint[], $9::text[], $10::text[]) as x (id, amount, method, reference)`,
		who.Entry.Tenant, p.Sale, p.Customer, string(p.Currency), p.User, p.At, ids, amounts, methods, references)
	return err
}

// owe lets the customer owe what is due, if the rules of credit allow it or a manager overrides them. This is where a debt comes into being, so this is where they are asked.
func (s *Sale) owe(tx *gorm.DB, who Actor, c Payout, now time.Time) error {
	buyer, err := lockCustomer(tx, s.Customer)
	if err != nil {
		return err
	}
	today := s.terms.day(now)
	credit, err := creditOf(tx, buyer, today)
	if err != nil {
		return err
	}
	if credit.Reason == "" && buyer.Available() < s.Due {
		credit.Reason = CreditLimit
	}
	if credit.Reason != "" && (c.Override == "" || !credit.Reason.overridable()) {
		return creditRefused(credit.Reason, s.Amount(buyer.Available()), s.Amount(s.Due))
	}
	if credit.Reason != "" {
		s.OverrideBy, s.OverrideReason = &who.Entry.User, c.Override
	}
	due := today.AddDate(0, 0, buyer.TermsDays)
	if c.DueDate != nil {
		due = *c.DueDate
		if due.Before(today) || due.After(today.AddDate(1, 0, 0)) {
			return ErrDueDate
		}
	}
	ids, err := newIDs("receivable", 2)
	if err != nil {
		return err
	}
	_, err = exec(tx, "write debt", `
		with r as (insert into sales.receivable (id, tenant_id, sale_id, customer_id, currency, original_minor, outstanding_minor, due_date) values ($3, $1, $5, $6, $7, $8, $8, $9))
		insert into sales.credit_transaction (id, tenant_id, customer_id, kind, amount_minor, balance_minor, source_type, source_id, user_id)
		values ($4, $1, $6, 'CREDIT_SALE', $8, $10, 'sale', $5, $2)`,
		who.Entry.Tenant, who.Entry.User, ids[0], ids[1], s.ID, s.Customer, string(s.Currency), s.Due, due, buyer.Outstanding+s.Due)
	if err != nil {
		return err
	}
	s.Receivable = &Receivable{
		ID: ids[0], Sale: s.ID, Customer: s.Customer, CustomerName: s.CustomerName, Currency: s.Currency, Original: s.Due, Outstanding: s.Due, Status: ReceivablePending, DueDate: due, SoldAt: now,
	}
	return nil
}

// number gives the sale its receipt number and writes it. It comes last: other checkouts of the storefront's day wait for its counter.
func (s *Sale) number(tx *gorm.DB, who Actor, now time.Time) error {
	return query(tx, "complete sale", `
		with counter as (
		  insert into sales.receipt_counter as c (tenant_id, storefront_id, day, last) values ($1, $3, $4, 1)
		      on conflict (tenant_id, storefront_id, day) do update set last = c.last + 1 returning last)
		update sales.sale set receipt_number = $5 || '-' || to_char($4::date, 'YYYYMMDD') || '-' || case when counter.last < 10000 then lpad(counter.last::text, 4, '0') else counter.last::text end,
		       status = $6, subtotal_minor = $7, discount_minor = $8, tax_minor = $9, total_minor = $10, paid_minor = $11, due_minor = $12, change_minor = $13, payment_type = $14,
		       is_credit_sale = $15, override_by = $16, override_reason = $17, notes = $18, completed_at = $19, updated_at = now()
		  from counter where tenant_id = $1 and id = $2
		returning receipt_number, completed_at, exists (select from webhooks.v_listener l where l.tenant_id = $1 and 'sale.completed' = any (l.kinds))`, func(rows pgx.Rows) error {
		return rows.Scan(&s.Receipt, &s.CompletedAt, &s.Heard)
	}, who.Entry.Tenant, s.ID, s.Storefront, s.terms.day(now), s.StorefrontCode, s.Status, s.Subtotal, s.Discount, s.Tax, s.Total, s.Paid, s.Due, s.Change, s.PaymentType,
		s.OnCredit, s.OverrideBy, s.OverrideReason, s.Notes, now)
}
