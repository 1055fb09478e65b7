package monitor_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/celery"
	"makola/pkg/monitor"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

const one, two = "billing-worker@one", "billing-worker@two"

func TestABusyWorkerAnswersEveryCommand(t *testing.T) {
	t.Parallel()
	r, h := newRig(t), newHandlers()
	n := r.start(one, h, monitor.Config{Events: true}, func(c *task.WorkerConfig) { c.Short, c.Long = 2, 1 })
	// Every place is taken, and more wait.
	for range 4 {
		r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
			return n.tasks.Echo(ctx, tx, &selftest.EchoArgs{Text: "wait", Labels: map[string]string{"password": "hunter2"}})
		})
	}
	long := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return n.tasks.Slow(ctx, tx, &selftest.SlowArgs{Steps: -1})
	})
	later := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return n.tasks.Noop(ctx, tx, &selftest.NoopArgs{}, contract.Option(task.Delay(time.Hour)))
	})
	var active []celery.Request
	rabbittest.Eventually(t, "three run", func() bool {
		active = nil
		require.NoError(t, json.Unmarshal([]byte(r.ask(one, "active", nil)), &active))
		return len(active) == 3
	})
	for _, a := range active {
		require.Equal(t, one, a.Hostname)
		require.NotNil(t, a.TimeStart)
		require.Equal(t, os.Getpid(), *a.WorkerPID)
		require.False(t, a.Acknowledged)
		require.Equal(t, celery.DeliveryInfo{Exchange: "tasks", RoutingKey: "selftest"}, a.DeliveryInfo)
		require.NotContains(t, string(a.Kwargs), "hunter2")
	}
	var reserved []celery.Request
	rabbittest.Eventually(t, "two wait", func() bool {
		reserved = nil
		require.NoError(t, json.Unmarshal([]byte(r.ask(one, "dump_reserved", nil)), &reserved))
		return len(reserved) == 2
	})
	require.Nil(t, reserved[0].TimeStart)
	require.Equal(t, "selftest.echo", reserved[0].Name)
	require.JSONEq(t, `{"text":"wait","labels":{"password":"********"}}`, string(reserved[0].Kwargs))

	require.Equal(t, `{"ok":"pong"}`, r.ask(one, "ping", map[string]any{"unknown": 1}))
	require.Equal(t, `["selftest.echo","selftest.fail","selftest.noop","selftest.noop_batch","selftest.noop_long","selftest.slow","selftest.tasks.echo"]`, r.ask(one, "registered", map[string]any{"taskinfoitems": nil, "builtins": false}))
	require.Contains(t, r.ask(one, "registered", map[string]any{"taskinfoitems": []string{"max_retries", "nothing"}}), `"selftest.fail [max_retries=2]"`)
	require.Contains(t, r.ask(one, "query_task", map[string]any{"ids": []string{long.String(), "nobody"}}), `{"`+long.String()+`":["active",{`)
	require.Contains(t, r.ask(one, "query_task", map[string]any{"ids": reserved[0].ID}), `["reserved",{`)
	require.Equal(t, `{"error":"ids names no task"}`, r.ask(one, "query_task", nil))

	var queues []celery.QueueInfo
	require.NoError(t, json.Unmarshal([]byte(r.ask(one, "active_queues", nil)), &queues))
	require.Len(t, queues, 1)
	require.Equal(t, "selftest", queues[0].Name)
	require.Equal(t, "quorum", queues[0].QueueArguments["x-queue-type"])

	var scheduled []celery.Scheduled
	rabbittest.Eventually(t, "the database answers in time", func() bool {
		return json.Unmarshal([]byte(r.ask(one, "scheduled", nil)), &scheduled) == nil && len(scheduled) == 1
	})
	require.Equal(t, later.String(), scheduled[0].Request.ID)
	require.True(t, strings.HasSuffix(scheduled[0].ETA, "+00:00"), scheduled[0].ETA)

	var stats celery.Stats
	require.NoError(t, json.Unmarshal([]byte(r.ask(one, "stats", nil)), &stats))
	require.Equal(t, map[string]int64{"selftest.echo": 2, "selftest.slow": 1}, stats.Total)
	require.Equal(t, []int{os.Getpid()}, stats.Pool.Processes)
	require.Equal(t, 5, stats.Pool.MaxConcurrency, "2 SHORT, 1 LONG, 2 batches")
	require.Equal(t, r.broker.VHost, stats.Broker.VirtualHost)
	require.NotEmpty(t, stats.Clock)
	require.Contains(t, stats.RUsage, "utime")

	conf, report := r.ask(one, "dump_conf", map[string]any{"with_defaults": true}), r.ask(one, "report", nil)
	password, _ := strings.CutPrefix(r.broker.URL, "amqp://")
	password, _, _ = strings.Cut(password, "@")
	_, password, _ = strings.Cut(password, ":")
	require.NotEmpty(t, password)
	for _, text := range []string{conf, report} {
		require.Contains(t, text, ":********@")
		require.NotContains(t, text, ":"+password+"@")
	}
	require.Contains(t, conf, `"worker_concurrency":5`)
	require.Contains(t, report, `{"ok":"software -> makola:`)

	require.Equal(t, `[]`, r.ask(one, "revoked", nil))
	require.Equal(t, `{"error":"KeyError('nosuch')"}`, r.ask(one, "nosuch", nil))
	require.Equal(t, `{"error":"shutdown is not allowed on this worker; see CELERY_CONTROL"}`, r.ask(one, "shutdown", nil))
	for _, method := range []string{"memsample", "objgraph", "election"} {
		require.Equal(t, `{"error":"KeyError('`+method+`')"}`, r.ask(one, method, map[string]any{"queue": "x", "n": 1}))
	}
	for _, method := range []string{"rate_limit", "time_limit", "add_consumer", "cancel_consumer", "pool_grow", "pool_shrink", "autoscale", "pool_restart"} {
		require.Contains(t, r.ask(one, method, map[string]any{"queue": "x", "n": 1}), `{"error":"`+method+` does not exist on this worker: `)
	}
	h.letGo()
	r.eventually("all but the later one end", "select count(*) from task.task where state in ('succeeded', 'cancelled')", 5)
}

func TestACommandReachesThoseItAddresses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(one, newHandlers(), monitor.Config{}, nil)
	r.start(two, newHandlers(), monitor.Config{}, nil)
	require.Len(t, r.replies(r.send("ping", nil), 2), 2, "everybody")
	require.Equal(t, `{"ok":"pong"}`, r.ask(two, "ping", nil))
	pattern := func(pattern, matcher string) string {
		ticket := uuid.NewString()
		r.publish(map[string]any{"method": "ping", "arguments": nil, "pattern": pattern, "matcher": matcher, "ticket": ticket, "reply_to": map[string]any{"exchange": "reply.celery.pidbox", "routing_key": r.oid}})
		return ticket
	}
	globbed, none := pattern("*@t?o", "glob"), pattern("nobody*", "glob")
	require.Contains(t, r.replies(globbed, 1), two)
	matched := pattern("billing-worker@(one|three)", "pcre")
	require.Contains(t, r.replies(matched, 1), one)
	// Whatever was sent before has been answered by now, if at all: each worker answers in order.
	r.replies(r.send("ping", nil), 2)
	require.Len(t, r.early[globbed], 1)
	require.Len(t, r.early[matched], 1)
	require.Empty(t, r.early[none])
}

func TestGarbageOnTheControlExchangeStopsNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(one, newHandlers(), monitor.Config{}, nil)
	for _, p := range []amqp.Publishing{
		{},
		{ContentType: "application/json", Body: []byte("not JSON\x00\xff")},
		{ContentType: "application/json", Body: []byte(`{"method":"ping","arguments":{"a":NaN}}`)},
		{ContentType: "application/x-python-serialize", ContentEncoding: "binary", Body: []byte("\x80\x04N.")},
		{ContentType: "application/json", Body: []byte(`[]`)},
		{ContentType: "application/json", Body: []byte(`{"method":["ping"],"destination":7}`)},
		{ContentType: "application/json", Body: []byte(`{"method":"ping","pattern":"(","matcher":"pcre"}`)},
		{ContentType: "application/json", Body: []byte(strings.Repeat("[", 100_000))},
		{ContentType: "application/json", Body: []byte(`{"method":"ping","arguments":{"a":"` + strings.Repeat("x", 2<<20) + `"}}`)},
		{ContentType: "application/json", Headers: amqp.Table{"clock": int64(1) << 62}, Body: []byte(`{"method":"clock"}`)},
		{ContentType: "application/json", Headers: amqp.Table{"clock": "soon"}, Body: []byte(`{"method":"ping","reply_to":{"exchange":"","routing_key":"x"}}`)},
	} {
		r.raw(p)
	}
	require.Equal(t, `{"ok":"pong"}`, r.ask(one, "ping", nil))
	var clock struct{ Clock int64 }
	require.NoError(t, json.Unmarshal([]byte(r.ask(one, "clock", nil)), &clock))
	require.Less(t, clock.Clock, int64(1)<<54, "a clock that is no clock is not believed")
	for method, arguments := range map[string]any{
		"revoke": map[string]any{"task_id": 7}, "terminate": map[string]any{}, "query_task": map[string]any{"ids": map[string]any{}},
		"hello": map[string]any{"from_node": 7}, "registered": map[string]any{"taskinfoitems": 7},
	} {
		require.Contains(t, r.ask(one, method, arguments), `{"error":`, method)
	}
	require.Equal(t, `{"ok":"pong"}`, r.ask(one, "ping", nil))
}

func TestAnAnswerGoesNowhereButToTheReplyExchange(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(one, newHandlers(), monitor.Config{}, nil)
	for _, exchange := range []string{"tasks", "", "nowhere"} {
		r.publish(map[string]any{"method": "ping", "arguments": nil, "ticket": "t", "reply_to": map[string]any{"exchange": exchange, "routing_key": "selftest"}})
	}
	require.Equal(t, `{"ok":"pong"}`, r.ask(one, "ping", nil), "and the worker answers the next")
	require.Zero(t, r.count("select count(*) from task.dead_letter"))
	require.Zero(t, r.broker.Depth(t, "selftest"))
}

func TestRevokedTasksDoNotRun(t *testing.T) {
	t.Parallel()
	r, h := newRig(t), newHandlers()
	n := r.start(one, h, monitor.Config{Events: true}, nil)
	w := r.watch(one)
	replyTo, results := r.results()

	// One that waits in the database, sent by a Celery client with an eta.
	eta := time.Now().Add(time.Hour)
	waiting := r.foreign(celery.Message{ID: "not-a-uuid", Task: "selftest.noop", ETA: &eta, ReplyTo: replyTo})
	r.eventually("it waits in the database", "select count(*) from task.task where state = 'pending'", 1)
	require.Equal(t, `{"ok":"tasks not-a-uuid, unknown flagged as revoked"}`, r.ask(one, "revoke", map[string]any{"task_id": []string{waiting, "unknown"}, "terminate": false, "signal": nil}))
	r.eventually("it is cancelled in the database", "select count(*) from task.task where state = 'cancelled' and error_kind = 'cancelled' and history->0->>'by' = 'celery control'", 1)
	require.Contains(t, string(receive(t, results).Body), `"status":"REVOKED"`)
	e := w.final(waiting)
	require.Equal(t, "task-revoked", e.Type)
	require.False(t, e.Terminated || e.Expired)
	require.Equal(t, `["not-a-uuid","unknown"]`, r.ask(one, "revoked", nil))

	// An operator may think again.
	require.NoError(t, r.pg.Open("makola_operator").InSystem(t.Context(), func(tx *gorm.DB) error {
		return task.Replay(tx, celery.TaskUUID(waiting), "ama", "revoked by mistake")
	}))
	r.eventually("it has run", "select count(*) from task.task where state = 'succeeded'", 1)
	require.Contains(t, string(receive(t, results).Body), `"status":"SUCCESS"`)
	require.Equal(t, `["unknown"]`, r.ask(one, "revoked", nil))

	// One that nobody here has heard of: its message comes only now.
	r.foreign(celery.Message{ID: "unknown", Task: "selftest.noop", ReplyTo: replyTo})
	r.eventually("it is cancelled on arrival", "select count(*) from task.task where state = 'cancelled'", 1)
	require.Contains(t, string(receive(t, results).Body), `"status":"REVOKED"`)
	w.final("unknown")
	require.Equal(t, []string{"task-received", "task-revoked"}, w.of("unknown"))

	// A LONG one that runs is left alone by revoke, and stopped by terminate.
	long := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return n.tasks.Slow(ctx, tx, &selftest.SlowArgs{Steps: -1})
	}).String()
	w.until("it runs", func(e event) bool { return e.UUID == long && e.Type == "task-started" })
	r.ask(one, "revoke", map[string]any{"task_id": long})
	require.Contains(t, r.ask(one, "query_task", map[string]any{"ids": long}), `"active"`)
	require.Equal(t, `{"ok":"terminate: `+long+`"}`, r.ask(one, "terminate", map[string]any{"signal": "TERM", "task_id": []string{long}}))
	e = w.final(long)
	require.Equal(t, "task-revoked", e.Type)
	require.True(t, e.Terminated)
	r.eventually("it is cancelled in the database", "select count(*) from task.task where state = 'cancelled' and id = $1", 1, long)
	require.Equal(t, `{"ok":"terminate: tasks unknown"}`, r.ask(one, "revoke", map[string]any{"task_id": long, "terminate": true}))

	// A SHORT one comes to its end.
	short := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return n.tasks.Echo(ctx, tx, &selftest.EchoArgs{Text: "wait"})
	}).String()
	w.until("it runs", func(e event) bool { return e.UUID == short && e.Type == "task-started" })
	require.Equal(t, `{"error":"`+short+` cannot be terminated: it runs in one short transaction and comes to its end"}`, r.ask(one, "terminate", map[string]any{"signal": "KILL", "task_id": short}))
	h.letGo()
	require.Equal(t, "task-succeeded", w.final(short).Type)
}

func TestAWorkerThatJoinsLearnsWhatIsRevoked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(one, newHandlers(), monitor.Config{}, nil)
	r.ask(one, "revoke", map[string]any{"task_id": []string{"a", "b"}})
	for range 50 {
		r.ask(one, "ping", nil)
	}
	r.start(two, newHandlers(), monitor.Config{}, nil)
	rabbittest.Eventually(t, "the second knows", func() bool { return r.ask(two, "revoked", nil) == `["a","b"]` })
	var clock struct{ Clock int64 }
	require.NoError(t, json.Unmarshal([]byte(r.ask(two, "clock", nil)), &clock))
	require.Greater(t, clock.Clock, int64(50), "the clock is taken over as well")

	require.Equal(t, `null`, r.ask(one, "hello", map[string]any{"from_node": one, "revoked": map[string]any{}}))
	hello := r.ask(one, "hello", map[string]any{"from_node": "py@host", "revoked": map[string]any{"c": []any{1.5, "c"}}})
	require.Regexp(t, `^\{"revoked":\{"a":\[\d+\.\d+,"a"\],"b":\[\d+\.\d+,"b"\],"c":\[\d+\.\d+,"c"\]\},"clock":\d+\}$`, hello)
}

func TestControlObeysTheAllowList(t *testing.T) {
	t.Parallel()
	r, h := newRig(t), newHandlers()
	var shutdowns atomic.Int32
	h.shutdown = func() { shutdowns.Add(1) }
	r.start(one, h, monitor.Config{Control: []string{"ping", "shutdown", "revoked"}}, nil)
	require.Equal(t, `{"error":"revoke is not allowed on this worker; see CELERY_CONTROL"}`, r.ask(one, "revoke", map[string]any{"task_id": "a"}))
	require.Equal(t, `[]`, r.ask(one, "dump_revoked", nil))
	require.Equal(t, `{"ok":"shutting down"}`, r.ask(one, "shutdown", nil))
	require.EqualValues(t, 1, shutdowns.Load())
}

func TestConfigKnowsItsCommands(t *testing.T) {
	t.Parallel()
	require.Empty(t, monitor.Config{}.Validate())
	require.Empty(t, monitor.Config{Control: []string{"none"}, Node: "billing@host-1.example"}.Validate())
	require.Len(t, monitor.Config{Control: []string{"ping", "add_consumer", "none"}, Node: "no node"}.Validate(), 3)
	require.Len(t, monitor.Commands(), 19)
}

// TestAServicesUserMayTakePartInMonitoring runs a monitor as the user that deploy/rabbitmq/definitions.sh makes for billing-worker.
func TestAServicesUserMayTakePartInMonitoring(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := permissions(t, "billing")
	cfg := r.broker.Config(one)
	cfg.URL, cfg.Declare = r.broker.User(t, p[0], p[1], p[2]), false
	require.NoError(t, r.ch.ExchangeDelete("celery.pidbox", false, false))
	require.NoError(t, r.ch.ExchangeDelete("celeryev", false, false))
	n := r.startAs(one, newHandlers(), monitor.Config{Events: true}, nil, cfg)
	w := r.watch(one)
	id := r.enqueue(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return n.tasks.Noop(ctx, tx, &selftest.NoopArgs{})
	})
	w.final(id.String())

	for name, topology := range map[string]rabbit.Topology{
		"another service's queue": {Queues: []rabbit.Queue{rabbit.OwnQueue(rabbit.ControlQueue("reports-worker", "x"))}},
		"any other queue":         {Queues: []rabbit.Queue{rabbit.OwnQueue("x")}},
		"an exchange":             {Exchanges: []rabbit.Exchange{{Name: "x", Kind: "topic"}}},
	} {
		conn, err := amqp.Dial(cfg.URL)
		require.NoError(t, err)
		ch, err := conn.Channel()
		require.NoError(t, err)
		require.ErrorContains(t, topology.Declare(ch, false), "lacks the permission", name)
		require.NoError(t, conn.Close())
	}
}

// permissions are what deploy/rabbitmq/definitions.sh gives a user: configure, write, read.
func permissions(t *testing.T, user string) [3]string {
	t.Helper()
	script := exec.CommandContext(t.Context(), filepath.Join(root(t), "deploy/rabbitmq/definitions.sh"))
	script.Env = os.Environ()
	for _, name := range []string{"ADMIN", "GATEWAY", "BILLING", "INVENTORY", "REPORTS", "NOTIFIER", "CRON", "OPERATOR", "MONITOR"} {
		script.Env = append(script.Env, "AMQP_PASSWORD_"+name+"=x")
	}
	raw, err := script.Output()
	require.NoError(t, err)
	var all struct {
		Permissions []struct{ User, Configure, Write, Read string }
	}
	require.NoError(t, json.Unmarshal(raw, &all))
	for _, p := range all.Permissions {
		if p.User == "makola_"+user {
			return [3]string{p.Configure, p.Write, p.Read}
		}
	}
	t.Fatalf("definitions.sh has no user of %s", user)
	return [3]string{}
}

func receive(t *testing.T, in <-chan amqp.Delivery) amqp.Delivery {
	t.Helper()
	select {
	case d := <-in:
		return d
	case <-time.After(rabbittest.Patience):
		t.Fatal("nothing came")
		return amqp.Delivery{}
	}
}
