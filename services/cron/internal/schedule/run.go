package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/cron"
	"makola/pkg/postgres"
	"makola/pkg/task"
)

// Outcome is what one pass did with one slot.
type Outcome struct {
	Job  string
	Slot time.Time
	// Task is the run's task; uuid.Nil when the slot was skipped, and Skipped says why.
	Task    uuid.UUID
	Skipped string
}

// Pass deals with every slot that is due by the database's clock. It returns what it did itself, and when the next slot begins: the time to wait by that same clock.
// Slots that another replica took are not in the answer. A job that fails does not keep the others from running; their errors are joined.
func (s *Scheduler) Pass(ctx context.Context) (done []Outcome, wait time.Duration, err error) {
	now, err := s.now(ctx)
	if err != nil {
		return nil, 0, err
	}
	declared := s.declare(ctx, now) // what operators see; the slots do not wait for it
	done, err = s.PassAt(ctx, now)
	wait = maxWait
	for _, j := range s.jobs {
		if next := j.Next(now); !next.IsZero() {
			wait = min(wait, next.Sub(now))
		}
	}
	return done, wait, errors.Join(declared, err)
}

// declare writes the table down for those who look at it.
func (s *Scheduler) declare(ctx context.Context, now time.Time) error {
	table := make([]cron.Definition, len(s.table))
	for i, e := range s.table {
		table[i] = e.definition()
	}
	return s.db.InSystem(ctx, func(tx *gorm.DB) error { return cron.Declare(tx, table, now) })
}

// PassAt is Pass for a given instant.
func (s *Scheduler) PassAt(ctx context.Context, now time.Time) (done []Outcome, err error) {
	last, err := s.last(ctx)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, j := range s.jobs {
		if len(j.Plan(last[j.Name], now).Run) == 0 {
			continue
		}
		var outcomes []Outcome
		err := s.db.InSystem(ctx, func(tx *gorm.DB) (err error) {
			outcomes, err = s.runJob(ctx, tx, j, now)
			return err
		})
		if err != nil {
			faults = append(faults, fmt.Errorf("run job %s: %w", j.Name, err))
			continue
		}
		done = append(done, outcomes...)
	}
	return done, errors.Join(faults...)
}

// runJob writes the run rows and the tasks of one job. Everything it decides is read in this transaction, and the key (job, slot) settles what two of them decide at once.
func (s *Scheduler) runJob(ctx context.Context, tx *gorm.DB, j Job, now time.Time) ([]Outcome, error) {
	why, err := refusal(tx, j)
	if err != nil {
		return nil, err
	}
	last, err := lastOf(tx, j.Name)
	if err != nil {
		return nil, err
	}
	plan := j.Plan(last, now)
	if plan.Forgotten > 0 {
		slog.WarnContext(ctx, "missed slots are neither run nor recorded", "job", j.Name, "slots", plan.Forgotten)
	}
	if why != "" { // whatever was missed is not made up for either
		plan = Plan{Drop: append(plan.Drop, plan.Run...), Why: why}
	}
	var done []Outcome
	for _, slot := range plan.Drop {
		o := Outcome{Job: j.Name, Slot: slot, Skipped: plan.Why}
		ok, err := insertRun(tx, o)
		if err != nil {
			return nil, err
		}
		if ok {
			done = append(done, o)
		}
	}
	for _, slot := range plan.Run {
		o, ok, err := s.runSlot(ctx, tx, j, slot)
		if err != nil {
			return nil, err
		}
		if ok {
			done = append(done, o)
		}
	}
	return done, nil
}

// refusal says why a job's slots may not run now: because somebody paused it, or a run of it is unfinished. It holds off whoever would pause the job or run it by hand until tx ends.
func refusal(tx *gorm.DB, j Job) (string, error) {
	pause, err := cron.Hold(tx, j.Name)
	switch {
	case err != nil:
		return "", err
	case pause != nil:
		return fmt.Sprintf("paused: by %s, %s", pause.By, pause.Reason), nil
	case j.Overlap == Allow:
		return "", nil
	}
	previous, err := cron.Unfinished(tx, j.Name)
	if err != nil || previous == nil {
		return "", err
	}
	return fmt.Sprintf("overlap: the previous run, task %s, is %s", previous.Task, previous.State), nil
}

// runSlot inserts the run's row and its task; false when another replica has the slot.
func (s *Scheduler) runSlot(ctx context.Context, tx *gorm.DB, j Job, slot time.Time) (Outcome, bool, error) {
	o := Outcome{Job: j.Name, Slot: slot, Task: uuid.Must(uuid.NewV7())}
	ok, err := insertRun(tx, o)
	if err != nil || !ok {
		return o, false, err
	}
	key := task.SlotKey(j.Name, slot)
	id, err := s.queue.Enqueue(ctx, tx, j.descriptor, j.args, task.WithID(o.Task), task.Unique(key))
	if err != nil {
		return o, false, fmt.Errorf("enqueue %s: %w", key, err)
	}
	if id == o.Task {
		return o, true, nil
	}
	// The run's row had been deleted and the task had not: nothing runs again, and the row points to the old task.
	o.Task = id
	if _, err := postgres.Exec(tx, `delete from cron.run where job = $1 and slot = $2`, o.Job, o.Slot); err != nil {
		return o, false, fmt.Errorf("replace run %s: %w", key, err)
	}
	ok, err = insertRun(tx, o)
	return o, ok, err
}

func insertRun(tx *gorm.DB, o Outcome) (bool, error) {
	var id *uuid.UUID
	var skipped *string
	if o.Skipped == "" {
		id = &o.Task
	} else {
		skipped = &o.Skipped
	}
	n, err := postgres.Exec(tx, `insert into cron.run (job, slot, task_id, skipped) values ($1, $2, $3, $4) on conflict (job, slot) do nothing`, o.Job, o.Slot, id, skipped)
	if err != nil {
		return false, fmt.Errorf("record slot %s of %s: %w", o.Slot.Format(time.RFC3339), o.Job, err)
	}
	return n == 1, nil
}

// lastOf returns the newest slot of a job; zero when there is none.
func lastOf(tx *gorm.DB, job string) (time.Time, error) {
	var newest *time.Time
	if err := postgres.QueryRow(tx, `select max(slot) from cron.run where job = $1`, job).Scan(&newest); err != nil {
		return time.Time{}, fmt.Errorf("read the last slot: %w", err)
	}
	if newest == nil {
		return time.Time{}, nil
	}
	return newest.UTC(), nil
}

// last reads the newest slot of every job.
func (s *Scheduler) last(ctx context.Context) (map[string]time.Time, error) {
	names := make([]string, len(s.jobs))
	for i, j := range s.jobs {
		names[i] = j.Name
	}
	rows, err := s.db.Pool().Query(ctx, `select j.job, (select max(slot) from cron.run r where r.job = j.job) from unnest($1::text[]) j(job)`, names)
	if err != nil {
		return nil, fmt.Errorf("read last slots: %w", err)
	}
	last := make(map[string]time.Time, len(names))
	var name string
	var slot *time.Time
	_, err = pgx.ForEachRow(rows, []any{&name, &slot}, func() error {
		if slot != nil {
			last[name] = slot.UTC()
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read last slots: %w", err)
	}
	return last, nil
}

func (s *Scheduler) now(ctx context.Context) (now time.Time, err error) {
	if err := s.db.Pool().QueryRow(ctx, `select clock_timestamp()`).Scan(&now); err != nil {
		return now, fmt.Errorf("read the database's clock: %w", err)
	}
	return now, nil
}
