package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// dunningDays are the days after an invoice was due on which its business is reminded: three times in the first week, then weekly, six times in all.
var dunningDays = []int32{1, 3, 7, 14, 21, 28}

// MarkOverdue finds at most limit invoices that are due for a reminder, notes that they are overdue and how many reminders there were, and returns them: one for each reminder that is
// due now, whatever was missed. more tells that there may be others. Subscriptions that are suspended, which take no payment, and closed businesses are left alone.
// tx must be a platform transaction of billing-worker; it is bound to the businesses from here to its end.
func MarkOverdue(tx *gorm.DB, now time.Time, limit int) (overdue []*Invoice, more bool, err error) {
	tenants, ids := []uuid.UUID{}, []uuid.UUID{}
	const reminded = `(select count(*) from unnest($2::int[]) day where day <= `
	err = query(tx, "find overdue invoices", `
		select i.tenant_id, i.id from billing.invoice i
		  join accounts.v_active_business a on a.id = i.tenant_id
		  join billing.subscription s on s.tenant_id = i.tenant_id and s.status <> 'SUSPENDED'
		 where i.status in ('SENT', 'OVERDUE') and i.reminders < `+reminded+`($1::timestamptz at time zone a.timezone)::date - i.due_on)
		 order by i.due_on, i.id limit $3`,
		func(rows pgx.Rows) error {
			var tenant, id uuid.UUID
			err := rows.Scan(&tenant, &id)
			tenants, ids = append(tenants, tenant), append(ids, id)
			return err
		}, now, dunningDays, limit)
	if err != nil || len(ids) == 0 {
		return nil, false, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return nil, false, fmt.Errorf("mark invoices overdue: %w", err)
	}
	// In the order in which a payment locks: the subscription before its invoices.
	if _, err := readSubscriptions(tx, tenants, `for no key update of s`); err != nil {
		return nil, false, err
	}
	changed := []uuid.UUID{}
	err = query(tx, "mark invoices overdue", `
		update billing.invoice i set status = 'OVERDUE', reminders = `+reminded+`($1::timestamptz at time zone b.timezone)::date - i.due_on), updated_at = now()
		  from accounts.business b
		 where b.id = i.tenant_id and i.id = any ($3::uuid[]) and i.status in ('SENT', 'OVERDUE')
		   and i.reminders < `+reminded+`($1::timestamptz at time zone b.timezone)::date - i.due_on)
		returning i.id`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			changed = append(changed, id)
			return err
		}, now, dunningDays, ids)
	if err != nil {
		return nil, false, err
	}
	overdue, err = invoices(tx, `where i.tenant_id = any ($1::uuid[]) and i.id = any ($2::uuid[]) order by i.id`, tenants, changed)
	return overdue, len(changed) > 0 && len(ids) == limit, err
}
