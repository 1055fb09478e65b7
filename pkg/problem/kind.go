package problem

import "net/http"

// Kind says what sort of failure an error is; each has one HTTP status. The zero Kind is Internal, so a forgotten one hides rather than leaks.
type Kind int

const (
	// Internal is our own fault. Its detail is never shown.
	Internal Kind = iota
	// Malformed means the request could not be read at all: broken JSON, a bad header.
	Malformed
	// Unauthenticated means we do not know who asks.
	Unauthenticated
	// Forbidden means we know, and they may not.
	Forbidden
	// NotFound also stands for whatever belongs to another tenant.
	NotFound
	// MethodNotAllowed means the address exists, the method does not; the caller of Write sets the Allow header.
	MethodNotAllowed
	// NotAcceptable means that we have nothing of the media type asked for.
	NotAcceptable
	// Conflict means the request is fine and the present state forbids it.
	Conflict
	// Gone means that there was such a thing and there never will be again.
	Gone
	// Precondition means that the resource has changed since the client read it.
	Precondition
	// TooLarge means the body exceeds the route's limit.
	TooLarge
	// UnsupportedMedia means the body's content type is not one we read.
	UnsupportedMedia
	// Invalid means the request was read and its values break a rule; the fields say which.
	Invalid
	// TooMany means a rate limit or quota; give it a RetryAfter.
	TooMany
	// BadGateway means that a provider answered nonsense or an error.
	BadGateway
	// Unavailable means try later: a dependency is down or the backlog is full.
	Unavailable
	// PaymentRequired means that the request is fine and there is too little to pay for it with.
	PaymentRequired
)

// kinds is the table from kinds to answers, in the order of the constants.
var kinds = [...]struct {
	status int
	code   string // when nothing more exact is known
	detail string
}{
	Internal:         {http.StatusInternalServerError, "internal", "Something went wrong on our side. Quote the request id if you report it."},
	Malformed:        {http.StatusBadRequest, "malformed", "The request could not be read."},
	Unauthenticated:  {http.StatusUnauthorized, "unauthenticated", "Sign in, or send a valid access token."},
	Forbidden:        {http.StatusForbidden, "forbidden", "Your role does not permit this."},
	NotFound:         {http.StatusNotFound, "not_found", "There is nothing at this address."},
	MethodNotAllowed: {http.StatusMethodNotAllowed, "method_not_allowed", "This address does not support the method."},
	NotAcceptable:    {http.StatusNotAcceptable, "not_acceptable", "There is no representation of the type asked for."},
	Conflict:         {http.StatusConflict, "conflict", "The present state does not permit this."},
	Gone:             {http.StatusGone, "gone", "This no longer exists."},
	Precondition:     {http.StatusPreconditionFailed, "precondition_failed", "This has changed since you read it. Read it again."},
	TooLarge:         {http.StatusRequestEntityTooLarge, "too_large", "The request body is too large."},
	UnsupportedMedia: {http.StatusUnsupportedMediaType, "unsupported_media_type", "The body's content type is not supported."},
	Invalid:          {http.StatusUnprocessableEntity, "invalid", "Some values are not valid."},
	TooMany:          {http.StatusTooManyRequests, "too_many_requests", "Too many requests. Try again later."},
	BadGateway:       {http.StatusBadGateway, "bad_gateway", "A service we depend on gave no usable answer."},
	PaymentRequired:  {http.StatusPaymentRequired, "payment_required", "The balance does not cover this."},
	Unavailable:      {http.StatusServiceUnavailable, "unavailable", "The service is busy or a part of it is down. Try again shortly."},
}

// Status returns the kind's HTTP status.
func (k Kind) Status() int { return kinds[k.known()].status }

// String returns the kind's general code, such as "not_found".
func (k Kind) String() string { return kinds[k.known()].code }

func (k Kind) known() Kind {
	if k < 0 || int(k) >= len(kinds) {
		return Internal
	}
	return k
}
