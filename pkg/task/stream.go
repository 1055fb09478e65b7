package task

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"makola/pkg/celery"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/proto/contract"
)

// batchPrefetch is how many messages a worker holds of a queue that has BATCH tasks: two full batches, one running and one gathering.
const batchPrefetch = 512

// job is one delivery on its way through a worker.
type job struct {
	delivery rabbit.Delivery
	id       uuid.UUID
	handler  *contract.Handler
	// kept is set when another lane has taken the delivery over; whoever runs the job then leaves it unacked.
	kept bool
	// hold is its place among what the worker has in hand; nil for what came without a message.
	hold *hold
}

// stream is one queue's consumer and the lanes its deliveries run in.
type stream struct {
	w        *Worker
	queue    string
	consumer *rabbit.Consumer
	lanes    sync.WaitGroup
	// The lanes' channels hold at least the prefetch, so the dispatcher never waits for them. The dispatcher closes all but suspects.
	short, long, foreign chan *job
	batches              map[*contract.Handler]chan *job
	suspects             chan *job            // fed by every lane; never closed, its lane ends with done
	acks                 chan rabbit.Delivery // settled deliveries; closed by run when every lane has ended
	done                 chan struct{}
	trouble              chan error // capacity 1; never closed
}

func newStream(w *Worker, queue string) *stream {
	prefetch := w.prefetch(queue)
	s := &stream{w: w, queue: queue, batches: map[*contract.Handler]chan *job{}, done: make(chan struct{}), trouble: make(chan error, 1)}
	for _, h := range w.handlers {
		if h.Descriptor.Queue == queue && h.Descriptor.Mode == contract.ModeBatch {
			s.batches[h] = make(chan *job, prefetch)
		}
	}
	s.short, s.long, s.foreign, s.suspects = make(chan *job, prefetch), make(chan *job, prefetch), make(chan *job, prefetch), make(chan *job, prefetch)
	s.acks = make(chan rabbit.Delivery, prefetch)
	s.consumer = w.conn.NewConsumer(rabbit.ConsumerConfig{Queue: queue, Prefetch: prefetch, Buffer: prefetch, Tag: w.cfg.Service + "." + queue})
	return s
}

// run dispatches deliveries to their lanes until the consumer is stopped and drained.
func (s *stream) run() {
	lane := func(n int, ch chan *job, fn func(*job)) {
		for range n {
			s.lanes.Go(func() {
				for j := range ch {
					fn(j)
				}
			})
		}
	}
	lane(s.w.cfg.Short, s.short, func(j *job) { s.single(j, s.w.runShort) })
	lane(s.w.cfg.Long, s.long, func(j *job) { s.single(j, s.w.runLong) })
	lane(1, s.foreign, func(j *job) { s.single(j, s.w.runForeign) })
	for h, ch := range s.batches {
		for range s.w.cfg.Lanes {
			s.lanes.Go(func() { s.batchLane(h, ch) })
		}
	}
	var rest, acker sync.WaitGroup
	rest.Go(s.suspectLane)
	rest.Go(s.recover)
	acker.Go(s.ackLane)
	for d := range s.consumer.Deliveries() {
		s.dispatch(d)
	}
	close(s.short)
	close(s.long)
	close(s.foreign)
	for _, ch := range s.batches {
		close(ch)
	}
	s.lanes.Wait()
	close(s.done)
	rest.Wait()
	close(s.acks)
	acker.Wait()
}

// dispatch sends a delivery to the lane of its task. It never waits.
func (s *stream) dispatch(d rabbit.Delivery) {
	id, name := identify(d)
	j := &job{delivery: d, handler: s.w.handlers[name]}
	if id != "" {
		s.w.hold(j, celery.TaskUUID(id))
	}
	switch {
	case id == "" || j.handler == nil || len(d.Body) > s.w.cfg.MaxBodyBytes:
		s.foreign <- j
		return
	default:
		j.id = j.hold.id
	}
	switch {
	case d.Redelivered:
		s.suspects <- j
	case j.handler.Descriptor.Mode == contract.ModeBatch:
		s.batches[j.handler] <- j
	case j.handler.Descriptor.Mode == contract.ModeLong:
		s.long <- j
	default:
		s.short <- j
	}
}

// single runs one job beside others, and acks it when that is right.
func (s *stream) single(j *job, run func(context.Context, *job, bool) error) {
	defer func() { s.w.held.drop(j.hold) }() // not at once: the suspect lane may take it over
	if s.skip(j) {
		return
	}
	if s.w.alone.Acquire(s.w.work, 1) != nil {
		return // stopping: unacked, so the broker gives it to another
	}
	err := run(s.w.work, j, false)
	s.w.alone.Release(1)
	s.settle(err, j)
}

// skip reports whether the worker is stopping and a LONG job that has not begun is better left to another.
func (s *stream) skip(j *job) bool {
	select {
	case <-s.w.stop:
		return j.handler != nil && j.handler.Descriptor.Mode == contract.ModeLong
	default:
		return false
	}
}

// batchLane runs what has gathered, as one batch. It never waits for more: a lone task starts at once.
func (s *stream) batchLane(h *contract.Handler, ch chan *job) {
	size := max(h.Descriptor.BatchSize, 1)
	for first := range ch {
		jobs := append(make([]*job, 0, size), first)
	gather:
		for len(jobs) < size {
			select {
			case j, ok := <-ch:
				if !ok {
					break gather
				}
				jobs = append(jobs, j)
			default:
				break gather
			}
		}
		if s.w.alone.Acquire(s.w.work, 1) != nil {
			return
		}
		err := s.w.runBatch(s.w.work, h, jobs, false)
		s.w.alone.Release(1)
		for _, j := range jobs {
			s.w.held.drop(j.hold)
		}
		s.settle(err, jobs...)
	}
}

// settle acks what was settled in the database. What was not stays with the broker, and the stream recovers.
func (s *stream) settle(err error, jobs ...*job) {
	if err != nil {
		select {
		case s.trouble <- err:
		default: // recovery is under way
		}
		return
	}
	for _, j := range jobs {
		if !j.kept {
			s.acks <- j.delivery
		}
	}
}

// ackLane acks what has gathered with as few frames as possible: every frame is a system call here and work for the broker.
func (s *stream) ackLane() {
	var ds []rabbit.Delivery
	for d := range s.acks {
		ds = append(ds[:0], d)
	gather:
		for len(ds) < cap(s.acks) {
			select {
			case d, ok := <-s.acks:
				if !ok {
					break gather
				}
				ds = append(ds, d)
			default:
				break gather
			}
		}
		if err := s.consumer.AckAll(ds); err != nil {
			// The channel is gone and the broker delivers again; the rows say that the work is done.
			slog.InfoContext(s.w.work, "deliveries could not be acked", "queue", s.queue, "count", len(ds), "error", err)
		}
	}
}

// recover gives everything unacked back to the broker and consumes again only when the database answers.
func (s *stream) recover() {
	for {
		var err error
		select {
		case <-s.done:
			return
		case err = <-s.trouble:
		}
		if s.w.stopping(err) {
			continue
		}
		slog.WarnContext(s.w.work, "work could not be recorded; pausing the queue until the database answers", "queue", s.queue, "error", err)
		s.consumer.Pause()
		for s.consumer.Ready() == nil { // until the channel is given up; a pause that ends too soon would requeue nothing
			select {
			case <-s.w.stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
		for pause := 200 * time.Millisecond; s.w.db.Ping(s.w.work) != nil; pause = min(2*pause, 5*time.Second) {
			select {
			case <-s.w.stop:
				return
			case <-time.After(pause):
			}
		}
		select { // a burst of jobs hits the same outage; one pause answers them all
		case err = <-s.trouble:
			slog.InfoContext(s.w.work, "more work was not recorded meanwhile", "queue", s.queue, "error", err)
		default:
		}
		s.consumer.Resume()
		slog.InfoContext(s.w.work, "database answers; consuming again", "queue", s.queue)
	}
}

// drain stops the consumer and waits for what is in the lanes, until ctx ends; then handlers are cancelled.
func (s *stream) drain(ctx context.Context) {
	if err := s.consumer.Stop(ctx); err != nil {
		slog.InfoContext(ctx, "consumer did not stop cleanly", "queue", s.queue, "error", err)
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		s.w.kill(errStopping)
		<-s.done
	}
}

// claimFailed decides what a claim that failed means for the delivery.
func (w *Worker) claimFailed(ctx context.Context, j *job, err error) error {
	if !postgres.IsLockTimeout(err) {
		return errors.Join(errNotAcked, err)
	}
	var state State
	qerr := w.inSystem(ctx, `select state from task.task where id = $1`, []any{j.id}, &state)
	if qerr == nil && state != Pending {
		return nil // another delivery of this task is being worked on; that one settles it
	}
	return errors.Join(errNotAcked, err, qerr)
}
