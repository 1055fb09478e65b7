package sales

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// ReceivableStatus is where a debt stands.
type ReceivableStatus string

// The states. A debt is over when nothing is outstanding.
const (
	ReceivablePending      ReceivableStatus = "PENDING"
	ReceivablePartial      ReceivableStatus = "PARTIAL"
	ReceivablePaid         ReceivableStatus = "PAID"
	ReceivableWrittenOff   ReceivableStatus = "WRITTEN_OFF"
	ReceivableInCollection ReceivableStatus = "IN_COLLECTION"
)

// Ageing is how long ago what is owed was sold.
type Ageing string

// The buckets, by days since the sale: 0 to 30, 31 to 60, 61 to 90, more.
const (
	AgeCurrent Ageing = "CURRENT"
	Age30      Ageing = "30_DAYS"
	Age60      Ageing = "60_DAYS"
	Age90      Ageing = "90_PLUS"
)

// ageDays is the last day of the first three buckets.
var ageDays = [3]int{30, 60, 90}

// Receivable is what a customer owes for one sale: original = paid + returned + outstanding.
type Receivable struct {
	ID, Sale, Customer                    uuid.UUID
	CustomerName                          string
	Receipt                               string
	Storefront                            uuid.UUID
	Currency                              money.Currency
	Original, Paid, Returned, Outstanding int64
	Status                                ReceivableStatus
	DueDate                               time.Time
	SoldAt                                time.Time
}

// Amount is minor units in the receivable's currency.
func (r *Receivable) Amount(minor int64) money.Amount { return money.FromMinor(minor, r.Currency) }

const receivableSQL = `
	select r.id, r.sale_id, r.customer_id, c.name, coalesce(s.receipt_number, ''), s.storefront_id, r.currency, r.original_minor, r.paid_minor, r.returned_minor, r.outstanding_minor, r.status,
	       r.due_date, coalesce(s.completed_at, r.created_at)
	  from sales.receivable r
	  join sales.sale s on s.tenant_id = r.tenant_id and s.id = r.sale_id
	  join sales.customer c on c.tenant_id = r.tenant_id and c.id = r.customer_id `

func scanReceivable(rows pgx.Rows) (*Receivable, error) {
	r := &Receivable{}
	err := rows.Scan(&r.ID, &r.Sale, &r.Customer, &r.CustomerName, &r.Receipt, &r.Storefront, &r.Currency, &r.Original, &r.Paid, &r.Returned, &r.Outstanding, &r.Status, &r.DueDate, &r.SoldAt)
	return r, err
}

// Clock is what a business's days are counted by.
type Clock struct{ terms terms }

// ClockOf returns the clock of the business that tx is bound to.
func ClockOf(tx *gorm.DB) (Clock, error) {
	t, err := termsOf(tx)
	return Clock{t}, err
}

// Age returns the whole days since an instant, and the bucket that they fall into.
func (c Clock) Age(since, now time.Time) (days int, bucket Ageing) {
	days = int(c.terms.day(now).Sub(c.terms.day(since)) / (24 * time.Hour))
	for i, last := range ageDays {
		if days <= last {
			return days, []Ageing{AgeCurrent, Age30, Age60}[i]
		}
	}
	return days, Age90
}

// Overdue reports whether a due date has passed.
func (c Clock) Overdue(due, now time.Time) bool { return due.Before(c.terms.day(now)) }

// Today is the business's date, as PostgreSQL's date type carries it.
func (c Clock) Today(now time.Time) time.Time { return c.terms.day(now) }

// Midnight is the instant at which a date begins for the business.
func (c Clock) Midnight(day time.Time) time.Time { return c.terms.midnight(day) }

// Currency is what the business counts in.
func (c Clock) Currency() money.Currency { return c.terms.currency }

// began returns the first instant of the day that lies days before now.
func (c Clock) began(now time.Time, days int) time.Time {
	return c.terms.midnight(c.terms.day(now).AddDate(0, 0, -days))
}

// ReceivableFilter chooses receivables; nil and zero members choose all that are open.
type ReceivableFilter struct {
	// Before is the last id of the page before; Limit is the size of the page.
	Before   uuid.UUID
	Limit    int
	Scope    Scope
	Customer *uuid.UUID
	// Status is nil for those that are open.
	Status  *ReceivableStatus
	Ageing  *Ageing
	Overdue *bool
}

// ListReceivables pages through the debts of the business that tx is bound to: the open ones by due date, the oldest first; those of one state newest first.
func ListReceivables(tx *gorm.DB, f ReceivableFilter, clock Clock, now time.Time) ([]*Receivable, error) {
	var w conditions
	order := "r.due_date, r.id"
	if f.Status != nil {
		order = "r.id desc"
		w.add(`r.status = ?`, *f.Status)
		if f.Before != uuid.Nil {
			w.add(`r.id < ?`, f.Before)
		}
	} else {
		w.add(`r.outstanding_minor > 0`)
		if f.Before != uuid.Nil {
			w.add(`(r.due_date, r.id) > ((select b.due_date from sales.receivable b where b.id = ?), ?)`, f.Before, f.Before)
		}
	}
	w.scope(f.Scope)
	if f.Customer != nil {
		w.add(`r.customer_id = ?`, *f.Customer)
	}
	if f.Overdue != nil {
		w.add(`(r.due_date < ?) = ?`, clock.terms.day(now), *f.Overdue)
	}
	if f.Ageing != nil {
		from, to := clock.bucket(*f.Ageing, now)
		if from != nil {
			w.add(`s.completed_at >= ?`, *from)
		}
		if to != nil {
			w.add(`s.completed_at < ?`, *to)
		}
	}
	w.args = append(w.args, f.Limit)
	list := []*Receivable{}
	err := query(tx, "list receivables", receivableSQL+`where r.tenant_id = `+boundTenant+w.text+fmt.Sprintf("\n order by %s limit $%d", order, len(w.args)), func(rows pgx.Rows) error {
		r, err := scanReceivable(rows)
		list = append(list, r)
		return err
	}, w.args...)
	return list, err
}

// scope keeps to the sales of the storefronts that somebody sees.
func (c *conditions) scope(s Scope) {
	if !s.All {
		c.add(`s.storefront_id = any (?)`, append([]uuid.UUID{}, s.IDs...))
	}
}

// bucket is the instants between which what is in a bucket was sold; nil is no bound.
func (c Clock) bucket(a Ageing, now time.Time) (from, to *time.Time) {
	edge := func(days int) *time.Time {
		t := c.began(now, days)
		return &t
	}
	switch a {
	case AgeCurrent:
		return edge(ageDays[0]), nil
	case Age30:
		return edge(ageDays[1]), edge(ageDays[0])
	case Age60:
		return edge(ageDays[2]), edge(ageDays[1])
	default:
		return nil, edge(ageDays[2])
	}
}

// Ages is what is owed in each bucket.
type Ages struct {
	Currency money.Currency
	Count    int64
	Total    int64
	Overdue  int64
	By       map[Ageing]int64
}

// Amount is minor units in the sums' currency.
func (a Ages) Amount(minor int64) money.Amount { return money.FromMinor(minor, a.Currency) }

// SumReceivables sums the open debts of the storefronts in scope.
func SumReceivables(tx *gorm.DB, scope Scope, clock Clock, now time.Time) (Ages, error) {
	a := Ages{Currency: clock.terms.currency, By: map[Ageing]int64{}}
	w := conditions{args: []any{clock.terms.day(now), clock.began(now, ageDays[0]), clock.began(now, ageDays[1]), clock.began(now, ageDays[2])}}
	w.scope(scope)
	err := query(tx, "sum receivables", `
		select case when s.completed_at >= $2 then 'CURRENT' when s.completed_at >= $3 then '30_DAYS' when s.completed_at >= $4 then '60_DAYS' else '90_PLUS' end,
		       count(*), sum(r.outstanding_minor)::bigint, coalesce(sum(r.outstanding_minor) filter (where r.due_date < $1), 0)::bigint
		  from sales.receivable r join sales.sale s on s.tenant_id = r.tenant_id and s.id = r.sale_id
		 where r.tenant_id = `+boundTenant+` and r.outstanding_minor > 0`+w.text+` group by 1`, func(rows pgx.Rows) error {
		var bucket Ageing
		var count, sum, overdue int64
		if err := rows.Scan(&bucket, &count, &sum, &overdue); err != nil {
			return err
		}
		a.By[bucket] = sum
		a.Count, a.Total, a.Overdue = a.Count+count, a.Total+sum, a.Overdue+overdue
		return nil
	}, w.args...)
	return a, err
}
