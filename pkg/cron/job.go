package cron

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/problem"
	"makola/pkg/task"
)

// ErrNotFound is returned for a job that no running cron has in its table.
var ErrNotFound = problem.New(problem.NotFound, "schedule_not_found", "The schedule has no job of this name.")

// retiredAfter is how much longer than the others a job may be unheard of before it counts as gone from the table. While an update replaces one cron after another
// both tables are heard of, and while none runs no job is more silent than the others.
const retiredAfter = 5 * time.Minute

// freshFor is how long what a cron wrote down need not be confirmed.
const freshFor = 30 * time.Second

// recently is how far back skipped slots are counted.
const recently = 7 * 24 * time.Hour

// Definition is what the table of cron says of a job.
type Definition struct {
	// Name is the key of the job's runs, so it is never changed and never used again for another job.
	Name string
	// Task is the canonical name of the task that a run enqueues, and Args its arguments as a JSON object.
	Task string
	Args json.RawMessage
	Timing
	Missed  Missed
	Overlap Overlap
	// Waits is true while nothing implements the task: the job is not run.
	Waits bool
}

// Job is a job as the running cron has it, and how it fares.
type Job struct {
	Definition
	// SeenAt is when a cron last said that it has the job; half a minute ago at most while one runs.
	SeenAt time.Time
	// ReadAt is what the database's clock showed when this was read.
	ReadAt time.Time
	// Pause is nil unless somebody paused the job.
	Pause *Pause
	// Last is the newest run that became a task; nil when there was none, or none is kept.
	Last *Run
	// LastSkip is the newest slot that was skipped; nil when none is kept.
	LastSkip *Run
	// Skipped counts the slots of the last seven days that were skipped, whatever the reason.
	Skipped int
}

// NextSlots returns when the job's next n slots begin, in UTC; they are skipped while it is paused.
func (j *Job) NextSlots(n int) (slots []time.Time) {
	for at := j.Next(j.ReadAt); !at.IsZero() && len(slots) < n; at = j.Next(at) {
		slots = append(slots, at)
	}
	return slots
}

// Pause is who paused a job, and why.
type Pause struct {
	At     time.Time
	By     string
	Reason string
}

// Run is what became of one slot, or of one request.
type Run struct {
	// Slot is the beginning of the slot; nil for a run that a person asked for. At is when it was dealt with, or asked for.
	Slot *time.Time
	At   time.Time
	// Skipped says why a slot became no task; it is empty for a run.
	Skipped string
	// RequestedBy and Reason are of a run that a person asked for.
	RequestedBy, Reason string
	// Task is the run's task. State is empty when the task is not kept any more.
	Task                  uuid.UUID
	State                 task.State
	Attempts              int
	StartedAt, FinishedAt *time.Time
	Result                json.RawMessage
	Error                 string
}

// Took is how long the task worked, the last attempt only; zero while it has not ended.
func (r *Run) Took() time.Duration {
	if r.StartedAt == nil || r.FinishedAt == nil {
		return 0
	}
	return max(r.FinishedAt.Sub(*r.StartedAt), 0)
}

// Declare writes down what a running cron has in its table, in the order of the table, unless that was said less than half a minute ago. Any number of replicas may, also with
// different tables. Role makola_cron.
func Declare(tx *gorm.DB, table []Definition, now time.Time) error {
	n := len(table)
	names, tasks, args, missed, overlaps := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	every, offset, expressions, zones := make([]*int64, n), make([]*int64, n), make([]*string, n), make([]*string, n)
	positions, waits := make([]int32, n), make([]bool, n)
	for i, d := range table {
		names[i], tasks[i], args[i], missed[i], overlaps[i], positions[i], waits[i] = d.Name, d.Task, string(d.Args), d.Missed.String(), d.Overlap.String(), int32(i), d.Waits
		if len(d.Args) == 0 {
			args[i] = "{}"
		}
		if d.Expression != "" {
			expressions[i], zones[i] = &table[i].Expression, &table[i].Zone
			continue
		}
		e, o := int64(d.Every/time.Second), int64(d.Offset/time.Second)
		every[i], offset[i] = &e, &o
	}
	// In the order of names, so that two replicas that write at once wait for each other and never for one another.
	_, err := postgres.Exec(tx, `
		insert into cron.job as j (name, position, task, args, every_s, offset_s, expression, zone, missed, overlap, waits, seen_at)
		select d.name, d.position, d.task, d.args::jsonb, d.every_s, d.offset_s, d.expression, d.zone, d.missed, d.overlap, d.waits, $12
		  from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::boolean[])
		       as d (name, position, task, args, every_s, offset_s, expression, zone, missed, overlap, waits)
		 order by d.name
		on conflict (name) do update set position = excluded.position, task = excluded.task, args = excluded.args, every_s = excluded.every_s, offset_s = excluded.offset_s,
			expression = excluded.expression, zone = excluded.zone, missed = excluded.missed, overlap = excluded.overlap, waits = excluded.waits, seen_at = excluded.seen_at
		where j.seen_at < excluded.seen_at - $13 * interval '1 second'
		   or (j.position, j.task, j.args, j.every_s, j.offset_s, j.expression, j.zone, j.missed, j.overlap, j.waits) is distinct from
		      (excluded.position, excluded.task, excluded.args, excluded.every_s, excluded.offset_s, excluded.expression, excluded.zone, excluded.missed, excluded.overlap, excluded.waits)`,
		names, positions, tasks, args, every, offset, expressions, zones, missed, overlaps, waits, now, freshFor.Seconds())
	if err != nil {
		return fmt.Errorf("write the schedule's table down: %w", err)
	}
	return nil
}

// known is a condition on a job j: some running cron has it, or had it when the last one ran.
var known = fmt.Sprintf(`j.seen_at >= (select max(seen_at) from cron.job) - interval '%d seconds'`, int(retiredAfter.Seconds()))

// jobsSQL reads the jobs with their newest run and skip; $1 names one, or none for all.
var jobsSQL = `
	select j.name, j.task, j.args, coalesce(j.every_s, 0), coalesce(j.offset_s, 0), coalesce(j.expression, ''), coalesce(j.zone, ''), j.missed, j.overlap, j.waits, j.seen_at, clock_timestamp(),
	       j.paused_at, coalesce(j.paused_by, ''), coalesce(j.pause_reason, ''),
	       (select count(*) from cron.run r where r.job = j.name and r.skipped is not null and r.slot > now() - $2 * interval '1 second'),
	       s.slot, s.created_at, coalesce(s.skipped, ''),
	       l.slot, l.at, coalesce(l.requested_by, ''), coalesce(l.reason, ''), l.task_id, coalesce(t.state, ''), coalesce(t.attempt, 0), t.started_at, t.finished_at, t.result, coalesce(t.error, '')
	  from cron.job j
	  left join lateral (select slot, created_at, skipped from cron.run where job = j.name and skipped is not null order by slot desc limit 1) s on true
	  left join lateral (
	       select * from ((select slot, created_at as at, null as requested_by, null as reason, task_id from cron.run where job = j.name and task_id is not null order by slot desc limit 1)
	                      union all
	                      (select null, requested_at, requested_by, reason, task_id from cron.request where job = j.name order by requested_at desc limit 1)) both_kinds
	        order by at desc limit 1) l on true
	  left join task.task t on t.id = l.task_id
	 where ($1 = '' or j.name = $1) and ` + known + ` order by j.position, j.name`

// Jobs returns every job of the running cron, in the order of its table. tx must be a platform transaction.
func Jobs(tx *gorm.DB) ([]*Job, error) { return jobs(tx, "") }

// Find returns one job. Errors: ErrNotFound.
func Find(tx *gorm.DB, name string) (*Job, error) {
	if name == "" {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	list, err := jobs(tx, name)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	return list[0], nil
}

func jobs(tx *gorm.DB, name string) (list []*Job, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			j, err := scanJob(rows)
			if err != nil {
				return err
			}
			list = append(list, j)
		}
		return rows.Err()
	}, jobsSQL, name, recently.Seconds())
	if err != nil {
		return nil, fmt.Errorf("read the schedule's jobs: %w", err)
	}
	return list, nil
}

func scanJob(rows pgx.Rows) (*Job, error) {
	var (
		j                       Job
		every, offset           int64
		missed, overlap         string
		paused, skippedAt, slot *time.Time
		pause                   Pause
		skip, last              Run
		lastAt                  *time.Time
		lastTask                *uuid.UUID
	)
	err := rows.Scan(&j.Name, &j.Task, &j.Args, &every, &offset, &j.Expression, &j.Zone, &missed, &overlap, &j.Waits, &j.SeenAt, &j.ReadAt, &paused, &pause.By, &pause.Reason, &j.Skipped,
		&skip.Slot, &skippedAt, &skip.Skipped, &slot, &lastAt, &last.RequestedBy, &last.Reason, &lastTask, &last.State, &last.Attempts, &last.StartedAt, &last.FinishedAt, &last.Result, &last.Error)
	if err != nil {
		return nil, err
	}
	j.Every, j.Offset = time.Duration(every)*time.Second, time.Duration(offset)*time.Second
	j.Missed = Missed(max(slices.Index([]string{Once.String(), Skip.String(), All.String()}, missed), 0))
	j.Overlap = Overlap(max(slices.Index([]string{Forbid.String(), Allow.String()}, overlap), 0))
	if paused != nil {
		pause.At, j.Pause = *paused, &pause
	}
	if skippedAt != nil {
		skip.At, j.LastSkip = *skippedAt, &skip
	}
	if lastTask != nil {
		last.Slot, last.At, last.Task, j.Last = slot, *lastAt, *lastTask, &last
	}
	return &j, nil
}

// MaxRuns is the most that Runs returns.
const MaxRuns = 100

// Runs returns what became of a job's newest slots and requests, newest first. tx must be a platform transaction.
func Runs(tx *gorm.DB, name string, limit int) (list []Run, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var r Run
			var id *uuid.UUID
			if err := rows.Scan(&r.Slot, &r.At, &r.Skipped, &r.RequestedBy, &r.Reason, &id, &r.State, &r.Attempts, &r.StartedAt, &r.FinishedAt, &r.Result, &r.Error); err != nil {
				return err
			}
			if id != nil {
				r.Task = *id
			}
			list = append(list, r)
		}
		return rows.Err()
	}, `select r.slot, r.at, coalesce(r.skipped, ''), coalesce(r.requested_by, ''), coalesce(r.reason, ''), r.task_id, coalesce(t.state, ''), coalesce(t.attempt, 0), t.started_at, t.finished_at, t.result, coalesce(t.error, '')
		  from ((select slot, created_at as at, skipped, null as requested_by, null as reason, task_id from cron.run where job = $1 order by slot desc limit $2)
		        union all
		        (select null, requested_at, null, requested_by, reason, task_id from cron.request where job = $1 order by requested_at desc limit $2)) r
		  left join task.task t on t.id = r.task_id
		 order by r.at desc, r.slot desc limit $2`, name, min(max(limit, 1), MaxRuns))
	if err != nil {
		return nil, fmt.Errorf("read the runs of job %s: %w", name, err)
	}
	return list, nil
}
