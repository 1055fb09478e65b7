package celery

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Types of events. The routing key is the type with a dot for the hyphen.
const (
	EventWorkerOnline    = "worker-online"
	EventWorkerHeartbeat = "worker-heartbeat"
	EventWorkerOffline   = "worker-offline"
	EventTaskReceived    = "task-received"
	EventTaskStarted     = "task-started"
	EventTaskSucceeded   = "task-succeeded"
	EventTaskFailed      = "task-failed"
	EventTaskRetried     = "task-retried"
	EventTaskRevoked     = "task-revoked"
)

// HeartbeatEvery is the interval of worker-heartbeat that its field freq announces. Monitors hold a worker for dead after twice as long without one.
const HeartbeatEvery = 2 * time.Second

// KeyTasks is the routing key of several task events in one message.
const KeyTasks = "task.multi"

// Event is what a monitor is told of a worker or a task. Clock and sender are added when it is sent.
type Event struct {
	Type string
	At   time.Time
	body any // marshals to the type's own fields
}

// Sender is the worker that sends events.
type Sender struct {
	// Node is its name in the cluster, name@host; see ValidNode.
	Node string
	PID  int
}

// validNode is what Celery's tools can address and what JSON and AMQP carry as it is.
var validNode = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}@[A-Za-z0-9._-]{1,100}$`)

// ValidNode reports whether the name can be a node's: name@host, of letters, digits, dots, hyphens and underscores.
func ValidNode(name string) bool { return validNode.MatchString(name) }

// Seconds is a number of seconds that is written as a JSON float even when it is whole: Python asks for the type in some places.
type Seconds float64

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return s.append(nil), nil
}

func (s Seconds) append(b []byte) []byte {
	start := len(b)
	b = strconv.AppendFloat(b, float64(s), 'f', -1, 64)
	if bytes.IndexByte(b[start:], '.') < 0 {
		b = append(b, '.', '0')
	}
	return b
}

// Epoch is t in seconds since 1970, as Celery writes times in events and requests.
func Epoch(t time.Time) Seconds { return Seconds(float64(t.UnixMicro()) / 1e6) }

// WorkerState is what the three worker events tell.
type WorkerState struct {
	Freq      Seconds    `json:"freq"`
	Active    int        `json:"active"`
	Processed int64      `json:"processed"`
	LoadAvg   [3]float64 `json:"loadavg"`
	Software  string     `json:"sw_ident"`
	Version   string     `json:"sw_ver"`
	System    string     `json:"sw_sys"`
}

// WorkerEvent is one of worker-online, worker-heartbeat and worker-offline.
func WorkerEvent(kind string, at time.Time, s WorkerState) Event { return Event{kind, at, s} }

type received struct {
	UUID     string `json:"uuid"`
	Name     string `json:"name"`
	Args     string `json:"args"`
	Kwargs   string `json:"kwargs"`
	RootID   string `json:"root_id"`
	ParentID any    `json:"parent_id"`
	Retries  int64  `json:"retries"`
	ETA      any    `json:"eta"`
	Expires  any    `json:"expires"`
}

// TaskReceived tells of a delivery that names a task and an id. Arguments are taken from the body, with secrets masked, and not from what the client wrote for display.
func TaskReceived(at time.Time, d *amqp.Delivery) Event {
	header := func(name string) any {
		if s, ok := d.Headers[name].(string); ok && s != "" {
			return strings.ToValidUTF8(s[:min(len(s), maxText)], "")
		}
		return nil
	}
	str := func(name string) string { s, _ := header(name).(string); return s }
	r := received{UUID: str("id"), Name: str("task"), RootID: str("root_id"), ParentID: header("parent_id"), ETA: header("eta"), Expires: header("expires")}
	if shadow := str("shadow"); shadow != "" {
		r.Name = shadow
	}
	if r.RootID == "" {
		r.RootID = r.UUID
	}
	r.Retries, _ = integer(d.Headers["retries"])
	args, kwargs := arguments(d.Body)
	r.Args, r.Kwargs = Repr(args), Repr(kwargs)
	return Event{EventTaskReceived, at, r}
}

// arguments splits a body without judging it: what is no task message has none.
func arguments(body []byte) (args, kwargs json.RawMessage) {
	var parts []json.RawMessage
	if len(body) > maxLooked || json.Unmarshal(body, &parts) != nil || len(parts) < 2 {
		return json.RawMessage("[]"), json.RawMessage("{}")
	}
	return parts[0], parts[1]
}

// TaskStarted tells that a task began to run.
func TaskStarted(at time.Time, id string) Event {
	return Event{EventTaskStarted, at, struct {
		UUID string `json:"uuid"`
	}{id}}
}

// TaskSucceeded tells a task's result and how long it ran.
func TaskSucceeded(at time.Time, id string, result json.RawMessage, runtime time.Duration) Event {
	return Event{EventTaskSucceeded, at, struct {
		UUID    string  `json:"uuid"`
		Result  string  `json:"result"`
		Runtime Seconds `json:"runtime"`
	}{id, Repr(orEmpty(result, "null")), Seconds(runtime.Seconds())}}
}

type exceptional struct {
	UUID      string `json:"uuid"`
	Exception string `json:"exception"`
}

// TaskFailed tells that a task failed for good, with the exception class that its client is answered with. There is no traceback.
func TaskFailed(at time.Time, id, class, message string) Event {
	return Event{EventTaskFailed, at, exceptional{id, pyException(class, message)}}
}

// TaskRetried tells that a task failed and will be tried again.
func TaskRetried(at time.Time, id, class, message string) Event {
	return Event{EventTaskRetried, at, exceptional{id, pyException(class, message)}}
}

func pyException(class, message string) string { return class + "(" + PyString(Shown(message)) + ")" }

// TaskRevoked tells that a task will not run to its end: revoked before it started, terminated while it ran, or expired.
func TaskRevoked(at time.Time, id string, terminated, expired bool) Event {
	body := struct {
		UUID       string `json:"uuid"`
		Terminated bool   `json:"terminated"`
		Signum     *int   `json:"signum"`
		Expired    bool   `json:"expired"`
	}{UUID: id, Terminated: terminated, Expired: expired}
	if terminated {
		term := 15 // SIGTERM, as Celery reports it
		body.Signum = &term
	}
	return Event{EventTaskRevoked, at, body}
}

// IsWorker reports whether the event is about the worker itself and not about a task.
func (e Event) IsWorker() bool { return strings.HasPrefix(e.Type, "worker-") }

// encode writes the event with the fields that all have: in Celery's order, first the sender's, then its own, then time and type.
func (e Event) encode(s Sender, clock int64) (json.RawMessage, error) {
	own, err := encodeJSON(e.body)
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, len(own)+160), `{"hostname":"`...)
	b = append(b, s.Node...) // see ValidNode: nothing in it needs quoting
	b = append(b, '"')
	b = append(b, `,"utcoffset":0,"pid":`...)
	b = strconv.AppendInt(b, int64(s.PID), 10)
	b = append(b, `,"clock":`...)
	b = strconv.AppendInt(b, clock, 10)
	b = append(b, ',')
	b = append(b, own[1:len(own)-1]...)
	b = append(b, `,"timestamp":`...)
	b = Epoch(e.At).append(b)
	b = append(b, `,"type":"`...)
	b = append(b, e.Type...)
	return append(b, `"}`...), nil
}

// NoEvents is the message of an empty list of task events, for KeyTasks. Monitors take it and see nothing; its sender learns from the broker whether there are any.
func NoEvents(s Sender) amqp.Publishing { return eventMessage(s, []byte("[]")) }

func eventMessage(s Sender, body []byte) amqp.Publishing {
	return amqp.Publishing{
		Headers: amqp.Table{"hostname": s.Node}, ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Transient, Body: body,
	}
}

// EventPublishing is the message of one event, or of several task events at once as Python workers send them, and its routing key. tick is called once for each event, in
// order, for its clock; whoever calls must let no other message of the sender overtake.
func EventPublishing(s Sender, events []Event, tick func() int64) (key string, p amqp.Publishing, err error) {
	var body []byte
	for i, e := range events {
		one, err := e.encode(s, tick())
		if err != nil {
			return "", amqp.Publishing{}, err
		}
		switch {
		case len(events) == 1:
			body = one
		case i == 0:
			body = append([]byte("["), one...)
		default:
			body = append(append(body, ','), one...)
		}
	}
	key = KeyTasks
	if len(events) == 1 {
		key = strings.Replace(events[0].Type, "-", ".", 1)
	} else {
		body = append(body, ']')
	}
	return key, eventMessage(s, body), nil
}
