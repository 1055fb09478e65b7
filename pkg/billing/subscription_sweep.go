package billing

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// DueSubscriptionDoubts is DueDoubts for subscription payments: those that have been pending for AskAfter, noted as asked about, and the oldest expired and filed.
// tx must be a platform transaction of billing-worker; it is bound to the businesses of the payments from here to its end.
func DueSubscriptionDoubts(tx *gorm.DB, limit int) (doubts []Doubt, expired int, err error) {
	var due []uuid.UUID
	tenants, seen := []uuid.UUID{}, map[uuid.UUID]bool{}
	err = query(tx, "find due subscription payments", `
		select id, tenant_id from billing.subscription_payment
		 where status = 'PENDING' and created_at < now() - $1::bigint * interval '1 second'
		   and (checked_at is null
		        or checked_at < now() - least($1::bigint * power(2, least(checks, 16)), $2::bigint) * interval '1 second'
		        or created_at < now() - $3::bigint * interval '1 second'
		           and (checked_at < created_at + $3::bigint * interval '1 second' or checked_at < now() - $1::bigint * interval '1 second'))
		 order by created_at, id limit $4`,
		func(rows pgx.Rows) error {
			var id, owner uuid.UUID
			err := rows.Scan(&id, &owner)
			due = append(due, id)
			if !seen[owner] {
				seen[owner] = true
				tenants = append(tenants, owner)
			}
			return err
		}, int64(AskAfter.Seconds()), int64(askAtLeast.Seconds()), int64(ExpireAfter.Seconds()), limit)
	if err != nil || len(due) == 0 {
		return nil, 0, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return nil, 0, fmt.Errorf("reconcile subscription payments: %w", err)
	}
	var given []reviewRow
	err = query(tx, "note questions", `
		with locked as materialized (
			select id, checked_at >= created_at + $2::bigint * interval '1 second' as over
			  from billing.subscription_payment where id = any ($1::uuid[]) and status = 'PENDING'
			   and (checked_at is null or checked_at < now() - interval '1 minute') -- another reconciler may have been faster
			 order by reference, id for no key update skip locked
		)
		update billing.subscription_payment p
		   set status = case when l.over then 'EXPIRED' else p.status end, checks = p.checks + case when l.over then 0 else 1 end,
		       checked_at = case when l.over then p.checked_at else now() end, updated_at = now()
		  from locked l where p.id = l.id
		returning p.id, p.tenant_id, p.provider, p.reference, p.checks, p.amount_expected, p.currency, coalesce(l.over, false)`,
		func(rows pgx.Rows) error {
			r := reviewRow{reason: ReasonUnsettled}
			var check int
			var over bool
			if err := rows.Scan(&r.payment, &r.tenant, &r.provider, &r.reference, &check, &r.expected, &r.expectedCur, &over); err != nil {
				return err
			}
			if over {
				given = append(given, r)
			} else {
				doubts = append(doubts, Doubt{Reference: r.reference, Provider: r.provider, Check: check})
			}
			return nil
		}, due, int64(ExpireAfter.Seconds()))
	if err != nil {
		return nil, 0, err
	}
	return doubts, len(given), insertReviews(tx, given)
}

// EndPeriods writes down what at most limit subscriptions have become because their period, or their days of grace, are over; more tells that there may be others. Nobody's
// access waits for it: StatusAt knows without. ended are the businesses whose subscriptions have changed. tx must be a platform transaction of billing-worker; it is bound to the
// businesses from here to its end.
func EndPeriods(tx *gorm.DB, limit int) (ended []uuid.UUID, more bool, err error) {
	tenants := []uuid.UUID{}
	err = query(tx, "find ended periods", `
		select tenant_id from billing.subscription
		 where status in ('TRIAL', 'ACTIVE') and period_end <= now()
		    or status = 'PAST_DUE' and period_end <= now() - (grace_period_days + 2) * interval '1 day' -- in any zone that is over
		 order by tenant_id limit $1`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			tenants = append(tenants, id)
			return err
		}, limit)
	if err != nil || len(tenants) == 0 {
		return nil, false, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return nil, false, fmt.Errorf("end periods: %w", err)
	}
	if _, err := exec(tx, "lock ended subscriptions", `
		select from billing.subscription where tenant_id = any ($1::uuid[]) order by tenant_id for no key update`, tenants); err != nil {
		return nil, false, err
	}
	seen := map[uuid.UUID]bool{}
	// One arrow at a time: what is expired was past due before, also when nobody looked.
	for _, statement := range []string{`
		update billing.subscription s set status = 'PAST_DUE', payment_status = 'OVERDUE', updated_at = now()
		  from billing.subscription_standing n where n.tenant_id = s.tenant_id and s.tenant_id = any ($1::uuid[]) and s.status = 'ACTIVE' and n.status in ('PAST_DUE', 'EXPIRED') returning s.tenant_id`, `
		update billing.subscription s set status = n.status, cancelled_at = case when n.status = 'CANCELLED' then s.period_end else s.cancelled_at end, updated_at = now()
		  from billing.subscription_standing n where n.tenant_id = s.tenant_id and s.tenant_id = any ($1::uuid[]) and n.status <> s.status returning s.tenant_id`} {
		err := query(tx, "end periods", statement, func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			if !seen[id] {
				seen[id] = true
				ended = append(ended, id)
			}
			return err
		}, tenants)
		if err != nil {
			return nil, false, err
		}
	}
	return ended, len(ended) > 0 && len(tenants) == limit, nil
}
