package monitor

import (
	"sync"

	"makola/pkg/celery"
)

// ringSize is how many events wait at most, some kilobytes each when arguments and results are long. It bridges a broker's restart under everyday load.
const ringSize = 4096

// ring holds the latest events. Safe for concurrent use.
type ring struct {
	ready chan struct{} // holds one token while there may be events

	mu      sync.Mutex
	events  []celery.Event // grows to ringSize
	first   int
	n       int
	dropped uint64
}

func newRing() *ring { return &ring{ready: make(chan struct{}, 1)} }

// add appends an event, in place of the oldest when the ring is full.
func (r *ring) add(e celery.Event) {
	r.mu.Lock()
	switch {
	case r.n < len(r.events):
		r.events[(r.first+r.n)%len(r.events)] = e
		r.n++
	case len(r.events) < ringSize:
		r.grow()
		r.events[r.n] = e
		r.n++
	default:
		r.events[r.first] = e
		r.first = (r.first + 1) % len(r.events)
		r.dropped++
	}
	r.mu.Unlock()
	r.ring()
}

// grow doubles the room, and puts the oldest event first.
func (r *ring) grow() {
	bigger := make([]celery.Event, min(ringSize, max(64, 2*len(r.events))))
	for i := range r.n {
		bigger[i] = r.events[(r.first+i)%len(r.events)]
	}
	r.events, r.first = bigger, 0
}

func (r *ring) ring() {
	select {
	case r.ready <- struct{}{}:
	default: // rung already
	}
}

// take removes up to n events, oldest first, and says how many were dropped since the last call.
func (r *ring) take(n int) (events []celery.Event, dropped uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	events = make([]celery.Event, 0, min(n, r.n))
	for len(events) < n && r.n > 0 {
		events = append(events, r.events[r.first])
		r.events[r.first] = celery.Event{}
		r.first = (r.first + 1) % len(r.events)
		r.n--
	}
	dropped, r.dropped = r.dropped, 0
	return events, dropped
}
