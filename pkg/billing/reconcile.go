package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

const (
	// AskAfter is how old a pending payment is when the provider is asked about it first; webhooks usually come within seconds.
	AskAfter = 10 * time.Minute
	// askAtLeast bounds the doubling waits between two questions about the same payment.
	askAtLeast = 6 * time.Hour
	// ExpireAfter is when a payment that is still pending is given up; Paystack repeats a lost webhook for as long.
	ExpireAfter = 72 * time.Hour
)

// Doubt is a payment that the provider should be asked about.
type Doubt struct {
	Reference, Provider string
	// Check counts the questions about this payment, from 1.
	Check int
}

// DueDoubts returns at most limit payments that have been pending for AskAfter and are due for a question, oldest first, and notes that they are asked about: after 10
// minutes, then 20, 40, … minutes later, then every six hours. A payment that was asked about once more after ExpireAfter, and is still pending ten minutes
// later, becomes expired and is filed for a person; expired counts those. Success that is learned later is credited all the same.
//
// It needs four statements, however many payments are due. Payments that somebody is settling at the moment are left for the next time.
// tx must be a platform transaction of billing-worker; it is bound to the tenants of the payments from here to its end.
func DueDoubts(tx *gorm.DB, limit int) (doubts []Doubt, expired int, err error) {
	due, tenants, err := dueIDs(tx, limit)
	if err != nil || len(due) == 0 {
		return nil, 0, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return nil, 0, fmt.Errorf("reconcile: %w", err)
	}
	var given []reviewRow
	err = query(tx, "note questions", `
		with locked as materialized (
			select id, checked_at >= created_at + $2::bigint * interval '1 second' as over
			  from billing.credit_purchase where id = any ($1::uuid[]) and status = 'pending'
			   and (checked_at is null or checked_at < now() - interval '1 minute') -- another reconciler may have been faster
			 order by reference, id for no key update skip locked
		)
		update billing.credit_purchase p
		   set status = case when l.over then 'expired' else p.status end, checks = p.checks + case when l.over then 0 else 1 end,
		       checked_at = case when l.over then p.checked_at else now() end, updated_at = now()
		  from locked l where p.id = l.id
		returning p.id, p.tenant_id, p.provider, p.reference, p.checks, p.amount_expected, p.currency, coalesce(l.over, false)`,
		func(rows pgx.Rows) error {
			var r reviewRow
			var check int
			var over bool
			if err := rows.Scan(&r.purchase, &r.tenant, &r.provider, &r.reference, &check, &r.expected, &r.expectedCur, &over); err != nil {
				return err
			}
			if over {
				r.reason = ReasonUnsettled
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

// dueIDs looks across tenants. The partial index on pending purchases keeps it short.
func dueIDs(tx *gorm.DB, limit int) (ids, tenants []uuid.UUID, err error) {
	seen := map[uuid.UUID]bool{}
	err = query(tx, "find due payments", `
		select id, tenant_id from billing.credit_purchase
		 where status = 'pending' and created_at < now() - $1::bigint * interval '1 second'
		   and (checked_at is null
		        or checked_at < now() - least($1::bigint * power(2, least(checks, 16)), $2::bigint) * interval '1 second'
		        or created_at < now() - $3::bigint * interval '1 second'
		           and (checked_at < created_at + $3::bigint * interval '1 second' or checked_at < now() - $1::bigint * interval '1 second'))
		 order by created_at, id limit $4`,
		func(rows pgx.Rows) error {
			var id, owner uuid.UUID
			err := rows.Scan(&id, &owner)
			ids = append(ids, id)
			if !seen[owner] {
				seen[owner] = true
				tenants = append(tenants, owner)
			}
			return err
		}, int64(AskAfter.Seconds()), int64(askAtLeast.Seconds()), int64(ExpireAfter.Seconds()), limit)
	return ids, tenants, err
}
