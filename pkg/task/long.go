package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// claimOneSQL locks one task. It names no state, so that it waits for the relay that has published the row and is about to commit.
const claimOneSQL = `select ` + claimColumns + ` from task.task t where t.id = $1 for update`

// takeLongSQL makes this worker the holder of a LONG task whose row it has locked. The fence makes a former holder's commit fail.
const takeLongSQL = `update task.task set state = 'running', fence = fence + 1, worker_id = $2, lease_until = clock_timestamp() + $3::interval,
	started_at = clock_timestamp(), progress = null where id = $1`

const finishLongSQL = `update task.task set state = 'succeeded', result = $3, finished_at = clock_timestamp(), lease_until = null, error = null, error_kind = null
where id = $1 and fence = $2 and state = 'running'`

// runLong runs one LONG task: claim and commit, handler without a transaction under a heartbeat, finish where the fence is still ours. Nil means that the delivery may be acked.
func (w *Worker) runLong(ctx context.Context, j *job, mine bool) error {
	d := j.handler.Descriptor
	c, next, err := w.claimLong(ctx, j, mine)
	if err != nil {
		return w.claimFailed(ctx, j, err)
	}
	if next != proceed {
		return w.divert(ctx, j, c, next)
	}
	w.tell(c, Running, nil)
	started := time.Now()
	l := &longRun{w: w, c: c, begun: started}
	run := c.run(d)
	run.Progress = l.progress
	hctx, cancel := context.WithTimeoutCause(withRun(ctx, c, run), d.Timeout, errTimeLimit)
	defer cancel()
	hctx, abort := context.WithCancelCause(hctx)
	defer abort(nil)
	w.begin(j, c, abort)
	defer w.held.end(j.hold)
	var beats sync.WaitGroup
	stop := make(chan struct{})
	beats.Go(func() { l.heartbeat(hctx, stop, abort, j) })

	var commit func(tx *gorm.DB) (proto.Message, error)
	args, err := c.decode(d)
	if err == nil {
		crash("long.before_handler")
		if err = guard(hctx, func() (err error) { commit, err = j.handler.Long(hctx, run, args); return err }); err != nil {
			err = &outsideError{err}
		}
	}
	if err == nil {
		err = context.Cause(hctx) // a handler that returned in spite of a cancel or a lost lease must not commit
	}
	var result string
	if err == nil {
		w.held.end(j.hold) // from here it comes to its end
		crash("long.before_commit")
		// Not under hctx: a heartbeat that waits for the row finds it finished, and would cut the very COMMIT that finished it.
		result, err = w.commitLong(withRun(ctx, c, run), c, max(commitTime, d.CommitTimeout), commit)
	}
	close(stop)
	beats.Wait()
	if err == nil {
		crash("long.after_commit")
		w.metrics.observe(c.name, "succeeded", started)
		w.tell(c, Succeeded, nil)
		w.watchSuccess(c, result, started)
		w.answerSuccess(ctx, c, result)
		return nil
	}
	err = causeOf(hctx, err)
	if errors.Is(err, errLeaseLost) {
		slog.WarnContext(hctx, "task was taken over by another worker; nothing was written", "error", err)
		return nil
	}
	if w.stopping(err) || outage(err) {
		l.giveBack(hctx)
	}
	return w.attemptFailed(hctx, d, c, err, started)
}

// claimLong locks the row, decides, and takes it. A running task may be taken only by the suspect lane, which has recorded its former holder.
func (w *Worker) claimLong(ctx context.Context, j *job, mine bool) (*claimed, admission, error) {
	var c *claimed
	tx, err := w.db.BeginQuery(ctx, postgres.Scope{System: true, LockTimeout: lockWait}, claimOneSQL, func(rows pgx.Rows) error {
		if !rows.Next() {
			return rows.Err()
		}
		var err error
		c, err = scanClaimed(rows)
		rows.Next()
		return err
	}, j.id)
	if err != nil {
		return nil, 0, err
	}
	defer tx.Rollback()
	next := w.admit(j, c, mine)
	if next == stale && c.state == Running {
		switch {
		case mine:
			next = proceed
		case !c.leaseLive:
			next = isSuspect // its holder fell silent; it may have died of this task
		}
	}
	if next != proceed {
		return c, next, nil
	}
	c.fence++
	return c, proceed, tx.CommitWith(postgres.Statement{SQL: takeLongSQL, Args: []any{j.id, w.id, w.cfg.Lease}})
}

// commitTime bounds the second half of a LONG task, its Commit function and the transaction around it, where the contract does not say.
const commitTime = 30 * time.Second

// commitLong runs the handler's writes and finishes the row in one transaction, bound to the task's tenant.
func (w *Worker) commitLong(ctx context.Context, c *claimed, most time.Duration, commit func(tx *gorm.DB) (proto.Message, error)) (result string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, most, errTimeLimit)
	defer cancel()
	scope := postgres.Scope{System: c.tenant == nil, Timeout: most}
	if c.tenant != nil {
		scope.Tenants = append(scope.Tenants, *c.tenant)
	}
	tx, err := w.db.Begin(ctx, scope)
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	err = guard(ctx, func() error {
		res, err := commit(tx.DB.WithContext(ctx))
		if err != nil {
			return err
		}
		result, err = encodeResult(res)
		return err
	})
	if err != nil {
		return "", err
	}
	if err := w.continueChain(ctx, tx.DB, c, result); err != nil {
		return "", err
	}
	if _, err := tx.Exec(platformScope.SQL); err != nil {
		return "", err
	}
	n, err := tx.Exec(finishLongSQL, c.id, c.fence, result)
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", errLeaseLost
	}
	return result, tx.Commit()
}

// longRun is a LONG task while its handler works.
type longRun struct {
	w     *Worker
	c     *claimed
	begun time.Time

	mu      sync.Mutex
	pending *Progress // not yet written
}

// Progress is how far a LONG task has come.
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Note  string `json:"note,omitempty"`
	// LeftMS is about how many milliseconds it still takes, when it goes on as it went so far; 0 when that cannot be said.
	LeftMS int64 `json:"left_ms,omitempty"`
}

// Percent is Done of Total, 0 to 100; 0 when the total is unknown.
func (p *Progress) Percent() int {
	if p == nil || p.Total <= 0 {
		return 0
	}
	return int(min(100, max(0, p.Done*100/p.Total)))
}

// left is how many milliseconds the rest takes, when done of total took so long.
func left(took time.Duration, done, total int64) int64 {
	if done <= 0 || total <= done {
		return 0
	}
	return int64(took.Seconds() / float64(done) * float64(total-done) * 1000)
}

func (l *longRun) progress(done, total int64, note string) {
	p := &Progress{Done: done, Total: total, Note: clip(text(note)), LeftMS: left(time.Since(l.begun), done, total)}
	l.mu.Lock()
	l.pending = p
	l.mu.Unlock()
}

// heartbeat extends the lease, writes progress and learns of a cancel. It aborts the handler when the task is no longer ours.
func (l *longRun) heartbeat(ctx context.Context, stop <-chan struct{}, abort context.CancelCauseFunc, j *job) {
	beat := time.NewTicker(l.w.cfg.Lease / 4)
	defer beat.Stop()
	fresh := time.NewTicker(min(time.Second, l.w.cfg.Lease/4)) // progress is seen by people: once a second when there is some
	defer fresh.Stop()
	begun, lastOK := time.Now(), time.Now()
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-fresh.C:
			l.mu.Lock()
			idle := l.pending == nil
			l.mu.Unlock()
			if idle {
				continue
			}
		case <-beat.C:
		}
		switch cancelled, err := l.beat(ctx); {
		case errors.Is(err, errLeaseLost):
			abort(errLeaseLost)
			return
		case err != nil && time.Since(lastOK) > l.w.cfg.Lease:
			abort(fmt.Errorf("%w: %w", errLeaseLost, err))
			return
		case err != nil:
			slog.WarnContext(ctx, "heartbeat not written", "error", err)
		case cancelled:
			abort(errCancelled)
			return
		default:
			lastOK = time.Now()
		}
		if !j.kept && time.Since(begun) > l.w.cfg.EarlyAck {
			l.ackEarly(ctx, j)
		}
	}
}

func (l *longRun) beat(ctx context.Context) (cancelled bool, err error) {
	l.mu.Lock()
	p := l.pending
	l.pending = nil
	l.mu.Unlock()
	var raw *string
	if p != nil {
		b, err := json.Marshal(p)
		if err != nil {
			return false, fmt.Errorf("encode progress: %w", err)
		}
		s := string(b)
		raw = &s
	}
	ctx, cancel := context.WithTimeout(ctx, l.w.cfg.Lease/4)
	defer cancel()
	defer func() { // a progress that was not written waits for the next heartbeat, unless a newer one has come
		l.mu.Lock()
		if err != nil && l.pending == nil {
			l.pending = p
		}
		l.mu.Unlock()
	}()
	err = l.w.inSystem(ctx, `update task.task set lease_until = clock_timestamp() + $3::interval, progress = coalesce($4::jsonb, progress)
		where id = $1 and fence = $2 and state = 'running' returning cancel_requested`, []any{l.c.id, l.c.fence, l.w.cfg.Lease, raw}, &cancelled)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, errLeaseLost
	}
	if err == nil && p != nil {
		l.w.tell(l.c, Running, p)
	}
	return cancelled, err
}

// ackEarly lets go of the delivery of a task that runs very long; from here on the lease and the sweeper guard it.
func (l *longRun) ackEarly(ctx context.Context, j *job) {
	j.kept = true // the lane no longer acks it
	l.w.held.ack(j.hold)
	if err := j.delivery.Ack(); err != nil {
		slog.InfoContext(ctx, "early ack failed; the broker will deliver the task again and find it running", "error", err)
	}
}

// giveBack makes a task that did not fail by itself available to the next worker at once.
func (l *longRun) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	err := l.w.inSystemExec(ctx, `update task.task set state = 'published', worker_id = null, lease_until = null, holders = array_remove(holders, $3)
		where id = $1 and fence = $2 and state = 'running'`, l.c.id, l.c.fence, l.w.id)
	if err != nil {
		slog.WarnContext(ctx, "task not given back; its lease will run out", "error", err)
		return
	}
	l.w.tell(l.c, Published, nil)
}
