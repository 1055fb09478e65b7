package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"

	"makola/pkg/postgres"
)

// claimShortSQL locks one task and binds the transaction to its tenant, in one trip. It waits for the lock instead of skipping it, because the usual holder is the relay
// that has published the row and is about to commit. set_config returns nothing anybody reads; it stands here to travel along.
const claimShortSQL = `select ` + claimColumns + `,
	set_config('app.tenants', coalesce('{' || t.tenant_id || '}', ''), true), set_config('app.scope', case when t.tenant_id is null then 'system' else 'tenant' end, true)
from task.task t where t.id = $1 for update`

const finishShortSQL = `update task.task set state = 'succeeded', result = $2, started_at = greatest(now(), published_at), finished_at = clock_timestamp(), error = null, error_kind = null where id = $1`

// platformScope precedes the finish of a task whose handler has bound the transaction to other tenants: row security would then hide the task's own row from its update.
var platformScope = postgres.Statement{SQL: "select set_config('app.scope', 'system', true)"}

// lockWait bounds how long a claim waits for a row somebody else holds.
const lockWait = 5 * time.Second

// runShort runs one SHORT task: claim, handler and finish in one transaction. Nil means the delivery may be acked, unless divert kept it.
func (w *Worker) runShort(ctx context.Context, j *job, mine bool) (err error) {
	h, d, id := j.handler, j.handler.Descriptor, j.id
	var c *claimed
	ctx, cancel := context.WithTimeoutCause(ctx, d.Timeout+lockWait, errTimeLimit)
	defer cancel()
	tx, err := w.db.BeginQuery(ctx, postgres.Scope{System: true, Timeout: d.Timeout, LockTimeout: lockWait}, claimShortSQL, func(rows pgx.Rows) error {
		if !rows.Next() {
			return rows.Err()
		}
		var discard any
		var err error
		c, err = scanClaimed(discardTail{rows, []any{&discard, &discard}})
		rows.Next()
		return err
	}, id)
	if err != nil {
		return w.claimFailed(ctx, j, err)
	}
	defer tx.Rollback()
	if next := w.admit(j, c, mine); next != proceed {
		tx.Rollback()
		return w.divert(ctx, j, c, next)
	}
	started := time.Now()
	w.begin(j, c, nil)
	run := c.run(d)
	hctx := withRun(ctx, c, run)
	args, err := c.decode(d)
	var result string
	if err == nil {
		crash("short.before_handler")
		err = guard(hctx, func() error {
			res, err := h.Short(hctx, tx.DB.WithContext(hctx), args)
			if err != nil {
				return err
			}
			result, err = encodeResult(res)
			return err
		})
	}
	if err == nil {
		err = w.continueChain(hctx, tx.DB, c, result)
	}
	if err == nil {
		crash("short.before_commit")
		finish := []postgres.Statement{platformScope, {SQL: finishShortSQL, Args: []any{id, result}}}
		if !tx.Rebound() {
			finish = finish[1:]
		}
		err = tx.CommitWith(finish...)
	}
	if err != nil {
		tx.Rollback()
		return w.attemptFailed(hctx, d, c, causeOf(ctx, err), started)
	}
	crash("short.after_commit") // F2: between COMMIT and ack
	w.metrics.observe(c.name, "succeeded", started)
	w.tell(c, Succeeded, nil)
	w.watchSuccess(c, result, started)
	w.answerSuccess(ctx, c, result)
	return nil
}

// guard turns a panic into an error; the log gets the stack, never the payload.
func guard(ctx context.Context, fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			slog.ErrorContext(ctx, "handler panicked", "stack", string(debug.Stack()))
			err = &panicked{value: v}
		}
	}()
	return fn()
}

// causeOf prefers the reason a context ended over the noise that its end caused.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// discardTail lets scanClaimed read rows that have further columns nobody needs.
type discardTail struct {
	pgx.Rows
	tail []any
}

// Scan reads a row, the tail into nowhere.
func (r discardTail) Scan(dest ...any) error { return r.Rows.Scan(append(dest, r.tail...)...) }
