package billing

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// newInvoice is an invoice about to be issued: one that is owed, or, with a payment, one that is paid.
type newInvoice struct {
	tenant     uuid.UUID
	quote      SubscriptionQuote
	start, end time.Time
	due        time.Time // a date; one that is over counts as the day of issue
	payment    uuid.UUID
	paidAt     *time.Time
}

// issue numbers and inserts invoices, and returns their ids. Whoever calls it holds the subscriptions of their businesses locked, and has seen that no other invoice is for these
// periods. The month's counter stays locked until tx ends: a transaction that rolls back leaves no gap, and those that issue at the same time wait for each other. now gives the
// month and the date.
func issue(tx *gorm.DB, now time.Time, list []newInvoice) ([]uuid.UUID, error) {
	if len(list) == 0 {
		return nil, nil
	}
	month := now.UTC().Format("200601")
	last := 0
	err := query(tx, "number invoices", `
		insert into billing.invoice_series as s (month, last) values ($1, $2) on conflict (month) do update set last = s.last + excluded.last returning last`,
		func(rows pgx.Rows) error { return rows.Scan(&last) }, month, len(list))
	if err != nil {
		return nil, err
	}
	n := len(list)
	ids, numbers, tiers, taxes, charges := make([]uuid.UUID, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, v := range list {
		if ids[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("make invoice id: %w", err)
		}
		numbers[i] = fmt.Sprintf("INV-%s-%06d", month, last-n+1+i)
		tier, err := json.Marshal(v.quote.Tier)
		if err != nil {
			return nil, fmt.Errorf("encode tier: %w", err)
		}
		lines, err := json.Marshal(append([]TaxLine{}, v.quote.Taxes...))
		if err != nil {
			return nil, fmt.Errorf("encode taxes: %w", err)
		}
		more, err := json.Marshal(append([]ChargeLine{}, v.quote.Charges...))
		if err != nil {
			return nil, fmt.Errorf("encode service charges: %w", err)
		}
		tiers[i], taxes[i], charges[i] = string(tier), string(lines), string(more)
	}
	// The one seller is read by its key: where the planner may read no whole table (byKey), it would take a cross join for so dear that it compiles it, which takes a second.
	inserted, err := exec(tx, "issue invoices", `
		insert into billing.invoice (id, tenant_id, number, status, period_start, period_end, storefronts, tier, base_minor, tax_lines, tax_minor, charge_lines, charges_minor, total_minor,
		                             currency, seller, customer, issued_on, due_on, payment_id, paid_at)
		select v.id, v.tenant_id, v.number, case when v.payment_id is null then 'SENT' else 'PAID' end, v.starts, v.ends, v.storefronts, v.tier::jsonb, v.base, v.taxes::jsonb, v.tax,
		       v.charges::jsonb, v.charged, v.base + v.tax + v.charged, v.currency, jsonb_build_object('name', s.name, 'tin', s.tin, 'address', s.address, 'email', s.email),
		       jsonb_build_object('name', l.name, 'tin', l.tin, 'address', l.address, 'email', l.email), ($15::timestamptz at time zone b.timezone)::date, greatest(v.due::date, ($15::timestamptz at time zone b.timezone)::date),
		       v.payment_id, v.paid_at
		  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::int[], $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::text[],
		              $12::text[], $13::uuid[], $14::timestamptz[], $16::text[], $17::bigint[])
		       as v (id, tenant_id, number, starts, ends, storefronts, tier, base, taxes, tax, currency, due, payment_id, paid_at, charges, charged)
		  join accounts.v_letterhead l on l.tenant_id = v.tenant_id join accounts.business b on b.id = v.tenant_id join billing.seller s on s.one = true`,
		ids,
		column(list, func(v newInvoice) uuid.UUID { return v.tenant }), numbers,
		column(list, func(v newInvoice) time.Time { return v.start }), column(list, func(v newInvoice) time.Time { return v.end }),
		column(list, func(v newInvoice) int32 { return int32(v.quote.Storefronts) }), tiers,
		column(list, func(v newInvoice) int64 { return v.quote.Base.Minor }), taxes,
		column(list, func(v newInvoice) int64 { return v.quote.Tax.Minor }), column(list, func(v newInvoice) string { return string(v.quote.Total.Currency) }),
		column(list, func(v newInvoice) string { return v.due.Format(time.DateOnly) }),
		column(list, func(v newInvoice) pgtype.UUID { return pgtype.UUID{Bytes: v.payment, Valid: v.payment != uuid.Nil} }),
		column(list, func(v newInvoice) *time.Time { return v.paidAt }), now,
		charges, column(list, func(v newInvoice) int64 { return v.quote.Charged.Minor }))
	if err == nil && inserted != int64(n) {
		err = fmt.Errorf("issue invoices: %d of %d inserted", inserted, n) // which would be a gap
	}
	return ids, err
}

// IssueRenewals issues the invoices of the next month for at most limit subscriptions that renew, and returns them; more tells that there may be others. begun takes only those
// whose next month has begun; otherwise also those whose month begins tomorrow. Nothing is extended: a payment does that. Subscriptions that have an invoice for that month, those
// of closed businesses, and those that the price list has no price for, are left out.
// tx must be a platform transaction of billing-worker; it is bound to the businesses from here to its end.
func IssueRenewals(tx *gorm.DB, now time.Time, begun bool, limit int) (issued []*Invoice, more bool, err error) {
	ahead := 2 // days: tomorrow, in any zone
	if begun {
		ahead = 0
	}
	after := uuid.Nil
	for { // until there is something to issue: those that are left out keep no other from being found
		var due []newInvoice
		var tenants []uuid.UUID
		if due, tenants, err = dueRenewals(tx, now, begun, ahead, after, limit); err != nil {
			return nil, false, err
		}
		more = len(tenants) == limit
		if len(due) == 0 && more {
			after = tenants[limit-1]
			continue
		}
		ids, err := issue(tx, now, due)
		if err != nil || len(ids) == 0 {
			return nil, false, err
		}
		issued, err = invoices(tx, `where i.tenant_id = any ($1::uuid[]) and i.id = any ($2::uuid[]) order by i.id`, tenants, ids)
		return issued, more, err
	}
}

// dueRenewals looks at one page of subscriptions whose next month is near, locks them, and returns them and the invoices that are due.
func dueRenewals(tx *gorm.DB, now time.Time, begun bool, ahead int, after uuid.UUID, limit int) (due []newInvoice, tenants []uuid.UUID, err error) {
	err = query(tx, "find renewals", `
		select s.tenant_id from billing.subscription s join accounts.v_active_business a on a.id = s.tenant_id
		 where s.status in ('ACTIVE', 'PAST_DUE') and s.auto_renew and not s.cancel_at_period_end and s.period_end <= $1::timestamptz + $2::int * interval '1 day' and s.tenant_id > $4
		   and not exists (select from billing.invoice i where i.tenant_id = s.tenant_id and i.period_start = s.period_end and i.status <> 'CANCELLED')
		 order by s.tenant_id limit $3`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			tenants = append(tenants, id)
			return err
		}, now, ahead, limit, after)
	if err != nil || len(tenants) == 0 {
		return nil, nil, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return nil, nil, fmt.Errorf("issue renewals: %w", err)
	}
	list, err := readSubscriptions(tx, tenants, `for no key update of s`)
	if err != nil {
		return nil, nil, err
	}
	invoiced, err := invoicedPeriods(tx, tenants)
	if err != nil {
		return nil, nil, err
	}
	prices := pricer{tx: tx}
	for _, s := range list {
		status := s.StatusAt(now)
		start, end := s.nextPeriod()
		if status != SubActive && status != SubPastDue || !s.AutoRenew || s.CancelAtPeriodEnd || s.DaysLeft(now) > 1 || begun && now.Before(start) || invoiced[period{s.Tenant, start.UnixMicro()}] {
			continue // another run was faster, or it is not tomorrow there
		}
		q, err := prices.of(s.BilledStorefronts(), start)
		switch {
		case errors.Is(err, ErrNoTier):
			continue
		case err != nil:
			return nil, nil, err
		}
		due = append(due, newInvoice{tenant: s.Tenant, quote: q, start: start, end: end, due: start.In(s.Zone)})
	}
	return due, tenants, nil
}

// period names a business's month by its first instant.
type period struct {
	tenant uuid.UUID
	start  int64 // microseconds since 1970, as exact as the database
}

// invoicedPeriods are the months of the tenants that have an invoice.
func invoicedPeriods(tx *gorm.DB, tenants []uuid.UUID) (map[period]bool, error) {
	found := map[period]bool{}
	return found, query(tx, "read invoiced periods", `select tenant_id, period_start from billing.invoice where tenant_id = any ($1::uuid[]) and status <> 'CANCELLED'`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			var start time.Time
			err := rows.Scan(&id, &start)
			found[period{id, start.UnixMicro()}] = true
			return err
		}, tenants)
}

// IssuePaid issues the invoices of at most limit months that are paid for and not over, and have none: those that were paid before there were invoices.
// tx must be a platform transaction of billing-worker; it is bound to the businesses from here to its end.
func IssuePaid(tx *gorm.DB, now time.Time, limit int) (issued int, more bool, err error) {
	tenants, payments := []uuid.UUID{}, []uuid.UUID{}
	err = query(tx, "find paid months without invoice", `
		select p.tenant_id, p.id from billing.subscription_payment p join accounts.v_active_business a on a.id = p.tenant_id
		 where p.status in ('SUCCESSFUL', 'DISPUTED') and p.period_end > $1 and not exists (select from billing.invoice i where i.payment_id = p.id)
		   and not exists (select from billing.invoice i where i.tenant_id = p.tenant_id and i.period_start = p.period_start and i.status <> 'CANCELLED')
		 order by p.tenant_id, p.id limit $2`,
		func(rows pgx.Rows) error {
			var tenant, id uuid.UUID
			err := rows.Scan(&tenant, &id)
			tenants, payments = append(tenants, tenant), append(payments, id)
			return err
		}, now, limit)
	if err != nil || len(payments) == 0 {
		return 0, false, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return 0, false, fmt.Errorf("issue paid invoices: %w", err)
	}
	if _, err := readSubscriptions(tx, tenants, `for no key update of s`); err != nil {
		return 0, false, err
	}
	issued, err = issuePaid(tx, now, payments)
	return issued, issued > 0 && len(payments) == limit, err
}

// issuePaid issues the invoices of payments that have given their months. The subscriptions of their businesses are locked.
func issuePaid(tx *gorm.DB, now time.Time, payments []uuid.UUID) (int, error) {
	if len(payments) == 0 {
		return 0, nil
	}
	var list []newInvoice
	var tenants []uuid.UUID
	err := query(tx, "read paid months", selectSubscriptionPayment+`p where status in ('SUCCESSFUL', 'DISPUTED') and id = any ($1::uuid[])
		and not exists (select from billing.invoice i where i.tenant_id = p.tenant_id and i.payment_id = p.id) order by id`, func(rows pgx.Rows) error {
		p, err := scanSubscriptionPayment(rows)
		if err != nil {
			return err
		}
		list = append(list, newInvoice{tenant: p.Tenant, quote: p.SubscriptionQuote, start: *p.PeriodStart, end: *p.PeriodEnd, due: p.CompletedAt.UTC(), payment: p.ID, paidAt: p.CompletedAt})
		tenants = append(tenants, p.Tenant)
		return nil
	}, payments)
	if err != nil {
		return 0, err
	}
	invoiced, err := invoicedPeriods(tx, tenants)
	if err != nil {
		return 0, err
	}
	var missing []newInvoice
	for _, v := range list {
		if p := (period{v.tenant, v.start.UnixMicro()}); !invoiced[p] {
			invoiced[p] = true
			missing = append(missing, v)
		}
	}
	ids, err := issue(tx, now, missing)
	return len(ids), err
}
