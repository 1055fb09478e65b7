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
	"time"
)

// Delivery is one attempt to deliver a webhook.
type Delivery struct {
	Reference  string    `json:"reference"`
	Attempt    int       `json:"attempt"` // From 1.
	HTTPStatus int       `json:"http_status,omitempty"`
	Error      string    `json:"error,omitempty"` // Why there was no answer.
	Delivered  bool      `json:"delivered"`       // The receiver answered 200, the only answer that ends the retries.
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
}

// Deliveries returns the latest attempts, oldest first.
func (s *Simulator) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deliveries)
}

// deliver starts the delivery of one webhook, unless the simulator is closed.
func (s *Simulator) deliver(reference string, body []byte, header http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.wg.Go(func() { s.deliverUntilDone(reference, body, header) })
}

func (s *Simulator) deliverUntilDone(reference string, body []byte, header http.Header) {
	for attempt := 1; ; attempt++ {
		select {
		case s.slots <- struct{}{}:
		case <-s.life.Done():
			return
		}
		began := time.Now()
		status, err := s.post(s.life, body, header)
		<-s.slots
		d := Delivery{
			Reference: reference, Attempt: attempt, HTTPStatus: status, Delivered: err == nil && status == http.StatusOK,
			At: began.UTC(), DurationMS: time.Since(began).Milliseconds(),
		}
		if err != nil {
			d.Error = err.Error()
		}
		s.record(d)
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

func (s *Simulator) post(ctx context.Context, body []byte, header http.Header) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("post webhook: %w", err)
	}
	req.Header = header.Clone()
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

func (s *Simulator) record(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.deliveries) == maxDeliveries {
		s.deliveries = slices.Delete(s.deliveries, 0, maxDeliveries/10)
	}
	s.deliveries = append(s.deliveries, d)
}
