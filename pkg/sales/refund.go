package sales

import (
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
)

// The kinds of refunds.
const (
	fullRefund     = "FULL"
	partialRefund  = "PARTIAL"
	exchangeRefund = "EXCHANGE"
)

// ReturnLine is how much of a line comes back.
type ReturnLine struct {
	Item     uuid.UUID
	Quantity int64
}

// Return is goods that come back.
type Return struct {
	// Lines is nil for everything that has not come back yet.
	Lines   []ReturnLine
	Restock bool
	Reason  string
	// Method is how money is given back; cash when empty.
	Method string
}

// giveBack is a return that has been worked out.
type giveBack struct {
	Return
	kind  string
	items []RefundItem
	// minor is what the goods are worth; lowered is what of it lowers the debt, and cash the rest.
	minor, lowered, cash int64
	exchanged            int64
	exchange             *uuid.UUID
	status               Status
}

// TakeBack refunds a sale, wholly or in part. Errors: ErrNotFound, ErrNotReturnable, ErrUnknownItem, ErrReturnedTooMuch.
func TakeBack(tx *gorm.DB, shelf Shelf, who Actor, id uuid.UUID, r Return, now time.Time) (*Sale, error) {
	s, err := lockLive(tx, who, id)
	if err != nil {
		return nil, err
	}
	g, err := s.giveBack(r)
	if err != nil {
		return nil, err
	}
	if err := s.takeBack(tx, shelf, who, g, now); err != nil {
		return nil, err
	}
	return SaleByID(tx, id, who.Scope)
}

// Cancel takes a whole sale back, so that it counts no more: what has not come back yet does, what is owed for it is owed no more, and what was paid is paid back.
// Errors: ErrNotFound, ErrNotReturnable.
func Cancel(tx *gorm.DB, shelf Shelf, who Actor, id uuid.UUID, r Return, now time.Time) (*Sale, error) {
	s, err := lockLive(tx, who, id)
	if err != nil {
		return nil, err
	}
	r.Lines = nil
	g, err := s.giveBack(r)
	if err != nil {
		return nil, err
	}
	g.status = Cancelled
	if err := s.takeBack(tx, shelf, who, g, now); err != nil {
		return nil, err
	}
	return SaleByID(tx, id, who.Scope)
}

func lockLive(tx *gorm.DB, who Actor, id uuid.UUID) (*Sale, error) {
	s, err := lockSale(tx, id, who.Scope)
	if err == nil && !s.Status.live() {
		err = ErrNotReturnable
	}
	return s, err
}

// giveBack works out what coming back means for the money, and changes s accordingly.
func (s *Sale) giveBack(r Return) (*giveBack, error) {
	if r.Lines == nil {
		for _, i := range s.Items {
			if left := i.Quantity - i.Returned; left > 0 {
				r.Lines = append(r.Lines, ReturnLine{i.ID, left})
			}
		}
	}
	if r.Method == "" {
		r.Method = Cash
	}
	g := &giveBack{Return: r, kind: fullRefund}
	seen := map[uuid.UUID]bool{}
	for _, l := range r.Lines {
		i := s.item(l.Item)
		switch {
		case i == nil || seen[l.Item]:
			return nil, ErrUnknownItem
		case l.Quantity > i.Quantity-i.Returned:
			return nil, ErrReturnedTooMuch
		}
		seen[l.Item] = true
		minor := portion(i.Worth(), i.Returned, i.Returned+l.Quantity, i.Quantity)
		i.Returned += l.Quantity
		g.minor += minor
		g.items = append(g.items, RefundItem{Item: i.ID, Quantity: l.Quantity, Minor: minor})
	}
	for _, i := range s.Items {
		if i.Returned < i.Quantity {
			g.kind = partialRefund
		}
	}
	// What comes back lowers what is owed first; what was paid beyond what is owed then is paid back.
	s.Returned += g.minor
	owed := s.Total - s.Returned
	kept := min(s.Paid-s.CashRefunded, owed)
	g.cash = s.Paid - s.CashRefunded - kept
	g.lowered = g.minor - g.cash
	s.CashRefunded += g.cash
	s.Due = owed - kept
	switch {
	case g.kind == fullRefund:
		g.status = Refunded
	case s.Due == 0:
		g.status = Completed
	case kept == 0:
		g.status = Pending
	default:
		g.status = Partial
	}
	return g, nil
}

// takeBack puts the goods back and books what giveBack worked out.
func (s *Sale) takeBack(tx *gorm.DB, shelf Shelf, who Actor, g *giveBack, now time.Time) error {
	costs, err := g.restock(tx, shelf, who, now)
	if err != nil {
		return err
	}
	return s.book(tx, who, g, costs, now)
}

// restock puts the goods back, if they are to go back, and returns what they had cost.
func (g *giveBack) restock(tx *gorm.DB, shelf Shelf, who Actor, now time.Time) (map[uuid.UUID]int64, error) {
	if !g.Restock {
		return nil, nil
	}
	lines := make([]PutBack, len(g.items))
	for k, i := range g.items {
		lines[k] = PutBack{Item: i.Item, Quantity: i.Quantity}
	}
	return shelf.Restock(tx, lines, who.Entry.User, now)
}

// book writes a return: the refund with its lines, the lines of the sale, the sale, and what is not owed any more.
func (s *Sale) book(tx *gorm.DB, who Actor, g *giveBack, costs map[uuid.UUID]int64, now time.Time) error {
	refund, err := newID("refund")
	if err != nil {
		return err
	}
	if g.lowered > 0 {
		if err := s.owesLess(tx, who, refund, g.lowered); err != nil {
			return err
		}
	}
	ids, err := newIDs("refund item", len(g.items))
	if err != nil {
		return err
	}
	n := len(g.items)
	items := make([]uuid.UUID, n)
	quantities, amounts, cost := make([]int64, n), make([]int64, n), make([]int64, n)
	for k, i := range g.items {
		items[k], quantities[k], amounts[k], cost[k] = i.Item, i.Quantity, i.Minor, costs[i.Item]
	}
	var method *string
	if g.cash > g.exchanged {
		method = &g.Method
	}
	_, err = exec(tx, "book refund", `
		with x as (select * from unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[]) as x (id, item, quantity, amount, cost)),
		  r as (
		    insert into sales.refund (id, tenant_id, sale_id, type, currency, amount_minor, cash_minor, exchanged_minor, method, restock, reason, exchange_sale_id, created_by, at)
		    values ($8, $1, $2, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) returning id),
		  i as (insert into sales.refund_item (id, tenant_id, refund_id, sale_item_id, quantity, amount_minor, cost_minor) select x.id, $1, r.id, x.item, x.quantity, x.amount, x.cost from x, r),
		  l as (update sales.sale_item i set returned = i.returned + x.quantity from x where i.tenant_id = $1 and i.id = x.item)
		update sales.sale set status = $20, returned_minor = $21, cash_refunded_minor = $22, due_minor = $23, updated_at = now(),
		       ended_at = case when $20 in ('REFUNDED', 'CANCELLED') then $19 end
		 where tenant_id = $1 and id = $2`,
		who.Entry.Tenant, s.ID, ids, items, quantities, amounts, cost, refund, g.kind, string(s.Currency), g.minor, g.cash, g.exchanged, method, g.Restock, g.Reason, g.exchange, who.Entry.User, now,
		g.status, s.Returned, s.CashRefunded, s.Due)
	if err != nil {
		return err
	}
	action := "sale.refunded"
	switch {
	case g.status == Cancelled:
		action = "sale.cancelled"
	case g.kind == exchangeRefund:
		action = "sale.exchanged"
	}
	return who.record(tx, action, "sale", s.ID, map[string]any{
		"refund_id": refund, "status": [2]Status{s.Status, g.status}, "amount": s.Amount(g.minor).Decimal(), "paid_back": s.Amount(g.cash - g.exchanged).Decimal(), "currency": s.Currency,
		"restock": g.Restock, "reason": g.Reason,
	})
}

// owesLess lowers the receivable and the customer's debt by what came back.
func (s *Sale) owesLess(tx *gorm.DB, who Actor, refund uuid.UUID, minor int64) error {
	c, err := lockCustomer(tx, s.Customer)
	if err != nil {
		return err
	}
	id, err := newID("credit transaction")
	if err != nil {
		return err
	}
	_, err = exec(tx, "lower debt", `
		with r as (
		  update sales.receivable r set returned_minor = r.returned_minor + $4, outstanding_minor = r.outstanding_minor - $4, updated_at = now(),
		         status = case when r.outstanding_minor = $4 then 'PAID' when r.status = 'IN_COLLECTION' then r.status else 'PARTIAL' end
		   where r.tenant_id = $1 and r.sale_id = $3)
		insert into sales.credit_transaction (id, tenant_id, customer_id, kind, amount_minor, balance_minor, source_type, source_id, user_id)
		values ($5, $1, $6, 'REFUND', -$4::bigint, $7, 'refund', $8, $2)`,
		who.Entry.Tenant, who.Entry.User, s.ID, minor, id, s.Customer, c.Outstanding-minor, refund)
	return err
}
