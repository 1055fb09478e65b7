package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"makola/pkg/payments"
)

// Limits of the calls.
const (
	// attemptTimeout bounds one attempt. Providers usually answer within one second; a worker should not wait for the rare minute.
	attemptTimeout = 10 * time.Second
	// retries is how often a call that may be repeated is. The task runtime repeats the rest, with patience.
	retries = 2
	// breakerFailures in a row open the breaker, and after breakerDelay one call probes.
	breakerFailures = 5
	breakerDelay    = 30 * time.Second
)

// Answer is one HTTP response, read completely.
type Answer struct {
	Status     int
	Body       []byte
	RetryAfter time.Duration // Zero when the provider named no time.
}

// Attempt makes one exchange. It must respect ctx, and return no error that names a URL.
type Attempt func(ctx context.Context) (*Answer, error)

// Caller runs attempts under the policies of one provider: a time limit for each, a circuit breaker over all, and repetition where it does no harm.
// It is safe for concurrent use.
type Caller struct {
	provider string
	observe  payments.Observer
	breaker  circuitbreaker.CircuitBreaker[*Answer]
	repeat   failsafe.Executor[*Answer]
	once     failsafe.Executor[*Answer]
	lone     failsafe.Executor[*Answer]
}

// NewCaller returns the caller of a provider. limit bounds one attempt when it is shorter than ours; observe may be nil.
func NewCaller(provider string, limit time.Duration, observe payments.Observer) *Caller {
	if limit <= 0 || limit > attemptTimeout {
		limit = attemptTimeout
	}
	breaker := circuitbreaker.NewBuilder[*Answer]().HandleIf(providerAtFault).
		WithFailureThreshold(breakerFailures).WithDelay(breakerDelay).Build()
	retry := retrypolicy.NewBuilder[*Answer]().HandleIf(worthRepeating).ReturnLastFailure().
		WithMaxRetries(retries).WithBackoff(200*time.Millisecond, 2*time.Second).WithJitter(100 * time.Millisecond).Build()
	perAttempt := timeout.New[*Answer](limit)
	return &Caller{
		provider: provider,
		observe:  observe,
		breaker:  breaker,
		repeat:   failsafe.With[*Answer](retry, breaker, perAttempt),
		once:     failsafe.With[*Answer](breaker, perAttempt),
		lone:     failsafe.With[*Answer](perAttempt),
	}
}

// BreakerState is "closed", "open" or "half-open", for a metric.
func (c *Caller) BreakerState() string { return c.breaker.State().String() }

// Once makes the attempt a single time: for what must not happen twice.
func (c *Caller) Once(ctx context.Context, attempt Attempt) (*Answer, error) {
	return c.run(ctx, c.once, attempt)
}

// Repeat makes the attempt again while the provider does not answer: for questions, and for requests that carry an idempotency key.
func (c *Caller) Repeat(ctx context.Context, attempt Attempt) (*Answer, error) {
	return c.run(ctx, c.repeat, attempt)
}

// Probe makes the attempt a single time, past the breaker: to see whether the provider answers. One that says that we ask too often does answer, so 429 is no failure here.
func (c *Caller) Probe(ctx context.Context, attempt Attempt) (*Answer, error) {
	got, err := c.attempt(ctx, c.lone, attempt)
	switch {
	case err != nil:
		return nil, c.unavailable(ctx, err)
	case providerAtFault(got, nil):
		return nil, &payments.UnavailableError{RetryAfter: got.RetryAfter, Err: statusError(got.Status)}
	}
	return got, nil
}

// attempt runs the attempts and tells the observer of each.
func (c *Caller) attempt(ctx context.Context, executor failsafe.Executor[*Answer], attempt Attempt) (*Answer, error) {
	//nolint:contextcheck // the execution's context is ctx with the policies' timeouts
	return executor.WithContext(ctx).GetWithExecution(func(exec failsafe.Execution[*Answer]) (*Answer, error) {
		got, err := attempt(exec.Context())
		c.tell(ctx, got, err)
		return got, err
	})
}

// run returns an answer below HTTP 500 other than 429, or a payments.UnavailableError.
func (c *Caller) run(ctx context.Context, executor failsafe.Executor[*Answer], attempt Attempt) (*Answer, error) {
	got, err := c.attempt(ctx, executor, attempt)
	switch {
	case err != nil:
		return nil, c.unavailable(ctx, err)
	case got.Status == http.StatusTooManyRequests || got.Status >= http.StatusInternalServerError:
		return nil, &payments.UnavailableError{RetryAfter: got.RetryAfter, Err: statusError(got.Status)}
	}
	return got, nil
}

// tell reports the attempt to the observer. A caller that went away says nothing about the provider.
func (c *Caller) tell(ctx context.Context, got *Answer, err error) {
	if c.observe == nil || (err != nil && ctx.Err() != nil) {
		return
	}
	call := payments.Call{Provider: c.provider}
	switch {
	case err != nil:
		call.Err = err
	case providerAtFault(got, nil):
		call.Err = statusError(got.Status)
	}
	c.observe(ctx, call)
}

// unavailable wraps a call that got no answer. A caller that cancelled or ran out of time gets its own error back.
func (c *Caller) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", &payments.UnavailableError{Err: err}, ctx.Err())
	}
	out := &payments.UnavailableError{Err: err}
	if errors.Is(err, circuitbreaker.ErrOpen) {
		out.RetryAfter = max(c.breaker.RemainingDelay(), time.Second)
	}
	return out
}

func statusError(status int) error { return fmt.Errorf("HTTP %d", status) }

// providerAtFault decides what counts against the provider: no answer, or a 5xx. A caller that went away does not.
func providerAtFault(a *Answer, err error) bool {
	if err != nil {
		return !errors.Is(err, context.Canceled)
	}
	return a.Status >= http.StatusInternalServerError
}

// worthRepeating is providerAtFault, unless the breaker is open or the provider named a time to come back.
func worthRepeating(a *Answer, err error) bool {
	return providerAtFault(a, err) && !errors.Is(err, circuitbreaker.ErrOpen) && (a == nil || a.RetryAfter == 0)
}
