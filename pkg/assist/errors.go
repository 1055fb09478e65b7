package assist

import (
	"errors"
	"time"

	"makola/pkg/problem"
)

var (
	// ErrNotFound reports a request that does not exist in the transaction's tenant, or whose answer whoever asks may not see.
	ErrNotFound = problem.New(problem.NotFound, "answer_not_found", "There is no such answer.")
	// ErrOver reports a request that was answered, or given up, before.
	ErrOver = errors.New("request is over")
)

// tooMany is the answer to one request too many; after is when the next one may be.
func tooMany(code, detail string, after time.Duration) error {
	return problem.Later(problem.TooMany, code, detail, max(after, time.Second))
}

// Failure is why a request came to nothing, as whoever asked is told. A request that failed cost nothing.
type Failure string

// The failures.
const (
	// NotAnswerable is a question that no figure answers, or none that whoever asks may see.
	NotAnswerable Failure = "not_answerable"
	// Declined is a question that the model will not answer.
	Declined Failure = "declined"
	// Unusable is a model whose answers cannot be used, time and again.
	Unusable Failure = "unusable_answer"
	// Unavailable is a model that did not answer, time and again, or that there is none.
	Unavailable Failure = "unavailable"
	// TooLate is a request whose time was over before it was worked on.
	TooLate Failure = "too_late"
)

// Failures are all of them.
func Failures() []Failure { return []Failure{NotAnswerable, Declined, Unusable, Unavailable, TooLate} }

// failed is an error that ends a request, whatever attempts are left.
type failed struct {
	why Failure
	err error
}

func (f *failed) Error() string { return f.err.Error() }
func (f *failed) Unwrap() error { return f.err }
