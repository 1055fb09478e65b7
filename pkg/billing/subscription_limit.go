package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// Resource is something that a subscription covers a number of.
type Resource string

// The resources.
const (
	Storefronts Resource = "storefronts"
	Members     Resource = "members"
	Products    Resource = "products"
)

// warnAtPercent of a limit is where its business is told that the limit comes near.
const warnAtPercent = 80

// ResourceUsage is how much of one resource a business has.
type ResourceUsage struct {
	Resource Resource
	Used     int
	// Limit is how much its subscription covers; nil is no limit.
	Limit *int
}

// Exceeded says that there is more than is covered.
func (u ResourceUsage) Exceeded() bool { return u.Limit != nil && u.Used > *u.Limit }

// Near says that the limit is reached, or nearly so. Of storefronts a business pays for as many as it has, so that is no news.
func (u ResourceUsage) Near() bool {
	return u.Limit != nil && u.Resource != Storefronts && !u.Exceeded() && u.Used*100 >= *u.Limit*warnAtPercent
}

// UsageOf returns what the transaction's tenant has of each resource. Errors: ErrNoSubscription.
func UsageOf(tx *gorm.DB, now time.Time) ([]ResourceUsage, error) {
	s, err := SubscriptionOf(tx)
	if err != nil {
		return nil, err
	}
	all, err := usage(tx, now, []*Subscription{s})
	return all[s.Tenant], err
}

// BusinessUsage is what a business has.
type BusinessUsage struct {
	*Subscription
	Usage []ResourceUsage
}

// Usages returns what at most limit businesses with a trial or a month, paid or just over, have of each resource, after the one with id after; and the id to continue with, as
// DueReminders does. Closed businesses are left out. tx must be a platform transaction of billing-worker; it is bound to the businesses from here to its end.
func Usages(tx *gorm.DB, now time.Time, after uuid.UUID, limit int) (list []BusinessUsage, next uuid.UUID, err error) {
	tenants := []uuid.UUID{}
	err = query(tx, "find businesses", `
		select s.tenant_id from billing.subscription s join accounts.v_active_business a on a.id = s.tenant_id
		 where s.status in ('TRIAL', 'ACTIVE', 'PAST_DUE') and s.tenant_id > $1 order by s.tenant_id limit $2`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			tenants = append(tenants, id)
			return err
		}, after, limit)
	if err != nil || len(tenants) == 0 {
		return nil, uuid.Nil, err
	}
	if len(tenants) == limit {
		next = tenants[limit-1]
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return nil, uuid.Nil, fmt.Errorf("look at usage: %w", err)
	}
	subscriptions, err := readSubscriptions(tx, tenants, "")
	if err != nil {
		return nil, uuid.Nil, err
	}
	all, err := usage(tx, now, subscriptions)
	for _, s := range subscriptions {
		list = append(list, BusinessUsage{Subscription: s, Usage: all[s.Tenant]})
	}
	return list, next, err
}

// usage counts what businesses have. tx is bound to them.
func usage(tx *gorm.DB, now time.Time, list []*Subscription) (map[uuid.UUID][]ResourceUsage, error) {
	all := make(map[uuid.UUID][]ResourceUsage, len(list))
	err := query(tx, "count what businesses have", `
		select s.tenant_id, s.covered, u.storefronts, (select count(*) from accounts.membership m where m.tenant_id = s.tenant_id and m.is_active), t.max_members,
		       u.products, t.max_products
		  from unnest($1::uuid[], $2::int[], $3::int[]) as s (tenant_id, covered, paid)
		  join inventory.v_usage u on u.tenant_id = s.tenant_id
		  left join billing.pricing_tier t on t.is_active and t.min_storefronts <= s.paid and (t.max_storefronts is null or t.max_storefronts >= s.paid)`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			var covered int
			storefronts, members, products := ResourceUsage{Resource: Storefronts}, ResourceUsage{Resource: Members}, ResourceUsage{Resource: Products}
			if err := rows.Scan(&id, &covered, &storefronts.Used, &members.Used, &members.Limit, &products.Used, &products.Limit); err != nil {
				return err
			}
			storefronts.Limit = &covered
			all[id] = []ResourceUsage{storefronts, members, products}
			return nil
		},
		column(list, func(s *Subscription) uuid.UUID { return s.Tenant }), column(list, func(s *Subscription) int32 { return int32(s.Covers(now)) }),
		column(list, func(s *Subscription) int32 { return int32(s.Storefronts) }))
	return all, err
}
