package task

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"makola/pkg/celery"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
)

// resendSQL publishes again what has been in the broker for too long without an end. The patience doubles with each resend, to 6 h, so a task that waits behind a long backlog is not multiplied.
const resendSQL = `update task.task set state = 'pending', available_at = clock_timestamp(), resends = resends + 1 where id in (
	select id from task.task where state = 'published' and queue = $1 and published_at < clock_timestamp() - $2::interval
	and published_at < clock_timestamp() - least($2::interval * power(2, least(resends, 20)), interval '6 hours')
	order by published_at limit 1000 for update skip locked)`

// expireLeasesSQL takes LONG tasks from holders that fell silent. The holder may have died of the task, so it becomes a suspect.
const expireLeasesSQL = `update task.task set state = 'pending', available_at = clock_timestamp(), resends = resends + 1, suspect = true,
	holders = case when worker_id = any(holders) or worker_id is null then holders else holders || worker_id end, worker_id = null, lease_until = null where id in (
	select id from task.task where state = 'running' and queue = $1 and lease_until < clock_timestamp() - $2::interval limit 1000 for update skip locked)`

// sweep repairs, every SweepEvery, what a lost message or a lost process left behind.
func (w *Worker) sweep() {
	for {
		wait := w.cfg.SweepEvery*9/10 + rand.N(w.cfg.SweepEvery/5+1) //nolint:gosec // jitter, not a secret: replicas take turns instead of all sweeping at once
		select {
		case <-w.stop:
			return
		case <-time.After(wait):
		}
		for _, q := range w.cfg.Queues {
			if err := w.sweepQueue(w.work, q); err != nil && w.work.Err() == nil {
				slog.WarnContext(w.work, "sweep failed; the next one tries again", "queue", q, "error", err)
			}
		}
	}
}

func (w *Worker) sweepQueue(ctx context.Context, queue string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	freed, err := w.sweepExec(ctx, expireLeasesSQL, queue, w.cfg.Lease/2)
	if err != nil {
		return err
	}
	var outstanding int
	err = w.inSystem(ctx, `select count(*) from (select 1 from task.task where state = 'published' and queue = $1 and published_at < clock_timestamp() - $2::interval limit 100000) x`,
		[]any{queue, w.cfg.ResendAfter}, &outstanding)
	if err != nil {
		return err
	}
	var resent int64
	if outstanding > 0 {
		ready, err := w.conn.QueueDepth(ctx, queue)
		if err != nil {
			return err
		}
		if ready < outstanding { // otherwise the messages are there and merely wait
			if resent, err = w.sweepExec(ctx, resendSQL, queue, w.cfg.ResendAfter); err != nil {
				return err
			}
		}
	}
	if freed+resent > 0 {
		w.metrics.swept.Add(float64(freed + resent))
		slog.WarnContext(ctx, "tasks without a living message are published again", "queue", queue, "lost_messages", resent, "lost_leases", freed)
		w.queue.Wake()
	}
	return nil
}

func (w *Worker) sweepExec(ctx context.Context, query string, args ...any) (n int64, err error) {
	tx, err := w.db.Begin(ctx, postgres.Scope{System: true})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	if err := tx.CommitWith(postgres.Statement{SQL: query, Args: args, Affected: &n}); err != nil {
		return 0, err
	}
	return n, nil
}

// archive empties the queue's dead queue: the row decides what a dead message means, not the broker.
//
//nolint:contextcheck // stopping the consumer outlives the context of the work
func (w *Worker) archive(queue string) {
	k := w.conn.NewConsumer(rabbit.ConsumerConfig{Queue: rabbit.DeadQueue(queue), Prefetch: 20, Buffer: 20, Tag: w.cfg.Service + "." + rabbit.DeadQueue(queue)})
	w.loops.Go(func() {
		<-w.stop
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.work), 2*time.Second)
		defer cancel()
		_ = k.Stop(ctx) // what it holds goes back to the dead queue
	})
	for d := range k.Deliveries() {
		if err := w.archiveOne(w.work, queue, d); err != nil {
			slog.WarnContext(w.work, "dead message could not be settled; it stays in the dead queue", "queue", queue, "error", err)
			k.Pause()
			select {
			case <-w.stop:
			case <-time.After(5 * time.Second):
			}
			k.Resume()
			continue
		}
		if err := d.Ack(); err != nil {
			slog.InfoContext(w.work, "dead message could not be acked; it will be settled again", "error", err)
		}
	}
	_ = k.Close()
}

// archiveOne settles one dead message. A task that merely ran out of the broker's redeliveries is published again, as a suspect; one that expired in the queue is cancelled; the rest is recorded.
func (w *Worker) archiveOne(ctx context.Context, queue string, d rabbit.Delivery) error {
	id, name := identify(d)
	reason, _ := d.Headers["x-first-death-reason"].(string)
	if id == "" || name == "" {
		return w.bury(ctx, queue, "dead_lettered", "the broker gave up on it: "+reason, d)
	}
	var known bool
	err := w.inSystem(ctx, `select exists (select from task.task where id = $1)`, []any{celery.TaskUUID(id)}, &known)
	if err != nil {
		return err
	}
	if !known {
		j := &job{delivery: d}
		j.delivery.RoutingKey = queue
		if reason == "expired" {
			return w.buryExpired(ctx, queue, d)
		}
		return w.runForeign(ctx, j, false)
	}
	n, err := w.sweepExec(ctx, `update task.task set state = 'pending', available_at = clock_timestamp(), suspect = true, resends = resends + 1 where id = $1 and state = 'published'`, celery.TaskUUID(id))
	if err == nil && n > 0 {
		w.queue.Wake()
	}
	return err
}

// buryExpired ends a foreign message that expired while it waited in the queue: recorded as a cancelled task, and its client is told.
func (w *Worker) buryExpired(ctx context.Context, queue string, d rabbit.Delivery) error {
	m, err := celery.Decode(&d.Delivery, celery.Limits{BodyBytes: w.cfg.MaxBodyBytes})
	if err != nil {
		return w.bury(ctx, queue, "dead_lettered", "expired in the queue, and "+err.Error(), d)
	}
	f, err := w.foreignRow(m, queue)
	if err != nil {
		return err
	}
	f.state = Published
	if _, err := w.insertForeign(ctx, f); err != nil {
		return err
	}
	return w.end(ctx, f.claimed(), verdict{state: Cancelled, kind: KindExpired}, errExpired)
}
