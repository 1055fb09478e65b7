package webhooks

import (
	"errors"
	"fmt"
	"time"

	"makola/pkg/problem"
)

// Errors that whoever asks is told.
var (
	// ErrNotFound reports an endpoint that does not exist, was taken away, or is another business's.
	ErrNotFound = problem.New(problem.NotFound, "webhook_endpoint_not_found", "There is no such endpoint.")
	// ErrDeliveryNotFound reports a delivery that does not exist, is older than Keep, or is another business's.
	ErrDeliveryNotFound = problem.New(problem.NotFound, "webhook_delivery_not_found", "There is no such delivery. The log goes back 30 days.")
	// ErrTooMany reports a business that has MaxEndpoints.
	ErrTooMany = problem.New(problem.Conflict, "too_many_webhook_endpoints", fmt.Sprintf("A business has at most %d endpoints.", MaxEndpoints))
	// ErrDisabled reports an endpoint to which nothing is delivered again until somebody enables it.
	ErrDisabled = problem.New(problem.Conflict, "webhook_endpoint_disabled", "This endpoint is disabled. Enable it first.")
	// ErrStillPending reports a delivery that needs no replay.
	ErrStillPending = problem.New(problem.Conflict, "webhook_delivery_pending", "This delivery is still being tried.")
	// ErrTooOften reports a business that has asked for MostAsked deliveries within a minute.
	ErrTooOften = problem.Later(problem.TooMany, "too_many_webhook_tests", fmt.Sprintf("At most %d tests and replays a minute.", MostAsked), time.Minute)
	// ErrNoKeys reports an installation without keys that secrets could be encrypted with.
	ErrNoKeys = problem.New(problem.Unavailable, "webhooks_unavailable", "Webhooks are not set up here.")
)

// ErrSecret reports a secret that none of the keys opens: the key that it was encrypted with is no longer listed.
var ErrSecret = errors.New("secret cannot be decrypted with the keys at hand")

// fault is a value that a client must change.
func fault(field, code, message string) error {
	return problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/" + field, Field: field, Code: code, Message: message})
}
