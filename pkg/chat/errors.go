package chat

import (
	"errors"
	"fmt"
	"time"
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
	Err        error         // The cause, without URLs.
}

// Error implements error.
func (e *UnavailableError) Error() string { return fmt.Sprintf("%v: %v", ErrUnavailable, e.Err) }

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
