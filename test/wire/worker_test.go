package wire

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"makola/pkg/rabbit/rabbittest"
)

// TestCeleryClientRunsTasksOnOurWorker is what an application sees whose workers were replaced by ours: the same calls, the same answers.
func TestCeleryClientRunsTasksOnOurWorker(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	soon := time.Now().Add(time.Second)
	for _, c := range []struct {
		name  string
		call  call
		value string
		err   string // the class that the client sees
		says  string // part of the error's text
	}{
		{name: "names", call: call{Task: "selftest.echo", Kwargs: map[string]any{"text": "<é&>", "number": 9007199254740993, "labels": map[string]any{"a": "b"}}},
			value: `{"text":"<é&>","number":9007199254740993,"flag":true,"labels":{"a":"b"}}`},
		{name: "positions", call: call{Task: "selftest.echo", Args: []any{"by position", 7, false}}, value: `{"text":"by position","number":7,"flag":false}`},
		{name: "positions and names", call: call{Task: "selftest.echo", Args: []any{"both"}, Kwargs: map[string]any{"list": []string{"x", "y"}}}, value: `{"text":"both","number":0,"flag":true,"list":["x","y"]}`},
		{name: "another name of the task", call: call{Task: "selftest.tasks.echo", Args: []any{"alias"}}, value: `{"text":"alias","number":0,"flag":true}`},
		{name: "Python's decimal", call: call{Task: "selftest.echo", Kwargs: map[string]any{"text": map[string]any{"$decimal": "12.30"}}}, value: `{"text":"12.30","number":0,"flag":true}`},
		{name: "SHORT without a result", call: call{Task: "selftest.noop"}, value: `{}`},
		{name: "BATCH", call: call{Task: "selftest.noop_batch"}, value: `{}`},
		{name: "LONG", call: call{Task: "selftest.slow", Args: []any{3}}, value: `{"steps":3}`},
		{name: "countdown", call: call{Task: "selftest.echo", Args: []any{"later"}, Options: map[string]any{"countdown": 1}}, value: `{"text":"later","number":0,"flag":true}`},
		{name: "an id that is no UUID", call: call{Task: "selftest.echo", Args: []any{"any"}, Options: map[string]any{"task_id": "not-a-uuid"}}, value: `{"text":"any","number":0,"flag":true}`},
		{name: "retried", call: call{Task: "selftest.fail"}, value: `{"attempt":2}`},
		{name: "failed for good", call: call{Task: "selftest.fail", Args: []any{"permanent"}}, err: "ValueError", says: "the range is reversed"},
		{name: "unknown task", call: call{Task: "selftest.nosuch"}, err: "NotRegistered", says: "selftest.nosuch"},
		{name: "too many positions", call: call{Task: "selftest.noop", Args: []any{1}}, err: "TypeError"},
		{name: "a text for a number", call: call{Task: "selftest.echo", Kwargs: map[string]any{"number": "seven"}}, err: "TypeError", says: "number"},
		{name: "expired", call: call{Task: "selftest.noop", Options: map[string]any{"expires": -60}}, err: "TaskRevokedError", says: "expired"},
		{name: "chain", call: call{Chain: []call{
			{Task: "selftest.echo", Args: []any{"first"}},
			{Task: "reports.self_test", Kwargs: map[string]any{"note": "second"}, Immutable: true, Options: map[string]any{"queue": "reports"}},
			{Task: "reports.self_test", Args: []any{"third"}, Immutable: true},
		}}, value: `{"note":"third","ran_by":"wire"}`},
		{name: "chain whose result does not fit the next", call: call{Chain: []call{{Task: "selftest.echo", Args: []any{"first"}}, {Task: "reports.self_test"}}}, err: "ValueError", says: "must be a string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := client(t, e.broker.URL, queue, c.call)[0]
			if c.err == "" && (got.Error != "" || !sameJSON(t, got.Value, c.value)) {
				t.Errorf("the client saw %s, error %q %v; want %s", got.Value, got.Error, got.Args, c.value)
			}
			if c.err != "" && (got.Error != c.err || !strings.Contains(fmt.Sprint(got.Args), c.says)) {
				t.Errorf("the client saw %s, error %q %v; want %s with %q", got.Value, got.Error, got.Args, c.err, c.says)
			}
		})
	}
	t.Cleanup(func() {
		if time.Now().Before(soon) {
			t.Error("the countdown cannot have been kept")
		}
	})
}

// TestAHundredCeleryTasksEndOnceEach sends a hundred at once.
func TestAHundredCeleryTasksEndOnceEach(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	calls := make([]call, 100)
	for i := range calls {
		calls[i] = call{Task: "selftest.echo", Args: []any{fmt.Sprint(i), i}}
	}
	seen := map[string]bool{}
	for i, o := range client(t, e.broker.URL, queue, calls...) {
		want := fmt.Sprintf(`{"text":"%d","number":%d,"flag":true}`, i, i)
		if o.Error != "" || !sameJSON(t, o.Value, want) {
			t.Errorf("call %d: the client saw %s, error %q %v; want %s", i, o.Value, o.Error, o.Args, want)
		}
		if finals := len(o.States); finals != 1 || o.States[0] != "SUCCESS" {
			t.Errorf("call %d: the client saw the states %v; want one SUCCESS", i, o.States)
		}
		seen[o.ID] = true
	}
	if n := e.count("select count(*) from task.task where state = 'succeeded' and attempt = 1"); n != 100 || len(seen) != 100 {
		t.Errorf("%d tasks succeeded at their first attempt and %d ids were answered, want 100 of each", n, len(seen))
	}
	rabbittest.Eventually(t, "the queue is empty", func() bool { return e.broker.Depth(t, queue) == 0 })
}

// TestGarbageIsRecordedAndStopsNobody publishes what a mad program would, and then an ordinary task.
func TestGarbageIsRecordedAndStopsNobody(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ch := link(t, e.broker.URL)
	headers := func() amqp.Table {
		return amqp.Table{"id": uuid.NewString(), "task": "selftest.echo", "lang": "py", "argsrepr": "()", "kwargsrepr": "{}"}
	}
	v2 := func(body string) amqp.Publishing {
		return amqp.Publishing{ContentType: "application/json", ContentEncoding: "utf-8", Headers: headers(), Body: []byte(body)}
	}
	with := func(p amqp.Publishing, change func(*amqp.Publishing)) amqp.Publishing { change(&p); return p }
	const embed = `{"callbacks":null,"errbacks":null,"chain":null,"chord":null}`
	garbage := map[string]amqp.Publishing{
		"not JSON":      v2("not json at all\x00\xff"),
		"an empty body": v2(""),
		"NaN":           v2(`[[],{"number":NaN},` + embed + `]`),
		"Infinity":      v2(`[[-Infinity],{},` + embed + `]`),
		"pickle": with(v2("\x80\x04N."), func(p *amqp.Publishing) {
			p.ContentType, p.ContentEncoding = "application/x-python-serialize", "binary"
		}),
		"a body of two":             v2(`[[],{}]`),
		"a body of an object":       v2(`{"args":[]}`),
		"arguments of a wrong type": v2(`["x",[],` + embed + `]`),
		"a message without headers": {ContentType: "application/json", Body: []byte(`[[],{},` + embed + `]`)},
		"headers of wrong types": with(v2(`[[],{},`+embed+`]`), func(p *amqp.Publishing) {
			p.Headers = amqp.Table{"id": int32(7), "task": amqp.Table{"a": "b"}}
		}),
		"1 MiB":                 v2(`[["` + strings.Repeat("x", 1<<20) + `"],{},` + embed + `]`),
		"deep nesting":          v2(strings.Repeat("[", 100_000)),
		"a NUL in an argument":  v2(`[["a\u0000b"],{},` + embed + `]`),
		"half a surrogate pair": v2(`[["\ud800"],{},` + embed + `]`),
		"a name with a NUL":     with(v2(`[[],{},`+embed+`]`), func(p *amqp.Publishing) { p.Headers["task"] = "selftest.\x00" }),
		"an eta that is none":   with(v2(`[[],{},`+embed+`]`), func(p *amqp.Publishing) { p.Headers["eta"] = "tomorrow" }),
	}
	for name, p := range garbage {
		if err := ch.PublishWithContext(t.Context(), "", queue, true, false, p); err != nil {
			t.Fatalf("publish %s: %v", name, err)
		}
	}
	recorded := `select (select count(*) from task.dead_letter) + (select count(*) from task.task where state in ('failed', 'succeeded'))`
	rabbittest.Eventually(t, "every piece of garbage is recorded", func() bool { return e.count(recorded) >= len(garbage) })
	if n := e.count("select count(*) from task.dead_letter"); n < 8 {
		t.Errorf("%d dead letters; what is no task message belongs there", n)
	}
	got := client(t, e.broker.URL, queue, call{Task: "selftest.echo", Args: []any{"still here"}})[0]
	if !sameJSON(t, got.Value, `{"text":"still here","number":0,"flag":true}`) {
		t.Errorf("afterwards the client saw %s, error %q %v", got.Value, got.Error, got.Args)
	}
	if n := e.count(recorded); n != len(garbage)+1 {
		t.Errorf("%d messages are recorded, want %d", n, len(garbage)+1)
	}
	rabbittest.Eventually(t, "nothing is left in the queue", func() bool { return e.broker.Depth(t, queue) == 0 && e.broker.Depth(t, "reports") == 0 })
}

// TestAProtocol1MessageIsAnsweredOrRecorded sends what Celery 3 did: everything in the body.
func TestAProtocol1MessageIsAnsweredOrRecorded(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	body := `{"id":"` + uuid.NewString() + `","task":"selftest.echo","args":["old"],"kwargs":{},"retries":0,"eta":null,"expires":null,"utc":true,"callbacks":null,"errbacks":null}`
	if err := link(t, e.broker.URL).PublishWithContext(t.Context(), "", queue, true, false, amqp.Publishing{ContentType: "application/json", Body: []byte(body)}); err != nil {
		t.Fatal(err)
	}
	e.eventually("it is a task or a dead letter", 1, `select (select count(*) from task.dead_letter) + (select count(*) from task.task where state = 'succeeded' and args->>'text' = 'old')`)
}
