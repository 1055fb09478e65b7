package cron

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/problem"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/catalogue"
	"makola/proto/contract"
)

// ErrWaits is returned for a job whose task nothing implements yet, and ErrUnknownTask when this program's contracts do not have the job's task: it is older than the running cron.
var (
	ErrWaits       = problem.New(problem.Conflict, "schedule_waits", "The job waits for a task that does not exist yet.")
	ErrUnknownTask = problem.New(problem.Conflict, "schedule_task_unknown", "The job's task is newer than this program. Update it, or ask another.")
)

// UnfinishedError is returned by RunJob for a job that forbids overlap and has a run that is unfinished.
type UnfinishedError struct {
	Job   string
	Task  uuid.UUID
	State task.State
}

// Error names the run.
func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("job %s has a run that is unfinished: task %s is %s", e.Job, e.Task, e.State)
}

// Unwrap is the answer to a client.
func (e *UnfinishedError) Unwrap() error {
	return problem.New(problem.Conflict, "schedule_running", fmt.Sprintf("The job has a run that is unfinished: task %s is %s.", e.Task, e.State))
}

// Request asks for a run of a job.
type Request struct {
	Who
	// Reason is kept with the run. Required.
	Reason string
	// Key names the request: the same one of a job is run once. Empty means one of its own.
	Key string
}

// RunJob enqueues a run of a job, besides its slots and also while it is paused, and returns its task. Again is true when a request of that key had been made: nothing is
// enqueued then. The task has no slot, so a sweep that waits for each shop's morning does not wait. tx must be a platform transaction.
//
// Errors: ErrNotFound; ErrWaits; ErrUnknownTask; *UnfinishedError.
func RunJob(ctx context.Context, tx *gorm.DB, queue contract.Enqueuer, name string, r Request) (id uuid.UUID, again bool, err error) {
	if r.Key == "" {
		r.Key = uuid.NewString()
	}
	j, err := lock(tx, name)
	if err != nil {
		return uuid.Nil, false, err
	}
	err = postgres.QueryRow(tx, `select task_id from cron.request where job = $1 and key = $2`, name, r.Key).Scan(&id)
	if err == nil {
		return id, true, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return uuid.Nil, false, fmt.Errorf("look for request %q of job %s: %w", r.Key, name, err)
	}
	if j.Waits {
		return uuid.Nil, false, fmt.Errorf("%w: %s needs %s", ErrWaits, name, j.Task)
	}
	d := catalogue.Find(j.Task)
	if d == nil {
		return uuid.Nil, false, fmt.Errorf("%w: %s", ErrUnknownTask, j.Task)
	}
	args := d.NewArgs()
	if err := protojson.Unmarshal(j.Args, args); err != nil {
		return uuid.Nil, false, fmt.Errorf("read the arguments of job %s for task %s: %w", name, j.Task, err)
	}
	if j.Overlap == Forbid {
		if err := finished(tx, name); err != nil {
			return uuid.Nil, false, err
		}
	}
	// Whoever asks may belong to a business; the run belongs to none.
	id, err = queue.Enqueue(tenant.With(ctx, uuid.Nil), tx, d, args, task.Unique("request:"+name+":"+r.Key), task.CreatedBy(r.User))
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("enqueue %s: %w", j.Task, err)
	}
	_, err = postgres.Exec(tx, `insert into cron.request (task_id, job, key, requested_by, reason) values ($1, $2, $3, $4, $5)`, id, name, r.Key, r.Actor, r.Reason)
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("record the request for job %s: %w", name, err)
	}
	return id, false, record(tx, r.Who, "schedule.run", name, map[string]any{"reason": r.Reason, "task_id": id, "task": j.Task})
}

// lock takes a job's row: whoever else wants to run, pause or resume the job waits, and so does a cron that has a slot of it.
func lock(tx *gorm.DB, name string) (j Job, err error) {
	var overlap string
	err = postgres.QueryRow(tx, `select j.task, j.args, j.overlap, j.waits from cron.job j where j.name = $1 and `+known+` for update of j`, name).Scan(&j.Task, &j.Args, &overlap, &j.Waits)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return j, fmt.Errorf("%w: %q", ErrNotFound, name)
	case err != nil:
		return j, fmt.Errorf("lock job %s: %w", name, err)
	}
	if overlap == Allow.String() {
		j.Overlap = Allow
	}
	return j, nil
}

// finished returns an *UnfinishedError while the job's newest run, of a slot or a request, has not ended.
func finished(tx *gorm.DB, name string) error {
	u, err := Unfinished(tx, name)
	if err == nil && u != nil {
		return u
	}
	return err
}

// Unfinished returns the run of a job that has not ended, the newest of its slots or the newest that a person asked for; nil when both have, or are not kept any more.
func Unfinished(tx *gorm.DB, name string) (u *UnfinishedError, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			u = &UnfinishedError{Job: name}
			if err := rows.Scan(&u.Task, &u.State); err != nil {
				return err
			}
		}
		return rows.Err()
	}, `select t.id, t.state
		  from ((select task_id from cron.run where job = $1 and task_id is not null order by slot desc limit 1)
		        union all (select task_id from cron.request where job = $1 order by requested_at desc limit 1)) r
		  join task.task t on t.id = r.task_id
		 where t.state not in ('succeeded', 'failed', 'cancelled') order by t.id limit 1`, name)
	if err != nil {
		return nil, fmt.Errorf("look for an unfinished run of job %s: %w", name, err)
	}
	return u, nil
}
