package task

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"makola/pkg/postgres"
	"makola/proto/contract"
)

// Inline runs tasks in the calling goroutine, straight from their rows and without a broker: the same claims, transactions, retries and
// finishes as a Worker's. It serves tests of handlers and one-off commands. Not safe for concurrent use.
type Inline struct {
	w *Worker
}

var _ contract.Registrar = (*Inline)(nil)

// NewInline makes an Inline that runs the tasks of the given queues; without any, of all queues whose handlers are registered.
func NewInline(db *postgres.DB, queue *Queue) *Inline {
	w := NewWorker(db, nil, queue, WorkerConfig{Service: "inline"})
	return &Inline{w: w}
}

// Register adds a handler.
func (i *Inline) Register(h contract.Handler) {
	i.w.cfg.Queues = append(i.w.cfg.Queues, h.Descriptor.Queue)
	i.w.Register(h)
}

// Handlers returns what is registered, by name and alias.
func (i *Inline) Handlers() map[string]*contract.Handler { return i.w.handlers }

// Drain runs pending tasks that are due, and those they enqueue, until none is left. It returns how many attempts it ran.
// Failed attempts are recorded as a worker would; the error is only for what kept it from recording.
func (i *Inline) Drain(ctx context.Context) (attempts int, err error) {
	for {
		n, err := i.pass(ctx)
		attempts += n
		if err != nil || n == 0 {
			return attempts, err
		}
	}
}

// Advance brings everything that waits for its time forward by d, as if d had passed.
func (i *Inline) Advance(ctx context.Context, d time.Duration) error {
	if err := i.w.inSystemExec(ctx, `update task.task set available_at = available_at - $1::interval where state = 'pending'`, d); err != nil {
		return fmt.Errorf("advance tasks: %w", err)
	}
	return nil
}

func (i *Inline) pass(ctx context.Context) (int, error) {
	names := make([]string, 0, len(i.w.handlers))
	for name := range i.w.handlers {
		names = append(names, name)
	}
	type due struct {
		id   uuid.UUID
		name string
	}
	var found []due
	tx, err := i.w.db.BeginQuery(ctx, postgres.Scope{System: true}, `update task.task set state = 'published', published_at = clock_timestamp() where id in
		(select id from task.task where state = 'pending' and available_at <= clock_timestamp() and name = any($1) order by available_at, id limit 1000 for update skip locked) returning id, name`,
		func(rows pgx.Rows) error {
			for rows.Next() {
				var d due
				if err := rows.Scan(&d.id, &d.name); err != nil {
					return err
				}
				found = append(found, d)
			}
			return rows.Err()
		}, names)
	if err != nil {
		return 0, fmt.Errorf("find due tasks: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	batches := map[*contract.Handler][]*job{}
	var order []*contract.Handler
	for _, d := range found {
		j := &job{id: d.id, handler: i.w.handlers[d.name]}
		if j.handler.Descriptor.Mode != contract.ModeBatch {
			if err := i.w.runHere(ctx, j); err != nil {
				return 0, err
			}
			continue
		}
		if batches[j.handler] == nil {
			order = append(order, j.handler)
		}
		batches[j.handler] = append(batches[j.handler], j)
	}
	for _, h := range order {
		for jobs := batches[h]; len(jobs) > 0; {
			n := min(len(jobs), max(h.Descriptor.BatchSize, 1))
			if err := i.w.runBatch(ctx, h, jobs[:n], false); err != nil {
				return 0, err
			}
			jobs = jobs[n:]
		}
	}
	return len(found), nil
}
