package celery

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// UnsupportedError says that a message asks for a continuation that we cannot perform. The caller fails the task visibly, before it runs.
type UnsupportedError struct {
	// Task is the task that carries the demand.
	Task string
	// Problem completes the sentence "Task …".
	Problem string
}

// Error gives the sentence.
func (e *UnsupportedError) Error() string { return "task " + e.Task + " " + e.Problem }

// Unsupported checks, before the task runs, that its continuations can be performed: nil, or an *UnsupportedError.
func (m *Message) Unsupported() error {
	if m.HasChord {
		return &UnsupportedError{Task: m.Task, Problem: "is part of a chord, which the rpc result backend cannot serve"}
	}
	for _, list := range [][]Signature{m.Chain, m.Callbacks, m.Errbacks} {
		for i := range list {
			if _, err := list[i].message(m, "check", "", nil, time.Time{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// OnSuccess gives the messages that a task owes when it succeeded with result: its callbacks, then the next of its chain. Their ids belong into the
// children of its SUCCESS result. The same message always yields the same ids, so that a task which runs twice owes nothing twice.
// A countdown counts from now. The error is an *UnsupportedError; see Message.Unsupported.
func OnSuccess(m *Message, result json.RawMessage, now time.Time) ([]*Message, error) {
	var out []*Message
	for i := range m.Callbacks {
		c, err := m.Callbacks[i].message(m, "callback", strconv.Itoa(i), orEmpty(result, "null"), now)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	next, err := NextInChain(m, result, now)
	if err != nil {
		return nil, err
	}
	if next != nil {
		out = append(out, next)
	}
	return out, nil
}

// OnFailure gives the messages that a task owes when it failed for good: its errbacks, each with the failed task's id as first argument.
func OnFailure(m *Message, now time.Time) ([]*Message, error) {
	id, err := encodeJSON(m.ID)
	if err != nil {
		return nil, fmt.Errorf("encode id: %w", err)
	}
	var out []*Message
	for i := range m.Errbacks {
		e, err := m.Errbacks[i].message(m, "errback", strconv.Itoa(i), id, now)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// NextInChain gives the message that continues m's chain after m succeeded with result, or nil when the chain is at its end. The rest of the chain
// travels in the new message.
func NextInChain(m *Message, result json.RawMessage, now time.Time) (*Message, error) {
	if m.HasChord {
		return nil, m.Unsupported()
	}
	last := len(m.Chain) - 1
	if last < 0 {
		return nil, nil
	}
	next, err := m.Chain[last].message(m, "chain", strconv.Itoa(last), orEmpty(result, "null"), now)
	if err != nil {
		return nil, err
	}
	if last > 0 {
		next.Chain = append([]Signature(nil), m.Chain[:last]...)
	}
	return next, nil
}

// message makes the signature's message as a child of m, with lead in front of its arguments. The parent's own headers (its tenant, its trace)
// are handed on, because Python sets them on the first task of a chain only; the signature's own win.
func (s *Signature) message(m *Message, role, index string, lead json.RawMessage, now time.Time) (*Message, error) {
	refuse := func(problem string) (*Message, error) { return nil, &UnsupportedError{Task: s.Task, Problem: problem} }
	if s.Subtask == "group" || s.Subtask == "chord" || s.Subtask == "chain" {
		return refuse("is a " + s.Subtask + " inside a continuation")
	}
	o := options{raw: s.Options}
	if !absent(s.Options["chord"]) || !absent(s.Extra["chord"]) {
		return refuse("continues into a chord")
	}
	next := &Message{
		ID: o.text("task_id"), Task: s.Task, Args: orEmpty(s.Args, "[]"), Kwargs: orEmpty(s.Kwargs, "{}"),
		ETA: o.time("eta"), Expires: o.time("expires"), HardLimit: o.seconds("time_limit"), SoftLimit: o.seconds("soft_time_limit"),
		RootID: m.Root(), ParentID: m.ID, Group: o.text("group_id"), ReplyTo: o.text("reply_to"), IgnoreResult: o.flag("ignore_result"),
		Callbacks: o.signatures("link"), Errbacks: o.signatures("link_error"), Shadow: o.text("shadow"), Queue: o.text("queue"),
	}
	if wait := o.seconds("countdown"); wait > 0 && next.ETA == nil {
		at := now.Add(wait)
		next.ETA = &at
	}
	if next.Queue == "" && o.text("exchange") != "" {
		return refuse("continues through an exchange of its own")
	}
	next.Headers = o.headers(m.Headers)
	if o.err != "" {
		return refuse("has an option that cannot be read: " + o.err)
	}
	if next.ID == "" {
		next.ID = uuid.NewSHA1(taskNamespace, []byte(m.ID+"\x00"+role+"\x00"+index)).String()
	}
	next.CorrelationID = next.ID
	if lead != nil && !s.Immutable {
		next.Args = prepend(lead, next.Args)
	}
	for _, nested := range [][]Signature{next.Callbacks, next.Errbacks} {
		for i := range nested {
			if nested[i].Subtask != "" {
				return refuse("links to a " + nested[i].Subtask)
			}
		}
	}
	return next, nil
}

func prepend(lead, args json.RawMessage) json.RawMessage {
	out := append(append(json.RawMessage{'['}, lead...), ',')
	var list []json.RawMessage
	if json.Unmarshal(args, &list) != nil || len(list) == 0 {
		out[len(out)-1] = ']'
		return out
	}
	for i, a := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, a...)
	}
	return append(out, ']')
}

// options reads a signature's send options and keeps the name of the first that cannot be read.
type options struct {
	raw map[string]json.RawMessage
	err string
}

func (o *options) get(name string, into any) bool {
	raw := o.raw[name]
	if absent(raw) {
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil {
		o.err = name
		return false
	}
	return true
}

func (o *options) text(name string) (s string) {
	if o.get(name, &s) && (len(s) > maxText || !utf8.ValidString(s)) {
		o.err = name
	}
	return s
}

func (o *options) flag(name string) (b bool) { o.get(name, &b); return b }

func (o *options) time(name string) *time.Time {
	s := o.text(name)
	if s == "" {
		return nil
	}
	t, err := parseTime(s, time.UTC)
	if err != nil {
		o.err = name
		return nil
	}
	return &t
}

func (o *options) seconds(name string) time.Duration {
	var n json.Number
	if !o.get(name, &n) {
		return 0
	}
	d, ok := exactSeconds(n.String())
	if !ok {
		o.err = name
	}
	return d
}

func (o *options) signatures(name string) []Signature {
	raw := o.raw[name]
	if first(raw) == '{' { // a single signature instead of a list
		raw = append(append(json.RawMessage{'['}, raw...), ']')
	}
	list, err := signatures(raw)
	if err != nil {
		o.err = name
	}
	return list
}

// headers merges the parent's own headers and the signature's. Numbers stay integers when they are written as such.
func (o *options) headers(parent map[string]any) map[string]any {
	out := make(map[string]any, len(parent))
	for k, v := range parent {
		out[k] = v
	}
	raw := o.raw["headers"]
	if absent(raw) {
		raw = json.RawMessage("{}")
	}
	own, err := members(raw)
	if err != nil {
		o.err = "headers"
		return nil
	}
	for _, f := range own {
		if reserved[f.name] {
			continue
		}
		v, err := number(f.raw)
		if err != nil {
			o.err = "headers"
			return nil
		}
		out[f.name] = v
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
