package sales

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// Sums is what some sales come to. Those that were cancelled are in no sum but the count of their status.
type Sums struct {
	Count int64
	// Total is with tax and without discounts; Net is Total less what came back.
	Total, Discount, Tax, Returned, Net int64
	Due                                 int64
	// Profit is what was kept without tax, less what it cost, landed. Goods that came back and did not go back on the shelf were paid for all the same.
	Profit int64
}

func (s *Sums) add(o Sums) {
	s.Count += o.Count
	s.Total, s.Discount, s.Tax, s.Returned = s.Total+o.Total, s.Discount+o.Discount, s.Tax+o.Tax, s.Returned+o.Returned
	s.Net, s.Due, s.Profit = s.Net+o.Net, s.Due+o.Due, s.Profit+o.Profit
}

// StatusCount is how many sales of a period stand where, and what they come to.
type StatusCount struct {
	Status       Status
	Count, Total int64
}

// MethodSum is what came in and went out by one method.
type MethodSum struct {
	Method      string
	In, Out     int64
	Count, Back int64
}

// StorefrontSums is what one storefront sold.
type StorefrontSums struct {
	Storefront uuid.UUID
	Name       string
	Sums
}

// Summary is what was sold and what was paid in a period.
type Summary struct {
	Currency    money.Currency
	From, To    time.Time
	All         Sums
	Statuses    []StatusCount
	Storefronts []StorefrontSums
	// Methods are payments and refunds of the period, whenever the sale was. Payments on account belong to no storefront: who sees all storefronts sees them.
	Methods []MethodSum
	// CashOnHand is the cash that came in during the period less what was given back.
	CashOnHand int64
}

// Amount is minor units in the summary's currency.
func (s *Summary) Amount(minor int64) money.Amount { return money.FromMinor(minor, s.Currency) }

// Summarize sums the sales that were completed from one instant to another in the storefronts in scope, and the payments of that time.
func Summarize(tx *gorm.DB, scope Scope, storefront *uuid.UUID, clock Clock, from, to time.Time) (*Summary, error) {
	s := &Summary{Currency: clock.terms.currency, From: from, To: to, Statuses: []StatusCount{}, Storefronts: []StorefrontSums{}, Methods: []MethodSum{}}
	w := conditions{args: []any{from, to}}
	w.scope(scope)
	if storefront != nil {
		w.add(`s.storefront_id = ?`, *storefront)
	}
	counts := map[Status]*StatusCount{}
	// Each sum is made before it meets another: the planner takes a business for a thirtieth of what it is, and would compare every sale with every return.
	err := query(tx, "sum sales", `
		with sold as materialized (
		  select s.id, s.storefront_id, s.status, s.total_minor, s.discount_minor, s.tax_minor, s.returned_minor, s.due_minor from sales.sale s
		   where s.tenant_id = `+boundTenant+` and s.completed_at >= $1 and s.completed_at < $2`+w.text+`),
		head as (
		  select storefront_id, status, count(*) as n, sum(total_minor)::bigint as total, sum(discount_minor)::bigint as discount, sum(tax_minor)::bigint as tax,
		         sum(returned_minor)::bigint as returned, sum(due_minor)::bigint as due from sold group by 1, 2),
		line as materialized (
		  select sold.storefront_id, sold.status,
		         sum(i.total_minor - i.sale_discount_minor - div((i.total_minor - i.sale_discount_minor)::numeric * i.returned, i.quantity) - coalesce(i.cost_minor, 0)) as kept
		    from sold join sales.sale_item i on i.sale_id = sold.id group by 1, 2),
		back as materialized (
		  select sold.storefront_id, sold.status, sum(i.cost_minor) as cost
		    from sold join sales.refund r on r.sale_id = sold.id join sales.refund_item i on i.refund_id = r.id group by 1, 2)
		select head.storefront_id, l.name, head.status, n, total, discount, tax, returned, due, (coalesce(line.kept, 0) + coalesce(back.cost, 0))::bigint
		  from head join inventory.location l on l.id = head.storefront_id left join line using (storefront_id, status) left join back using (storefront_id, status)
		 order by 2, 1`, func(rows pgx.Rows) error {
		var place StorefrontSums
		var status Status
		if err := rows.Scan(&place.Storefront, &place.Name, &status, &place.Count, &place.Total, &place.Discount, &place.Tax, &place.Returned, &place.Due, &place.Profit); err != nil {
			return err
		}
		place.Net = place.Total - place.Returned
		if counts[status] == nil {
			counts[status] = &StatusCount{Status: status}
		}
		counts[status].Count += place.Count
		counts[status].Total += place.Total
		if status == Cancelled {
			return nil
		}
		s.All.add(place.Sums)
		if n := len(s.Storefronts); n > 0 && s.Storefronts[n-1].Storefront == place.Storefront {
			s.Storefronts[n-1].add(place.Sums)
			return nil
		}
		s.Storefronts = append(s.Storefronts, place)
		return nil
	}, w.args...)
	if err != nil {
		return nil, err
	}
	for _, status := range []Status{Pending, Partial, Completed, Refunded, Cancelled} {
		if c := counts[status]; c != nil {
			s.Statuses = append(s.Statuses, *c)
		}
	}
	return s, s.readMethods(tx, scope, storefront)
}

func (s *Summary) readMethods(tx *gorm.DB, scope Scope, storefront *uuid.UUID) error {
	var w conditions
	w.args = []any{s.From, s.To}
	joined := ""
	if !scope.All || storefront != nil { // payments on account have no sale
		joined = ` join sales.sale s on s.tenant_id = p.tenant_id and s.id = p.sale_id`
		w.scope(scope)
		if storefront != nil {
			w.add(`s.storefront_id = ?`, *storefront)
		}
	}
	return query(tx, "sum payments", `
		select coalesce(i.method, o.method), coalesce(i.amount, 0)::bigint, coalesce(o.amount, 0)::bigint, coalesce(i.n, 0), coalesce(o.n, 0)
		  from (select p.method, sum(p.amount_minor) as amount, count(*) as n from sales.payment p`+joined+`
		         where p.status = 'SUCCESSFUL' and p.method <> 'EXCHANGE' and p.tenant_id = `+boundTenant+` and p.at >= $1 and p.at < $2`+w.text+` group by 1) i
		  full join
		       (select p.method, sum(p.cash_minor - p.exchanged_minor) as amount, count(*) as n from sales.refund p`+joined+`
		         where p.method is not null and p.tenant_id = `+boundTenant+` and p.at >= $1 and p.at < $2`+w.text+` group by 1) o on o.method = i.method
		 order by 1`, func(rows pgx.Rows) error {
		var m MethodSum
		err := rows.Scan(&m.Method, &m.In, &m.Out, &m.Count, &m.Back)
		s.Methods = append(s.Methods, m)
		if m.Method == Cash {
			s.CashOnHand = m.In - m.Out
		}
		return err
	}, w.args...)
}
