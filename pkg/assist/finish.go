package assist

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// Finish records the answer to a request, and what the last attempt cost us. The credit account of the business must be locked, as after billing.Capture. Errors: ErrOver.
func Finish(tx *gorm.DB, r *Request, a *Answer, cost int64) error {
	raw, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	n, err := exec(tx, "record answer", `
		update assist.request set state = 'ANSWERED', answer = $3::jsonb, cost = cost + $4, finished_at = clock_timestamp() where tenant_id = $1 and id = $2 and state = 'PENDING'`,
		r.Tenant, r.ID, string(raw), cost)
	if err == nil && n == 0 {
		err = ErrOver
	}
	if err != nil {
		return err
	}
	return settle(tx, r, cost, true)
}

// Fail records that a request came to nothing, and what the last attempt cost us. It reports whether that is news. The credit account of the business must be locked, as after
// billing.Release.
func Fail(tx *gorm.DB, r *Request, why Failure, cost int64) (bool, error) {
	n, err := exec(tx, "record failure", `
		update assist.request set state = 'FAILED', failure = $3, cost = cost + $4, finished_at = clock_timestamp() where tenant_id = $1 and id = $2 and state = 'PENDING'`, r.Tenant, r.ID, why, cost)
	if err != nil || n == 0 {
		return false, err
	}
	return true, settle(tx, r, cost, true)
}

// Spend records what an attempt cost us that will be repeated.
func Spend(tx *gorm.DB, r *Request, cost int64) error {
	n, err := exec(tx, "record cost", `update assist.request set cost = cost + $3 where tenant_id = $1 and id = $2 and state = 'PENDING'`, r.Tenant, r.ID, cost)
	if err != nil || n == 0 {
		return err
	}
	return settle(tx, r, cost, false)
}

// settle counts a cost to the platform's month in which the request began, and gives back what was reserved when it is over.
func settle(tx *gorm.DB, r *Request, cost int64, over bool) error {
	back := int64(0)
	if over {
		back = r.Budget
	}
	_, err := exec(tx, "settle platform's budget", `
		update assist.platform_month set spent = spent + $2, reserved = greatest(0, reserved - $3) where month = `+monthOf("$1::timestamptz"), r.CreatedAt, cost, back)
	return err
}

// swept is how long after Ask a request that nobody finished is given up: later than its credits are free again.
const swept = 20 * time.Minute

// Sweep gives up at most limit requests that nobody has finished in time, and deletes at most limit that have been kept for long enough. Their credits need nothing: a hold that has
// run out is free by itself. more says that there may be others. tx must be a platform transaction of billing-worker; it is bound to the businesses of the requests from here to its end.
func Sweep(tx *gorm.DB, limit int) (deleted int64, more bool, err error) {
	var tenants, overdue, outdated []uuid.UUID
	err = query(tx, "find requests that are over", `
		(select tenant_id, id, true from assist.request where state = 'PENDING' and created_at < clock_timestamp() - $1::interval order by created_at limit $2)
		union all
		(select tenant_id, id, false from assist.request where state <> 'PENDING' and delete_at < clock_timestamp() order by delete_at limit $2)`,
		func(rows pgx.Rows) error {
			var tenant, id uuid.UUID
			var late bool
			if err := rows.Scan(&tenant, &id, &late); err != nil {
				return err
			}
			if late {
				overdue = append(overdue, id)
			} else {
				outdated = append(outdated, id)
			}
			if !slices.Contains(tenants, tenant) {
				tenants = append(tenants, tenant)
			}
			return nil
		}, swept, limit)
	if err != nil || len(tenants) == 0 {
		return 0, false, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return 0, false, fmt.Errorf("sweep requests: %w", err)
	}
	if len(overdue) > 0 {
		_, err = exec(tx, "give up requests", `
			with over as (
			  update assist.request set state = 'FAILED', failure = $2, finished_at = clock_timestamp() where id = any ($1::uuid[]) and state = 'PENDING'
			  returning budget, `+monthOf("created_at")+` as month)
			update assist.platform_month m set reserved = greatest(0, m.reserved - s.budget)
			  from (select month, sum(budget)::bigint as budget from over group by month) s where m.month = s.month`, overdue, TooLate)
		if err != nil {
			return 0, false, err
		}
	}
	deleted, err = exec(tx, "delete old requests", `delete from assist.request where id = any ($1::uuid[]) and delete_at < clock_timestamp()`, outdated)
	return deleted, len(overdue) == limit || len(outdated) == limit, err
}

// monthOf is the month of assist.platform_month that an instant is in.
func monthOf(instant string) string {
	return `date_trunc('month', ` + instant + ` at time zone 'UTC')::date`
}
