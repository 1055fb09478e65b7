package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/postgres"
)

// UsageTransaction is one call of a feature that was made.
type UsageTransaction struct {
	ID, User, Hold uuid.UUID
	Feature        string
	Credits        money.Credits
	// ProviderCost is in 1/10000 GHS.
	ProviderCost, Tokens, ProcessingMS int64
	Success                            bool
	Error, Summary                     string
	At, RetentionUntil                 time.Time
}

// UsageTransactions returns the calls of the transaction's tenant after the one with id after (uuid.Nil: the newest), newest first, and the id that the next page comes after, uuid.Nil
// on the last page. feature, unless empty, leaves out the others. limit is clamped to 1 to MaxPage.
func UsageTransactions(tx *gorm.DB, feature string, after uuid.UUID, limit int) (list []UsageTransaction, next uuid.UUID, err error) {
	limit = min(max(limit, 1), MaxPage)
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list usage: %w", err)
	}
	if after == uuid.Nil {
		after = uuid.Max
	}
	list = []UsageTransaction{}
	err = query(tx, "list usage", `
		select id, user_id, hold_id, feature, credits, provider_cost, tokens, processing_ms, success, error, response_summary, created_at, retention_until
		  from billing.usage_transaction where tenant_id = $1 and id < $2 and ($3 = '' or feature = $3) order by id desc limit $4`,
		func(rows pgx.Rows) error {
			var u UsageTransaction
			err := rows.Scan(&u.ID, &u.User, &u.Hold, &u.Feature, &u.Credits, &u.ProviderCost, &u.Tokens, &u.ProcessingMS, &u.Success, &u.Error, &u.Summary, &u.At, &u.RetentionUntil)
			list = append(list, u)
			return err
		}, owner, after, feature, limit+1)
	if err != nil {
		return nil, uuid.Nil, err
	}
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].ID
	}
	return list, next, nil
}

// FeatureUsage sums the calls of one feature.
type FeatureUsage struct {
	Feature         string
	Calls, Failures int64
	Credits         money.Credits
	// ProviderCost is in 1/10000 GHS.
	ProviderCost, Tokens, ProcessingMS int64
}

// UsageStats sums the calls of the transaction's tenant of the last days, today included, in UTC: by feature, the dearest first. Calls whose rows were deleted are in it.
func UsageStats(tx *gorm.DB, days int, now time.Time) ([]FeatureUsage, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	list := []FeatureUsage{}
	err = query(tx, "read usage", `
		select feature, sum(calls)::bigint, sum(failures)::bigint, sum(credits)::bigint, sum(provider_cost)::bigint, sum(tokens)::bigint, sum(processing_ms)::bigint from (
			select feature, 1 as calls, (not success)::int as failures, credits, provider_cost, tokens, processing_ms
			  from billing.usage_transaction where tenant_id = $1 and created_at >= $2::date at time zone 'UTC'
			union all
			select feature, calls, failures, credits, provider_cost, tokens, processing_ms from billing.usage_day where tenant_id = $1 and day >= $2::date
		) as u group by feature order by sum(credits) desc, feature`,
		func(rows pgx.Rows) error {
			var u FeatureUsage
			err := rows.Scan(&u.Feature, &u.Calls, &u.Failures, &u.Credits, &u.ProviderCost, &u.Tokens, &u.ProcessingMS)
			list = append(list, u)
			return err
		}, owner, now.UTC().AddDate(0, 0, 1-days).Format(time.DateOnly))
	return list, err
}

// CleanUsage deletes at most limit calls that are past their retention, after adding them to the daily sums of their businesses; more says that there may be others.
// Ledger entries are never deleted. tx must be a platform transaction of billing-worker; it is bound to the businesses of the calls from here to its end.
func CleanUsage(tx *gorm.DB, limit int) (deleted int, more bool, err error) {
	var ids, tenants []uuid.UUID
	seen := map[uuid.UUID]bool{}
	err = query(tx, "find old usage", `
		select id, tenant_id from billing.usage_transaction where retention_until <= now() order by retention_until limit $1`,
		func(rows pgx.Rows) error {
			var id, owner uuid.UUID
			err := rows.Scan(&id, &owner)
			ids = append(ids, id)
			if !seen[owner] {
				seen[owner] = true
				tenants = append(tenants, owner)
			}
			return err
		}, limit)
	if err != nil || len(ids) == 0 {
		return 0, false, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return 0, false, fmt.Errorf("clean usage: %w", err)
	}
	// The sums are made of the rows that this statement deletes, so another cleaner at the same moment counts none of them twice.
	err = query(tx, "delete old usage", `
		with gone as (
			delete from billing.usage_transaction where id = any ($1::uuid[])
			returning tenant_id, (created_at at time zone 'UTC')::date as day, feature, success, credits, provider_cost, tokens, processing_ms
		), kept as (
			insert into billing.usage_day as d (tenant_id, day, feature, calls, failures, credits, provider_cost, tokens, processing_ms)
			select tenant_id, day, feature, count(*), count(*) filter (where not success), sum(credits), sum(provider_cost), sum(tokens), sum(processing_ms)
			  from gone group by tenant_id, day, feature order by tenant_id, day, feature
			    on conflict (tenant_id, day, feature) do update set calls = d.calls + excluded.calls, failures = d.failures + excluded.failures, credits = d.credits + excluded.credits,
			       provider_cost = d.provider_cost + excluded.provider_cost, tokens = d.tokens + excluded.tokens, processing_ms = d.processing_ms + excluded.processing_ms
		)
		select count(*) from gone`,
		func(rows pgx.Rows) error { return rows.Scan(&deleted) }, ids)
	return deleted, len(ids) == limit, err
}
