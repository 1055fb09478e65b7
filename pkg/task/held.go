package task

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"makola/pkg/celery"
	"makola/pkg/rabbit"
)

// hold is one task message that this process has in hand, from its delivery until its lane is done with it.
type hold struct {
	id       uuid.UUID
	delivery rabbit.Delivery
	received time.Time
	started  time.Time               // zero while it waits
	acked    bool                    // a LONG task that let go of its delivery
	abort    context.CancelCauseFunc // ends its handler; nil for SHORT and BATCH
}

// holds is what this process has in hand, and what it has begun since its start. The zero value works. Its methods accept a nil hold, which is a task that came without a message.
type holds struct {
	mu    sync.Mutex
	now   map[*hold]struct{}
	begun map[string]int64 // by task name
}

func (t *holds) add(id uuid.UUID, d rabbit.Delivery) *hold {
	h := &hold{id: id, delivery: d, received: time.Now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil {
		t.now = map[*hold]struct{}{}
	}
	t.now[h] = struct{}{}
	return h
}

func (t *holds) drop(h *hold) {
	if h == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.now, h)
}

// start notes that a task begins, and reports whether it is the first time: a batch that is split begins again.
func (t *holds) start(h *hold, name string, abort context.CancelCauseFunc) bool {
	if h == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h.abort = abort
	if !h.started.IsZero() {
		return false
	}
	h.started = time.Now()
	if t.begun == nil {
		t.begun = map[string]int64{}
	}
	t.begun[name]++
	return true
}

func (t *holds) ack(h *hold) {
	if h == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h.acked = true
}

// end notes that the handler is done, so that nobody aborts what comes after it.
func (t *holds) end(h *hold) {
	if h == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h.abort = nil
}

// hold notes a delivery, and tells monitors. They learn a task's name here alone, so they are told of tasks that this worker does not know as well.
func (w *Worker) hold(j *job, id uuid.UUID) {
	j.hold = w.held.add(id, j.delivery)
	if w.watched() {
		w.cfg.Watch.Tell(celery.TaskReceived(j.hold.received, &j.delivery.Delivery))
	}
}

// begin notes that a task begins to run, and tells monitors.
func (w *Worker) begin(j *job, c *claimed, abort context.CancelCauseFunc) {
	c.begun = true
	if w.held.start(j.hold, c.name, abort) && w.watched() {
		w.cfg.Watch.Tell(celery.TaskStarted(j.hold.started, c.wireID()))
	}
}

// Held is one task that a worker has in hand.
type Held struct {
	// Delivery is its message. It must not be acked.
	Delivery rabbit.Delivery
	Received time.Time
	// Started is zero while the task waits for its turn.
	Started time.Time
	// Acked is set for a LONG task that runs so long that it let go of its message.
	Acked bool
}

// Held returns the tasks this worker has in hand: those that run, and those that wait for a free place.
func (w *Worker) Held() []Held {
	w.held.mu.Lock()
	defer w.held.mu.Unlock()
	list := make([]Held, 0, len(w.held.now))
	for h := range w.held.now {
		list = append(list, Held{Delivery: h.delivery, Received: h.received, Started: h.started, Acked: h.acked})
	}
	return list
}

// Load returns how many tasks run at the moment, and how many of each name have begun since the start. The map is the caller's.
func (w *Worker) Load() (active int, begun map[string]int64) {
	w.held.mu.Lock()
	defer w.held.mu.Unlock()
	for h := range w.held.now {
		if !h.started.IsZero() {
			active++
		}
	}
	begun = make(map[string]int64, len(w.held.begun))
	for name, n := range w.held.begun {
		begun[name] = n
	}
	return active, begun
}
