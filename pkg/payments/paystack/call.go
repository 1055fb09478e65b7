package paystack

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

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"makola/pkg/payments"
)

// Limits of the calls.
const (
	// attemptTimeout bounds one attempt. Paystack usually answers within one second; a worker should not wait for the rare minute.
	attemptTimeout = 10 * time.Second
	// getRetries is how often a GET is repeated. The task runtime repeats the rest, with patience.
	getRetries = 2
	// breakerFailures in a row open the breaker, and after breakerDelay one call probes.
	breakerFailures = 5
	breakerDelay    = 30 * time.Second
)

// answer is one HTTP response, read completely.
type answer struct {
	status     int
	body       []byte
	retryAfter time.Duration
}

// calls holds the policies, shared by all calls of one client.
type calls struct {
	breaker circuitbreaker.CircuitBreaker[*answer]
	get     failsafe.Executor[*answer] // may repeat
	post    failsafe.Executor[*answer] // never repeats
}

func newCalls(limit time.Duration) *calls {
	if limit <= 0 || limit > attemptTimeout {
		limit = attemptTimeout
	}
	breaker := circuitbreaker.NewBuilder[*answer]().HandleIf(providerAtFault).
		WithFailureThreshold(breakerFailures).WithDelay(breakerDelay).Build()
	retry := retrypolicy.NewBuilder[*answer]().HandleIf(worthRepeating).ReturnLastFailure().
		WithMaxRetries(getRetries).WithBackoff(200*time.Millisecond, 2*time.Second).WithJitter(100 * time.Millisecond).Build()
	perAttempt := timeout.New[*answer](limit)
	return &calls{
		breaker: breaker,
		get:     failsafe.With[*answer](retry, breaker, perAttempt),
		post:    failsafe.With[*answer](breaker, perAttempt),
	}
}

// providerAtFault decides what counts against the provider: no answer, or a 5xx. A caller that went away does not.
func providerAtFault(a *answer, err error) bool {
	if err != nil {
		return !errors.Is(err, context.Canceled)
	}
	return a.status >= http.StatusInternalServerError
}

// worthRepeating is providerAtFault, unless the breaker is open or the provider named a time to come back.
func worthRepeating(a *answer, err error) bool {
	return providerAtFault(a, err) && !errors.Is(err, circuitbreaker.ErrOpen) && (a == nil || a.retryAfter == 0)
}

// call makes one API call and decodes the data member of the answer into out and, unless it is nil, the meta member into meta.
func (c *Client) call(ctx context.Context, method, path string, in, out, meta any) error {
	var payload []byte
	executor := c.calls.get
	if method != http.MethodGet {
		executor = c.calls.post
		var err error
		if payload, err = json.Marshal(in); err != nil {
			return fmt.Errorf("%w: encode: %w", payments.ErrInvalidRequest, err)
		}
	}
	//nolint:contextcheck // the execution's context is ctx with the policies' timeouts
	got, err := executor.WithContext(ctx).GetWithExecution(func(exec failsafe.Execution[*answer]) (*answer, error) {
		return c.attempt(exec.Context(), method, path, payload)
	})
	if err != nil {
		return c.unavailable(ctx, err)
	}
	return decode(got, out, meta)
}

func (c *Client) attempt(ctx context.Context, method, path string, payload []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.baseURL+path, bytes.NewReader(payload))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(c.key))
	req.Header.Set("Accept", "application/json")
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	body, err := io.ReadAll(resp.Body)
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return &answer{status: resp.StatusCode, body: body, retryAfter: retryAfter(resp.Header.Get("Retry-After"))}, nil
}

// unavailable wraps a call that got no answer. A caller that cancelled or ran out of time gets its own error back.
func (c *Client) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", &payments.UnavailableError{Err: err}, ctx.Err())
	}
	out := &payments.UnavailableError{Err: err}
	if errors.Is(err, circuitbreaker.ErrOpen) {
		out.RetryAfter = max(c.calls.breaker.RemainingDelay(), time.Second)
	}
	return out
}

// decode turns an answer into data or into one of the errors of package payments.
func decode(a *answer, out, meta any) error {
	if a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError {
		return &payments.UnavailableError{RetryAfter: a.retryAfter, Err: fmt.Errorf("HTTP %d", a.status)}
	}
	var outer struct {
		Status  bool            `json:"status"`
		Message string          `json:"message"`
		Code    string          `json:"code"`
		Data    json.RawMessage `json:"data"`
		Meta    json.RawMessage `json:"meta"`
	}
	err := json.Unmarshal(a.body, &outer)
	if a.status >= http.StatusOK && a.status < http.StatusMultipleChoices && outer.Status && err == nil {
		if err := json.Unmarshal(outer.Data, out); err != nil {
			return fmt.Errorf("%w: data of the answer", payments.ErrMalformed)
		}
		if meta != nil && json.Unmarshal(outer.Meta, meta) != nil {
			return fmt.Errorf("%w: meta of the answer", payments.ErrMalformed)
		}
		return nil
	}
	switch message := strings.ToLower(outer.Message); {
	case err == nil && (outer.Code == "transaction_not_found" || strings.Contains(message, "transaction reference not found")):
		return payments.ErrUnknownReference
	case err == nil && (outer.Code == "duplicate_reference" || strings.Contains(message, "duplicate transaction reference")):
		return payments.ErrDuplicateReference
	case a.status >= http.StatusBadRequest || (err == nil && a.status == http.StatusOK):
		return &payments.DeclinedError{HTTPStatus: a.status, Code: outer.Code, Message: redact(outer.Message)}
	default: // A redirect, or something that is not Paystack's JSON.
		return fmt.Errorf("%w: HTTP %d", payments.ErrMalformed, a.status)
	}
}

// retryAfter reads the header's form in seconds; Paystack uses no other. At most one hour is believed.
func retryAfter(text string) time.Duration {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}

// withoutURL drops the request's address from an error, which net/http puts there with path and query.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// redact removes words that look like an e-mail address or a key from the provider's message, and bounds its length.
func redact(message string) string {
	words := strings.Fields(message)
	for i, word := range words {
		if strings.Contains(word, "@") || strings.Contains(word, "sk_") || strings.Contains(word, "pk_") {
			words[i] = "***"
		}
	}
	text := strings.ToValidUTF8(strings.Join(words, " "), "")
	return strings.ToValidUTF8(text[:min(len(text), 200)], "")
}
