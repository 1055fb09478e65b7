package wire

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"google.golang.org/protobuf/proto"

	"makola/pkg/celery"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	selftest "makola/proto/makola/selftest/v1"
)

const queue = "selftest"

// TestCeleryClientGetsOurAnswers lets a stock client call tasks on a quorum queue of ours, where the least possible worker decodes, echoes and answers.
func TestCeleryClientGetsOurAnswers(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	if err := broker.Declare(t, rabbit.Standard(queue), false); err != nil {
		t.Fatal(err)
	}
	ch := link(t, broker.URL)
	deliveries := consume(t, ch, queue)
	headers := make(chan celery.Message, 100) // closed by nobody; holds every message of this test
	done := make(chan error, 1)
	go func() { done <- serve(t.Context(), ch, deliveries, headers) }()

	id := uuid.NewString()
	got := client(t, broker.URL, queue,
		call{Task: "selftest.echo", Args: []any{"by position", 7, false}, Options: map[string]any{"task_id": id, "headers": map[string]any{"tenant": "acme"},
			"time_limit": 30, "soft_time_limit": 20, "expires": 600, "countdown": 0.001}},
		call{Task: "selftest.echo", Kwargs: map[string]any{"text": map[string]any{"$decimal": "12.30"}, "number": 9007199254740993, "list": []string{"<é&>"}, "labels": map[string]any{"a": "b"}}},
		call{Task: "selftest.echo", Args: []any{map[string]any{"$datetime": "2026-01-02T03:04:05"}}, Kwargs: map[string]any{"text": "twice"}},
		call{Task: "selftest.nosuch"},
		call{Task: "selftest.echo", Args: []any{"late"}, Options: map[string]any{"headers": map[string]any{"pretend": "expired"}}},
		call{Chain: []call{{Task: "selftest.shout", Args: []any{"a"}}, {Task: "selftest.shout"}, {Task: "selftest.shout"}}},
		call{Task: "selftest.fail", Kwargs: map[string]any{"kind": "permanent"}},
		call{Task: "selftest.echo", Args: []any{"any"}, Options: map[string]any{"task_id": "not-a-uuid"}},
	)
	for i, want := range []struct{ value, err, module string }{
		{value: `{"text":"by position","number":7,"flag":false}`}, // an optional field that is set is written, even when false
		{value: `{"text":"12.30","number":9007199254740993,"labels":{"a":"b"},"list":["<é&>"]}`},
		{err: "TypeError", module: "builtins"},
		{err: "NotRegistered", module: "celery.exceptions"},
		{err: "TaskRevokedError", module: "celery.exceptions"},
		{value: `"a!!!"`},
		{err: "ValueError", module: "builtins"},
		{value: `{"text":"any"}`},
	} {
		if o := got[i]; o.Error != want.err || o.Module != want.module || want.err == "" && !sameJSON(t, o.Value, want.value) {
			t.Errorf("call %d: client saw %s, error %q of %q %v; want %s %q", i, o.Value, o.Error, o.Module, o.Args, want.value, want.err)
		}
	}
	if states := got[0].States; len(states) != 3 || states[0] != celery.StatusStarted || states[1] != celery.StatusProgress || states[2] != celery.StatusSuccess {
		t.Errorf("the client saw the states %v", states)
	}
	first := <-headers
	if first.ID != id || first.Headers["tenant"] != "acme" || first.HardLimit != 30*time.Second || first.SoftLimit != 20*time.Second || first.Lang != "py" ||
		first.ETA == nil || first.Expires == nil || time.Until(*first.Expires) > 11*time.Minute || time.Until(*first.Expires) < 5*time.Minute {
		t.Errorf("decoded %+v", first)
	}
	_ = ch.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// serve is a worker without an engine: it answers until the channel closes.
func serve(ctx context.Context, ch *amqp.Channel, deliveries <-chan amqp.Delivery, seen chan<- celery.Message) error {
	for d := range deliveries {
		m, err := celery.Decode(&d, celery.Limits{})
		if err != nil {
			return err
		}
		seen <- *m
		answers, next, err := perform(m)
		if err != nil {
			return err
		}
		for _, r := range answers {
			if m.WantsResult() {
				if err := ch.PublishWithContext(ctx, "", m.ReplyTo, false, false, r.Publishing(m.CorrelationID)); err != nil {
					return err
				}
			}
		}
		for _, n := range next {
			p, err := celery.Encode(*n)
			if err != nil {
				return err
			}
			if err := ch.PublishWithContext(ctx, "", queue, true, false, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func perform(m *celery.Message) (answers []celery.Result, next []*celery.Message, err error) {
	if m.Headers["pretend"] == "expired" {
		return []celery.Result{celery.Revoked(m.ID, celery.RevokedExpired)}, nil, nil
	}
	switch m.Task {
	case "selftest.echo":
		var args selftest.EchoArgs
		if err := celery.ArgsToProto(m, &args); err != nil {
			argument, ok := errors.AsType[*celery.ArgumentError](err)
			if !ok {
				return nil, nil, err
			}
			return []celery.Result{celery.Failure(m.ID, argument.Class, "builtins", []any{err.Error()}, "")}, nil, nil
		}
		raw, err := celery.ProtoToKwargs(&args)
		return []celery.Result{celery.Started(m.ID, 1, "go@test"), celery.Progress(m.ID, 1, 2), celery.Success(m.ID, raw, nil)}, nil, err
	case "selftest.shout":
		var args selftest.EchoArgs
		if err := celery.ArgsToProto(m, &args); err != nil {
			return nil, nil, err
		}
		raw, err := json.Marshal(args.GetText() + "!")
		if err != nil {
			return nil, nil, err
		}
		next, err := celery.OnSuccess(m, raw, time.Now())
		var children []string
		for _, n := range next {
			children = append(children, n.ID)
		}
		return []celery.Result{celery.Success(m.ID, raw, children)}, next, err
	case "selftest.fail":
		name, module := celery.ExceptionFor("permanent")
		return []celery.Result{celery.Failure(m.ID, name, module, []any{"no such kind"}, "")}, nil, nil
	default:
		name, module := celery.ExceptionFor("unknown_task")
		return []celery.Result{celery.Failure(m.ID, name, module, []any{m.Task}, "")}, nil, nil
	}
}

func sameJSON(t *testing.T, got json.RawMessage, want string) bool {
	t.Helper()
	var g, w any
	if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal([]byte(want), &w)); err != nil {
		t.Errorf("compare %s with %s: %v", got, want, err)
	}
	a, errA := json.Marshal(g)
	b, errB := json.Marshal(w)
	return errA == nil && errB == nil && string(a) == string(b)
}

// TestPythonWorkerRunsOurMessages publishes to a stock Python worker on its classic queue and reads its results.
func TestPythonWorkerRunsOurMessages(t *testing.T) {
	t.Parallel()
	broker := rabbittest.New(t)
	ch := link(t, broker.URL)
	// Declared as the worker itself will, so that messages may wait for it.
	if _, err := ch.QueueDeclare("shop", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	back, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	results := consume(t, ch, back.Name)
	startWorker(t, broker.URL, "shop")

	kwargs, err := celery.ProtoToKwargs(&selftest.EchoArgs{Text: "<é & 'x'>", Number: 9007199254740993, Flag: proto.Bool(false), List: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	soon, later, past := time.Now().Add(300*time.Millisecond), time.Now().Add(10*time.Minute), time.Now().Add(-time.Minute)
	for _, c := range []struct {
		name    string
		message celery.Message
		status  string
		result  string
	}{
		{"positions", celery.Message{Task: "shop.add", Args: json.RawMessage(`[2, 3]`)}, celery.StatusSuccess, `5`},
		{"names", celery.Message{Task: "shop.echo", Kwargs: kwargs}, celery.StatusSuccess,
			`{"args":[],"kwargs":{"text":"<é & 'x'>","number":9007199254740993,"flag":false,"list":["a"]},"types":{"text":"str","number":"int","flag":"bool","list":"list"}}`},
		{"eta with nanoseconds, and expires", celery.Message{Task: "shop.add", Args: json.RawMessage(`[1, 1]`), ETA: &soon, Expires: &later}, celery.StatusSuccess, `2`},
		{"expired", celery.Message{Task: "shop.add", Args: json.RawMessage(`[1, 1]`), Expires: &past}, celery.StatusRevoked,
			`{"exc_type":"TaskRevokedError","exc_message":["expired"],"exc_module":"celery.exceptions"}`},
		{"headers", celery.Message{ID: "go-1", Task: "shop.about", RootID: "root-1", ParentID: "par-1", Retries: 2, HardLimit: time.Minute,
			Headers: map[string]any{"tenant": "acme"}}, celery.StatusSuccess,
			`{"id":"go-1","root_id":"root-1","parent_id":"par-1","retries":2,"timelimit":[60,null],"eta":null,"tenant":"acme"}`},
		{"failure", celery.Message{Task: "shop.fail"}, celery.StatusFailure, `{"exc_type":"ValueError","exc_message":["bad",3],"exc_module":"builtins"}`},
		{"retry", celery.Message{Task: "shop.retry"}, celery.StatusSuccess, `1`},
		{"unknown", celery.Message{Task: "shop.nosuch"}, celery.StatusFailure, `{"exc_type":"NotRegistered","exc_message":["shop.nosuch"],"exc_module":"celery.exceptions"}`},
		{"chain", celery.Message{Task: "shop.add", Args: json.RawMessage(`[1, 2]`), Chain: []celery.Signature{{Task: "shop.add", Args: json.RawMessage(`[10]`),
			Options: map[string]json.RawMessage{"task_id": json.RawMessage(`"link-2"`), "reply_to": mustJSON(t, back.Name)}}}}, celery.StatusSuccess, `13`},
	} {
		c.message.ReplyTo = back.Name
		if c.message.ID == "" {
			c.message.ID = uuid.NewString()
		}
		wait := c.message.ID
		if len(c.message.Chain) > 0 {
			wait = "link-2"
		}
		p, err := celery.Encode(c.message)
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.PublishWithContext(t.Context(), "", "shop", true, false, p); err != nil {
			t.Fatal(err)
		}
		r := final(t, results, wait)
		if r.Status != c.status || !sameJSON(t, r.Result, c.result) {
			t.Errorf("%s: Python answered %s %s, want %s %s", c.name, r.Status, r.Result, c.status, c.result)
		}
	}
}

// final skips results of other tasks and intermediate ones.
func final(t *testing.T, results <-chan amqp.Delivery, id string) celery.Result {
	t.Helper()
	for {
		r, err := celery.DecodeResult(receive(t, results).Body)
		if err != nil {
			t.Fatal(err)
		}
		if r.TaskID == id && (r.Status == celery.StatusSuccess || r.Status == celery.StatusFailure || r.Status == celery.StatusRevoked) {
			return r
		}
	}
}

// decoded is what JSON says; nil when it says nothing.
func decoded(t *testing.T, raw json.RawMessage) (v any) {
	t.Helper()
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("decode %s: %v", raw, err)
		}
	}
	return v
}

func mustJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
