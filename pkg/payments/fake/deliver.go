package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Delivery is one attempt to deliver a webhook.
type Delivery struct {
	Provider   Provider  `json:"provider"`
	Event      string    `json:"event"`
	Reference  string    `json:"reference"`
	Attempt    int       `json:"attempt"` // From 1.
	HTTPStatus int       `json:"http_status,omitempty"`
	Error      string    `json:"error,omitempty"` // Why there was no answer.
	Delivered  bool      `json:"delivered"`       // The answer ends the retries: 200, and at Stripe any 2xx.
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
}

// Bounds of what is remembered and under way.
const (
	// maxDeliveries bounds the delivery log. A load run makes more; nobody reads them one by one.
	maxDeliveries = 10_000
	// parallelDeliveries is how many webhooks are posted at the same time, enough to make neighbours of them at the gateway.
	parallelDeliveries = 64
	// maxParcels bounds what waits to be delivered while the receiver is away. More is dropped, and the log says so.
	maxParcels = 10_000
)

// Deliveries returns the latest attempts, oldest first.
func (s *Simulator) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Delivery{}, s.deliveries...)
}

// parcel is the webhooks of one action, delivered one after the other.
type parcel struct {
	events    []event
	copies    int           // How many of each, at the same moment.
	delay     time.Duration // Before the first.
	held      bool          // The delay ends early when the transaction's next parcel has been delivered.
	provider  Provider
	reference string
	overtaken chan struct{}   // Closed by the next parcel; nil unless held.
	overtakes []chan struct{} // Of the parcels held before this one.
}

// launch starts the delivery of a parcel, unless the simulator is closed. The caller holds s.mu.
func (s *Simulator) launch(tx *Transaction, p parcel) {
	if s.closed || len(p.events) == 0 || s.facade(tx.Provider).webhook() == "" {
		return
	}
	p.provider, p.reference = tx.Provider, tx.Reference
	if s.parcels >= maxParcels {
		s.record(Delivery{
			Provider: p.provider, Reference: p.reference, Event: p.events[0].name, At: time.Now().UTC(), Error: "dropped: too many webhooks wait",
		})
		return
	}
	s.parcels++
	if p.held {
		p.overtaken = make(chan struct{})
		s.held[tx.ID] = append(s.held[tx.ID], p.overtaken)
	} else {
		p.overtakes = s.held[tx.ID]
		delete(s.held, tx.ID)
	}
	s.wg.Go(func() { s.carry(tx.ID, p) })
}

func (s *Simulator) carry(id int64, p parcel) {
	if p.delay > 0 {
		select {
		case <-time.After(p.delay):
		case <-p.overtaken: // Never ready unless held.
		case <-s.life.Done():
		}
	}
	for _, e := range p.events {
		if s.life.Err() != nil {
			break
		}
		var wg sync.WaitGroup
		for range p.copies {
			wg.Go(func() { s.deliverUntilDone(p, e) })
		}
		wg.Wait()
	}
	for _, behind := range p.overtakes {
		close(behind)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parcels--
	if p.held { // It may have gone by its delay, with nobody to release it.
		s.held[id] = slices.DeleteFunc(s.held[id], func(c chan struct{}) bool { return c == p.overtaken })
		if len(s.held[id]) == 0 {
			delete(s.held, id)
		}
	}
}

func (s *Simulator) deliverUntilDone(p parcel, e event) {
	f := s.facade(p.provider)
	for attempt := 1; ; attempt++ {
		select {
		case s.slots <- struct{}{}:
		case <-s.life.Done():
			return
		}
		began := time.Now()
		status, err := s.post(s.life, f.webhook(), e.body, f.sign(e.body, began))
		<-s.slots
		d := Delivery{
			Provider: p.provider, Event: e.name, Reference: p.reference, Attempt: attempt, HTTPStatus: status,
			Delivered: err == nil && f.delivered(status), At: began.UTC(), DurationMS: time.Since(began).Milliseconds(),
		}
		if err != nil {
			d.Error = err.Error()
		}
		s.mu.Lock()
		s.record(d)
		s.mu.Unlock()
		if d.Delivered || attempt > len(s.cfg.RetryDelays) {
			return
		}
		select {
		case <-time.After(s.cfg.RetryDelays[attempt-1]):
		case <-s.life.Done():
			return
		}
	}
}

func (s *Simulator) post(ctx context.Context, target string, body []byte, header http.Header) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("post webhook: %w", err)
	}
	req.Header = header
	resp, err := s.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // Without the address.
		}
		return 0, fmt.Errorf("post webhook: %w", err)
	}
	_, err = io.Copy(io.Discard, resp.Body) // So that the connection is used again.
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

// record writes the delivery log. The caller holds s.mu.
func (s *Simulator) record(d Delivery) {
	if len(s.deliveries) == maxDeliveries {
		s.deliveries = slices.Delete(s.deliveries, 0, maxDeliveries/10)
	}
	s.deliveries = append(s.deliveries, d)
}
