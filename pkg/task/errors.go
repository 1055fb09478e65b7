package task

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"makola/pkg/postgres"
	"makola/proto/contract"
)

// ErrNotFound is returned for a task that does not exist, or belongs to another tenant.
var ErrNotFound = errors.New("task not found")

var (
	errLeaseLost = errors.New("another worker took this task over")
	errCancelled = errors.New("task was cancelled")
	errTimeLimit = errors.New("time limit exceeded")
	errExpired   = errors.New("expired before it could start")
)

type classified struct {
	err   error
	kind  string
	after time.Duration
}

func (c *classified) Error() string { return c.err.Error() }
func (c *classified) Unwrap() error { return c.err }

// Permanent marks err as one that no further attempt can mend: the task fails at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &classified{err: err, kind: KindPermanent}
}

// RetryAfter marks err as retryable no sooner than d from now, because the other side named a time. It spends an attempt. RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &classified{err: err, kind: KindRetry, after: d}
}

// Throttled puts the task off by d because of a limit of our own. It spends no attempt.
func Throttled(d time.Duration) error {
	return &classified{err: fmt.Errorf("throttled for %s", d), kind: KindThrottled, after: d}
}

// Waiting puts the task off by d, like Throttled, and says for what it waits to whoever looks at it: see View.WaitingFor.
func Waiting(reason string, d time.Duration) error {
	return &classified{err: errors.New(reason), kind: KindThrottled, after: d}
}

// panicked is a handler's panic turned into an error. The value is not part of the text, because it may hold anything.
type panicked struct{ value any }

func (p *panicked) Error() string { return "handler panicked; the log has the stack" }

// outsideError is what a LONG handler returned. It speaks of other servers (a provider, a mail server, a file store), whose lost connections
// look exactly like the database's.
type outsideError struct{ error }

func (o *outsideError) Unwrap() error { return o.error }

// outage reports whether err says that the database is away: then nothing can be recorded, and nothing is the task's fault.
func outage(err error) bool {
	if _, outside := errors.AsType[*outsideError](err); outside {
		_, refused := errors.AsType[*pgconn.PgError](err)
		_, unreached := errors.AsType[*pgconn.ConnectError](err)
		if !refused && !unreached {
			return false
		}
	}
	return errors.Is(err, postgres.ErrOutcomeUnknown) || postgres.IsUnavailable(err)
}

// verdict is what becomes of a task after an attempt that returned an error.
type verdict struct {
	state State
	kind  string
	delay time.Duration
	// spend is false when the attempt does not count.
	spend bool
}

// judge decides what follows from err, after the given attempt of a task with contract d.
func judge(d *contract.Descriptor, attempt int, err error) verdict {
	v := verdict{state: Pending, kind: KindRetry, spend: true, delay: backoff(d, attempt)}
	switch c, ok := errors.AsType[*classified](err); {
	case ok && c.kind == KindPermanent:
		return verdict{state: Failed, kind: KindPermanent}
	case ok && c.kind == KindThrottled:
		return verdict{state: Pending, kind: KindThrottled, delay: c.after}
	case ok:
		v.delay = max(v.delay, c.after)
	case errors.Is(err, errTimeLimit), errors.Is(err, context.DeadlineExceeded):
		v.kind = KindTimeout
	default:
		if _, ok := errors.AsType[*panicked](err); ok {
			v.kind = KindPanic
		}
	}
	if attempt >= d.MaxAttempts {
		return verdict{state: Failed, kind: KindExhausted}
	}
	return v
}

// backoff is the wait after the given attempt: base doubled each time, never above the cap, ±20 % so that what failed together does not return together.
func backoff(d *contract.Descriptor, attempt int) time.Duration {
	wait := d.BackoffBase
	for i := 1; i < attempt && wait < d.BackoffCap; i++ {
		wait *= 2
	}
	wait = min(wait, d.BackoffCap)
	if wait <= 0 {
		return 0
	}
	return wait - wait/5 + rand.N(wait*2/5+1) //nolint:gosec // jitter, not a secret
}
