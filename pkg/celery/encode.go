package celery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Encode makes the publishing for one task message; exchange and routing key are the caller's (for Python workers: "" and the queue's name).
//
// The broker's own expiration is left unset although Python sets it: an expired message must reach a worker, which answers it REVOKED.
// argsrepr and kwargsrepr, which monitors show, never hold values.
// Errors are a programmer's mistakes: no ID or Task, Args that are not an array, a chord, a header of the protocol's own among Headers.
func Encode(m Message) (amqp.Publishing, error) {
	p, err := encode(&m)
	if err != nil {
		return amqp.Publishing{}, fmt.Errorf("encode message %s: %w", m.ID, err)
	}
	return p, nil
}

func encode(m *Message) (amqp.Publishing, error) {
	switch {
	case m.ID == "" || m.Task == "":
		return amqp.Publishing{}, fmt.Errorf("id and task are required")
	case len(m.ID) > maxText || len(m.Task) > maxText || len(m.ReplyTo) > maxText || len(m.CorrelationID) > maxText:
		return amqp.Publishing{}, fmt.Errorf("id, task, reply_to or correlation_id is longer than %d bytes", maxText)
	case m.HasChord:
		return amqp.Publishing{}, &UnsupportedError{Task: m.Task, Problem: "is part of a chord"}
	}
	body, err := encodeBody(m)
	if err != nil {
		return amqp.Publishing{}, err
	}
	headers, err := encodeHeaders(m)
	if err != nil {
		return amqp.Publishing{}, err
	}
	correlation := m.CorrelationID
	if correlation == "" {
		correlation = m.ID
	}
	return amqp.Publishing{
		Headers: headers, ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Persistent,
		CorrelationId: correlation, ReplyTo: m.ReplyTo, Body: body,
	}, nil
}

func encodeHeaders(m *Message) (amqp.Table, error) {
	h := amqp.Table{
		"lang": "go", "task": m.Task, "id": m.ID, "shadow": orNull(m.Shadow), "eta": formatTime(m.ETA), "expires": formatTime(m.Expires),
		"group": orNull(m.Group), "group_index": nil, "retries": int64(m.Retries),
		"timelimit": []any{orNoLimit(m.HardLimit), orNoLimit(m.SoftLimit)},
		"root_id":   m.Root(), "parent_id": orNull(m.ParentID), "origin": orNull(m.Origin), "ignore_result": m.IgnoreResult,
		"argsrepr": argsRepr(m.Args), "kwargsrepr": kwargsRepr(m.Kwargs),
	}
	for name, v := range m.Headers {
		if reserved[name] || len(name) > maxText {
			return nil, fmt.Errorf("header %q belongs to the protocol or is too long", name)
		}
		var err error
		if h[name], err = field(v); err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
	}
	if err := h.Validate(); err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	return h, nil
}

// noContinuations is the embed of nearly every message; writing it anew each time was a fifth of the relay's work.
var noContinuations = json.RawMessage(`{"callbacks":null,"errbacks":null,"chain":null,"chord":null}`)

// embed has Celery's four keys; each is a list or null.
type embed struct {
	Callbacks []Signature `json:"callbacks"`
	Errbacks  []Signature `json:"errbacks"`
	Chain     []Signature `json:"chain"`
	Chord     *struct{}   `json:"chord"`
}

func encodeBody(m *Message) ([]byte, error) {
	args, kwargs := orEmpty(m.Args, "[]"), orEmpty(m.Kwargs, "{}")
	if first(args) != '[' || first(kwargs) != '{' {
		return nil, fmt.Errorf("args must be an array and kwargs an object")
	}
	tail := noContinuations
	if len(m.Callbacks)+len(m.Errbacks)+len(m.Chain) > 0 {
		var err error
		if tail, err = encodeJSON(embed{Callbacks: orNil(m.Callbacks), Errbacks: orNil(m.Errbacks), Chain: orNil(m.Chain)}); err != nil {
			return nil, fmt.Errorf("embed: %w", err)
		}
	}
	// Put together by hand: json.Marshal would escape <, > and & inside raw messages.
	body := bytes.Join([][]byte{[]byte("["), args, []byte(", "), kwargs, []byte(", "), tail, []byte("]")}, nil)
	if !json.Valid(body) {
		return nil, fmt.Errorf("args or kwargs are not JSON")
	}
	return body, nil
}

func orEmpty(raw json.RawMessage, empty string) json.RawMessage {
	if absent(raw) {
		return json.RawMessage(empty)
	}
	return raw
}

func orNil(s []Signature) []Signature {
	if len(s) == 0 {
		return nil
	}
	return s
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// orNoLimit gives seconds, whole ones as an integer as Python clients do.
func orNoLimit(d time.Duration) any {
	switch {
	case d <= 0:
		return nil
	case d%time.Second == 0:
		return int64(d / time.Second)
	default:
		return d.Seconds() // protocol: timelimit is a number of seconds
	}
}

// argsRepr and kwargsRepr are Python expressions whose values are Python's ellipsis: monitors show them, and nobody else reads them.
func argsRepr(args json.RawMessage) string {
	if hollow(args) {
		return "[]"
	}
	return "[...]"
}

func kwargsRepr(kwargs json.RawMessage) string {
	if hollow(kwargs) {
		return "{}"
	}
	return "{...}"
}

// hollow reports whether a JSON array or object has nothing between its brackets.
func hollow(raw json.RawMessage) bool {
	inner := bytes.TrimSpace(raw)
	return absent(raw) || len(inner) < 2 || len(bytes.TrimSpace(inner[1:len(inner)-1])) == 0
}
