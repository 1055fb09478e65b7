package fake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"makola/pkg/money"
)

// answer is what an API call is answered with.
type answer struct {
	status int
	body   any // Written as JSON.
	header http.Header
}

// call answers one API request. twist is how the answer goes wrong, if that is up to the call: KindWrongAmount or KindWrongCurrency.
type call func(r *http.Request, twist Kind) answer

// api makes a call an HTTP handler: it checks the key, lets the next fault of the operation happen, and writes the answer. subject finds the reference that
// the request is about, for faults that are meant for one payment; nil where the request cannot tell.
func (s *Simulator) api(p Provider, op Operation, subject func(*http.Request) string, next call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.facade(p)
		if !f.authorized(r) {
			write(w, answer{status: http.StatusUnauthorized, body: f.failure(http.StatusUnauthorized, "Invalid API key")})
			return
		}
		var reference string
		if subject != nil {
			reference = subject(r)
		}
		s.mu.Lock()
		fault, faulty := s.take(p, op, reference, func(Kind) bool { return true })
		s.mu.Unlock()
		if status := map[Kind]int{Kind500: http.StatusInternalServerError, Kind429: http.StatusTooManyRequests}[fault.Kind]; status != 0 {
			a := answer{status: status, body: f.failure(status, "The simulator was told to misbehave"), header: http.Header{}}
			if fault.RetryAfter > 0 {
				a.header.Set("Retry-After", strconv.Itoa(fault.RetryAfter))
			}
			write(w, a)
			return
		}
		a := next(r, fault.Kind)
		if faulty && fault.Kind == KindSlow && !s.pause(r.Context(), fault.delay()) {
			return // The caller gave up, or the simulator closes: nobody reads the answer.
		}
		write(w, a)
	}
}

// pause waits and reports whether it waited to the end.
func (s *Simulator) pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	case <-s.life.Done():
		return false
	}
}

func write(w http.ResponseWriter, a answer) {
	body, err := json.Marshal(a.body)
	if err != nil {
		http.Error(w, "answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // The client may be gone; there is nobody to tell.
}

// decode reads one JSON value and nothing else: unknown members are refused by name, so that a misspelt one is noticed here and not at the real provider.
func decode(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return fmt.Errorf("body is too large: %d bytes at most", maxBody)
		}
		return fmt.Errorf("body is not the JSON that is wanted: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("body is more than one JSON value")
	}
	return nil
}

// object reports whether raw is absent or a JSON object; metadata of any other form breaks clients.
func object(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || raw[0] == '{' || bytes.Equal(raw, []byte("null"))
}

// number is the text of a JSON number, or of a string that holds one, as Paystack and Flutterwave take amounts.
type number string

// UnmarshalJSON reads either form. What the text means is for package money to say.
func (n *number) UnmarshalJSON(raw []byte) error {
	var text json.Number
	if err := json.Unmarshal(raw, &text); err != nil {
		return errors.New("want a number")
	}
	*n = number(text)
	return nil
}

// major is an amount as a JSON number in major units, as Flutterwave writes it: 96, 96.5.
func major(a money.Amount) json.RawMessage {
	text := a.Decimal()
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return json.RawMessage(text)
}

// moment reads a query parameter that is a date or an RFC 3339 time. A date as an end means the end of that day. An absent parameter is the zero time.
func moment(q url.Values, name string, end bool) (time.Time, error) {
	text := q.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if end {
			day = day.AddDate(0, 0, 1).Add(-time.Nanosecond)
		}
		return day, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: want a date or an RFC 3339 time", name)
	}
	return at, nil
}

// between reports whether at lies in [from, to]; zero bounds are open.
func between(at, from, to time.Time) bool {
	return (from.IsZero() || !at.Before(from)) && (to.IsZero() || !at.After(to))
}

// whole reads a query parameter that is a whole number in [1, most]; absent means usual.
func whole(q url.Values, name string, usual, most int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s: want 1 to %d", name, most)
	}
	return n, nil
}

// page cuts one page, counted from 1, out of all.
func page[T any](all []T, number, size int) []T {
	first := min((number-1)*size, len(all))
	return all[first:min(first+size, len(all))]
}

// pages is how many pages of that size n items fill.
func pages(n, size int) int { return (n + size - 1) / size }
