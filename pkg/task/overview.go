package task

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// SilentAfter is after how long without a sign of life a worker that said no goodbye has crashed: four beats, and some seconds for a busy database.
const SilentAfter = 15 * time.Second

// MostWatched bounds what the lists for watching return.
const MostWatched = 1000

// Process is one worker process.
type Process struct {
	ID          uuid.UUID
	Service     string
	Host        string
	PID         int
	StartedAt   time.Time
	HeartbeatAt time.Time
	// StoppedAt is when it said goodbye; nil while it runs, or when it crashed.
	StoppedAt *time.Time
	// Silent is how long ago it last gave a sign of life, by the database's clock.
	Silent time.Duration
	// Long is how many LONG tasks it works on.
	Long int
}

// Alive reports whether the process runs, as far as anybody can tell.
func (p *Process) Alive() bool { return p.StoppedAt == nil && p.Silent < SilentAfter }

// Processes returns the worker processes that are kept, living ones first, then the newest; at most MostWatched. tx must be a platform transaction.
func Processes(tx *gorm.DB) (list []Process, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var p Process
			var silent float64
			if err := rows.Scan(&p.ID, &p.Service, &p.Host, &p.PID, &p.StartedAt, &p.HeartbeatAt, &p.StoppedAt, &silent, &p.Long); err != nil {
				return err
			}
			p.Silent = time.Duration(silent * float64(time.Second))
			list = append(list, p)
		}
		return rows.Err()
	}, `select w.id, w.service, w.host, w.pid, w.started_at, w.heartbeat_at, w.stopped_at, greatest(extract(epoch from clock_timestamp() - w.heartbeat_at), 0)::float8,
		       (select count(*) from task.task t where t.worker_id = w.id and t.state = 'running')
		  from task.worker w
		 order by w.stopped_at is not null or w.heartbeat_at < clock_timestamp() - $2 * interval '1 second', w.service, w.started_at desc limit $1`, MostWatched, SilentAfter.Seconds())
	if err != nil {
		return nil, fmt.Errorf("list worker processes: %w", err)
	}
	return list, nil
}

// Doing is a task that is being worked on.
type Doing struct {
	*View
	// Worker is the process that holds a LONG task; nil for a SHORT or BATCH one, whose row is locked by a transaction: Holder is the role of that, and HolderPID its server process.
	Worker     *uuid.UUID
	LeaseUntil *time.Time
	Holder     string
	HolderPID  int
}

// Active returns the tasks that are being worked on, the longest first. A SHORT or BATCH task shows nothing of that in its row, but the row's lock does, and it is looked at without
// touching it: a lock of ours, however short, would make a worker think that somebody else has the task. tx must be a platform transaction.
func Active(tx *gorm.DB) (list []Doing, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var d Doing
			if d.View, err = scanView(rows, &d.Worker, &d.LeaseUntil, &d.Holder, &d.HolderPID); err != nil {
				return err
			}
			list = append(list, d)
		}
		return rows.Err()
	}, `select `+viewColumns+`, case when state = 'running' then worker_id end, lease_until, coalesce(l.role, ''), coalesce(l.pid, 0)
		  from task.task
		  left join (select l.transactionid, l.pid, a.usename as role from pg_locks l left join pg_stat_activity a on a.pid = l.pid where l.locktype = 'transactionid' and l.granted) l
		    on l.transactionid = task.xmax
		 where state = 'running' or state = 'published' and l.pid is not null
		 order by coalesce(started_at, published_at), id limit $1`, MostWatched)
	if err != nil {
		return nil, fmt.Errorf("list active tasks: %w", err)
	}
	return list, nil
}

// Delayed returns the tasks that wait for a time to come, the soonest first: those that were put off, and those that are tried again. tx must be a platform transaction.
func Delayed(tx *gorm.DB, limit int) ([]*View, error) {
	return list(tx, `select `+viewColumns+` from task.task where state = 'pending' and available_at > now() order by available_at, id limit $1`, min(max(limit, 1), MostWatched))
}

// Backlog is how the tasks of one queue stand that have not ended well.
type Backlog struct {
	Queue string
	// Due may be published now, Later wait for a time; Published are in the broker or in a worker's hands, Running are LONG ones at work, Failed are dead letters.
	Due, Later, Published, Running, Failed int64
	// Oldest is how long the longest waiting task has been due without having been started; zero when none waits.
	Oldest time.Duration
}

// Backlogs counts the tasks of each queue that has any. tx must be a platform transaction.
func Backlogs(tx *gorm.DB) (list []Backlog, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var b Backlog
			var oldest float64
			if err := rows.Scan(&b.Queue, &b.Due, &b.Later, &b.Published, &b.Running, &b.Failed, &oldest); err != nil {
				return err
			}
			b.Oldest = time.Duration(oldest * float64(time.Second))
			list = append(list, b)
		}
		return rows.Err()
	}, `select queue, count(*) filter (where state = 'pending' and available_at <= now()), count(*) filter (where state = 'pending' and available_at > now()),
		       count(*) filter (where state = 'published'), count(*) filter (where state = 'running'), count(*) filter (where state = 'failed'),
		       coalesce(greatest(extract(epoch from now() - min(available_at) filter (where state in ('pending', 'published'))), 0), 0)::float8
		  from task.task where state in ('pending', 'published', 'running', 'failed') group by queue order by queue`)
	if err != nil {
		return nil, fmt.Errorf("count tasks by queue: %w", err)
	}
	return list, nil
}

// Statistics is how the tasks of one name fared that ended within a time.
type Statistics struct {
	Name, Queue                  string
	Succeeded, Failed, Cancelled int64
	// Retries is how many attempts they needed beyond the first of each.
	Retries int64
	// Wait is how long they waited on average from when they were due, and there, to their last start; Run how long the last attempt took on average, and Run95 what 95 of 100 kept within.
	Wait, Run, Run95 time.Duration
}

// statsSQL counts the tasks that ended within $1 seconds. The index task_finished finds them.
const statsSQL = `with ended as (
		  select name, queue, state, attempt, greatest(extract(epoch from started_at - greatest(available_at, created_at)), 0)::float8 as wait, greatest(extract(epoch from finished_at - started_at), 0)::float8 as run
		    from task.task where state in ('succeeded', 'failed', 'cancelled') and finished_at > now() - $1 * interval '1 second')
		select name, queue, count(*) filter (where state = 'succeeded'), count(*) filter (where state = 'failed'), count(*) filter (where state = 'cancelled'), sum(attempt - 1)::bigint,
		       coalesce(avg(wait), 0), coalesce(avg(run), 0), coalesce(percentile_cont(0.95) within group (order by run), 0)
		  from ended group by name, queue order by count(*) desc, name`

// Stats counts the tasks that ended within the last d, by name, the most first. It takes as long as these are many. tx must be a platform transaction.
func Stats(tx *gorm.DB, d time.Duration) (list []Statistics, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var s Statistics
			var wait, run, most float64
			if err := rows.Scan(&s.Name, &s.Queue, &s.Succeeded, &s.Failed, &s.Cancelled, &s.Retries, &wait, &run, &most); err != nil {
				return err
			}
			for to, seconds := range map[*time.Duration]float64{&s.Wait: wait, &s.Run: run, &s.Run95: most} {
				*to = time.Duration(seconds * float64(time.Second))
			}
			list = append(list, s)
		}
		return rows.Err()
	}, statsSQL, d.Seconds())
	if err != nil {
		return nil, fmt.Errorf("count ended tasks: %w", err)
	}
	return list, nil
}
