package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/postgres"
	"makola/pkg/problem"
)

// DepletedBalance is the balance, in centicredits, at or below which nearly nothing can be paid for any more: 1.00.
const DepletedBalance money.Credits = 1_00

// ExpiryWarning is how long before a lot ends its business is told.
const ExpiryWarning = 7 * 24 * time.Hour

// AlertKind is what an alert is about.
type AlertKind string

// The kinds of alerts, the more severe of a low balance first.
const (
	AlertDepleted AlertKind = "depleted"
	AlertLow      AlertKind = "low_balance"
	AlertExpiring AlertKind = "expiring"
)

// ErrAlertNotFound reports an alert that does not exist in the transaction's tenant.
var ErrAlertNotFound = problem.New(problem.NotFound, "alert_not_found", "There is no such alert.")

// RaisedAlert is an alert that has just been raised.
type RaisedAlert struct {
	ID, Tenant uuid.UUID
	Kind       AlertKind
}

// RaiseAlerts raises the alerts that are due: a balance at or below DepletedBalance or LowBalance (the more severe of the two alone), and a lot with something left that
// ends within ExpiryWarning. An alert of one kind is raised once until credits are added, and for a lot once; and never twice within 24 hours. Businesses that never had
// credits, and those that are not active, get none. only limits it to some businesses; nil means all.
//
// tx must be a transaction of billing-worker: a platform transaction for all, and it is bound to the businesses of the alerts from here to its end.
func RaiseAlerts(tx *gorm.DB, only []uuid.UUID) ([]RaisedAlert, error) {
	type due struct {
		tenant, lot        uuid.UUID
		kind               string
		balance, threshold int64
		ends, armed        *time.Time
	}
	var list []due
	seen := map[uuid.UUID]bool{}
	var tenants []uuid.UUID
	err := query(tx, "find due alerts", `
		with lot as (
			select l.tenant_id, max(l.created_at) as armed,
			       coalesce(sum(l.remaining) filter (where l.expires_at > now()), 0)::bigint as balance,
			       coalesce(sum(l.remaining) filter (where l.expires_at > now() and l.expires_at <= now() + $4::bigint * interval '1 second'), 0)::bigint as ending,
			       (array_agg(l.id order by l.expires_at, l.id) filter (where l.remaining > 0 and l.expires_at > now() and l.expires_at <= now() + $4::bigint * interval '1 second'))[1] as lot_id,
			       min(l.expires_at) filter (where l.remaining > 0 and l.expires_at > now() and l.expires_at <= now() + $4::bigint * interval '1 second') as ends
			  from billing.credit_lot l where $1::uuid[] is null or l.tenant_id = any ($1) group by l.tenant_id
		), due as (
			select tenant_id, case when balance <= $2 then 'depleted' else 'low_balance' end as kind, balance, case when balance <= $2 then $2 else $3 end as threshold,
			       null::uuid as lot_id, null::timestamptz as ends, armed from lot where balance <= $3
			union all
			select tenant_id, 'expiring', ending, 0, lot_id, ends, ends from lot where lot_id is not null
		)
		select d.tenant_id, d.kind, d.balance, d.threshold, d.lot_id, d.ends, d.armed from due d
		 where not exists (select from billing.usage_alert u where u.tenant_id = d.tenant_id and u.kind = d.kind and u.created_at > now() - interval '24 hours')
		   and not exists (select from billing.usage_alert u where u.tenant_id = d.tenant_id and u.kind in (d.kind, 'depleted') and d.kind <> 'expiring' and u.armed_at >= d.armed)
		   and not exists (select from billing.usage_alert u where u.tenant_id = d.tenant_id and u.kind = 'expiring' and d.kind = 'expiring' and u.armed_at = d.armed)
		 order by d.tenant_id, d.kind`,
		func(rows pgx.Rows) error {
			var d due
			var lot uuid.NullUUID
			if err := rows.Scan(&d.tenant, &d.kind, &d.balance, &d.threshold, &lot, &d.ends, &d.armed); err != nil {
				return err
			}
			d.lot = lot.UUID
			list = append(list, d)
			if !seen[d.tenant] {
				seen[d.tenant] = true
				tenants = append(tenants, d.tenant)
			}
			return nil
		}, only, int64(DepletedBalance), int64(LowBalance), int64(ExpiryWarning.Seconds()))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if only == nil {
		if err := postgres.BindTenants(tx, tenants); err != nil {
			return nil, fmt.Errorf("raise alerts: %w", err)
		}
	}
	ids := make([]uuid.UUID, len(list))
	for i := range ids {
		if ids[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("make alert id: %w", err)
		}
	}
	var raised []RaisedAlert
	err = query(tx, "raise alerts", `
		insert into billing.usage_alert (id, tenant_id, kind, balance, threshold, lot_id, lot_ends_at, armed_at)
		select d.id, d.tenant, d.kind, d.balance, d.threshold, nullif(d.lot, '00000000-0000-0000-0000-000000000000'), d.ends, d.armed
		  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::uuid[], $7::timestamptz[], $8::timestamptz[])
		       as d (id, tenant, kind, balance, threshold, lot, ends, armed)
		  join accounts.business b on b.id = d.tenant and b.is_active
		    on conflict (tenant_id, kind, armed_at) do nothing
		returning id, tenant_id, kind`,
		func(rows pgx.Rows) error {
			var a RaisedAlert
			err := rows.Scan(&a.ID, &a.Tenant, &a.Kind)
			raised = append(raised, a)
			return err
		}, ids,
		column(list, func(d due) uuid.UUID { return d.tenant }), column(list, func(d due) string { return d.kind }),
		column(list, func(d due) int64 { return d.balance }), column(list, func(d due) int64 { return d.threshold }),
		column(list, func(d due) uuid.UUID { return d.lot }), column(list, func(d due) *time.Time { return d.ends }), column(list, func(d due) *time.Time { return d.armed }))
	return raised, err
}

// Alert is an alert as its mail tells it.
type Alert struct {
	ID, Tenant uuid.UUID
	Kind       AlertKind
	Threshold  money.Credits
	// Balance is what may be spent now, Ending what of it ends with the lot of an expiring alert.
	Balance, Ending money.Credits
	// EndsAt is when that lot ends; zero for the other kinds.
	EndsAt time.Time
	// Recovered is set when there is nothing to tell any more: the balance is above the threshold again, or the lot is used up or has ended.
	Recovered bool
	// Sent is set when it was told.
	Sent bool
	// Name and Email are the owner's, else the business's.
	Name, Email, Business, Timezone string
}

// AlertToSend reads an alert with the balance as it is now. tx must be bound to the tenant. Errors: ErrAlertNotFound.
func AlertToSend(tx *gorm.DB, id uuid.UUID) (*Alert, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read alert: %w", err)
	}
	var a *Alert
	var lot uuid.NullUUID
	err = query(tx, "read alert", `
		select u.id, u.tenant_id, u.kind, u.threshold, u.lot_id, u.lot_ends_at, u.sent_at is not null,
		       coalesce(o.name, b.name), coalesce(o.email, b.email), b.name, b.timezone
		  from billing.usage_alert u join accounts.business b on b.id = u.tenant_id
		  left join accounts.user o on o.id = b.owner_id and o.is_active
		 where u.tenant_id = $1 and u.id = $2`,
		func(rows pgx.Rows) error {
			a = &Alert{}
			var ends *time.Time
			err := rows.Scan(&a.ID, &a.Tenant, &a.Kind, &a.Threshold, &lot, &ends, &a.Sent, &a.Name, &a.Email, &a.Business, &a.Timezone)
			if ends != nil {
				a.EndsAt = *ends
			}
			return err
		}, owner, id)
	if err == nil && a == nil {
		err = fmt.Errorf("alert %s: %w", id, ErrAlertNotFound)
	}
	if err != nil {
		return nil, err
	}
	b, err := Balance(tx)
	if err != nil {
		return nil, err
	}
	a.Balance, a.Recovered = b.Total, a.Kind == AlertExpiring || b.Total > a.Threshold
	for _, l := range b.Lots {
		if a.Kind != AlertExpiring || l.ExpiresAt.After(a.EndsAt) {
			continue
		}
		a.Ending += l.Remaining - l.Held
		a.Recovered = a.Recovered && l.ID != lot.UUID
	}
	return a, nil
}

// CloseAlert notes that the alert was told, or that there was nothing to tell any more. tx must be bound to the tenant.
func CloseAlert(tx *gorm.DB, a *Alert) error {
	_, err := exec(tx, "close alert", `
		update billing.usage_alert set sent_at = case when $3 then sent_at else coalesce(sent_at, now()) end, recovered_at = case when $3 then coalesce(recovered_at, now()) end
		 where tenant_id = $1 and id = $2 and sent_at is null`, a.Tenant, a.ID, a.Recovered)
	return err
}
