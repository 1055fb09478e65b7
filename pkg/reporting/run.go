package reporting

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	reportspb "makola/proto/makola/reports/v1"
)

const (
	// DueBatch is how many schedules are claimed with one set of statements.
	DueBatch = 500
	// MaxDue is how many schedules one sweep claims at most, so that it ends within its time also on a machine that is busy; the next one takes the rest. 4,000 schedules of 2,000
	// businesses took 13 s on two cores with a load of 38.
	MaxDue = 5000
)

// MaxRetries is the most runs that may follow one that failed.
const MaxRetries = 10

// run is one run of a schedule about to be recorded. Pointers that are nil are columns without a value.
type run struct {
	schedule, business, report, task, creator uuid.UUID
	due, from, to                             *time.Time
	retryOf                                   *uuid.UUID
	retries                                   int16
}

func newRun(s *Schedule, business uuid.UUID, today time.Time) run {
	r := run{schedule: s.ID, business: business, creator: s.User, report: uuid.Must(uuid.NewV7()), task: uuid.Must(uuid.NewV7())}
	if p, ok := s.Period.Before(today); ok && s.Kind.dated() {
		r.from, r.to = &p.From, &p.To
	}
	return r
}

// insertRuns records runs, and returns those that nobody has recorded before. What a run may show is what the schedule's maker may see today: those who look after some storefronts have theirs.
func insertRuns(tx *gorm.DB, trigger Trigger, runs []run) ([]run, error) {
	fresh := map[uuid.UUID]bool{}
	err := query(tx, "record runs of schedules", `
		with p as materialized (select tenant_id, user_id, role, storefronts from accounts.v_recipient where user_id = any ($10))
		insert into reporting.report (id, tenant_id, kind, format, trigger, period_start, period_end, storefronts, include_zero_stock, fingerprint, task_id, created_by, schedule_id, due_at, retry_of, retries)
		select v.id, s.tenant_id, s.kind, s.format, $1, v.from_date, v.to_date,
		       case when s.kind <> 'sales' then null
		            when p.role in ('OWNER', 'ADMIN') then case when s.storefront_id is not null then array[s.storefront_id] end
		            when p.user_id is null or s.storefront_id <> all (p.storefronts) then '{}'
		            when s.storefront_id is not null then array[s.storefront_id]
		            else p.storefronts end,
		       s.include_zero_stock, 'schedule ' || s.id, v.task, s.created_by, s.id, v.due, v.retry_of, v.retries
		  from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::date[], $7::date[], $8::uuid[], $9::smallint[]) as v (schedule, id, task, due, from_date, to_date, retry_of, retries)
		  join reporting.export_schedule s on s.id = v.schedule
		  left join p on p.tenant_id = s.tenant_id and p.user_id = s.created_by
		on conflict do nothing returning id`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			fresh[id] = true
			return err
		}, trigger, column(runs, func(r run) uuid.UUID { return r.schedule }), column(runs, func(r run) uuid.UUID { return r.report }), column(runs, func(r run) uuid.UUID { return r.task }),
		column(runs, func(r run) *time.Time { return r.due }), column(runs, func(r run) *time.Time { return r.from }), column(runs, func(r run) *time.Time { return r.to }),
		column(runs, func(r run) *uuid.UUID { return r.retryOf }), column(runs, func(r run) int16 { return r.retries }),
		column(runs, func(r run) uuid.UUID { return r.creator }))
	if err != nil {
		return nil, err
	}
	var made []run
	for _, r := range runs {
		if fresh[r.report] {
			made = append(made, r)
		}
	}
	return made, nil
}

func column[T, V any](list []T, of func(T) V) []V {
	values := make([]V, len(list))
	for i, one := range list {
		values[i] = of(one)
	}
	return values
}

// start records runs and enqueues their tasks, and returns how many there are.
func start(ctx context.Context, tx *gorm.DB, tasks *reportspb.Tasks, trigger Trigger, runs []run) (int, error) {
	if len(runs) == 0 {
		return 0, nil
	}
	runs, err := insertRuns(tx, trigger, runs)
	if err != nil || len(runs) == 0 {
		return 0, err
	}
	if _, err := exec(tx, "note runs of schedules", `update reporting.export_schedule set last_run_at = clock_timestamp() where id = any ($1)`, column(runs, func(r run) uuid.UUID { return r.schedule })); err != nil {
		return 0, err
	}
	text := string(trigger)
	for _, r := range runs {
		_, err := tasks.ExecuteSingleExport(ctx, tx, &reportspb.ExecuteSingleExportArgs{ScheduleId: r.schedule.String(), Trigger: &text}, task.WithID(r.task), task.ForTenant(r.business), task.CreatedBy(r.creator))
		if err != nil {
			return 0, fmt.Errorf("enqueue export: %w", err)
		}
	}
	return len(runs), nil
}

// Due is what RunDue did.
type Due struct {
	// Found fell due, Started run now, and Skipped belong to businesses for which nothing may happen by itself.
	Found, Started, Skipped int
}

// RunDue starts the schedules of all businesses that have fallen due, MaxDue at most: it moves each to its next time, records the run and enqueues its task, all in tx, which must be a platform transaction.
// Whoever else does the same at the same moment takes other schedules, or none. A schedule that missed some of its times runs once.
func RunDue(ctx context.Context, tx *gorm.DB, tasks *reportspb.Tasks) (d Due, err error) {
	for d.Found < MaxDue {
		runs, n, err := claim(tx)
		if err != nil || n == 0 {
			return d, err
		}
		started, err := start(ctx, tx, tasks, Scheduled, runs)
		if err != nil {
			return d, err
		}
		d.Found, d.Started, d.Skipped = d.Found+n, d.Started+started, d.Skipped+n-len(runs)
	}
	return d, nil
}

// claim locks schedules that are due and moves them on. It returns the runs that they have now, and how many schedules it moved.
func claim(tx *gorm.DB) (runs []run, moved int, err error) {
	var list []Outdated
	err = query(tx, "find schedules that are due", `select id, tenant_id from reporting.export_schedule where next_run_at <= now() order by next_run_at, id limit $1`, func(rows pgx.Rows) error {
		var o Outdated
		err := rows.Scan(&o.ID, &o.Tenant)
		list = append(list, o)
		return err
	}, DueBatch)
	if err != nil || len(list) == 0 {
		return nil, 0, err
	}
	if err := postgres.BindTenants(tx, Businesses(list)); err != nil {
		return nil, 0, fmt.Errorf("claim schedules: %w", err)
	}
	var moving []uuid.UUID
	var next []time.Time
	err = lockSchedules(tx, ids(list), ` and s.next_run_at <= now()`, func(l locked) error {
		at := l.schedule.Next(l.now, l.zone)
		if at.IsZero() {
			return fmt.Errorf("schedule %s never runs", l.schedule.ID)
		}
		moving, next = append(moving, l.schedule.ID), append(next, at)
		if l.wanted {
			r := newRun(l.schedule, l.business, dayOf(l.now, l.zone))
			r.due = &l.schedule.NextRun
			runs = append(runs, r)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	_, err = exec(tx, "move schedules on", `update reporting.export_schedule s set next_run_at = v.next from unnest($1::uuid[], $2::timestamptz[]) v (id, next) where s.id = v.id`, moving, next)
	return runs, len(moving), err
}

// locked is a schedule that this transaction holds.
type locked struct {
	schedule *Schedule
	business uuid.UUID
	zone     *time.Location
	now      time.Time
	// wanted is false where nothing may happen by itself: the business has closed, or neither a trial nor a paid month runs.
	wanted bool
}

// lockSchedules locks those schedules that nobody else holds. tx must be bound to their businesses.
func lockSchedules(tx *gorm.DB, ids []uuid.UUID, where string, see func(l locked) error) error {
	// The views are read once each: in a join the planner, which knows nothing of how many businesses are bound, would read them again for every schedule.
	return query(tx, "lock schedules", `
		with b as materialized (select id, timezone, is_active from accounts.v_business), u as materialized (select tenant_id from billing.v_subscribed)
		select `+scheduleColumns+`, s.tenant_id, b.timezone, now(), b.is_active and u.tenant_id is not null
		  from reporting.export_schedule s join b on b.id = s.tenant_id left join u on u.tenant_id = s.tenant_id
		 where s.id = any ($1) and s.deleted_at is null`+where+` order by s.id for update of s skip locked`, func(rows pgx.Rows) error {
		var l locked
		var zone string
		s, err := scanSchedule(rows, &l.business, &zone, &l.now, &l.wanted)
		if err != nil {
			return err
		}
		l.schedule = s
		if l.zone, err = loadZone(zone); err != nil {
			return err
		}
		return see(l)
	}, ids)
}

// TriggerSchedule starts a schedule of the reader's now, also one that is paused; its times stay. When it is running already, that run is returned, and fresh is false. Errors: ErrNoSchedule.
func TriggerSchedule(ctx context.Context, tx *gorm.DB, tasks *reportspb.Tasks, who Reader, id uuid.UUID) (r *Report, fresh bool, err error) {
	s, err := oneSchedule(tx, who, id, "for update")
	if err != nil {
		return nil, false, err
	}
	running := uuid.Nil
	err = query(tx, "look for a run", `select id from reporting.v_report where tenant_id = $1 and schedule_id = $2 and state = 'PENDING' and status in ('PENDING', 'PROCESSING') order by id desc limit 1`,
		func(rows pgx.Rows) error { return rows.Scan(&running) }, bound(tx), id)
	if err != nil {
		return nil, false, err
	}
	if running == uuid.Nil {
		clock, err := ClockOf(tx)
		if err != nil {
			return nil, false, err
		}
		one := newRun(s, bound(tx), dayOf(clock.Now, clock.Zone))
		if _, err := start(ctx, tx, tasks, Manual, []run{one}); err != nil {
			return nil, false, err
		}
		running, fresh = one.report, true
	}
	r, err = get(tx, running)
	return r, fresh, err
}

// RetryFailed starts once more each schedule of all businesses whose latest run of the last day has failed, unless most runs have followed one another in vain. tx must be a platform
// transaction. It returns how many it found and how many it started. A run that can never succeed is not among them.
func RetryFailed(ctx context.Context, tx *gorm.DB, tasks *reportspb.Tasks, most int) (found, started int, err error) {
	var list []Outdated
	err = query(tx, "find failed runs", `
		select s.id, s.tenant_id from reporting.export_schedule s, lateral (`+latestRun+`) l
		 where s.is_active and s.deleted_at is null and s.last_run_at > now() - interval '25 hours' and `+worthRetrying+` order by s.id limit $2`, func(rows pgx.Rows) error {
		var o Outdated
		err := rows.Scan(&o.ID, &o.Tenant)
		list = append(list, o)
		return err
	}, most, ExpiryBatch)
	if err != nil || len(list) == 0 {
		return 0, 0, err
	}
	if err := postgres.BindTenants(tx, Businesses(list)); err != nil {
		return 0, 0, fmt.Errorf("retry exports: %w", err)
	}
	var held []uuid.UUID
	wanted := map[uuid.UUID]locked{}
	err = lockSchedules(tx, ids(list), ` and s.is_active`, func(l locked) error {
		if l.wanted {
			held, wanted[l.schedule.ID] = append(held, l.schedule.ID), l
		}
		return nil
	})
	if err != nil || len(held) == 0 {
		return len(list), 0, err
	}
	// Once more, now that nobody else can start one.
	var runs []run
	err = query(tx, "read failed runs", `
		select s.id, l.id, l.retries, l.kind, l.period_start, l.period_end from reporting.export_schedule s, lateral (`+latestRun+`) l
		 where s.id = any ($2) and `+worthRetrying+` order by s.id`, func(rows pgx.Rows) error {
		var schedule, failed uuid.UUID
		var retries int16
		var kind Kind
		var from, to *time.Time
		if err := rows.Scan(&schedule, &failed, &retries, &kind, &from, &to); err != nil {
			return err
		}
		l := wanted[schedule]
		r := newRun(l.schedule, l.business, dayOf(l.now, l.zone))
		if kind == l.schedule.Kind { // of the days that the failed one was of
			r.from, r.to = from, to
		}
		r.retryOf, r.retries = &failed, retries+1
		runs = append(runs, r)
		return nil
	}, most, held)
	if err != nil {
		return len(list), 0, err
	}
	started, err = start(ctx, tx, tasks, Scheduled, runs)
	return len(list), started, err
}

// latestRun is the last run l of a schedule s. Whoever deleted it does not want it.
const latestRun = `select r.id, r.retries, r.kind, r.period_start, r.period_end, r.status, r.failure, r.created_at, r.deleted_at
	from reporting.v_report r where r.tenant_id = s.tenant_id and r.schedule_id = s.id order by r.id desc limit 1`

// worthRetrying is whether that may be tried again, after $1 times at most. What has stopped three workers is not: it would stop the next three.
const worthRetrying = ` l.status = 'FAILED' and l.deleted_at is null and l.retries < $1 and l.created_at > now() - interval '24 hours' and coalesce(l.failure, '') not in ('CREATOR_GONE', 'SCHEDULE_GONE', 'INTERRUPTED') `

// BeginRun returns the report that the task of a run is to make, and its schedule. A task that came from elsewhere has no row yet: it gets one, or, when the schedule has run a moment ago,
// that run, whose status is then Completed or Emailed. tx must be bound to the business.
// Errors: ErrNoSchedule for one that never was; ErrScheduleGone; ErrCreatorGone.
func BeginRun(tx *gorm.DB, id, schedule uuid.UUID, trigger Trigger) (*Report, *Schedule, error) {
	s, err := GetSchedule(tx, Reader{All: true}, schedule)
	if err != nil && !errors.Is(err, ErrNoSchedule) {
		return nil, nil, err
	}
	r, missing := ByTask(tx, id)
	switch {
	case errors.Is(missing, ErrNotFound) && s == nil:
		return nil, nil, ErrNoSchedule
	case errors.Is(missing, ErrNotFound):
		if r, err = foreignRun(tx, s, id, trigger); err != nil {
			return nil, nil, err
		}
	case missing != nil:
		return nil, nil, missing
	case s == nil || r.Schedule != schedule:
		return nil, nil, ErrScheduleGone
	}
	may, err := mayExport(tx, s)
	if err == nil && !may {
		err = ErrCreatorGone
	}
	return r, s, err
}

// foreignRun is the run of a task that came from elsewhere. Such a task has no key, so the same one a moment later is answered with what was made.
func foreignRun(tx *gorm.DB, s *Schedule, id uuid.UUID, trigger Trigger) (*Report, error) {
	same := uuid.Nil
	err := query(tx, "look for a run just made", `select id from reporting.report where tenant_id = $1 and schedule_id = $2 and state = 'COMPLETED' and deleted_at is null and finished_at > now() - $3::interval
		order by id desc limit 1`, func(rows pgx.Rows) error { return rows.Scan(&same) }, bound(tx), s.ID, lately)
	if err != nil {
		return nil, err
	}
	if same != uuid.Nil {
		return get(tx, same)
	}
	clock, err := ClockOf(tx)
	if err != nil {
		return nil, err
	}
	one := newRun(s, bound(tx), dayOf(clock.Now, clock.Zone))
	one.task = id
	if _, err := insertRuns(tx, trigger, []run{one}); err != nil {
		return nil, err
	}
	return get(tx, one.report)
}

// mayExport reports whether the maker of a schedule is still one who may have such a report.
func mayExport(tx *gorm.DB, s *Schedule) (may bool, err error) {
	err = query(tx, "look for the maker", `select role from accounts.v_recipient where tenant_id = $1 and user_id = $2`, func(rows pgx.Rows) error {
		var role string
		err := rows.Scan(&role)
		may = role == "OWNER" || role == "ADMIN" || role == "MANAGER" && s.Kind != AuditLogs
		return err
	}, bound(tx), s.User)
	return may, err
}

// ScheduleOwner is the business of a schedule, for a task that names none. tx must be a platform transaction. Errors: ErrNoSchedule.
func ScheduleOwner(tx *gorm.DB, id uuid.UUID) (business uuid.UUID, err error) {
	err = query(tx, "look for the business of a schedule", `select tenant_id from reporting.export_schedule where id = $1`, func(rows pgx.Rows) error { return rows.Scan(&business) }, id)
	if err == nil && business == uuid.Nil {
		err = ErrNoSchedule
	}
	return business, err
}
