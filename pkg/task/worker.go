package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/proto/contract"
)

// WorkerConfig says what a worker consumes and how much at once. Zero fields take the defaults named.
type WorkerConfig struct {
	// Service names the process in task.worker and in logs.
	Service string
	// Queues are the queues to consume.
	Queues []string
	// Short and Long are how many SHORT and LONG tasks of one queue run at once; 8 and 4. Lanes is how many batches of one BATCH task run at once; 2, so that one is prepared while the other commits.
	Short, Long, Lanes int
	// MaxBodyBytes is the largest message body that is looked at; 320 KiB, which is MaxArgsBytes and room for the envelope. Larger ones are recorded by their first part.
	MaxBodyBytes int
	// Lease is how long a LONG task stays its holder's without a heartbeat; 20 s. Heartbeat is a quarter of it.
	Lease time.Duration
	// EarlyAck is how long a LONG task keeps its delivery; afterwards the lease alone guards it, because the broker cancels consumers that hold a message for 30 minutes. 10 min.
	EarlyAck time.Duration
	// SweepEvery and ResendAfter drive the sweeper: 30 s, and 5 min after which a published task that never finished is published again.
	SweepEvery, ResendAfter time.Duration
	// WorkerBeat is how often this process says it is alive; 3 s. A process silent for four beats has crashed.
	WorkerBeat time.Duration
	// Grace is how long Stop lets running tasks finish; 25 s.
	Grace time.Duration
	// Metrics receives the worker's metrics when not nil.
	Metrics prometheus.Registerer
	// Watch tells monitors what happens to tasks, when not nil.
	Watch *Watch
}

func (c WorkerConfig) withDefaults() WorkerConfig {
	def := func(v *int, d int) {
		*v = max(*v, 0)
		if *v == 0 {
			*v = d
		}
	}
	dur := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.Short, 8)
	def(&c.Long, 4)
	def(&c.Lanes, 2)
	def(&c.MaxBodyBytes, MaxArgsBytes+64<<10)
	dur(&c.Lease, 20*time.Second)
	dur(&c.EarlyAck, 10*time.Minute)
	dur(&c.SweepEvery, 30*time.Second)
	dur(&c.ResendAfter, 5*time.Minute)
	dur(&c.WorkerBeat, 3*time.Second)
	dur(&c.Grace, 25*time.Second)
	return c
}

// Worker consumes queues and runs the handlers registered with it. Register everything before Start. It implements contract.Registrar and service.Component.
type Worker struct {
	id       uuid.UUID
	db       *postgres.DB
	conn     *rabbit.Conn
	queue    *Queue
	cfg      WorkerConfig
	handlers map[string]*contract.Handler // by name and alias; fixed at Start
	metrics  workerMetrics
	held     holds
	revoked  revokedSet

	// alone admits many ordinary tasks or one suspect: its capacity is aloneCapacity, of which an ordinary task takes one and a suspect all.
	alone   *semaphore.Weighted
	streams []*stream
	work    context.Context // ends when Grace is over; what handlers run under
	kill    context.CancelCauseFunc
	loops   sync.WaitGroup
	stop    chan struct{} // closed by Stop
	stopped sync.Once
}

const aloneCapacity = 1 << 20

var errStopping = errors.New("worker is stopping")

// NewWorker makes a worker that consumes over conn, which the caller starts before and stops after it. Results to foreign clients go out over queue's connection.
func NewWorker(db *postgres.DB, conn *rabbit.Conn, queue *Queue, cfg WorkerConfig) *Worker {
	cfg = cfg.withDefaults()
	w := &Worker{
		id: uuid.Must(uuid.NewV7()), db: db, conn: conn, queue: queue, cfg: cfg, handlers: map[string]*contract.Handler{},
		metrics: newWorkerMetrics(cfg.Metrics), alone: semaphore.NewWeighted(aloneCapacity), stop: make(chan struct{}),
	}
	w.work, w.kill = context.WithCancelCause(context.Background()) //nolint:forbidigo // the worker owns its handlers' lifetime; Stop ends it
	return w
}

// Register adds a handler under its name and aliases. It panics on a name that is taken, and on a queue this worker does not consume: both are mistakes in the wiring.
func (w *Worker) Register(h contract.Handler) {
	d := h.Descriptor
	if !slices.Contains(w.cfg.Queues, d.Queue) {
		// A worker narrowed by QUEUES= is given all its handlers and leaves out what it does not consume.
		return
	}
	for _, name := range append([]string{d.Name}, d.Aliases...) {
		if _, taken := w.handlers[name]; taken {
			panic(fmt.Sprintf("task %s is handled twice", name))
		}
		w.handlers[name] = &h
	}
}

// Registered returns the canonical names of the tasks this worker runs, sorted.
func (w *Worker) Registered() []string {
	var names []string
	for name, h := range w.handlers {
		if name == h.Descriptor.Name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Tasks returns the contracts of the tasks this worker runs, by name and alias.
func (w *Worker) Tasks() map[string]*contract.Descriptor {
	tasks := make(map[string]*contract.Descriptor, len(w.handlers))
	for name, h := range w.handlers {
		tasks[name] = h.Descriptor
	}
	return tasks
}

// Queues returns the queues this worker consumes.
func (w *Worker) Queues() []string { return slices.Clone(w.cfg.Queues) }

// Slots returns how many tasks this worker runs at once, over all its queues, where a batch counts as one.
func (w *Worker) Slots() (slots int) {
	for _, q := range w.cfg.Queues {
		slots += w.cfg.Short + w.cfg.Long
		for name, h := range w.handlers {
			if name == h.Descriptor.Name && h.Descriptor.Queue == q && h.Descriptor.Mode == contract.ModeBatch {
				slots += w.cfg.Lanes
			}
		}
	}
	return slots
}

// Prefetch returns how many messages this worker takes from all its queues before it acks one.
func (w *Worker) Prefetch() (n int) {
	for _, q := range w.cfg.Queues {
		n += w.prefetch(q)
	}
	return n
}

// prefetch is twice what runs at once, or two full batches where there are any.
func (w *Worker) prefetch(queue string) int {
	for _, h := range w.handlers {
		if h.Descriptor.Queue == queue && h.Descriptor.Mode == contract.ModeBatch {
			return batchPrefetch
		}
	}
	return 2 * (w.cfg.Short + w.cfg.Long)
}

// Start begins consuming. The context bounds the start only. An unreachable broker is not an error: consuming begins when it answers.
func (w *Worker) Start(ctx context.Context) error {
	if len(w.cfg.Queues) == 0 {
		return errors.New("worker has no queues to consume; check QUEUES")
	}
	if err := w.announce(ctx); err != nil {
		return err
	}
	w.loops.Go(w.beat)
	w.loops.Go(w.sweep)
	for _, q := range w.cfg.Queues {
		s := newStream(w, q)
		w.streams = append(w.streams, s)
		w.loops.Go(s.run)
		w.loops.Go(func() { w.archive(q) })
	}
	return nil
}

// Stop takes no new messages, lets running tasks finish for Grace, then cancels them; what was not started goes back to the broker.
func (w *Worker) Stop(ctx context.Context) (err error) {
	w.stopped.Do(func() { err = w.shutDown(ctx) })
	return err
}

func (w *Worker) shutDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Grace)
	defer cancel()
	close(w.stop)
	var wg sync.WaitGroup
	for _, s := range w.streams {
		wg.Go(func() { s.drain(ctx) })
	}
	wg.Wait()
	w.kill(errStopping)
	w.loops.Wait()
	for _, s := range w.streams {
		_ = s.consumer.Close()
	}
	return w.farewell()
}

// Ready reports an error unless every queue's consumer is registered with the broker and turning.
func (w *Worker) Ready(context.Context) error {
	for _, s := range w.streams {
		if err := s.consumer.Ready(); err != nil {
			return fmt.Errorf("consumer of %s: %w", s.queue, err)
		}
	}
	return nil
}

func (w *Worker) stopping(err error) bool {
	return errors.Is(err, errStopping) || errors.Is(context.Cause(w.work), errStopping)
}

// announce writes this process's row in task.worker.
func (w *Worker) announce(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	_, err = w.db.Pool().Exec(ctx, `insert into task.worker (id, service, host, pid) values ($1, $2, $3, $4)`, w.id, w.cfg.Service, host, os.Getpid())
	if err != nil {
		return fmt.Errorf("announce worker: %w", err)
	}
	return nil
}

// beat says every few seconds that this process lives. Its silence is how others learn of a crash.
func (w *Worker) beat() {
	t := time.NewTicker(w.cfg.WorkerBeat)
	defer t.Stop()
	for {
		select {
		case <-w.work.Done():
			return
		case <-t.C:
		}
		ctx, cancel := context.WithTimeout(w.work, w.cfg.WorkerBeat)
		if _, err := w.db.Pool().Exec(ctx, `update task.worker set heartbeat_at = now() where id = $1`, w.id); err != nil && w.work.Err() == nil {
			slog.WarnContext(ctx, "worker heartbeat not written", "error", err)
		}
		cancel()
	}
}

// farewell marks a clean end, so that nothing this process held is taken for a crash.
//
//nolint:contextcheck // runs after the worker's own context has ended
func (w *Worker) farewell() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.work), 3*time.Second)
	defer cancel()
	if _, err := w.db.Pool().Exec(ctx, `update task.worker set heartbeat_at = now(), stopped_at = now() where id = $1`, w.id); err != nil {
		return fmt.Errorf("mark worker stopped: %w", err)
	}
	return nil
}
