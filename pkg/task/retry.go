package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"makola/pkg/postgres"
	"makola/proto/contract"
)

// failSQL records failed attempts of many tasks at once. A new attempt starts with a clean slate: no holders, no suspicion.
// A task whose cancel was promised while it ran gets no new attempt. One that waits for its turn again and again has one entry for it in its history, the last.
const failSQL = `update task.task t set
	state = case when v.state = 'pending' and t.cancel_requested then 'cancelled' else v.state end, attempt = t.attempt + v.spend, result = null, error = v.error,
	error_kind = case when v.state = 'pending' and t.cancel_requested then 'cancelled' else v.kind end, cancel_requested = false,
	available_at = case when v.state = 'pending' then clock_timestamp() + v.delay_ms * interval '1 ms' else t.available_at end,
	started_at = coalesce(t.started_at, now()), finished_at = case when v.state = 'pending' and not t.cancel_requested then null else clock_timestamp() end,
	lease_until = null, worker_id = null, holders = '{}', suspect = false,
	history = case when v.kind = 'throttled' and t.history -> -1 ->> 'kind' = 'throttled' then t.history - -1 else t.history end
		|| jsonb_build_object('at', clock_timestamp(), 'event', case when v.state = 'pending' then 'retry' else v.state end, 'attempt', t.attempt, 'kind', v.kind, 'error', v.error)
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::int[], $7::int[]) v(id, state, kind, error, delay_ms, spend, attempt)
where t.id = v.id and t.attempt = v.attempt and t.state not in ('succeeded', 'failed', 'cancelled')`

type failures struct {
	ids                   []uuid.UUID
	states, kinds, errors []string
	delays                []int64
	spends, attempts      []int
}

func (f *failures) add(c *claimed, v verdict, err error) {
	f.ids, f.states, f.kinds = append(f.ids, c.id), append(f.states, string(v.state)), append(f.kinds, v.kind)
	f.errors, f.delays = append(f.errors, clip(text(err.Error()))), append(f.delays, v.delay.Milliseconds())
	spend := 0
	if v.spend {
		spend = 1
	}
	f.spends, f.attempts = append(f.spends, spend), append(f.attempts, c.attempt)
}

func (f *failures) statement() postgres.Statement {
	return postgres.Statement{SQL: failSQL, Args: []any{f.ids, f.states, f.kinds, f.errors, f.delays, f.spends, f.attempts}}
}

// attemptFailed records one failed attempt in a transaction of its own. It returns nil when that is written, so that the delivery may be acked;
// errNotAcked when the database could not be asked, so that the broker must keep the message.
func (w *Worker) attemptFailed(ctx context.Context, d *contract.Descriptor, c *claimed, cause error, started time.Time) error {
	if outage(cause) || w.stopping(cause) {
		// Not the task's fault, or not known to have failed. The message comes back and the row tells.
		return fmt.Errorf("%w: %w", errNotAcked, cause)
	}
	v := judge(d, c.attempt, cause)
	if errors.Is(cause, errCancelled) {
		v = verdict{state: Cancelled, kind: KindCancelled}
	}
	v, err := w.record(ctx, c, v, cause)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotAcked, err)
	}
	w.reportFailure(ctx, c, v, cause, started)
	return nil
}

// record writes one failed attempt, and what a Celery client asked to run after a final failure. It returns the verdict that the row has come to: a task whose cancel was
// promised meanwhile gets no new attempt. When somebody else has settled the row it stays as it is, and c is moot.
func (w *Worker) record(ctx context.Context, c *claimed, v verdict, cause error) (verdict, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var f failures
	f.add(c, v, cause)
	tx, err := w.db.Begin(ctx, postgres.Scope{System: true})
	if err != nil {
		return v, fmt.Errorf("record failed attempt of %s: %w", c.id, err)
	}
	defer tx.Rollback()
	if v.state == Failed {
		if err := w.continueFailed(tx.DB, c); err != nil {
			slog.ErrorContext(ctx, "errbacks of the failed task cannot be kept", "error", err)
			tx.Rollback() // a refused insert has aborted it, and the failure itself must be recorded
			if tx, err = w.db.Begin(ctx, postgres.Scope{System: true}); err != nil {
				return v, fmt.Errorf("record failed attempt of %s: %w", c.id, err)
			}
			defer tx.Rollback()
		}
	}
	var state State
	st := f.statement()
	err = postgres.Query(tx.DB, func(rows pgx.Rows) error {
		if rows.Next() {
			if err := rows.Scan(&state); err != nil {
				return err
			}
		}
		rows.Close()
		return rows.Err()
	}, st.SQL+" returning t.state", st.Args...)
	if err == nil {
		err = tx.Commit()
	}
	switch {
	case err != nil:
		return v, fmt.Errorf("record failed attempt of %s: %w", c.id, err)
	case state == "":
		c.moot = true
	case state == Cancelled && v.state == Pending:
		v = verdict{state: Cancelled, kind: KindCancelled}
	}
	if v.state == Pending && v.delay < time.Second {
		w.queue.Wake()
	}
	return v, nil
}

// reportFailure logs once, counts, and tells a waiting client.
func (w *Worker) reportFailure(ctx context.Context, c *claimed, v verdict, cause error, started time.Time) {
	w.metrics.observe(c.name, v.kind, started)
	w.tell(c, v.state, nil)
	w.watchFailure(c, v, cause)
	switch v.state {
	case Failed:
		slog.ErrorContext(ctx, "task failed", "kind", v.kind, "error", clip(cause.Error()))
	case Cancelled:
		slog.InfoContext(ctx, "task cancelled")
	default:
		if v.kind == KindThrottled { // nothing is wrong
			slog.DebugContext(ctx, "task waits", "in", v.delay.String(), "for", clip(cause.Error()))
			break
		}
		slog.WarnContext(ctx, "task will be tried again", "kind", v.kind, "in", v.delay.String(), "error", clip(cause.Error()))
	}
	w.answerFailure(ctx, c, v, cause)
}
