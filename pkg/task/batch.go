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

// claimBatchSQL locks in id order, so that two batches that share tasks wait for each other instead of deadlocking.
const claimBatchSQL = `select ` + claimColumns + ` from task.task t where t.id = any($1) order by t.id for update`

const finishBatchSQL = `update task.task t set state = 'succeeded', result = v.result::jsonb, started_at = greatest(now(), published_at), finished_at = clock_timestamp(), error = null, error_kind = null
from unnest($1::uuid[], $2::text[]) v(id, result) where t.id = v.id`

// leftover is a task of a batch that must go another way; nothing was done to it.
type leftover struct {
	j    *job
	c    *claimed
	next admission
}

// runBatch runs BATCH tasks together. When the call as a whole fails, it is split in halves until the guilty one stands alone. Nil means that every delivery may be acked.
func (w *Worker) runBatch(ctx context.Context, h *contract.Handler, jobs []*job, mine bool) error {
	left, err := w.tryBatch(ctx, h, jobs, mine)
	switch {
	case err == nil:
	case errors.Is(err, errNotAcked):
		return err
	case len(jobs) == 1: // tryBatch has judged it
		return err
	default:
		slog.WarnContext(ctx, "batch failed; splitting it", "task", h.Descriptor.Name, "size", len(jobs), "error", err)
		if err := w.runBatch(ctx, h, jobs[:len(jobs)/2], mine); err != nil {
			return err
		}
		return w.runBatch(ctx, h, jobs[len(jobs)/2:], mine)
	}
	for _, l := range left {
		if err := w.divert(ctx, l.j, l.c, l.next); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) tryBatch(ctx context.Context, h *contract.Handler, jobs []*job, mine bool) (left []leftover, err error) {
	d := h.Descriptor
	ids := make([]uuid.UUID, len(jobs))
	for i, j := range jobs {
		ids[i] = j.id
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.Timeout+lockWait, errTimeLimit)
	defer cancel()
	rows := make([]*claimed, 0, len(ids))
	tx, err := w.db.BeginQuery(ctx, postgres.Scope{System: true, Timeout: d.Timeout, LockTimeout: lockWait}, claimBatchSQL, func(r pgx.Rows) error {
		for r.Next() {
			c, err := scanClaimed(r)
			if err != nil {
				return err
			}
			rows = append(rows, c)
		}
		return r.Err()
	}, ids)
	if err != nil {
		if len(jobs) > 1 && postgres.IsLockTimeout(err) {
			return nil, err // halves find the one that is held
		}
		return nil, w.claimFailed(ctx, jobs[0], err)
	}
	defer tx.Rollback()
	started := time.Now()
	b := &batch{worker: w, d: d, started: started}
	left = b.admit(jobs, rows, mine)
	if len(b.items) == 0 {
		tx.Rollback()
		return left, nil
	}
	if err := b.bind(tx); err != nil {
		return nil, w.claimFailed(ctx, jobs[0], err)
	}
	err = guard(ctx, func() error { return h.Batch(ctx, tx.DB.WithContext(ctx), b.items) })
	crash("batch.before_commit")
	if err == nil {
		err = b.finish(ctx, tx)
	}
	if err != nil {
		tx.Rollback()
		err = causeOf(ctx, err)
		if len(jobs) > 1 && !errors.Is(err, postgres.ErrOutcomeUnknown) && !postgres.IsUnavailable(err) {
			return nil, err
		}
		if len(b.rows) == 1 {
			return nil, w.attemptFailed(withRun(ctx, b.rows[0], b.items[0].Run), d, b.rows[0], err, started)
		}
		return nil, fmt.Errorf("%w: %w", errNotAcked, err)
	}
	crash("batch.after_commit")
	b.report(ctx)
	return left, nil
}

// batch is one BATCH call in progress.
type batch struct {
	worker  *Worker
	d       *contract.Descriptor
	started time.Time
	rows    []*claimed
	items   []*contract.AnyItem
	results []string
}

// admit sorts the locked rows into those that run now and those that go another way.
func (b *batch) admit(jobs []*job, rows []*claimed, mine bool) (left []leftover) {
	byID := make(map[uuid.UUID]*claimed, len(rows))
	for _, c := range rows {
		byID[c.id] = c
	}
	for _, j := range jobs {
		c, ok := byID[j.id]
		if !ok {
			left = append(left, leftover{j, nil, vanished})
			continue
		}
		if c == nil { // the same task twice in one batch: two messages, one run
			continue
		}
		byID[j.id] = nil
		if next := b.worker.admit(j, c, mine); next != proceed {
			left = append(left, leftover{j, c, next})
			continue
		}
		args, err := c.decode(b.d)
		if err != nil {
			left = append(left, leftover{j, c, undecodable})
			continue
		}
		b.worker.begin(j, c, nil)
		b.rows = append(b.rows, c)
		b.items = append(b.items, &contract.AnyItem{Run: c.run(b.d), Args: args})
	}
	return left
}

// bind opens the transaction to the tenants of the batch, and to platform work if some of it belongs to nobody.
func (b *batch) bind(tx *postgres.Tx) error {
	scope := postgres.Scope{}
	seen := map[uuid.UUID]bool{}
	for _, c := range b.rows {
		switch {
		case c.tenant == nil:
			scope.System = true
		case !seen[*c.tenant]:
			seen[*c.tenant] = true
			scope.Tenants = append(scope.Tenants, *c.tenant)
		}
	}
	return tx.Rebind(scope)
}

// finish writes every outcome with set-based statements that travel with COMMIT.
func (b *batch) finish(ctx context.Context, tx *postgres.Tx) error {
	b.results = make([]string, len(b.items))
	var okIDs []uuid.UUID
	var okResults []string
	var bad failures
	for i, it := range b.items {
		if it.Err == nil {
			res, err := encodeResult(it.Result)
			if err != nil {
				return err
			}
			if err := b.worker.continueChain(ctx, tx.DB, b.rows[i], res); err != nil {
				return err
			}
			b.results[i] = res
			okIDs, okResults = append(okIDs, b.rows[i].id), append(okResults, res)
			continue
		}
		bad.add(b.rows[i], judge(b.d, b.rows[i].attempt, it.Err), it.Err)
	}
	st := []postgres.Statement{platformScope}
	if len(okIDs) > 0 {
		st = append(st, postgres.Statement{SQL: finishBatchSQL, Args: []any{okIDs, okResults}})
	}
	if len(bad.ids) > 0 {
		st = append(st, bad.statement())
	}
	return tx.CommitWith(st...)
}

// report tells metrics, logs and waiting clients after the commit.
func (b *batch) report(ctx context.Context) {
	for i, it := range b.items {
		c := b.rows[i]
		if it.Err == nil {
			b.worker.metrics.observe(c.name, "succeeded", b.started)
			b.worker.tell(c, Succeeded, nil)
			b.worker.watchSuccess(c, b.results[i], b.started)
			b.worker.answerSuccess(ctx, c, b.results[i])
			continue
		}
		v := judge(b.d, c.attempt, it.Err)
		b.worker.reportFailure(withRun(ctx, c, it.Run), c, v, it.Err, b.started)
	}
}
