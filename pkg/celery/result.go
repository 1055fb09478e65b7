package celery

import (
	"encoding/json"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Statuses of a Result. A client's get() returns on the three terminal ones; others reach its on_message callback.
const (
	StatusStarted  = "STARTED"
	StatusProgress = "PROGRESS"
	StatusRetry    = "RETRY"
	StatusSuccess  = "SUCCESS"
	StatusFailure  = "FAILURE"
	StatusRevoked  = "REVOKED"
)

// Reasons of Revoked, in Celery's words.
const (
	RevokedExpired    = "expired"
	RevokedByOperator = "revoked"
	RevokedRunning    = "terminated"
)

// Result is one answer to a client. Its JSON is the message's body, so a stored result can be sent again byte for byte.
// Send exactly one terminal result, after the commit and before the ack, and none when Message.WantsResult is false.
type Result struct {
	TaskID string          `json:"task_id"`
	Status string          `json:"status"`
	Result json.RawMessage `json:"result"`
	// Traceback is text for people; nil means none.
	Traceback *string `json:"traceback"`
	// Children are the ids of the tasks that this one caused.
	Children Children `json:"children"`
}

// Children are task ids that travel as Celery's result tuples: [[["id", null], null], …].
type Children []string

// MarshalJSON writes the tuples; no children are an empty list.
func (c Children) MarshalJSON() ([]byte, error) {
	out := make([]any, 0, len(c))
	for _, id := range c {
		out = append(out, []any{[]any{id, nil}, nil})
	}
	return encodeJSON(out)
}

// UnmarshalJSON reads the tuples, and takes the id of each.
func (c *Children) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("children: %w", err)
	}
	*c = nil
	for _, raw := range list {
		var tuple, head []json.RawMessage
		var id string
		if json.Unmarshal(raw, &tuple) != nil || len(tuple) == 0 || json.Unmarshal(tuple[0], &head) != nil || len(head) == 0 ||
			json.Unmarshal(head[0], &id) != nil {
			return fmt.Errorf("children: not a list of result tuples")
		}
		*c = append(*c, id)
	}
	return nil
}

// Success is the answer of a task that returned result, which is JSON; empty means null.
func Success(taskID string, result json.RawMessage, children []string) Result {
	return Result{TaskID: taskID, Status: StatusSuccess, Result: orEmpty(result, "null"), Children: children}
}

// Failure is the answer of a task that failed for good. The client raises excModule.excType(*args); see ExceptionFor. An empty traceback means none.
// Neither args nor traceback may hold secrets: they travel to the client.
func Failure(taskID, excType, excModule string, args []any, traceback string) Result {
	r := Result{TaskID: taskID, Status: StatusFailure, Result: exception(excType, excModule, args)}
	if traceback != "" {
		r.Traceback = &traceback
	}
	return r
}

// Retry tells the client that an attempt failed and another will follow. It ends no wait.
func Retry(taskID, excType, excModule string, args []any, traceback string) Result {
	r := Failure(taskID, excType, excModule, args, traceback)
	r.Status, r.Children = StatusRetry, Children{taskID}
	return r
}

// Revoked is the answer of a task that was cancelled; reason is one of the Revoked constants.
func Revoked(taskID, reason string) Result {
	return Result{TaskID: taskID, Status: StatusRevoked, Result: exception("TaskRevokedError", "celery.exceptions", []any{reason})}
}

// Started tells which process began to work.
func Started(taskID string, pid int, hostname string) Result {
	return interim(taskID, StatusStarted, map[string]any{"pid": pid, "hostname": hostname})
}

// Progress tells how far a task has come.
func Progress(taskID string, current, total int64) Result {
	return interim(taskID, StatusProgress, map[string]any{"current": current, "total": total})
}

func interim(taskID, status string, v map[string]any) Result {
	raw, err := encodeJSON(v)
	if err != nil { // integers and strings always encode
		raw = json.RawMessage("null")
	}
	return Result{TaskID: taskID, Status: status, Result: raw}
}

// exception never fails: an argument that JSON cannot say is replaced by its text.
func exception(name, module string, args []any) json.RawMessage {
	list := make([]json.RawMessage, 0, len(args))
	for _, a := range args {
		raw, err := encodeJSON(a)
		if err != nil {
			raw, _ = encodeJSON(fmt.Sprint(a)) // a string always encodes
		}
		list = append(list, raw)
	}
	raw, err := encodeJSON(map[string]any{"exc_type": name, "exc_message": list, "exc_module": module})
	if err != nil {
		return json.RawMessage(`{"exc_type":"RuntimeError","exc_message":[],"exc_module":"builtins"}`)
	}
	return raw
}

// Body is the result as it travels.
func (r Result) Body() (json.RawMessage, error) {
	r.Result = orEmpty(r.Result, "null")
	body, err := encodeJSON(r)
	if err != nil {
		return nil, fmt.Errorf("encode result of %s: %w", r.TaskID, err)
	}
	return body, nil
}

// Publishing is the result's message: transient, for exchange "" and the routing key Message.ReplyTo, published without mandatory (a client that
// has gone has taken its queue with it). An empty correlationID means the task's id. A result whose Result is not JSON becomes a FAILURE.
func (r Result) Publishing(correlationID string) amqp.Publishing {
	if correlationID == "" {
		correlationID = r.TaskID
	}
	body, err := r.Body()
	if err != nil {
		broken := Failure(r.TaskID, "RuntimeError", "builtins", []any{"the result cannot be encoded"}, "")
		body, _ = broken.Body() // all of its parts were made here
	}
	return amqp.Publishing{
		Headers: amqp.Table{}, ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Transient,
		CorrelationId: correlationID, Body: body,
	}
}

// DecodeResult reads what a Python worker answered.
func DecodeResult(body []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(body, &r); err != nil {
		return Result{}, fmt.Errorf("decode result: %w", err)
	}
	if r.TaskID == "" || r.Status == "" {
		return Result{}, fmt.Errorf("decode result: no task_id or status")
	}
	return r, nil
}

// ExceptionFor names the Python exception class for a kind of failure, as task rows have it in error_kind. All are classes that every Celery client
// has imported; an unknown kind is a RuntimeError.
func ExceptionFor(kind string) (excType, excModule string) {
	switch kind {
	case "permanent":
		return "ValueError", "builtins"
	case "invalid_arguments":
		return "TypeError", "builtins"
	case "timeout":
		return "TimeLimitExceeded", "billiard.exceptions"
	case "crash_loop":
		return "WorkerLostError", "billiard.exceptions"
	case "unknown_task":
		return "NotRegistered", "celery.exceptions"
	case "expired", "cancelled":
		return "TaskRevokedError", "celery.exceptions"
	case "throttled":
		return "TimeoutError", "builtins"
	case "broken_chain":
		return "NotImplementedError", "builtins"
	default:
		return "RuntimeError", "builtins"
	}
}
