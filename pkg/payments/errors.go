package payments

import (
	"errors"
	"fmt"
	"time"
)

// Errors that callers branch on with errors.Is.
var (
	// ErrUnknownReference reports that the provider has no payment with that reference. Right after Initialize it may only mean "not yet".
	ErrUnknownReference = errors.New("provider does not know the reference")
	// ErrDuplicateReference reports that Initialize was called before with the same reference: Verify it instead.
	ErrDuplicateReference = errors.New("reference was used before")
	// ErrUnavailable matches every UnavailableError: the provider did not answer, or not usefully. Try again later.
	ErrUnavailable = errors.New("provider unavailable")
	// ErrSignature reports a webhook whose signature is missing, malformed or not by any active secret.
	ErrSignature = errors.New("webhook signature does not match")
	// ErrMalformed reports an answer or a signed webhook that cannot be read. Repeating the same bytes cannot help.
	ErrMalformed = errors.New("provider message malformed")
	// ErrWrongMode reports a signed webhook of a provider's test mode while our key is live, or the other way round. Its payment is not ours to settle.
	ErrWrongMode = errors.New("webhook is of the provider's other mode")
	// ErrInvalidRequest reports a request that was not sent, because the provider's rules forbid it.
	ErrInvalidRequest = errors.New("payment request invalid")
)

// UnavailableError says when it is worth trying again. It matches ErrUnavailable. A timeout is unknown, not failed: what was
// asked for may have happened.
type UnavailableError struct {
	RetryAfter time.Duration // As the provider, or our breaker, asks; zero when nobody named a time.
	Err        error         // The cause, without URLs.
}

// Error implements error.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%v: %v", ErrUnavailable, e.Err)
}

// Unwrap makes both ErrUnavailable and the cause visible to errors.Is.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

// DeclinedError reports that the provider understood the request and refused it. The same request will be refused again.
type DeclinedError struct {
	HTTPStatus int    // 400, 401, 403 …; 401 means that our key is wrong or withdrawn.
	Code       string // The provider's code, when it has one.
	Message    string // The provider's words, with addresses and keys removed and at most 200 bytes.
}

// Error implements error.
func (e *DeclinedError) Error() string {
	return fmt.Sprintf("provider declined: HTTP %d, code %q: %s", e.HTTPStatus, e.Code, e.Message)
}
