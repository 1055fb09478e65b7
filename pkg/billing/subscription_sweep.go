package billing

import (
	"fmt"
	"time"

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

// Ended is a subscription that has become something else because time has passed.
type Ended struct {
	*Subscription
	// Was is what was written down before; Stored is what it is now.
	Was SubscriptionStatus
}

// EndPeriods writes down what at most limit subscriptions have become because their period, or their days of grace, are over, and returns those; more tells that there may be
// others. trials limits it to trials. Nobody's access waits for it: StatusAt decides, here too. tx must be a platform transaction of billing-worker; it is bound to the
// businesses from here to its end.
func EndPeriods(tx *gorm.DB, now time.Time, trials bool, limit int) (ended []Ended, more bool, err error) {
	tenants := []uuid.UUID{}
	err = query(tx, "find ended periods", `
		select s.tenant_id from billing.subscription s
		  left join accounts.v_active_business a on a.id = s.tenant_id -- a closed one's zone makes no haste
		 cross join lateral (select coalesce(a.timezone, 'UTC') as zone) z
		 where (s.status = 'TRIAL' or s.status = 'ACTIVE' and not $3) and s.period_end <= $2
		    or not $3 and s.status = 'PAST_DUE' and s.period_end <= $2
		       and ($2::timestamptz at time zone z.zone)::date > (s.period_end at time zone z.zone)::date + s.grace_period_days
		 order by s.tenant_id limit $1`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			tenants = append(tenants, id)
			return err
		}, limit, now, trials)
	if err != nil || len(tenants) == 0 {
		return nil, false, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return nil, false, fmt.Errorf("end periods: %w", err)
	}
	list, err := readSubscriptions(tx, tenants, `for no key update of s`)
	if err != nil {
		return nil, false, err
	}
	var overdue []Ended
	for _, s := range list {
		if status := s.StatusAt(now); status != s.Stored {
			e := Ended{Subscription: s, Was: s.Stored}
			s.Stored = status
			ended = append(ended, e)
			if e.Was == SubActive && (status == SubPastDue || status == SubExpired) {
				overdue = append(overdue, e)
			}
		}
	}
	// One arrow at a time: what is expired was past due before, also when nobody looked.
	if err := writeEnded(tx, overdue, func(Ended) SubscriptionStatus { return SubPastDue }); err != nil {
		return nil, false, err
	}
	if err := writeEnded(tx, ended, func(e Ended) SubscriptionStatus { return e.Stored }); err != nil {
		return nil, false, err
	}
	return ended, len(ended) > 0 && len(tenants) == limit, nil
}

func writeEnded(tx *gorm.DB, ended []Ended, status func(Ended) SubscriptionStatus) error {
	if len(ended) == 0 {
		return nil
	}
	_, err := exec(tx, "end periods", `
		update billing.subscription s
		   set status = n.status, payment_status = case when n.status = 'PAST_DUE' then 'OVERDUE' else s.payment_status end,
		       cancelled_at = case when n.status = 'CANCELLED' then s.period_end else s.cancelled_at end, updated_at = now()
		  from unnest($1::uuid[], $2::text[]) as n (tenant_id, status) where n.tenant_id = s.tenant_id and s.status <> n.status`,
		column(ended, func(e Ended) uuid.UUID { return e.Tenant }), column(ended, func(e Ended) string { return string(status(e)) }))
	return err
}
