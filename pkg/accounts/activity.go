package accounts

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

const (
	// mostActionKinds bounds how many kinds of actions a report lists, the most frequent.
	mostActionKinds = 50
	// idSlack is how much older than its entry's time an entry's id may be: clocks differ, and an entry's time is the beginning of its transaction.
	idSlack = time.Hour
)

// Activity is what people did in a week.
type Activity struct {
	// ID is the row's; uuid.Nil for everybody's.
	ID uuid.UUID
	// Week is the Monday on which the week began, without a time of day.
	Week time.Time
	// Businesses is in how many somebody did something; for everybody's alone.
	Businesses int64
	// Logins and Logouts are how often somebody signed in and out, People how many different people did something, Actions all entries of the audit log.
	Logins, Logouts, People, Actions int64
	// ByAction is a JSON object: how often each kind of action was done, the fifty most frequent kinds.
	ByAction  json.RawMessage
	CreatedAt time.Time
}

// LastWeek returns the bounds of the last week that is over at now in the zone: it begins on Monday at from and ends before to. A zone that is not known is taken for UTC.
func LastWeek(now time.Time, zone string) (from, to time.Time) {
	where, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		where = time.UTC
	}
	local := now.In(where)
	monday := local.Day() - (int(local.Weekday())+6)%7
	return time.Date(local.Year(), local.Month(), monday-7, 0, 0, 0, 0, where), time.Date(local.Year(), local.Month(), monday, 0, 0, 0, 0, where)
}

// countSQL counts the entries of e: $1 is a sign-in, $2 a sign-out, $3 how many kinds are listed.
const countSQL = `count(*) filter (where action = $1), count(*) filter (where action = $2), count(distinct user_id), count(*),
	coalesce((select jsonb_object_agg(k.action, k.n) from (select action, count(*) as n from e group by action order by n desc, action limit $3) k), '{}')`

// RecordActivity counts what the people of a business did from from to to, a week of its own zone, and keeps it, once for a week: a week that was counted before stays as it
// was, and fresh is false. tx must be bound to the business.
func RecordActivity(tx *gorm.DB, business uuid.UUID, from, to time.Time) (a Activity, fresh bool, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return a, false, fmt.Errorf("record activity: make id: %w", err)
	}
	week := from.Format(time.DateOnly)
	n, err := postgres.Exec(tx, `
		with e as materialized (select action, user_id from audit.entry where tenant_id = $4 and id >= $5 and at >= $6 and at < $7)
		insert into accounts.activity_report (id, tenant_id, week_start, logins, logouts, people, actions, by_action)
		select $8, $4, $9::date, `+countSQL+` from e
		    on conflict (tenant_id, week_start) do nothing`,
		audit.Login, audit.Logout, mostActionKinds, business, postgres.FirstID(from.Add(-idSlack)), from, to, id, week)
	if err != nil {
		return a, false, fmt.Errorf("record activity of week %s: %w", week, err)
	}
	list, err := activities(tx, ` where tenant_id = $1 and week_start = $2::date`, business, week)
	if err != nil {
		return a, false, err
	}
	if len(list) == 0 {
		return a, false, fmt.Errorf("record activity of week %s: the report is not there", week)
	}
	return list[0], n == 1, nil
}

// RecordPlatformActivity counts what everybody did from from to to, a week of UTC, and keeps it, once for a week. tx is a platform transaction.
func RecordPlatformActivity(tx *gorm.DB, from, to time.Time) (a Activity, fresh bool, err error) {
	week := from.Format(time.DateOnly)
	n, err := postgres.Exec(tx, `
		with e as materialized (select action, user_id, tenant_id from audit.entry where at >= $5 and at < $6)
		insert into accounts.platform_activity (week_start, businesses, logins, logouts, people, actions, by_action)
		select $4::date, count(distinct tenant_id) filter (where user_id is not null), `+countSQL+` from e
		    on conflict (week_start) do nothing`,
		audit.Login, audit.Logout, mostActionKinds, week, from, to)
	if err != nil {
		return a, false, fmt.Errorf("record everybody's activity of week %s: %w", week, err)
	}
	list, err := platformActivities(tx, ` where week_start = $1::date`, week)
	if err != nil {
		return a, false, err
	}
	if len(list) == 0 {
		return a, false, fmt.Errorf("record everybody's activity of week %s: the report is not there", week)
	}
	return list[0], n == 1, nil
}

// ListActivity pages through the reports of the business that tx is bound to, newest first. before is the last id of the page before.
func ListActivity(tx *gorm.DB, before uuid.UUID, limit int) ([]Activity, error) {
	return activities(tx, ` where ($1::uuid is null or id < $1) order by id desc limit $2`, optionalID(before), limit)
}

// ListPlatformActivity returns the latest reports of everybody, newest first.
func ListPlatformActivity(tx *gorm.DB, limit int) ([]Activity, error) {
	return platformActivities(tx, ` order by week_start desc limit $1`, limit)
}

func activities(tx *gorm.DB, where string, args ...any) ([]Activity, error) {
	return readActivity(tx, `select id, week_start, 0::bigint, logins, logouts, people, actions, by_action, created_at from accounts.activity_report`+where, args...)
}

func platformActivities(tx *gorm.DB, where string, args ...any) ([]Activity, error) {
	return readActivity(tx, `select '00000000-0000-0000-0000-000000000000'::uuid, week_start, businesses, logins, logouts, people, actions, by_action, created_at from accounts.platform_activity`+where, args...)
}

func readActivity(tx *gorm.DB, query string, args ...any) ([]Activity, error) {
	list := []Activity{}
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var a Activity
			if err := rows.Scan(&a.ID, &a.Week, &a.Businesses, &a.Logins, &a.Logouts, &a.People, &a.Actions, &a.ByAction, &a.CreatedAt); err != nil {
				return err
			}
			list = append(list, a)
		}
		return rows.Err()
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read activity: %w", err)
	}
	return list, nil
}

// Active is what one person did in a week.
type Active struct {
	Name            string
	Logins, Actions int64
}

// MostActive returns the people of a business who did most from from to to, who did most first. tx must be bound to the business, and is notifier's.
func MostActive(tx *gorm.DB, business uuid.UUID, from, to time.Time, limit int) ([]Active, error) {
	list := []Active{}
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var a Active
			if err := rows.Scan(&a.Name, &a.Logins, &a.Actions); err != nil {
				return err
			}
			list = append(list, a)
		}
		return rows.Err()
	}, `select u.name, e.logins, e.actions
		  from (select user_id, count(*) filter (where action = $5) as logins, count(*) as actions from audit.entry
		         where tenant_id = $1 and id >= $2 and at >= $3 and at < $4 and user_id is not null group by user_id) e
		  join accounts.user u on u.id = e.user_id
		 order by e.actions desc, u.id limit $6`, business, postgres.FirstID(from.Add(-idSlack)), from, to, audit.Login, limit)
	if err != nil {
		return nil, fmt.Errorf("read who was active: %w", err)
	}
	return list, nil
}

// ActivityReader is the owner of a business, as the reader of its activity reports.
type ActivityReader struct {
	// Business and Timezone are the business's.
	Business, Timezone string
	// Wanted is whether the business has asked for the mails.
	Wanted bool
	// Name and Email are the owner's; empty when there is nobody who could be written to.
	Name, Email string
}

// ActivityReaderOf tells who reads the activity reports of a business. tx must be bound to it. Errors: ErrNotMember when it is gone.
func ActivityReaderOf(tx *gorm.DB, business uuid.UUID) (r ActivityReader, err error) {
	found := false
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			found = true
			if err := rows.Scan(&r.Business, &r.Timezone, &r.Wanted, &r.Name, &r.Email); err != nil {
				return err
			}
		}
		return rows.Err()
	}, `select b.name, b.timezone, s.activity_reports, coalesce(o.name, ''), coalesce(o.email, '')
		  from accounts.business b join accounts.business_settings s on s.tenant_id = b.id
		  left join accounts.user o on o.id = b.owner_id and o.is_active and o.anonymized_at is null
		 where b.id = $1`, business)
	switch {
	case err != nil:
		return r, fmt.Errorf("read who gets activity reports: %w", err)
	case !found:
		return r, ErrNotMember
	}
	return r, nil
}
