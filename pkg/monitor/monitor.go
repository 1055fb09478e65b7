package monitor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"makola/pkg/celery"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/task"
)

const (
	// eventBatch is the most events of one message.
	eventBatch = 100
	// gather is how long the first event waits for company. A message for each costs the broker more than a small task does.
	gather = 20 * time.Millisecond
	// patience bounds the sending of one message.
	patience = 2 * time.Second
	// maxClock keeps a foreign clock from overflowing ours, and from what JSON readers keep exactly.
	maxClock = 1 << 53
	// slowAtOnce is how many commands that ask the database run at once; further ones are refused.
	slowAtOnce = 4
)

// Process says whose monitor it is.
type Process struct {
	// Service and Instance name the process; see service.App.
	Service, Instance string
	// Broker is the connection's configuration. Its URL is shown without the password.
	Broker rabbit.Config
	// Shutdown asks the process to stop in order. It must not wait for that.
	Shutdown func()
	// Metrics receives the monitor's metrics when not nil.
	Metrics prometheus.Registerer
}

// Monitor answers remote control commands and sends events for one worker. It implements service.Component: start it before the worker and stop it after.
type Monitor struct {
	cfg     Config
	process Process
	self    celery.Sender
	obeys   []string
	queue   string
	conn    *rabbit.Conn
	db      *postgres.DB // lent to no task
	worker  *task.Worker // set by Attach
	started time.Time

	events, replies, probe *rabbit.Publisher
	ring                   *ring
	metrics                metrics

	enabled   atomic.Bool   // task events are wanted by configuration or command
	listening atomic.Bool   // a queue was bound for task events when last asked
	beatNow   chan struct{} // holds one request for a heartbeat; never closed
	ticket    string        // of our own hello

	mu    sync.Mutex // held while a clock value is taken and its message sent
	clock int64

	consumer *rabbit.Consumer
	listened chan struct{} // closed when the last command has been taken
	slow     chan struct{} // holds a token per command that asks the database
	work     sync.WaitGroup
	cancel   context.CancelFunc
	record   context.Context // under which revocations are written; ends when Stop must give up
	giveUp   context.CancelFunc
}

// New makes a monitor that speaks over conn, whose topology is rabbit.Monitoring(queue); the caller starts conn before and stops it after. db is for the monitor alone: one
// connection is enough, but tasks must not be able to hold it.
func New(cfg Config, p Process, conn *rabbit.Conn, queue string, db *postgres.DB) *Monitor {
	node := cfg.Node
	if node == "" {
		node = p.Service + "@" + p.Instance
	}
	m := &Monitor{
		cfg: cfg, process: p, self: celery.Sender{Node: node, PID: os.Getpid()}, obeys: cfg.obeyed(), queue: queue, conn: conn, db: db, started: time.Now(),
		events: conn.NewPublisher(rabbit.PublisherOptions{}), replies: conn.NewPublisher(rabbit.PublisherOptions{}), probe: conn.NewPublisher(rabbit.PublisherOptions{Timeout: patience}),
		ring: newRing(), metrics: newMetrics(p.Metrics), beatNow: make(chan struct{}, 1), ticket: uuid.NewString(), slow: make(chan struct{}, slowAtOnce),
	}
	m.enabled.Store(cfg.Events)
	return m
}

// Watch is what the worker is made with.
func (m *Monitor) Watch() *task.Watch {
	return &task.Watch{Wanted: func() bool { return m.enabled.Load() && m.listening.Load() }, Tell: m.ring.add}
}

// Attach names the worker that is monitored. Call it before Start.
func (m *Monitor) Attach(w *task.Worker) { m.worker = w }

// Start begins to listen and to send heartbeats. A broker that is away is no error: both begin when it is there.
func (m *Monitor) Start(ctx context.Context) error {
	if m.worker == nil {
		return errors.New("monitor has no worker to watch")
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel = cancel
	m.record, m.giveUp = context.WithCancel(context.WithoutCancel(ctx))
	m.consumer = m.conn.NewConsumer(rabbit.ConsumerConfig{Queue: m.queue, Prefetch: 64})
	m.listened = make(chan struct{})
	m.work.Go(func() {
		defer close(m.listened)
		m.listen(run)
	})
	m.work.Go(func() { m.send(run) })
	slog.InfoContext(ctx, "Celery's tools may see this worker", "node", m.self.Node, "task_events", m.cfg.Events, "commands", m.obeys)
	return nil
}

// Stop takes no more commands, sends the events that wait and says goodbye to monitors.
func (m *Monitor) Stop(ctx context.Context) error {
	defer context.AfterFunc(ctx, m.giveUp)()
	err := m.consumer.Stop(ctx)
	select {
	case <-m.listened: // what had been asked is answered
	case <-ctx.Done():
	}
	m.cancel()
	m.work.Wait()
	m.giveUp()
	return errors.Join(err, m.consumer.Close())
}

// send greets at every connect, sends heartbeats, and passes events on.
func (m *Monitor) send(ctx context.Context) {
	beat := time.NewTicker(celery.HeartbeatEvery)
	defer beat.Stop()
	greeted := uint64(0)
	var due <-chan time.Time // not nil while events gather
	for {
		number, changed := m.conn.Established()
		if number != 0 && number != greeted && m.greet(ctx) {
			greeted = number
		}
		var ready <-chan struct{}
		if number != 0 && due == nil {
			ready = m.ring.ready // otherwise they wait, the latest of them
		}
		select {
		case <-ctx.Done():
			m.farewell(context.WithoutCancel(ctx))
			return
		case <-changed:
		case <-ready:
			due = time.After(gather)
		case <-due:
			due = nil
			m.flush(ctx)
		case <-beat.C:
			m.beat(ctx, celery.EventWorkerHeartbeat)
		case <-m.beatNow:
			m.beat(ctx, celery.EventWorkerHeartbeat)
		}
	}
}

// greet tells monitors that the worker is there, and asks the other workers what they know.
func (m *Monitor) greet(ctx context.Context) bool {
	err := m.say(ctx, m.events, func(tick func() int64) (rabbit.Publishing, error) {
		msg, err := celery.Hello(m.self.Node, m.queue, m.ticket, rabbit.ExchangeReplies, tick())
		return rabbit.Publishing{Exchange: rabbit.ExchangeControl, Msg: msg}, err
	})
	return err == nil && m.beat(ctx, celery.EventWorkerOnline)
}

// beat sends a worker event and finds out whether anybody listens to task events. Until that is known somebody does: so whoever has seen this event misses no task after it.
func (m *Monitor) beat(ctx context.Context, kind string) bool {
	if number, _ := m.conn.Established(); number == 0 || m.conn.Blocked() {
		return false
	}
	m.listening.Store(true)
	if !m.tell(ctx, m.state(kind)) {
		return false
	}
	heard, err := m.probe.Heard(ctx, rabbit.Publishing{Exchange: rabbit.ExchangeCeleryEvents, Key: celery.KeyTasks, Msg: celery.NoEvents(m.self)})
	if err == nil {
		m.listening.Store(heard)
	}
	return true
}

// flush sends the events that wait, a ring of them at most. Without a connection they go on waiting.
func (m *Monitor) flush(ctx context.Context) {
	for range ringSize / eventBatch {
		if number, _ := m.conn.Established(); number == 0 {
			break
		}
		events, dropped := m.ring.take(eventBatch)
		m.metrics.dropped.Add(float64(dropped))
		if len(events) > 0 {
			m.tell(ctx, events...)
		}
		if len(events) < eventBatch {
			return
		}
	}
	m.ring.ring()
}

// tell sends events at once and reports whether they were sent.
func (m *Monitor) tell(ctx context.Context, events ...celery.Event) bool {
	err := m.say(ctx, m.events, func(tick func() int64) (rabbit.Publishing, error) {
		key, msg, err := celery.EventPublishing(m.self, events, tick)
		return rabbit.Publishing{Exchange: rabbit.ExchangeCeleryEvents, Key: key, Msg: msg}, err
	})
	if err != nil { // the connection's supervisor logs an outage, once
		m.metrics.dropped.Add(float64(len(events)))
		return false
	}
	m.metrics.sent.Add(float64(len(events)))
	return true
}

// say makes and sends one message with values of the clock.
func (m *Monitor) say(ctx context.Context, via *rabbit.Publisher, message func(tick func() int64) (rabbit.Publishing, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := message(func() int64 { m.clock++; return m.clock })
	if err != nil {
		return err
	}
	return via.PublishBestEffort(ctx, p)
}

// saw moves the clock past another's.
func (m *Monitor) saw(clock int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if clock < maxClock {
		m.clock = max(m.clock, clock) + 1
	}
}

func (m *Monitor) now() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clock
}

// farewell sends what waits, and then that the worker has gone.
func (m *Monitor) farewell(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if number, _ := m.conn.Established(); number == 0 {
		return
	}
	for range ringSize/eventBatch + 1 {
		events, dropped := m.ring.take(eventBatch)
		m.metrics.dropped.Add(float64(dropped))
		if len(events) == 0 || !m.tell(ctx, events...) {
			break
		}
	}
	if !m.tell(ctx, m.state(celery.EventWorkerOffline)) {
		slog.InfoContext(ctx, "monitors were not told that the worker has gone; they see that it is silent")
	}
}

func (m *Monitor) state(kind string) celery.Event {
	active, begun := m.worker.Load()
	s := celery.WorkerState{Freq: celery.Seconds(celery.HeartbeatEvery.Seconds()), Active: active, LoadAvg: loadAverage(), Software: software, Version: version(), System: system()}
	for _, n := range begun {
		s.Processed += n
	}
	return celery.WorkerEvent(kind, time.Now(), s)
}

type metrics struct {
	sent, dropped prometheus.Counter
	commands      *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		sent:     prometheus.NewCounter(prometheus.CounterOpts{Name: "makola_celery_events_total", Help: "Events handed to the broker for Celery's monitors."}),
		dropped:  prometheus.NewCounter(prometheus.CounterOpts{Name: "makola_celery_events_dropped_total", Help: "Events for Celery's monitors dropped because the broker was away or too slow."}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "makola_celery_control_total", Help: "Remote control messages of Celery's tools. Method is other for unknown commands and garbage."}, []string{"method", "outcome"}),
	}
	if reg != nil {
		reg.MustRegister(m.sent, m.dropped, m.commands)
	}
	return m
}
