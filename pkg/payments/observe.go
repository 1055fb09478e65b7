package payments

import "context"

// Call is one exchange with a provider that really took place; what our breaker refused is none.
type Call struct {
	Provider string
	// Err is nil when the provider answered, if only to refuse. Else it says what came instead of an answer: a timeout, a broken connection, HTTP 5xx.
	// It names no URL and no personal data.
	Err error
}

// Observer is told of every Call, in the goroutine that made it. It must return soon, must not fail the call, and must be safe for concurrent use.
type Observer func(ctx context.Context, call Call)
