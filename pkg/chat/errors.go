package chat

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/timeout"

	"makola/pkg/outbound"
)

var (
	// ErrUnavailable matches every UnavailableError: the endpoint did not answer, or not now. Try again later.
	ErrUnavailable = errors.New("model unavailable")
	// ErrMalformed reports an answer that is none: no JSON, too long, cut off, or without what was asked for. A model may do better the next time.
	ErrMalformed = errors.New("model's answer malformed")
	// ErrDeclined reports that the model will not answer this. Asking the same again gets the same.
	ErrDeclined = errors.New("model declined to answer")
)

// UnavailableError says when it is worth trying again. It matches ErrUnavailable.
type UnavailableError struct {
	RetryAfter time.Duration // As the endpoint, or our breaker, asks; zero when nobody named a time.
	Err        error         // The cause, which may name addresses of our own network.
}

// Error implements error. Every member of a business may read it in the task that failed, so it says what kind of failure it was and names no address; package outbound logs the rest.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%v: %s", ErrUnavailable, reason(e.Err))
}

// httpStatus is an answer that is none.
type httpStatus int

func (s httpStatus) Error() string { return fmt.Sprintf("HTTP %d", int(s)) }

func reason(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	status, answered := errors.AsType[httpStatus](err)
	switch {
	case answered:
		return status.Error()
	case errors.Is(err, circuitbreaker.ErrOpen):
		return "it has failed too often just now"
	case errors.Is(err, outbound.ErrForbiddenAddress):
		return "address is not on the public internet"
	case errors.As(err, &dns):
		return "host name not found"
	case errors.As(err, &certificate):
		return "certificate is not valid"
	case errors.Is(err, timeout.ErrExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "the call was given up"
	}
	return "connection failed"
}

// Unwrap makes both ErrUnavailable and the cause visible to errors.Is.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

// RefusedError reports that the endpoint refused the request itself: a wrong key, an unknown model, a request that it does not understand. The same request will be refused again.
type RefusedError struct {
	Status int
	Code   string // The endpoint's code, when it is a plain word.
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("model's endpoint refused: HTTP %d, code %q", e.Status, e.Code)
}
