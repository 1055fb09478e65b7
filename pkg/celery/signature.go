package celery

import (
	"encoding/json"
	"errors"
)

// Signature is a task that is still to be sent: an element of a chain, a callback or an errback. It keeps every member that it was decoded from,
// known or not, so that it can be stored as jsonb and sent on unchanged.
type Signature struct {
	// Task is the task's name.
	Task string
	// Args is a JSON array and Kwargs a JSON object; empty means none.
	Args, Kwargs json.RawMessage
	// Options are Celery's send options by name (task_id, reply_to, queue, countdown, …).
	Options map[string]json.RawMessage
	// Immutable means that the result of the task before is not put in front of Args.
	Immutable bool
	// Subtask is "group", "chord" or "chain" for a signature that stands for several tasks, empty for a plain one.
	Subtask string
	// Extra holds the members that the fields above do not.
	Extra map[string]json.RawMessage
}

// MarshalJSON writes the signature as Celery has it, with every standard member present.
func (s Signature) MarshalJSON() ([]byte, error) {
	out := make(map[string]any, len(s.Extra)+6)
	for k, v := range s.Extra {
		out[k] = v
	}
	options := s.Options
	if options == nil {
		options = map[string]json.RawMessage{}
	}
	out["task"], out["args"], out["kwargs"], out["options"] = s.Task, orEmpty(s.Args, "[]"), orEmpty(s.Kwargs, "{}"), options
	out["immutable"], out["subtask_type"] = s.Immutable, orNull(s.Subtask)
	return encodeJSON(out)
}

// UnmarshalJSON reads what Celery or MarshalJSON wrote. Null args, kwargs, options and immutable count as empty.
func (s *Signature) UnmarshalJSON(b []byte) error {
	fields, err := members(b)
	if err != nil {
		return errors.New("a signature is not an object")
	}
	*s = Signature{}
	for _, f := range fields {
		var err error
		switch f.name {
		case "task":
			err = json.Unmarshal(f.raw, &s.Task)
		case "args":
			s.Args, err = shaped(f.raw, '[')
		case "kwargs":
			s.Kwargs, err = shaped(f.raw, '{')
		case "options":
			err = json.Unmarshal(f.raw, &s.Options)
		case "immutable":
			err = json.Unmarshal(f.raw, &s.Immutable)
		case "subtask_type":
			err = json.Unmarshal(f.raw, &s.Subtask)
		default:
			if s.Extra == nil {
				s.Extra = map[string]json.RawMessage{}
			}
			s.Extra[f.name] = f.raw
		}
		if err != nil {
			return errors.New("a signature's " + f.name + " is malformed")
		}
	}
	if s.Task == "" || len(s.Task) > maxText {
		return errors.New("a signature names no task")
	}
	return nil
}

func shaped(raw json.RawMessage, open byte) (json.RawMessage, error) {
	if absent(raw) {
		return nil, nil
	}
	if first(raw) != open {
		return nil, errors.New("wrong type")
	}
	return raw, nil
}

// signatures reads a list of signatures, or null.
func signatures(raw json.RawMessage) ([]Signature, error) {
	if absent(raw) {
		return nil, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, errors.New("not a list")
	}
	if len(list) == 0 {
		return nil, nil
	}
	out := make([]Signature, len(list))
	for i := range list {
		if err := out[i].UnmarshalJSON(list[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
