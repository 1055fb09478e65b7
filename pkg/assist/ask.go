package assist

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/problem"
)

// Order is a request as somebody makes it.
type Order struct {
	User, Hold, Task uuid.UUID
	Feature          Feature
	Input            Input
	Figures          []string
	Scope            Scope
	// Budget is the most that it may cost us: Prices.Budget.
	Budget int64
}

// Ask records a request, if the limits allow one more. tx must be bound to the business, and must hold the lock of its credit account, as after billing.Reserve.
// Errors: too_many_ai_requests, ai_budget_used_up, ai_platform_budget_used_up.
func Ask(tx *gorm.DB, limits Limits, o Order) (*Request, error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	if err := limits.check(tx, business, o.Budget); err != nil {
		return nil, err
	}
	if err := limits.reserve(tx, o.Budget); err != nil {
		return nil, err
	}
	input, err := json.Marshal(o.Input)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make request id: %w", err)
	}
	storefronts := append([]uuid.UUID{}, o.Scope.IDs...)
	if o.Scope.All {
		storefronts = nil
	}
	if o.Figures == nil {
		o.Figures = []string{}
	}
	r := &Request{ID: id, Tenant: business, User: o.User, Hold: o.Hold, Task: o.Task, Feature: o.Feature, Input: o.Input, Figures: o.Figures, Scope: o.Scope, Status: Pending, Budget: o.Budget}
	err = query(tx, "record request", `
		insert into assist.request (id, tenant_id, user_id, hold_id, task_id, feature, input, figures, storefronts, budget, delete_at)
		values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, clock_timestamp() + $11::interval) returning created_at, delete_at`,
		func(rows pgx.Rows) error { return rows.Scan(&r.CreatedAt, &r.DeleteAt) },
		r.ID, business, o.User, o.Hold, o.Task, o.Feature, string(input), o.Figures, storefronts, o.Budget, Keep)
	return r, err
}

// check counts what the business asked lately, and what that cost. A request under way counts as what it may cost.
func (l Limits) check(tx *gorm.DB, business uuid.UUID, budget int64) error {
	var minute, hour, day, today, month int64
	var inMinute, inHour, inDay, tomorrow, nextMonth float64
	err := query(tx, "count requests", `
		with clock as (select clock_timestamp() as at),
		  mine as (
		    select r.created_at, c.at, case r.state when 'PENDING' then greatest(r.cost, r.budget) else r.cost end as cost
		      from clock c join assist.request r on r.tenant_id = $1 and r.created_at > least(c.at - interval '1 day', date_trunc('month', c.at, 'UTC')))
		select count(*) filter (where created_at > c.at - interval '1 minute'), count(*) filter (where created_at > c.at - interval '1 hour'), count(*) filter (where created_at > c.at - interval '1 day'),
		       coalesce(sum(cost) filter (where created_at >= date_trunc('day', c.at, 'UTC')), 0)::bigint, coalesce(sum(cost) filter (where created_at >= date_trunc('month', c.at, 'UTC')), 0)::bigint,
		       extract(epoch from coalesce(min(created_at) filter (where created_at > c.at - interval '1 minute'), c.at) + interval '1 minute' - c.at)::float8,
		       extract(epoch from coalesce(min(created_at) filter (where created_at > c.at - interval '1 hour'), c.at) + interval '1 hour' - c.at)::float8,
		       extract(epoch from coalesce(min(created_at) filter (where created_at > c.at - interval '1 day'), c.at) + interval '1 day' - c.at)::float8,
		       extract(epoch from date_trunc('day', c.at, 'UTC') + interval '1 day' - c.at)::float8, extract(epoch from date_trunc('month', c.at, 'UTC') + interval '1 month' - c.at)::float8
		  from clock c left join mine on true group by c.at`,
		func(rows pgx.Rows) error {
			return rows.Scan(&minute, &hour, &day, &today, &month, &inMinute, &inHour, &inDay, &tomorrow, &nextMonth)
		}, business)
	if err != nil {
		return err
	}
	seconds := func(s float64) time.Duration { return time.Duration(s*float64(time.Second)) + time.Second }
	const often, dear = "too_many_ai_requests", "ai_budget_used_up"
	switch {
	case minute >= l.PerMinute:
		return tooMany(often, fmt.Sprintf("A business may ask for %d answers in a minute.", l.PerMinute), seconds(inMinute))
	case hour >= l.PerHour:
		return tooMany(often, fmt.Sprintf("A business may ask for %d answers in an hour.", l.PerHour), seconds(inHour))
	case day >= l.PerDay:
		return tooMany(often, fmt.Sprintf("A business may ask for %d answers in a day.", l.PerDay), seconds(inDay))
	case today+budget > l.BusinessDay*costUnit:
		return tooMany(dear, "This business has used up what answers may cost in a day.", seconds(tomorrow))
	case month+budget > l.BusinessMonth*costUnit:
		return tooMany(dear, "This business has used up what answers may cost in a month.", seconds(nextMonth))
	}
	return nil
}

// reserve sets the budget aside of what the platform may spend this month. Requests of all businesses take turns here, for as long as their short transactions last.
func (l Limits) reserve(tx *gorm.DB, budget int64) error {
	if _, err := exec(tx, "open month", `insert into assist.platform_month (month) values (`+monthOf("clock_timestamp()")+`) on conflict do nothing`); err != nil {
		return err
	}
	n, err := exec(tx, "reserve platform's budget", `
		update assist.platform_month set reserved = reserved + $1 where month = `+monthOf("clock_timestamp()")+` and reserved + spent + $1 <= $2`, budget, l.PlatformMonth*costUnit)
	if err == nil && n == 0 {
		err = problem.Later(problem.Unavailable, "ai_platform_budget_used_up", "Answers are not available for now: all businesses together have used up what they may cost this month.", time.Hour)
	}
	return err
}
