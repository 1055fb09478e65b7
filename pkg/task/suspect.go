package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"makola/pkg/postgres"
	"makola/proto/contract"
)

// maxCrashes is how many processes a task may take down before it is failed as a crash loop. The broker's own limit (20) is only a backstop:
// it counts every unacked neighbour of a crash as guilty.
const maxCrashes = 3

// soloWait is how long a suspect waits to be alone before it is put off; a LONG task may be running for minutes.
const soloWait = 5 * time.Second

// suspectPause is how long a suspect that cannot run or be judged yet is put off.
const suspectPause = 5 * time.Second

// admission says what a worker does with a row it has locked.
type admission int

const (
	proceed     admission = iota
	finished              // terminal: answer again, ack
	stale                 // somebody or something else will bring it: ack
	isSuspect             // hand to the suspect lane
	isExpired             // not started in time: cancel
	isCancelled           // cancelled before the start
	vanished              // no row: a foreign publisher's message
	undecodable           // the row's arguments do not fit the contract
	misnamed              // the message names another task than the row
)

// admit decides about a SHORT or BATCH row from what the lock showed. mine means that the suspect lane has claimed it for this process.
func (w *Worker) admit(j *job, c *claimed, mine bool) admission {
	switch {
	case c == nil:
		return vanished
	case c.state.Terminal():
		return finished
	case w.handlers[c.name] != j.handler: // a foreign publisher used an id twice; the row must not be finished by another task's handler
		return misnamed
	case c.state == Pending:
		// The relay crashed after the broker had the message, or a retry is waiting for its time: the row will be published (again).
		return stale
	case c.state == Running:
		return stale
	case c.cancelRequested, w.revoked.has(c.id):
		return isCancelled
	case c.expired:
		return isExpired
	case c.suspect && !mine:
		return isSuspect
	default:
		return proceed
	}
}

// divert does what admit said, for a row whose lock has been given back. Nil means that the delivery may be acked, unless the job was kept.
func (w *Worker) divert(ctx context.Context, j *job, c *claimed, next admission) error {
	switch next {
	case finished:
		w.watchFinished(j, c)
		w.answerAgain(ctx, c)
		return nil
	case stale:
		return nil
	case isSuspect:
		return w.toSuspects(j)
	case isExpired:
		return w.end(ctx, c, verdict{state: Cancelled, kind: KindExpired}, errExpired)
	case isCancelled:
		if !c.cancelRequested {
			yes, err := w.replayed(ctx, c)
			if err != nil {
				return errors.Join(errNotAcked, err)
			}
			if yes {
				w.revoked.forget(c.id)
				return w.runHere(ctx, j)
			}
		}
		return w.end(ctx, c, verdict{state: Cancelled, kind: KindCancelled}, errCancelled)
	case undecodable:
		_, err := c.decode(j.handler.Descriptor)
		return w.end(ctx, c, verdict{state: Failed, kind: KindInvalidArguments}, err)
	case vanished:
		return w.runForeign(ctx, j, false)
	case misnamed:
		return w.bury(ctx, j.delivery.RoutingKey, "refused", fmt.Sprintf("its id belongs to a task named %s", c.name), j.delivery)
	default:
		return fmt.Errorf("%w: no way for admission %d", errNotAcked, next)
	}
}

// end finishes a task that did not run.
func (w *Worker) end(ctx context.Context, c *claimed, v verdict, cause error) error {
	v, err := w.record(ctx, c, v, cause)
	if err != nil {
		return errors.Join(errNotAcked, err)
	}
	w.reportFailure(withRun(ctx, c, contract.Run{ID: c.id, Attempt: c.attempt}), c, v, cause, time.Now())
	return nil
}

// toSuspects hands the job to its stream's suspect lane, which acks it.
func (w *Worker) toSuspects(j *job) error {
	for _, s := range w.streams {
		if s.queue == j.handler.Descriptor.Queue {
			alone := *j // a copy: the lane that lets go still reads its own kept, after the suspect lane has begun
			j.kept, j.hold = true, nil
			s.suspects <- &alone
			return nil
		}
	}
	return fmt.Errorf("%w: no stream for queue %s", errNotAcked, j.handler.Descriptor.Queue)
}

// suspectLane runs suspects one at a time, each alone in this process.
func (s *stream) suspectLane() {
	for {
		var j *job
		select {
		case <-s.done:
			return // what is left is unacked and goes to another worker
		case j = <-s.suspects:
		}
		err := s.w.runSuspect(s.w.work, j)
		s.w.held.drop(j.hold)
		s.settle(err, j)
	}
}

// claimSuspectSQL locks the row and tells the fate of its holders: dead (silent for four beats without a goodbye), undecided (still beating), or neither.
const claimSuspectSQL = `select ` + claimColumns + `,
	(select count(*) from task.worker x where x.id = any(t.holders) and x.stopped_at is null and x.heartbeat_at < now() - $2::interval),
	(select count(*) from task.worker x where x.id = any(t.holders) and x.id <> $3 and x.stopped_at is null and x.heartbeat_at >= now() - $2::interval)
from task.task t where t.id = $1 for update of t`

// runSuspect claims a suspect for this process, in a transaction of its own, and runs it alone. A process that dies in between leaves its name in holders.
func (w *Worker) runSuspect(ctx context.Context, j *job) error {
	alone, cancel := context.WithTimeout(ctx, soloWait)
	err := w.alone.Acquire(alone, aloneCapacity)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", errNotAcked, errStopping)
		}
		return w.putOff(ctx, j)
	}
	defer w.alone.Release(aloneCapacity)
	next, c, err := w.claimSuspect(ctx, j)
	if errors.Is(err, errSettled) {
		return nil
	}
	if err != nil {
		return w.claimFailed(ctx, j, err)
	}
	if next != proceed {
		return w.divert(ctx, j, c, next)
	}
	crash("suspect.claimed")
	switch j.handler.Descriptor.Mode {
	case contract.ModeBatch:
		err = w.runBatch(ctx, j.handler, []*job{j}, true)
	case contract.ModeLong:
		err = w.runLong(ctx, j, true)
	default:
		err = w.runShort(ctx, j, true)
	}
	if errors.Is(err, errNotAcked) {
		w.release(j.id)
	}
	return err
}

// claimSuspect records this process as holder. It fails a task that has killed maxCrashes holders, and puts off one whose holders may still live.
func (w *Worker) claimSuspect(ctx context.Context, j *job) (admission, *claimed, error) {
	var c *claimed
	var dead, beating int
	silence := 4 * w.cfg.WorkerBeat
	tx, err := w.db.BeginQuery(ctx, postgres.Scope{System: true, LockTimeout: lockWait}, claimSuspectSQL, func(rows pgx.Rows) error {
		if !rows.Next() {
			return rows.Err()
		}
		var err error
		c, err = scanClaimed(discardTail{rows, []any{&dead, &beating}})
		rows.Next()
		return err
	}, j.id, silence, w.id)
	if err != nil {
		return 0, nil, err
	}
	defer tx.Rollback()
	if c != nil { // this process lives, so it did not die of the task; an entry of its own is one that could not be taken back
		c.holders = slices.DeleteFunc(c.holders, func(h uuid.UUID) bool { return h == w.id })
	}
	next := w.admit(j, c, true)
	if next == stale && c.state == Running {
		// A LONG task that was delivered again, or whose lease ran out: its holder has lost it, and the fence makes its commit fail.
		next = proceed
		if c.workerID != nil && *c.workerID != w.id && !slices.Contains(c.holders, *c.workerID) {
			if _, err := tx.Exec(`update task.task set holders = holders || worker_id where id = $1`, j.id); err != nil {
				return 0, nil, err
			}
			c.holders = append(c.holders, *c.workerID)
		}
	}
	if next != proceed {
		return next, c, nil
	}
	if len(c.holders) >= maxCrashes {
		if dead >= maxCrashes {
			tx.Rollback()
			return 0, nil, w.failCrashLoop(ctx, c)
		}
		if beating > 0 {
			_, err := tx.Exec(`update task.task set state = 'pending', suspect = true, available_at = clock_timestamp() + $2::interval, lease_until = null, worker_id = null where id = $1`, j.id, suspectPause)
			if err == nil {
				err = tx.Commit()
			}
			return stale, c, err
		}
	}
	_, err = tx.Exec(`update task.task set suspect = true, holders = case when cardinality(array_remove(holders, $2::uuid)) >= $3 then array[$2::uuid] else array_remove(holders, $2::uuid) || $2::uuid end,
		history = history || jsonb_build_object('at', clock_timestamp(), 'event', 'suspect', 'attempt', attempt, 'by', $2::text) where id = $1`, j.id, w.id, maxCrashes)
	if err == nil {
		err = tx.Commit()
	}
	return proceed, c, err
}

// errSettled ends a claim whose task has been finished on the way.
var errSettled = errors.New("settled")

func (w *Worker) failCrashLoop(ctx context.Context, c *claimed) error {
	cause := fmt.Errorf("%d processes died while this task ran alone in them", maxCrashes)
	if err := w.end(ctx, c, verdict{state: Failed, kind: KindCrashLoop}, cause); err != nil {
		return err
	}
	return errSettled
}

// putOff gives a suspect back to the row when this process is too busy to run it alone.
func (w *Worker) putOff(ctx context.Context, j *job) error {
	err := w.inSystemExec(ctx, `update task.task set state = 'pending', suspect = true, available_at = clock_timestamp() + $2::interval
		where id = $1 and state = 'published'`, j.id, suspectPause)
	if err != nil {
		return errors.Join(errNotAcked, err)
	}
	return nil
}

// release takes this process out of a task's holders after a clean give-up.
//
//nolint:contextcheck // a clean give-up is written even when the work was cancelled
func (w *Worker) release(id uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.work), 3*time.Second)
	defer cancel()
	if err := w.inSystemExec(ctx, `update task.task set holders = array_remove(holders, $2) where id = $1 and state not in ('succeeded', 'failed', 'cancelled')`, id, w.id); err != nil {
		slog.WarnContext(ctx, "task could not be released", "task_id", id, "error", err)
	}
}

// inSystem runs one query of one row in a platform transaction.
func (w *Worker) inSystem(ctx context.Context, query string, args []any, dest ...any) error {
	tx, err := w.db.BeginQuery(ctx, postgres.Scope{System: true}, query, func(rows pgx.Rows) error {
		if !rows.Next() {
			return pgx.ErrNoRows
		}
		defer rows.Close()
		return rows.Scan(dest...)
	}, args...)
	if err != nil {
		return err
	}
	return tx.Commit()
}

// inSystemExec runs one statement in a platform transaction.
func (w *Worker) inSystemExec(ctx context.Context, query string, args ...any) error {
	tx, err := w.db.Begin(ctx, postgres.Scope{System: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return tx.CommitWith(postgres.Statement{SQL: query, Args: args})
}
