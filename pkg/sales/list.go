package sales

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// SaleFilter chooses sales; nil and zero members choose all.
type SaleFilter struct {
	// Before is the last id of the page before; Limit is the size of the page.
	Before     uuid.UUID
	Limit      int
	Scope      Scope
	Status     *Status
	Storefront *uuid.UUID
	Customer   *uuid.UUID
	// From is the first instant of completion, To the first one that is too late. Either leaves carts out.
	From, To *time.Time
	// MinDue is the least that is due.
	MinDue *int64
	// DueDays keeps to sales that are not paid in full that many days after they were completed.
	DueDays *int
	// Receipt is the whole receipt number.
	Receipt string
}

// ListSales pages through the sales of the business that tx is bound to, newest first: by completion when a time or something due is asked for, else by when the cart was opened.
// Lines and payments are left out.
func ListSales(tx *gorm.DB, f SaleFilter, clock Clock, now time.Time) ([]*Sale, error) {
	var w conditions
	w.scope(f.Scope)
	if f.Storefront != nil {
		w.add(`s.storefront_id = ?`, *f.Storefront)
	}
	if f.Customer != nil {
		w.add(`s.customer_id = ?`, *f.Customer)
	}
	if f.Status != nil {
		w.add(`s.status = ?`, *f.Status)
		if *f.Status != Completed {
			w.add(`s.status <> 'COMPLETED'`) // as the index says it
		}
	}
	if f.Receipt != "" {
		w.add(`s.receipt_number = ?`, f.Receipt)
	}
	if f.From != nil {
		w.add(`s.completed_at >= ?`, *f.From)
	}
	if f.To != nil {
		w.add(`s.completed_at < ?`, *f.To)
	}
	if f.MinDue != nil || f.DueDays != nil {
		w.add(`s.due_minor > 0`)
	}
	if f.MinDue != nil {
		w.add(`s.due_minor >= ?`, *f.MinDue)
	}
	if f.DueDays != nil {
		w.add(`s.completed_at < ?`, clock.began(now, *f.DueDays-1))
	}
	order := "s.id desc"
	if f.From != nil || f.To != nil || f.MinDue != nil || f.DueDays != nil {
		order = "s.completed_at desc, s.id desc"
		w.add(`s.completed_at is not null`)
		if f.Before != uuid.Nil {
			w.add(`(s.completed_at, s.id) < ((select b.completed_at from sales.sale b where b.id = ?), ?)`, f.Before, f.Before)
		}
	} else if f.Before != uuid.Nil {
		w.add(`s.id < ?`, f.Before)
	}
	w.args = append(w.args, f.Limit)
	list := []*Sale{}
	// The page is found before anything is joined to it: the planner takes a business for a thirtieth of what it is (row security and the bound tenant are two
	// conditions to it), and would join all of its sales to sort them.
	page := fmt.Sprintf("with page as materialized (select s.* from sales.sale s where s.tenant_id = %s%s\n order by %s limit $%d)", boundTenant, w.text, order, len(w.args))
	err := query(tx, "list sales", page+saleOf("page")+" order by "+order, func(rows pgx.Rows) error {
		s, err := scanSale(rows)
		list = append(list, s)
		return err
	}, w.args...)
	return list, err
}
