package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"makola/pkg/problem"
	"makola/pkg/rabbit"
	"makola/pkg/task"
)

// Limits bound the streams of one gateway. Zero fields take the defaults named.
type Limits struct {
	// Person, Business and Total are how many streams one person, one business and all together may have open; 10, 50 and 1,000. A stream costs some 40 KiB and a
	// query each 15 s.
	Person, Business, Total int
}

var errTooMany = problem.Later(problem.TooMany, "too_many_streams", "Too many streams are open. Close one, or poll the task.", 5*time.Second)

// Hub knows who watches which task, and rings when an event tells of it. It is a service.Component: its connection is started before and stopped after it.
type Hub struct {
	conn     *rabbit.Conn
	queue    string
	limits   Limits
	consumer *rabbit.Consumer
	loop     sync.WaitGroup
	leaving  chan struct{} // closed by Drain
	leave    sync.Once

	mu       sync.Mutex
	watchers map[uuid.UUID]map[*watcher]struct{}
	people   map[uuid.UUID]int
	shops    map[uuid.UUID]int
	total    int
}

// watcher is one stream's place in the hub.
type watcher struct {
	task, person, shop uuid.UUID
	ring               chan struct{} // capacity 1; never closed
}

// Queue is the queue that one gateway gets its events from. It belongs in the topology of the connection that NewHub is given.
func Queue(instance string) rabbit.Queue {
	return rabbit.OwnQueue("gateway."+instance, rabbit.Binding{Exchange: rabbit.ExchangeEvents, Key: "#"})
}

// NewHub makes a hub that consumes Queue(instance) over conn. Without a conn it rings for nobody, and streams look at their rows every two seconds.
func NewHub(conn *rabbit.Conn, instance string, limits Limits, metrics prometheus.Registerer) *Hub {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&limits.Person, 10)
	def(&limits.Business, 50)
	def(&limits.Total, 1000)
	h := &Hub{
		conn: conn, queue: Queue(instance).Name, limits: limits, leaving: make(chan struct{}),
		watchers: map[uuid.UUID]map[*watcher]struct{}{}, people: map[uuid.UUID]int{}, shops: map[uuid.UUID]int{},
	}
	if metrics != nil {
		metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "makola_streams_open", Help: "Open streams of task events."}, func() float64 { return float64(h.Open()) }))
	}
	return h
}

// Start begins to consume. A broker that is away is no error.
func (h *Hub) Start(ctx context.Context) error {
	if h.conn == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	h.consumer = h.conn.NewConsumer(rabbit.ConsumerConfig{Queue: h.queue, Prefetch: 64, Tag: h.queue})
	h.loop.Go(func() { h.consume(ctx) })
	return nil
}

// Stop drains and ends consuming.
func (h *Hub) Stop(ctx context.Context) error {
	h.Drain()
	if h.consumer == nil {
		return nil
	}
	err := h.consumer.Stop(ctx)
	_ = h.consumer.Close()
	h.loop.Wait()
	return err
}

// Drain tells every stream to say goodbye, so that its client comes back to another gateway. New streams are refused by the server that takes no more connections.
func (h *Hub) Drain() { h.leave.Do(func() { close(h.leaving) }) }

// Open returns how many streams are open.
func (h *Hub) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

// Hears reports whether events arrive; without, streams look at their rows.
func (h *Hub) Hears() bool { return h.consumer != nil && h.consumer.Ready() == nil }

func (h *Hub) consume(ctx context.Context) {
	for d := range h.consumer.Deliveries() {
		if h.Open() > 0 { // else the news is for nobody
			events, err := task.DecodeEvents(d)
			if err != nil {
				slog.WarnContext(ctx, "task events not understood", "error", err)
			}
			h.ring(events)
		}
		_ = d.Ack() // a lost ack brings the message again, which only rings again
	}
}

func (h *Hub) ring(events []task.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		for w := range h.watchers[e.ID] {
			if w.shop != e.Tenant {
				continue
			}
			select {
			case w.ring <- struct{}{}:
			default: // rung already
			}
		}
	}
}

// watch registers a stream. Its end must be told to unwatch.
func (h *Hub) watch(id, person, shop uuid.UUID) (*watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.total >= h.limits.Total || h.people[person] >= h.limits.Person || h.shops[shop] >= h.limits.Business {
		return nil, errTooMany
	}
	w := &watcher{task: id, person: person, shop: shop, ring: make(chan struct{}, 1)}
	if h.watchers[id] == nil {
		h.watchers[id] = map[*watcher]struct{}{}
	}
	h.watchers[id][w] = struct{}{}
	h.total++
	h.people[person]++
	h.shops[shop]++
	return w, nil
}

func (h *Hub) unwatch(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.watchers[w.task], w); len(h.watchers[w.task]) == 0 {
		delete(h.watchers, w.task)
	}
	h.total--
	if h.people[w.person]--; h.people[w.person] == 0 {
		delete(h.people, w.person)
	}
	if h.shops[w.shop]--; h.shops[w.shop] == 0 {
		delete(h.shops, w.shop)
	}
}
