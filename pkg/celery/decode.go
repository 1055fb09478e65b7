package celery

import (
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Limits bound what Decode accepts. The zero value means the defaults named at the fields.
type Limits struct {
	// BodyBytes is the largest body; 262,144 by default, the most that a task's row may hold. Larger data belongs in a table or a file.
	BodyBytes int
	// Continuations is the most signatures in chain, callbacks and errbacks together; 100 by default.
	Continuations int
	// NaiveZone is the zone of times without one, as clients with enable_utc=False write them; UTC by default.
	NaiveZone *time.Location
}

const (
	defaultBodyBytes     = 256 << 10
	defaultContinuations = 100
	// maxText bounds ids and names. 255 bytes is what AMQP allows for reply_to and correlation_id, where an id travels as well.
	maxText = 255
	// maxSeconds keeps a time limit well inside time.Duration: about 31 years.
	maxSeconds = 1e9
)

// reserved are the protocol's and the broker's headers; every other header is the publisher's own.
var reserved = map[string]bool{
	"task": true, "id": true, "lang": true, "shadow": true, "eta": true, "expires": true, "group": true, "group_index": true, "retries": true,
	"timelimit": true, "root_id": true, "parent_id": true, "argsrepr": true, "kwargsrepr": true, "origin": true, "ignore_result": true,
	"compression": true, "stamped_headers": true, "stamps": true, "replaced_task_nesting": true,
	"x-death": true, "x-first-death-exchange": true, "x-first-death-queue": true, "x-first-death-reason": true, "x-last-death-exchange": true,
	"x-last-death-queue": true, "x-last-death-reason": true, "x-delivery-count": true, "x-acquired-count": true,
}

// Decode reads one delivery. Its errors are *RejectError.
//
// When the message names its task, its id and where to answer, and something else is wrong, it comes back together with the error, with Args and
// Kwargs empty, so that the caller can answer FAILURE. Otherwise the message is nil and there is nobody to answer.
func Decode(d *amqp.Delivery, limits Limits) (*Message, error) {
	m, err := decodeHeaders(d, limits)
	if err != nil {
		return m, err
	}
	if err := checkEncoding(d, limits); err != nil {
		return m, err
	}
	if err := decodeBody(d.Body, m, limits); err != nil {
		m.Args, m.Kwargs, m.Chain, m.Callbacks, m.Errbacks, m.HasChord = json.RawMessage("[]"), json.RawMessage("{}"), nil, nil, nil, false
		return m, err
	}
	return m, nil
}

func checkEncoding(d *amqp.Delivery, limits Limits) error {
	if c, set := d.Headers["compression"]; set && c != nil && c != "" {
		return reject(ReasonCompressed, "compressed bodies are not accepted")
	}
	kind, _, _ := strings.Cut(strings.ToLower(d.ContentType), ";")
	if strings.TrimSpace(kind) != "application/json" {
		return reject(ReasonContentType, "content type is not application/json")
	}
	switch strings.ToLower(d.ContentEncoding) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
	default:
		return reject(ReasonContentType, "content encoding is not utf-8")
	}
	most := limits.BodyBytes
	if most <= 0 {
		most = defaultBodyBytes
	}
	if len(d.Body) > most {
		return reject(ReasonOversized, "body is larger than allowed")
	}
	return nil
}

// headerReader collects the first fault, so that decodeHeaders reads as a list.
type headerReader struct {
	h   amqp.Table
	err error
}

func (r *headerReader) fail(name, problem string) {
	if r.err == nil {
		r.err = reject(ReasonMalformedHeader, name+" "+problem)
	}
}

func (r *headerReader) checked(name, s string) string {
	if len(s) > maxText || !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		r.fail(name, "is too long or not text")
		return ""
	}
	return s
}

func (r *headerReader) text(name string) string {
	switch v := r.h[name].(type) {
	case nil:
		return ""
	case string:
		return r.checked(name, v)
	default:
		r.fail(name, "is not a string")
		return ""
	}
}

func (r *headerReader) time(name string, zone *time.Location) *time.Time {
	s := r.text(name)
	if s == "" {
		return nil
	}
	t, err := parseTime(s, zone)
	if err != nil {
		r.fail(name, err.Error())
		return nil
	}
	return &t
}

func (r *headerReader) retries() int {
	v := r.h["retries"]
	n, ok := integer(v)
	if v != nil && (!ok || n < 0 || n > math.MaxInt32) {
		r.fail("retries", "is not a count")
		return 0
	}
	return int(n)
}

// limits reads timelimit: null, or [hard, soft], each a number of seconds or null. Zero means no limit, as it does for Celery.
func (r *headerReader) limits() (hard, soft time.Duration) {
	v := r.h["timelimit"]
	if v == nil {
		return 0, 0
	}
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		r.fail("timelimit", "is not a pair")
		return 0, 0
	}
	var out [2]time.Duration
	for i, v := range pair {
		if out[i], ok = seconds(v); !ok {
			r.fail("timelimit", "is not a pair of seconds")
		}
	}
	return out[0], out[1]
}

func seconds(v any) (time.Duration, bool) {
	p, ok := plain(v, 0)
	if !ok {
		return 0, false
	}
	switch n := p.(type) {
	case nil:
		return 0, true
	case int64:
		return time.Duration(min(n, maxSeconds)) * time.Second, n >= 0
	case float64: // protocol: Python writes 1.5 seconds as a double
		return time.Duration(min(n, maxSeconds) * float64(time.Second)), n >= 0
	default:
		return 0, false
	}
}

func decodeHeaders(d *amqp.Delivery, limits Limits) (*Message, error) {
	r := &headerReader{h: d.Headers}
	m := &Message{ID: r.text("id"), Task: r.text("task"), Args: json.RawMessage("[]"), Kwargs: json.RawMessage("{}")}
	if r.err != nil {
		return nil, r.err
	}
	switch {
	case m.Task == "" && m.ID == "" && first(d.Body) == '{':
		return nil, reject(ReasonProtocolV1, "no headers and an object for a body")
	case m.Task == "":
		return nil, reject(ReasonMissingHeader, "task")
	case m.ID == "":
		return nil, reject(ReasonMissingHeader, "id")
	}
	m.ReplyTo, m.CorrelationID = r.checked("reply_to", d.ReplyTo), r.checked("correlation_id", d.CorrelationId)
	if r.err != nil {
		return nil, r.err
	}
	if m.CorrelationID == "" {
		m.CorrelationID = m.ID
	}
	m.ETA, m.Expires, m.Retries = r.time("eta", limits.NaiveZone), r.time("expires", limits.NaiveZone), r.retries()
	m.HardLimit, m.SoftLimit = r.limits()
	m.RootID, m.ParentID, m.Group = r.text("root_id"), r.text("parent_id"), r.text("group")
	m.Lang, m.Origin, m.Shadow = r.text("lang"), r.text("origin"), r.text("shadow")
	switch v := r.h["ignore_result"].(type) {
	case nil:
	case bool:
		m.IgnoreResult = v
	default:
		r.fail("ignore_result", "is not a boolean")
	}
	if r.err != nil {
		return m, r.err
	}
	for name, v := range d.Headers {
		if _, text := plain(name, 0); reserved[name] || !text {
			continue
		}
		if p, ok := plain(v, 0); ok {
			if m.Headers == nil {
				m.Headers = map[string]any{}
			}
			m.Headers[name] = p
		}
	}
	return m, nil
}

func decodeBody(body []byte, m *Message, limits Limits) error {
	if err := checkText(body); err != nil {
		return reject(ReasonMalformedBody, err.Error())
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		return reject(ReasonMalformedBody, "not a JSON array")
	}
	if len(parts) != 3 || first(parts[0]) != '[' || first(parts[1]) != '{' {
		return reject(ReasonMalformedBody, "not [args, kwargs, embed]")
	}
	m.Args, m.Kwargs = parts[0], parts[1]
	if absent(parts[2]) {
		return nil
	}
	fields, err := members(parts[2])
	if err != nil {
		return reject(ReasonMalformedBody, "embed is not an object")
	}
	for _, f := range fields {
		var err error
		switch f.name {
		case "chain":
			m.Chain, err = signatures(f.raw)
		case "callbacks":
			m.Callbacks, err = signatures(f.raw)
		case "errbacks":
			m.Errbacks, err = signatures(f.raw)
		case "chord":
			m.HasChord = !absent(f.raw)
		}
		if err != nil {
			return reject(ReasonMalformedBody, f.name+": "+err.Error())
		}
	}
	most := limits.Continuations
	if most <= 0 {
		most = defaultContinuations
	}
	if len(m.Chain)+len(m.Callbacks)+len(m.Errbacks) > most {
		return reject(ReasonOversized, "too many continuations")
	}
	return nil
}
