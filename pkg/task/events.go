package task

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"makola/pkg/rabbit"
)

// Event is the news that a task has come to a state. It is a doorbell, like every message here: whoever shows a task to people reads its row when an event
// arrives. So events may be lost, come twice or out of order, and nobody ever sees a state that is not so.
//
// Only tasks of a tenant have events: nobody can ask for those of the platform.
type Event struct {
	ID      uuid.UUID `json:"id"`
	Tenant  uuid.UUID `json:"tenant"`
	State   State     `json:"state"`
	Attempt int       `json:"attempt"`
	// Progress is there while a LONG task reports some.
	Progress *Progress `json:"progress,omitempty"`
}

const (
	// eventKey is the routing key of all events: a message holds those of many tasks and tenants, so there is nothing finer to bind to.
	eventKey = "task"
	// eventType names the content of a message: a JSON array of Event.
	eventType = "task.events"
	// eventBuffer is how many events may wait to be sent. A full buffer drops the news, never the work: some 100 bytes each.
	eventBuffer = 8192
	// eventBatch is the most events of one message: some 40 KiB.
	eventBatch = 256
	// eventPause follows each message that leaves less than another one's worth behind, so that what comes in a trickle makes at most 50 messages a second. A lone event
	// goes out at once.
	eventPause = 20 * time.Millisecond
	// eventPatience bounds the sending of one message; what does not go out by then is lost.
	eventPatience = 2 * time.Second
)

// DecodeEvents reads one message of the exchange rabbit.ExchangeEvents.
func DecodeEvents(d rabbit.Delivery) ([]Event, error) {
	if d.Type != eventType {
		return nil, fmt.Errorf("message of type %q is not about task events", d.Type)
	}
	var events []Event
	if err := json.Unmarshal(d.Body, &events); err != nil {
		return nil, fmt.Errorf("read task events: %w", err)
	}
	return events, nil
}

// Announce tells whoever watches that a task has changed. It never waits: best effort, and nothing at all for a task without a tenant or a queue without a broker.
// The engine announces what it does itself; this is for those who change a task past it, such as the one who cancels it.
func (q *Queue) Announce(e Event) {
	if q.news == nil || e.Tenant == uuid.Nil {
		return
	}
	select {
	case q.news.waiting <- e:
	default:
		q.news.dropped.Inc()
	}
}

// AnnounceNews tells whoever watches a business that something of it has changed which is no task. The event's id is the business's, so that it rings for nobody else and
// several in a row become one. It is for after the commit (postgres.AfterCommit), and a nil queue tells nobody.
func (q *Queue) AnnounceNews(business uuid.UUID) {
	if q != nil {
		q.Announce(Event{ID: business, Tenant: business, State: "news"})
	}
}

// announcer sends events in the background, many in one message.
type announcer struct {
	pub           *rabbit.Publisher
	waiting       chan Event // never closed
	sent, dropped prometheus.Counter
}

func newAnnouncer(pub *rabbit.Publisher, reg prometheus.Registerer) *announcer {
	a := &announcer{
		pub: pub, waiting: make(chan Event, eventBuffer),
		sent:    prometheus.NewCounter(prometheus.CounterOpts{Name: "makola_task_events_total", Help: "Task events handed to the broker for live views."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "makola_task_events_dropped_total", Help: "Task events dropped because the broker was away or too slow; live views read the rows instead."}),
	}
	if reg != nil {
		reg.MustRegister(a.sent, a.dropped)
	}
	return a
}

// run sends until ctx ends, and then once more what waits.
func (a *announcer) run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			a.send(context.WithoutCancel(ctx), a.gather(nil))
			return
		case e := <-a.waiting:
			a.send(ctx, a.gather([]Event{e}))
		}
		if len(a.waiting) >= eventBatch {
			continue // a flood: every message is full anyway
		}
		pause.Reset(eventPause)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// gather adds what waits, up to a message's worth. Of one task only the latest event is kept.
func (a *announcer) gather(events []Event) []Event {
	for len(events) < eventBatch {
		select {
		case e := <-a.waiting:
			events = append(events, e)
			continue
		default:
		}
		break
	}
	latest := make(map[uuid.UUID]int, len(events))
	for i, e := range events {
		if known, ok := latest[e.ID]; ok {
			stale := i
			if !late(e, events[known]) {
				stale, latest[e.ID] = known, i
			}
			events[stale].ID = uuid.Nil
			continue
		}
		latest[e.ID] = i
	}
	return slices.DeleteFunc(events, func(e Event) bool { return e.ID == uuid.Nil })
}

// late reports whether e tells of something that came before what known tells, though it was told after it: a relay learns from the broker that a task was published, and a
// worker may be quicker.
func late(e, known Event) bool {
	return e.State == Published && known.State != Published && e.Attempt <= known.Attempt
}

func (a *announcer) send(ctx context.Context, events []Event) {
	if len(events) == 0 {
		return
	}
	body, err := json.Marshal(events)
	if err != nil {
		slog.ErrorContext(ctx, "task events not encoded", "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, eventPatience)
	defer cancel()
	err = a.pub.PublishBestEffort(ctx, rabbit.Publishing{Exchange: rabbit.ExchangeEvents, Key: eventKey, Msg: rabbit.Message{
		Type: eventType, ContentType: "application/json", DeliveryMode: rabbit.Transient, Body: body,
	}})
	if err != nil { // the connection's supervisor logs an outage, once
		a.dropped.Add(float64(len(events)))
		return
	}
	a.sent.Add(float64(len(events)))
}

// tell announces that a claimed task has come to a state.
func (w *Worker) tell(c *claimed, s State, p *Progress) {
	if c.tenant != nil {
		w.queue.Announce(Event{ID: c.id, Tenant: *c.tenant, State: s, Attempt: c.attempt, Progress: p})
	}
}

// announcePublished tells of the tasks that the broker has taken; messages and errors stand beside each other. The message knows whose task it is.
func (q *Queue) announcePublished(ids []uuid.UUID, msgs []rabbit.Publishing, errs []error) {
	if q.news == nil {
		return
	}
	for i, err := range errs {
		text, ok := msgs[i].Msg.Headers["tenant"].(string)
		if err != nil || !ok {
			continue
		}
		tenant, err := uuid.Parse(text)
		if err != nil {
			continue
		}
		attempt := 1
		if retries, ok := msgs[i].Msg.Headers["retries"].(int64); ok {
			attempt += int(retries)
		}
		q.Announce(Event{ID: ids[i], Tenant: tenant, State: Published, Attempt: attempt})
	}
}
