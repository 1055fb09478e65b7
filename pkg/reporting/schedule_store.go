package reporting

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

const scheduleColumns = `s.id, s.name, s.kind, s.format, coalesce(s.period, ''), coalesce(s.storefront_id, '00000000-0000-0000-0000-000000000000'), s.include_zero_stock, s.frequency, s.hour, s.day_of_week, s.day_of_month,
	s.recipients, s.include_creator, s.subject, s.message, s.is_active, s.next_run_at, s.last_run_at, s.created_by, s.created_at, s.updated_at`

// scanSchedule reads scheduleColumns and what comes behind them.
func scanSchedule(rows pgx.Rows, more ...any) (*Schedule, error) {
	s := &Schedule{}
	var next *time.Time
	err := rows.Scan(append([]any{&s.ID, &s.Name, &s.Kind, &s.Format, &s.Period, &s.Storefront, &s.IncludeZeroStock, &s.Frequency, &s.Hour, &s.DayOfWeek, &s.DayOfMonth,
		&s.Recipients, &s.IncludeCreator, &s.Subject, &s.Message, &s.Active, &next, &s.LastRun, &s.User, &s.CreatedAt, &s.UpdatedAt}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("read export schedule: %w", err)
	}
	set(&s.NextRun, next)
	return s, nil
}

// seesSchedule is the condition for a reader's schedules; $2 is the reader when they see their own alone.
const seesSchedule = ` s.tenant_id = $1 and s.deleted_at is null and ($2::uuid is null or s.created_by = $2) `

// ScheduleFilter narrows Schedules. Zero fields do not filter.
type ScheduleFilter struct {
	Active *bool
	// Before is a cursor: only schedules older than this one.
	Before uuid.UUID
	Limit  int
}

// Schedules returns the schedules that the reader may see, newest first.
func Schedules(tx *gorm.DB, who Reader, f ScheduleFilter) ([]*Schedule, error) {
	return findSchedules(tx, "list export schedules", who, ` and ($3::boolean is null or s.is_active = $3) and ($4::uuid is null or s.id < $4) order by s.id desc limit $5`,
		f.Active, optionalID(f.Before), min(max(f.Limit, 1), 100))
}

// GetSchedule returns one schedule that the reader may see. Errors: ErrNoSchedule.
func GetSchedule(tx *gorm.DB, who Reader, id uuid.UUID) (*Schedule, error) {
	return oneSchedule(tx, who, id, "")
}

func oneSchedule(tx *gorm.DB, who Reader, id uuid.UUID, lock string) (*Schedule, error) {
	list, err := findSchedules(tx, "look for export schedule", who, ` and s.id = $3 `+lock, id)
	if err == nil && len(list) == 0 {
		err = ErrNoSchedule
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func findSchedules(tx *gorm.DB, what string, who Reader, rest string, args ...any) (list []*Schedule, err error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	err = query(tx, what, `select `+scheduleColumns+` from reporting.export_schedule s where`+seesSchedule+rest, func(rows pgx.Rows) error {
		s, err := scanSchedule(rows)
		list = append(list, s)
		return err
	}, append([]any{business, who.only()}, args...)...)
	return list, err
}

// Clock is a business's own clock.
type Clock struct {
	Zone *time.Location
	// Now is the database's time, by which schedules run.
	Now time.Time
}

// ClockOf reads the clock of the transaction's business.
func ClockOf(tx *gorm.DB) (c Clock, err error) {
	id, err := owner(tx)
	if err != nil {
		return c, fmt.Errorf("read clock: %w", err)
	}
	var name string
	err = query(tx, "read clock", `select timezone, now() from accounts.v_settings where tenant_id = $1`, func(rows pgx.Rows) error { return rows.Scan(&name, &c.Now) }, id)
	if err == nil {
		c.Zone, err = loadZone(name)
	}
	return c, err
}

// PreviewTiming returns the next n times of what a request says, before anything is saved. Errors: faults of its members.
func PreviewTiming(tx *gorm.DB, c ScheduleChange, n int) ([]time.Time, Clock, error) {
	s := Schedule{Timing: Timing{Hour: defaultHour, DayOfWeek: c.DayOfWeek, DayOfMonth: c.DayOfMonth}}
	set((*string)(&s.Frequency), c.Frequency)
	set(&s.Hour, c.Hour)
	if err := s.check(); err != nil {
		return nil, Clock{}, err
	}
	clock, err := ClockOf(tx)
	if err != nil {
		return nil, clock, err
	}
	return s.Following(clock.Now, clock.Zone, n), clock, nil
}

// AddSchedule makes a schedule, active at once. Errors: faults of the change's members, ErrScheduleName, ErrTooManySchedules, ErrScheduleNotYours.
func AddSchedule(tx *gorm.DB, who Reader, c ScheduleChange) (*Schedule, error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("add export schedule: %w", err)
	}
	s, err := Schedule{Timing: Timing{Hour: defaultHour}, Recipients: []string{}}.with(c)
	switch {
	case err != nil:
		return nil, err
	case s.Kind == AuditLogs && !who.All:
		return nil, ErrScheduleNotYours
	}
	if err := oneAtATime(tx); err != nil {
		return nil, err
	}
	n := 0
	err = query(tx, "count export schedules", `select count(*) from reporting.export_schedule where tenant_id = $1 and deleted_at is null`, func(rows pgx.Rows) error { return rows.Scan(&n) }, business)
	switch {
	case err != nil:
		return nil, err
	case n >= MaxSchedules:
		return nil, ErrTooManySchedules
	}
	clock, err := ClockOf(tx)
	if err != nil {
		return nil, err
	}
	s.ID, s.User, s.Active, s.NextRun = uuid.Must(uuid.NewV7()), who.User, true, s.Next(clock.Now, clock.Zone)
	made, err := exec(tx, "add export schedule", `
		insert into reporting.export_schedule as s (id, tenant_id, name, kind, format, period, storefront_id, include_zero_stock, frequency, hour, day_of_week, day_of_month, recipients, include_creator,
		       subject, message, is_active, next_run_at, created_by)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, true, $17, $18) on conflict do nothing`,
		s.ID, business, s.Name, s.Kind, s.Format, optionalWord(string(s.Period)), optionalID(s.Storefront), s.IncludeZeroStock, s.Frequency, s.Hour, s.DayOfWeek, s.DayOfMonth, s.Recipients,
		s.IncludeCreator, s.Subject, s.Message, s.NextRun, s.User)
	if err == nil && made == 0 {
		err = ErrScheduleName
	}
	if err != nil {
		return nil, err
	}
	return GetSchedule(tx, who, s.ID)
}

// oneAtATime lets whoever changes the schedules of a business wait for each other, so that ten at once are counted and their names compared.
func oneAtATime(tx *gorm.DB) error {
	business, err := owner(tx)
	if err != nil {
		return fmt.Errorf("wait for other schedules: %w", err)
	}
	_, err = exec(tx, "wait for other schedules", `select pg_advisory_xact_lock(hashtextextended('reporting.schedule ' || $1::text, 0))`, business.String())
	return err
}

// ChangeSchedule changes a schedule of the reader's, or any as an admin, who takes it over when its maker has left. Errors: ErrNoSchedule; as for AddSchedule.
func ChangeSchedule(tx *gorm.DB, who Reader, id uuid.UUID, c ScheduleChange) (before, now *Schedule, err error) {
	if err := oneAtATime(tx); err != nil {
		return nil, nil, err
	}
	before, err = oneSchedule(tx, who, id, "for update")
	if err != nil {
		return nil, nil, err
	}
	s, err := before.with(c)
	switch {
	case err != nil:
		return nil, nil, err
	case s.Kind == AuditLogs && !who.All:
		return nil, nil, ErrScheduleNotYours
	}
	taken := false
	err = query(tx, "compare names", `select exists (select from reporting.export_schedule where tenant_id = $1 and lower(name) = lower($2) and id <> $3 and deleted_at is null)`,
		func(rows pgx.Rows) error { return rows.Scan(&taken) }, bound(tx), s.Name, id)
	switch {
	case err != nil:
		return nil, nil, err
	case taken:
		return nil, nil, ErrScheduleName
	}
	now, err = saveSchedule(tx, who, s)
	return before, now, err
}

// PauseSchedule pauses a schedule or lets it go on: from the next of its times on, whatever passed meanwhile. changed is false when it was so before. Errors: ErrNoSchedule.
func PauseSchedule(tx *gorm.DB, who Reader, id uuid.UUID, active bool) (s *Schedule, changed bool, err error) {
	s, err = oneSchedule(tx, who, id, "for update")
	if err != nil || s.Active == active {
		return s, false, err
	}
	s.Active = active
	s, err = saveSchedule(tx, who, *s)
	return s, true, err
}

// saveSchedule writes a locked schedule, with its next time.
func saveSchedule(tx *gorm.DB, who Reader, s Schedule) (*Schedule, error) {
	var next *time.Time
	if s.Active {
		clock, err := ClockOf(tx)
		if err != nil {
			return nil, err
		}
		at := s.Next(clock.Now, clock.Zone)
		next = &at
	}
	_, err := exec(tx, "change export schedule", `
		update reporting.export_schedule s set name = $3, kind = $4, format = $5, period = $6, storefront_id = $7, include_zero_stock = $8, frequency = $9, hour = $10, day_of_week = $11, day_of_month = $12,
		       recipients = $13, include_creator = $14, subject = $15, message = $16, is_active = $17, next_run_at = $18, updated_at = clock_timestamp(),
		       created_by = case when exists (select from accounts.v_recipient p where p.tenant_id = s.tenant_id and p.user_id = s.created_by) then s.created_by else $19 end
		 where s.tenant_id = $1 and s.id = $2`,
		bound(tx), s.ID, s.Name, s.Kind, s.Format, optionalWord(string(s.Period)), optionalID(s.Storefront), s.IncludeZeroStock, s.Frequency, s.Hour, s.DayOfWeek, s.DayOfMonth,
		s.Recipients, s.IncludeCreator, s.Subject, s.Message, s.Active, next, who.User)
	if err != nil {
		return nil, err
	}
	return GetSchedule(tx, who, s.ID)
}

// DeleteSchedule ends a schedule. What it has made stays until it expires; a run that waits fails. Errors: ErrNoSchedule.
func DeleteSchedule(tx *gorm.DB, who Reader, id uuid.UUID) (*Schedule, error) {
	s, err := oneSchedule(tx, who, id, "for update")
	if err != nil {
		return nil, err
	}
	_, err = exec(tx, "delete export schedule", `update reporting.export_schedule set deleted_at = clock_timestamp(), updated_at = clock_timestamp(), is_active = false, next_run_at = null, recipients = '{}'
		where tenant_id = $1 and id = $2`, bound(tx), id)
	return s, err
}

// Reschedule works out anew when the schedules of a business run, whose clock has changed.
func Reschedule(tx *gorm.DB) error {
	business, err := owner(tx)
	if err != nil {
		return fmt.Errorf("reschedule exports: %w", err)
	}
	clock, err := ClockOf(tx)
	if err != nil {
		return err
	}
	active := true
	list, err := findSchedules(tx, "list active schedules", Reader{All: true}, ` and s.is_active = $3 order by s.id for update`, active)
	if err != nil || len(list) == 0 {
		return err
	}
	ids, next := make([]uuid.UUID, len(list)), make([]time.Time, len(list))
	for i, s := range list {
		ids[i], next[i] = s.ID, s.Next(clock.Now, clock.Zone)
	}
	_, err = exec(tx, "reschedule exports", `update reporting.export_schedule s set next_run_at = v.next from unnest($2::uuid[], $3::timestamptz[]) v (id, next) where s.tenant_id = $1 and s.id = v.id`, business, ids, next)
	return err
}

// Coming is a time at which a schedule will run.
type Coming struct {
	Schedule *Schedule
	At       time.Time
}

// Upcoming returns the next n runs of all schedules that the reader may see, the first to come first.
func Upcoming(tx *gorm.DB, who Reader, n int) ([]Coming, Clock, error) {
	clock, err := ClockOf(tx)
	if err != nil {
		return nil, clock, err
	}
	list, err := findSchedules(tx, "list active schedules", who, ` and s.is_active = $3 order by s.next_run_at limit $4`, true, MaxSchedules)
	if err != nil {
		return nil, clock, err
	}
	coming := []Coming{}
	for _, s := range list {
		at := s.NextRun
		for range n {
			coming = append(coming, Coming{Schedule: s, At: at})
			at = s.Next(at, clock.Zone)
		}
	}
	slices.SortStableFunc(coming, func(a, b Coming) int { return a.At.Compare(b.At) })
	return coming[:min(n, len(coming))], clock, nil
}
