package celery

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Message is one task message. The zero value of every field but ID and Task means "not given".
type Message struct {
	// ID is any string of at most 255 bytes, usually a UUIDv4; see TaskUUID.
	ID string
	// Task is the task's name, for example "reports.generate_sales_report".
	Task string
	// Args is a JSON array and Kwargs a JSON object, both exactly as the client wrote them; numbers keep their text.
	Args, Kwargs json.RawMessage
	// ETA is the earliest start. Expires is the latest: a task that has not started by then is to be answered with Revoked(id, "expired").
	ETA, Expires *time.Time
	// Retries counts from 0.
	Retries int
	// HardLimit and SoftLimit bound one attempt.
	HardLimit, SoftLimit time.Duration
	// RootID is the first task of the workflow (Root gives it when empty), ParentID the task that caused this one, Group is copied only.
	RootID, ParentID, Group string
	// ReplyTo is the queue that waits for results, reached through the default exchange. It belongs to the client: never declare it.
	ReplyTo string
	// CorrelationID goes back with every result. Decode fills it with ID when the client sent none.
	CorrelationID string
	// IgnoreResult means that no result may be sent, even when ReplyTo is set.
	IgnoreResult bool
	// Chain holds what runs after this task, in wire order: the last one runs next.
	Chain []Signature
	// Callbacks run after success, Errbacks after the final failure.
	Callbacks, Errbacks []Signature
	// HasChord says that the message is part of a chord, which nobody can serve over rpc://; see Message.Unsupported.
	HasChord bool
	// Headers are the publisher's own headers (tenant, traceparent): nil, bool, string, int64, float64, []any and map[string]any only, so that
	// they can be written as JSON. The protocol's and the broker's headers are not among them.
	Headers map[string]any
	// Lang is the publisher's language ("py"; Encode always writes "go"), Origin its process, Shadow a name to show instead of Task.
	Lang, Origin, Shadow string
	// Queue is where a continuation asked to be sent, empty for "as the task's name says". It is not on the wire.
	Queue string
}

// Root gives the id of the workflow's first task: RootID, or the message's own ID.
func (m *Message) Root() string {
	if m.RootID != "" {
		return m.RootID
	}
	return m.ID
}

// WantsResult says whether results may be published: the client named a queue and did not ask for silence.
func (m *Message) WantsResult() bool { return m.ReplyTo != "" && !m.IgnoreResult }

// taskNamespace is the namespace of TaskUUID. It is arbitrary, and must never change: rows are found by what it yields.
var taskNamespace = uuid.MustParse("5f4b1e0c-6a0d-4c1b-9d0e-2b7a54c8e1f3")

// TaskUUID maps a message's id to the id of its row. A UUID in its usual form of 36 characters is kept; any other string becomes a UUIDv5, so the
// same message always finds the same row. The nil UUID counts as "any other", because uuid.Nil means "none" elsewhere.
func TaskUUID(id string) uuid.UUID {
	if len(id) == 36 {
		if u, err := uuid.Parse(id); err == nil && u != uuid.Nil {
			return u
		}
	}
	return uuid.NewSHA1(taskNamespace, []byte(id))
}

// Reasons of a RejectError. The set is closed: they are metric labels and dead-letter reasons.
const (
	ReasonContentType     = "content_type"     // not application/json in UTF-8; pickle, for example
	ReasonCompressed      = "compressed"       // the compression header is set
	ReasonProtocolV1      = "protocol_v1"      // the old protocol, without headers
	ReasonMissingHeader   = "missing_header"   // no task or no id
	ReasonMalformedHeader = "malformed_header" // a header or property of the wrong type or beyond its bounds
	ReasonMalformedBody   = "malformed_body"   // not JSON, or not the three parts
	ReasonOversized       = "oversized"        // larger than Limits allow
)

// RejectError says why a delivery is not a task message. It is permanent: the same bytes never become acceptable.
type RejectError struct {
	// Reason is one of the Reason constants.
	Reason string
	// Detail is for people. It names headers and positions, never their contents.
	Detail string
}

// Error gives reason and detail.
func (e *RejectError) Error() string { return "reject message: " + e.Reason + ": " + e.Detail }

func reject(reason, detail string) error { return &RejectError{Reason: reason, Detail: detail} }
