package billing

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// ReminderKind is what an owner is reminded of.
type ReminderKind string

// The kinds of reminders.
const (
	// RemindRenewal is for a subscription that renews: its next month is invoiced before this one ends.
	RemindRenewal ReminderKind = "renewal"
	// RemindExpiry is for a paid subscription that ends if nobody pays.
	RemindExpiry ReminderKind = "expiry"
	// RemindTrial is for a trial.
	RemindTrial ReminderKind = "trial"
)

// reminders says when each kind is due: with how many days left, the fewest first, and of which subscriptions.
var reminders = map[ReminderKind]struct {
	days  []int
	where string
}{
	RemindRenewal: {[]int{7}, `status = 'ACTIVE' and auto_renew and not cancel_at_period_end`},
	RemindExpiry:  {[]int{3, 7, 14}, `status = 'ACTIVE' and not auto_renew and not cancel_at_period_end`},
	RemindTrial:   {[]int{3}, `status = 'TRIAL'`},
}

// Addressee is who is told about a business's subscription: its owner, or the business itself when the owner is gone.
type Addressee struct {
	Name, Email, Business, Timezone string
}

// Reminder is a reminder that is due.
type Reminder struct {
	*Subscription
	Addressee
	// Days are left, and Threshold is the smallest number of days that is reminded of and not less: one threshold is one reminder.
	Days, Threshold int
	// Quote is the price of the next month, with the taxes of its first day.
	Quote SubscriptionQuote
}

// DueReminders returns the reminders of one kind that are due for at most limit businesses after the one with id after, and the id to continue with; uuid.Nil begins, and is
// returned with the last of them. It returns them again as long as the days last: whoever tells them keeps the threshold in mind. Businesses that are closed, and those that
// the price list has no price for, have none. tx must be a platform transaction of billing-worker or notifier; it is bound to the businesses from here to its end.
func DueReminders(tx *gorm.DB, kind ReminderKind, now time.Time, after uuid.UUID, limit int) (due []Reminder, next uuid.UUID, err error) {
	rule := reminders[kind]
	most := rule.days[len(rule.days)-1]
	tenants := []uuid.UUID{}
	err = query(tx, "find subscriptions to remind of", `
		select tenant_id from billing.subscription where `+rule.where+` and period_end > $1 and period_end < $1::timestamptz + $2::int * interval '1 day' and tenant_id > $3 order by tenant_id limit $4`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			tenants = append(tenants, id)
			return err
		}, now, most+2, after, limit) // two days more than any calendar has between the instants
	if err != nil || len(tenants) == 0 {
		return nil, uuid.Nil, err
	}
	if len(tenants) == limit {
		next = tenants[limit-1]
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return nil, uuid.Nil, fmt.Errorf("remind of subscriptions: %w", err)
	}
	list, err := readSubscriptions(tx, tenants, "")
	if err != nil {
		return nil, uuid.Nil, err
	}
	people, err := Addressees(tx, tenants)
	if err != nil {
		return nil, uuid.Nil, err
	}
	open := map[uuid.UUID]int{}
	if kind == RemindTrial { // who tries the product has opened storefronts without paying for them
		err := query(tx, "count storefronts", `select tenant_id, storefronts from inventory.v_usage`, func(rows pgx.Rows) error {
			var id uuid.UUID
			var n int
			err := rows.Scan(&id, &n)
			open[id] = n
			return err
		})
		if err != nil {
			return nil, uuid.Nil, err
		}
	}
	prices := pricer{tx: tx}
	for _, s := range list {
		who, runs := people[s.Tenant]
		days := daysBetween(now, s.PeriodEnd, s.Zone)
		at := slices.IndexFunc(rule.days, func(threshold int) bool { return days <= threshold })
		if !runs || at < 0 {
			continue
		}
		r := Reminder{Subscription: s, Addressee: who, Days: days, Threshold: rule.days[at]}
		switch r.Quote, err = prices.of(max(s.BilledStorefronts(), open[s.Tenant]), s.PeriodEnd); {
		case errors.Is(err, ErrNoTier):
			continue // makes no other business wait
		case err != nil:
			return nil, uuid.Nil, err
		}
		due = append(due, r)
	}
	return due, next, nil
}

// pricer remembers prices: most businesses have as many storefronts as others. With whom a month will be paid is not known before it is, so only those service charges are in them
// that every payment has.
type pricer struct {
	tx    *gorm.DB
	known map[string]SubscriptionQuote
}

func (p *pricer) of(storefronts int, day time.Time) (SubscriptionQuote, error) {
	day = day.UTC()
	key := fmt.Sprintf("%d on %s", storefronts, day.Format(time.DateOnly))
	if q, ok := p.known[key]; ok {
		return q, nil
	}
	q, err := PriceSubscription(p.tx, storefronts, "", day)
	if err != nil {
		return q, err
	}
	if p.known == nil {
		p.known = map[string]SubscriptionQuote{}
	}
	p.known[key] = q
	return q, nil
}

// Addressees returns who is told about the subscriptions of those businesses, as far as tx is bound to them and they are open.
func Addressees(tx *gorm.DB, tenants []uuid.UUID) (map[uuid.UUID]Addressee, error) {
	people := make(map[uuid.UUID]Addressee, len(tenants))
	err := query(tx, "read owners", `
		select b.id, coalesce(o.name, b.name), coalesce(o.email, b.email), b.name, b.timezone
		  from accounts.business b left join accounts.user o on o.id = b.owner_id and o.is_active
		 where b.id = any ($1::uuid[]) and b.is_active`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			var a Addressee
			err := rows.Scan(&id, &a.Name, &a.Email, &a.Business, &a.Timezone)
			people[id] = a
			return err
		}, tenants)
	return people, err
}
