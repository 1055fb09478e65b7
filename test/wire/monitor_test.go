package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/test/servers/server"
)

// commandLine runs Celery's own program and returns what it printed, both ways, and its exit code.
func commandLine(t *testing.T, broker string, args ...string) (output string, code int) {
	t.Helper()
	var out bytes.Buffer
	cmd := python(t, append([]string{"-m", "celery", "--no-color", "-b", broker}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatalf("celery (install python3-celery, or set MAKOLA_TEST_PYTHON): %v\n%s", err, out.String())
	}
	return out.String(), 0
}

// inspect asks one node, with the second of patience that Celery's program has by itself, until the answer is as it should be: on a machine as busy as this one the program
// itself may be too slow once. A worker that answers only when a task lets it would never do.
func inspect(t *testing.T, broker, name, method string, is func(answer string) bool, more ...string) {
	t.Helper()
	rabbittest.Eventually(t, "inspect "+method+" is answered as it should be", func() bool {
		out, code := commandLine(t, broker, append([]string{"inspect", "-j", "-d", name, method}, more...)...)
		if code != 0 {
			t.Logf("celery inspect %s: exit code %d\n%s", method, code, out)
			return false
		}
		var byNode map[string]json.RawMessage
		if err := json.Unmarshal([]byte(out), &byNode); err != nil || len(byNode) != 1 {
			t.Fatalf("celery inspect %s printed %s: %v", method, out, err)
		}
		ok := is(string(byNode[name]))
		if !ok {
			t.Logf("celery inspect %s: %s", method, byNode[name])
		}
		return ok
	})
}

func contains(parts ...string) func(string) bool {
	return func(s string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(s, part) })
	}
}

// TestCelerysCommandLineSeesABusyWorker asks everything of a worker whose every place is taken.
func TestCelerysCommandLineSeesABusyWorker(t *testing.T) {
	t.Parallel()
	e := &engine{t: t, broker: rabbittest.New(t), pg: postgrestest.New(t)}
	e.look = e.pg.Admin()
	e.start(e.broker.Config(t.Name()), node, task.WorkerConfig{Short: 1, Long: 1})
	ids := make([]string, 5)
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	send := func(id, name string, kwargs map[string]any, options map[string]any) {
		t.Helper()
		sendOnly(t, e.amqp, call{Task: name, Kwargs: kwargs, Options: with(options, "task_id", id)})
	}
	send(ids[4], "selftest.noop", nil, map[string]any{"countdown": 3600})
	e.eventually("the later one waits in the database", 1, "select count(*) from task.task where state = 'pending'")
	send(ids[0], "selftest.echo", map[string]any{"text": "wait", "labels": map[string]any{"password": "hunter2"}}, nil)
	send(ids[1], "selftest.slow", map[string]any{"steps": -1}, nil)
	e.eventually("the LONG one runs", 1, "select count(*) from task.task where state = 'running'")
	send(ids[2], "selftest.echo", map[string]any{"text": "wait"}, nil)
	send(ids[3], "selftest.slow", map[string]any{"steps": -1}, nil)

	inspect(t, e.amqp, node, "active", contains(ids[0], ids[1], `"name": "selftest.slow"`, `"hostname": "`+node+`"`, `"password": "********"`))
	inspect(t, e.amqp, node, "reserved", contains(ids[2], ids[3]))
	inspect(t, e.amqp, node, "ping", contains(`{"ok": "pong"}`))
	inspect(t, e.amqp, node, "registered", contains(`"reports.self_test"`, `"selftest.echo"`))
	inspect(t, e.amqp, node, "stats", contains(`"max-concurrency": `, `"selftest.echo": 1`, `"transport": "amqp"`))
	inspect(t, e.amqp, node, "active_queues", contains(`"name": "selftest"`, `"name": "reports"`, `"x-queue-type": "quorum"`))
	inspect(t, e.amqp, node, "scheduled", contains(ids[4], `"eta": "`))
	inspect(t, e.amqp, node, "revoked", contains(`[]`))
	inspect(t, e.amqp, node, "report", contains(`software -> makola`))
	inspect(t, e.amqp, node, "conf", contains(`********@`, `"task_serializer": "json"`))
	inspect(t, e.amqp, node, "clock", contains(`"clock": `))
	inspect(t, e.amqp, node, "query_task", contains(ids[0], `"active"`, ids[2], `"reserved"`), ids[0], ids[2], "nobody")

	// As people read it.
	rabbittest.Eventually(t, "celery status lists the worker", func() bool {
		out, code := commandLine(t, e.amqp, "status")
		return code == 0 && strings.Contains(out, node+": OK") && strings.Contains(out, "1 node online.")
	})
}

func with(options map[string]any, name string, value any) map[string]any {
	all := map[string]any{name: value}
	for k, v := range options {
		all[k] = v
	}
	return all
}

// TestCelerysCommandLineReachesTheNodeItNames runs two workers.
func TestCelerysCommandLineReachesTheNodeItNames(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	const other = "wire@two"
	e.start(e.broker.Config(t.Name()), other, task.WorkerConfig{})
	inspect(t, e.amqp, node, "ping", contains("pong"))
	inspect(t, e.amqp, other, "ping", contains("pong"))
	out, code := commandLine(t, e.amqp, "inspect", "-j", "-t", "3", "-d", "wire@nobody", "ping")
	if code != 69 || !strings.Contains(out, "No nodes replied within time constraint") {
		t.Errorf("a node that does not exist: exit code %d, %s", code, out)
	}
	rabbittest.Eventually(t, "celery status lists both", func() bool {
		out, code := commandLine(t, e.amqp, "status", "-t", "3")
		return code == 0 && strings.Contains(out, node+": OK") && strings.Contains(out, other+": OK") && strings.Contains(out, "2 nodes online.")
	})
}

// control sends a control command by Celery's program to the node, with more patience than any machine needs: it returns at the answer.
func control(t *testing.T, broker, name string, args ...string) string {
	t.Helper()
	out, code := commandLine(t, broker, append([]string{"control", "-j", "-t", "60", "-d", name}, args...)...)
	if code != 0 {
		t.Fatalf("celery control %s: exit code %d\n%s", args, code, out)
	}
	var replies []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &replies); err != nil || len(replies) != 1 {
		t.Fatalf("celery control %s printed %s: %v", args, out, err)
	}
	return string(replies[0][name])
}

// TestCelerysCommandLineControlsAWorker revokes, terminates and switches events, and asks for what there is not.
func TestCelerysCommandLineControlsAWorker(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	later, long, short := uuid.NewString(), uuid.NewString(), uuid.NewString()
	sendOnly(t, e.amqp, call{Task: "selftest.noop", Options: map[string]any{"task_id": later, "countdown": 3600}},
		call{Task: "selftest.slow", Args: []any{-1}, Options: map[string]any{"task_id": long}}, call{Task: "selftest.echo", Args: []any{"wait"}, Options: map[string]any{"task_id": short}})
	e.eventually("one waits", 1, "select count(*) from task.task where id = $1 and state = 'pending'", later)
	e.eventually("one runs", 1, "select count(*) from task.task where id = $1 and state = 'running'", long)
	inspect(t, e.amqp, node, "active", contains(long, short))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"revoke", later}, `{"ok": "tasks ` + later + ` flagged as revoked"}`},
		{[]string{"terminate", "KILL", short}, `{"error": "` + short + ` cannot be terminated: it runs in one short transaction and comes to its end"}`},
		{[]string{"terminate", "TERM", long}, `{"ok": "terminate: ` + long + `"}`},
		{[]string{"terminate", "TERM", "nobody"}, `{"ok": "terminate: tasks unknown"}`},
		{[]string{"enable_events"}, `{"ok": "task events already enabled"}`},
		{[]string{"disable_events"}, `{"ok": "task events disabled"}`},
		{[]string{"enable_events"}, `{"ok": "task events enabled"}`},
		{[]string{"heartbeat"}, `null`},
		{[]string{"shutdown"}, `{"error": "shutdown is not allowed on this worker; see CELERY_CONTROL"}`},
		{[]string{"pool_grow", "1"}, `{"error": "pool_grow does not exist on this worker: set TASKS_SHORT and TASKS_LONG and restart the process, or run more of them"}`},
		{[]string{"add_consumer", "celery"}, `{"error": "add_consumer does not exist on this worker: set QUEUES and restart the process"}`},
		{[]string{"rate_limit", "selftest.echo", "1/s"}, `{"error": "rate_limit does not exist on this worker: tasks have no rate limits"}`},
	} {
		if got := control(t, e.amqp, node, c.args...); got != c.want {
			t.Errorf("celery control %v: %s, want %s", c.args, got, c.want)
		}
	}
	e.eventually("what was revoked and terminated is cancelled", 2, "select count(*) from task.task where state = 'cancelled' and id in ($1, $2)", later, long)
	inspect(t, e.amqp, node, "revoked", contains(later, long, short))

	var out bytes.Buffer
	cmd := python(t, "broadcast.py", e.amqp, "nosuch", `{"a": 1}`)
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil || !sameJSON(t, json.RawMessage(out.Bytes()), `[{"`+node+`": {"error": "KeyError('nosuch')"}}]`) {
		t.Errorf("an unknown method: %s, %v", out.String(), err)
	}
}

// lines runs a program until the test ends and gives its output line by line.
type lines struct {
	t    *testing.T
	in   chan string // closed when the program ends
	seen []string
}

func follow(t *testing.T, cmd *exec.Cmd) *lines {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	cmd.Env = append(cmd.Env, "PYTHONUNBUFFERED=1")
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", cmd.Args, err)
	}
	l := &lines{t: t, in: make(chan string, 10_000)}
	go func() {
		defer close(l.in)
		s := bufio.NewScanner(out)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			l.in <- s.Text()
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	return l
}

// until waits for a line that holds all the parts.
func (l *lines) until(parts ...string) string {
	l.t.Helper()
	deadline := time.After(patience)
	for _, line := range l.seen {
		if contains(parts...)(line) {
			return line
		}
	}
	for {
		select {
		case line, ok := <-l.in:
			if !ok {
				l.t.Fatalf("the program ended before a line with %q; it wrote:\n%s", parts, strings.Join(l.seen, "\n"))
			}
			l.seen = append(l.seen, line)
			if contains(parts...)(line) {
				return line
			}
		case <-deadline:
			l.t.Fatalf("waited in vain for a line with %q; there were:\n%s", parts, strings.Join(l.seen, "\n"))
		}
	}
}

// TestCeleryEventsDumpsATasksLife follows one task, and the worker's own life.
func TestCeleryEventsDumpsATasksLife(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	dump := follow(t, python(t, "-m", "celery", "-b", e.amqp, "events", "--dump"))
	dump.until(node, "heartbeat", "freq=2.0", "sw_ident=makola")
	good, bad := uuid.NewString(), uuid.NewString()
	sendOnly(t, e.amqp, call{Task: "selftest.echo", Args: []any{"hello"}, Options: map[string]any{"task_id": good}}, call{Task: "selftest.fail", Args: []any{"permanent"}, Options: map[string]any{"task_id": bad}})
	dump.until(node, "task succeeded", good, "result={'text': 'hello'")
	dump.until(node, "task failed", bad, "ValueError('the range is reversed')")
	e.stop()
	dump.until(node, "shutdown")
	for _, want := range []struct {
		part string
		n    int
	}{
		{"task received: selftest.echo(" + good + ") args=['hello'] kwargs={}", 1}, {"task started: selftest.echo(" + good + ")", 1}, {"task succeeded: selftest.echo(" + good + ")", 1},
		{"task received: selftest.fail(" + bad + ")", 1}, {"task started: selftest.fail(" + bad + ")", 1}, {"task failed: selftest.fail(" + bad + ")", 1},
	} {
		n := 0
		for _, line := range dump.seen {
			n += strings.Count(line, want.part)
		}
		if n != want.n {
			t.Errorf("%q stands %d times in the dump, want %d:\n%s", want.part, n, want.n, strings.Join(dump.seen, "\n"))
		}
	}
}

// TestFlowersViewOfTasksIsRight sends many tasks of all fates and asks Celery's cluster state, which Flower shows, what became of them.
func TestFlowersViewOfTasksIsRight(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	want := map[string]string{}
	var calls []call
	for i := range 40 {
		id := uuid.NewString()
		c, state := call{Task: "selftest.echo", Kwargs: map[string]any{"text": fmt.Sprint(i)}}, "SUCCESS"
		switch i % 8 {
		case 1:
			c, state = call{Task: "selftest.fail", Args: []any{"permanent"}}, "FAILURE"
		case 2:
			c = call{Task: "selftest.fail"} // at the second attempt
		case 3:
			c, state = call{Task: "selftest.noop", Options: map[string]any{"expires": -60}}, "REVOKED"
		case 4:
			c = call{Task: "selftest.noop_batch"}
		case 5:
			c = call{Task: "selftest.slow", Args: []any{2}}
		case 6:
			c, state = call{Task: "selftest.echo", Kwargs: map[string]any{"number": "x"}}, "FAILURE"
		case 7:
			c, state = call{Task: "selftest.nosuch"}, "FAILURE"
			if i%16 == 7 {
				c = call{Task: "selftest.noop", Options: map[string]any{"compression": "zlib"}} // no message that is read here
			}
		}
		c.Options = with(c.Options, "task_id", id)
		want[id] = state
		calls = append(calls, c)
	}
	flower := follow(t, python(t, "state.py", e.amqp, node, fmt.Sprint(len(calls))))
	flower.until("listening")
	sendOnly(t, e.amqp, calls...)
	var got struct {
		Tasks map[string]struct {
			State, Name, Worker string
			Runtime             *float64
		}
		Alive []string
	}
	if err := json.Unmarshal([]byte(flower.until(`"tasks":`)), &got); err != nil {
		t.Fatal(err)
	}
	for id, state := range want {
		if got.Tasks[id].State != state || got.Tasks[id].Worker != node || got.Tasks[id].Name == "" {
			t.Errorf("task %s is seen as %+v, want %s", id, got.Tasks[id], state)
		}
	}
	if !slices.Equal(got.Alive, []string{node}) {
		t.Errorf("alive are %v", got.Alive)
	}
	finals, waiting, clock := map[string]int{}, map[string]int{}, int64(0)
	for _, line := range flower.seen {
		var ev struct {
			Type, UUID string
			Clock      int64
		}
		if !strings.HasPrefix(line, `{"type"`) {
			continue
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Clock <= clock {
			t.Errorf("the clock goes from %d to %d", clock, ev.Clock)
		}
		clock = ev.Clock
		switch ev.Type {
		case "task-received":
			waiting[ev.UUID]++
		case "task-started":
			waiting[ev.UUID]--
		case "task-succeeded", "task-failed", "task-revoked":
			finals[ev.UUID]++
		}
	}
	for id, state := range want {
		if finals[id] != 1 {
			t.Errorf("task %s has %d final events", id, finals[id])
		}
		if waiting[id] != 0 && state != "REVOKED" {
			t.Errorf("task %s, %s, was received %d times more than it was started: Flower counts it as waiting for ever", id, state, waiting[id])
		}
	}
}

// TestPythonsWorkersAndOursKnowOfEachOther runs both in one virtual host, as an application does that moves queue by queue.
func TestPythonsWorkersAndOursKnowOfEachOther(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	control(t, e.amqp, node, "revoke", "revoked-here")
	startWorker(t, e.amqp, "shop", "mingle") // a number that is no float would end it here
	const theirs = "shop@test"
	inspect(t, e.amqp, theirs, "revoked", contains("revoked-here"))
	if got := control(t, e.amqp, theirs, "revoke", "revoked-there"); !strings.Contains(got, "flagged as revoked") {
		t.Errorf("their answer: %s", got)
	}
	const late = "wire@late"
	e.start(e.broker.Config(t.Name()), late, task.WorkerConfig{})
	inspect(t, e.amqp, late, "revoked", contains("revoked-here", "revoked-there"))
	rabbittest.Eventually(t, "celery status lists all three", func() bool {
		out, code := commandLine(t, e.amqp, "status", "-t", "3")
		return code == 0 && contains(node+": OK", theirs+": OK", late+": OK", "3 nodes online.")(out)
	})
	id := uuid.NewString()
	flower := follow(t, python(t, "state.py", e.amqp, node, "1"))
	flower.until("listening")
	sendOnly(t, e.amqp, call{Task: "selftest.noop", Options: map[string]any{"task_id": id}})
	flower.until(`"tasks":`, id, `"SUCCESS"`)
}

// TestAWorkerIsVisibleAgainAfterTheBrokersRestart restarts a broker of the test's own: two of the three exchanges vanish with it.
func TestAWorkerIsVisibleAgainAfterTheBrokersRestart(t *testing.T) {
	t.Parallel()
	mq, err := server.StartRabbit(t.Context(), t.TempDir())
	if mq != nil {
		t.Cleanup(func() { _ = mq.Kill() })
	}
	if err != nil {
		t.Fatalf("start a broker: %v", err)
	}
	e := &engine{t: t, pg: postgrestest.New(t)}
	e.look = e.pg.Admin()
	e.start(rabbit.Config{URL: mq.URL(), Name: t.Name(), Declare: true, BackoffMin: 5 * time.Millisecond, BackoffMax: 100 * time.Millisecond}, node, task.WorkerConfig{})
	inspect(t, e.amqp, node, "ping", contains("pong"))
	control(t, e.amqp, node, "revoke", "remembered")
	if err := errors.Join(mq.Stop(t.Context()), mq.Restart(t.Context())); err != nil {
		t.Fatalf("restart the broker: %v", err)
	}
	inspect(t, e.amqp, node, "ping", contains("pong"))
	inspect(t, e.amqp, node, "revoked", contains("remembered"))
	dump := follow(t, python(t, "-m", "celery", "-b", e.amqp, "events", "--dump"))
	dump.until(node, "heartbeat")
	id := uuid.NewString()
	sendOnly(t, e.amqp, call{Task: "selftest.noop", Options: map[string]any{"task_id": id}})
	dump.until("task succeeded", id)
}
