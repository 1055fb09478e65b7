package billing

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// settleInvoices has each month that was paid for just now pay an invoice: the oldest one that its business owes, if it is of the same amount. One of another amount does not hold
// any more, because the price or the number of storefronts has changed since; it is cancelled, and the month gets an invoice of its own, as it does where nothing was owed.
// The invoice of a month of whose money all has gone back is cancelled, and so is what was owed for a month that would have followed it. Payments and subscriptions are written before, and
// still locked.
func settleInvoices(tx *gorm.DB, now time.Time, months []*openMonth) error {
	var paid []*openMonth
	var tenants, returned, shortened []uuid.UUID
	for _, m := range months {
		switch {
		case m.reversed && m.status == Refunded:
			returned, shortened = append(returned, m.id), append(shortened, m.tenant)
		case m.credited: // also when a part went back before we heard of it
			paid, tenants = append(paid, m), append(tenants, m.tenant)
		}
	}
	if len(returned) > 0 {
		if _, err := exec(tx, "cancel invoices of returned payments", `
			update billing.invoice set status = 'CANCELLED', cancelled_at = now(), updated_at = now() where payment_id = any ($1::uuid[]) and status = 'PAID'`, returned); err != nil {
			return err
		}
		if _, err := exec(tx, "cancel invoices of months that do not follow any more", `
			update billing.invoice i set status = 'CANCELLED', cancelled_at = now(), updated_at = now()
			  from billing.subscription s where s.tenant_id = i.tenant_id and i.tenant_id = any ($1::uuid[]) and i.status in ('SENT', 'OVERDUE') and i.period_start > s.period_end`, shortened); err != nil {
			return err
		}
	}
	if len(paid) == 0 {
		return nil
	}
	slices.SortStableFunc(paid, func(a, b *openMonth) int {
		return cmp.Or(bytes.Compare(a.tenant[:], b.tenant[:]), a.start.Compare(b.start))
	})
	open, err := openInvoices(tx, tenants)
	if err != nil {
		return err
	}
	var settled, cancelled, payments, own []uuid.UUID
	for _, m := range paid {
		list := open[m.tenant]
		if len(list) > 0 {
			open[m.tenant] = list[1:]
			if list[0].total == m.expected {
				settled, payments = append(settled, list[0].id), append(payments, m.id)
				continue
			}
			cancelled = append(cancelled, list[0].id)
		}
		own = append(own, m.id)
	}
	if len(cancelled) > 0 {
		if _, err := exec(tx, "cancel invoices of another amount", `
			update billing.invoice set status = 'CANCELLED', cancelled_at = now(), updated_at = now() where id = any ($1::uuid[]) and status in ('SENT', 'OVERDUE')`, cancelled); err != nil {
			return err
		}
	}
	if len(settled) > 0 {
		if _, err := exec(tx, "mark invoices paid", `
			update billing.invoice i set status = 'PAID', payment_id = p.id, paid_at = p.completed_at, updated_at = now()
			  from unnest($1::uuid[], $2::uuid[]) as v (invoice, payment) join billing.subscription_payment p on p.id = v.payment
			 where i.id = v.invoice and i.tenant_id = p.tenant_id and i.status in ('SENT', 'OVERDUE')`, settled, payments); err != nil {
			return err
		}
	}
	_, err = issuePaid(tx, now, own)
	return err
}

// owed is an invoice that is not paid.
type owed struct {
	id    uuid.UUID
	total money.Amount
}

// openInvoices locks what the businesses owe, the oldest first.
func openInvoices(tx *gorm.DB, tenants []uuid.UUID) (map[uuid.UUID][]owed, error) {
	open := map[uuid.UUID][]owed{}
	return open, query(tx, "lock open invoices", `
		select tenant_id, id, total_minor, currency from billing.invoice where tenant_id = any ($1::uuid[]) and status in ('SENT', 'OVERDUE')
		 order by tenant_id, period_start for no key update`,
		func(rows pgx.Rows) error {
			var tenant uuid.UUID
			var o owed
			err := rows.Scan(&tenant, &o.id, &o.total.Minor, (*string)(&o.total.Currency))
			open[tenant] = append(open[tenant], o)
			return err
		}, tenants)
}
