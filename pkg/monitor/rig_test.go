package monitor_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/celery"
	"makola/pkg/monitor"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

// rig is a database and a broker on which workers with monitors run, and a client that speaks to them as Celery's tools do.
type rig struct {
	t      *testing.T
	pg     *postgrestest.Database
	broker *rabbittest.Broker
	look   *pgx.Conn
	ch     *amqp.Channel
	oid    string
	reply  <-chan amqp.Delivery
	early  map[string]map[string]json.RawMessage // replies to tickets that nobody waits for yet
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, pg: postgrestest.New(t), broker: rabbittest.New(t), oid: uuid.NewString()}
	r.look = r.pg.Admin()
	r.dial()
	return r
}

// dial connects the client, and makes its reply queue as kombu does.
func (r *rig) dial() {
	r.t.Helper()
	conn, err := amqp.Dial(r.broker.URL)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	r.ch, err = conn.Channel()
	require.NoError(r.t, err)
	require.NoError(r.t, r.ch.ExchangeDeclare("reply.celery.pidbox", "direct", false, false, false, false, nil))
	require.NoError(r.t, r.ch.ExchangeDeclare("celery.pidbox", "fanout", false, false, false, false, nil))
	require.NoError(r.t, r.ch.ExchangeDeclare("celeryev", "topic", true, false, false, false, nil))
	q, err := r.ch.QueueDeclare("", false, true, true, false, nil)
	require.NoError(r.t, err)
	require.NoError(r.t, r.ch.QueueBind(q.Name, r.oid, "reply.celery.pidbox", false, nil))
	r.reply, err = r.ch.Consume(q.Name, "", true, true, false, false, nil)
	require.NoError(r.t, err)
}

// node is one worker process: its relay, worker and monitor.
type node struct {
	*task.Worker
	name  string
	mon   *monitor.Monitor
	tasks *selftest.Tasks
	stop  func()
}

// start starts a worker on the queue selftest and waits until it answers.
func (r *rig) start(name string, h *handlers, cfg monitor.Config, change func(*task.WorkerConfig)) *node {
	r.t.Helper()
	return r.startAs(name, h, cfg, change, r.broker.Config(name))
}

func (r *rig) startAs(name string, h *handlers, cfg monitor.Config, change func(*task.WorkerConfig), amqpCfg rabbit.Config) *node {
	r.t.Helper()
	db := r.pg.Open("makola_billing")
	cfg.Node = name
	queue := rabbit.ControlQueue("billing-worker", uuid.NewString())
	p := monitor.Process{Service: "billing-worker", Instance: "test", Broker: amqpCfg, Shutdown: h.shutdown}
	mon := monitor.New(cfg, p, rabbittest.Start(r.t, amqpCfg, rabbit.Monitoring(queue)), queue, r.pg.Open("makola_billing"))
	q := task.NewQueue(db, r.broker.Conn(r.t, rabbit.Standard("selftest")), task.QueueConfig{PollInterval: 50 * time.Millisecond})
	wc := task.WorkerConfig{Service: "test", Queues: []string{"selftest"}, Watch: mon.Watch(), Grace: 20 * time.Second}
	if change != nil {
		change(&wc)
	}
	w := task.NewWorker(db, r.broker.Conn(r.t, rabbit.Standard("selftest")), q, wc)
	selftest.HandleTasks(w, h)
	mon.Attach(w)
	require.NoError(r.t, errors.Join(q.Start(r.t.Context()), mon.Start(r.t.Context()), w.Start(r.t.Context())))
	n := &node{Worker: w, name: name, mon: mon, tasks: selftest.NewTasks(q)}
	n.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rabbittest.Patience)
		defer cancel()
		if err := errors.Join(w.Stop(ctx), mon.Stop(ctx), q.Stop(ctx)); err != nil {
			r.t.Errorf("stop %s: %v", name, err)
		}
	})
	r.t.Cleanup(n.stop)
	r.t.Cleanup(h.letGo)
	r.awake(name)
	return n
}

// awake waits until the node answers: before its queue is bound, a command is for nobody.
func (r *rig) awake(name string) {
	r.t.Helper()
	rabbittest.Eventually(r.t, name+" answers", func() bool {
		ticket := r.send("ping", nil, name)
		deadline := time.After(time.Second)
		for r.early[ticket] == nil {
			select {
			case d := <-r.reply:
				r.keep(d)
			case <-deadline:
				return false
			}
		}
		return true
	})
}

// send broadcasts a command that wants replies, to the nodes named or to all.
func (r *rig) send(method string, arguments any, to ...string) (ticket string) {
	r.t.Helper()
	ticket = uuid.NewString()
	r.publish(map[string]any{
		"method": method, "arguments": arguments, "destination": to, "pattern": nil, "matcher": nil, "ticket": ticket,
		"reply_to": map[string]any{"exchange": "reply.celery.pidbox", "routing_key": r.oid},
	})
	return ticket
}

func (r *rig) publish(body any) {
	r.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(r.t, err)
	r.raw(amqp.Publishing{ContentType: "application/json", ContentEncoding: "utf-8", Headers: amqp.Table{"clock": int32(1), "expires": float64(1)}, Body: raw})
}

func (r *rig) raw(p amqp.Publishing) {
	r.t.Helper()
	require.NoError(r.t, r.ch.PublishWithContext(r.t.Context(), "celery.pidbox", "", false, false, p))
}

func (r *rig) keep(d amqp.Delivery) {
	r.t.Helper()
	var byNode map[string]json.RawMessage
	require.NoError(r.t, json.Unmarshal(d.Body, &byNode))
	require.Len(r.t, byNode, 1)
	require.NotContains(r.t, d.Headers, "expires")
	ticket, _ := d.Headers["ticket"].(string)
	if r.early == nil {
		r.early = map[string]map[string]json.RawMessage{}
	}
	if r.early[ticket] == nil {
		r.early[ticket] = map[string]json.RawMessage{}
	}
	for name, value := range byNode {
		require.NotContains(r.t, r.early[ticket], name, "one reply each")
		r.early[ticket][name] = value
	}
}

// replies waits for as many replies with the ticket.
func (r *rig) replies(ticket string, n int) map[string]json.RawMessage {
	r.t.Helper()
	deadline := time.After(rabbittest.Patience)
	for len(r.early[ticket]) < n {
		select {
		case d := <-r.reply:
			r.keep(d)
		case <-deadline:
			r.t.Fatalf("%d of %d replies came", len(r.early[ticket]), n)
		}
	}
	return r.early[ticket]
}

// ask sends a command to one node and returns its reply.
func (r *rig) ask(name, method string, arguments any) string {
	r.t.Helper()
	return string(r.replies(r.send(method, arguments, name), 1)[name])
}

func (r *rig) count(query string, args ...any) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.look.QueryRow(context.Background(), query, args...).Scan(&n))
	return n
}

func (r *rig) eventually(what, query string, want int, args ...any) {
	r.t.Helper()
	rabbittest.Eventually(r.t, what, func() bool { return r.count(query, args...) == want })
}

// enqueue enqueues one task of our own.
func (r *rig) enqueue(fn func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error)) (id uuid.UUID) {
	r.t.Helper()
	require.NoError(r.t, r.pg.Open("makola_billing").InSystem(r.t.Context(), func(tx *gorm.DB) (err error) { id, err = fn(r.t.Context(), tx); return err }))
	return id
}

// foreign publishes a task as a Celery client does, and returns its id.
func (r *rig) foreign(m celery.Message) string {
	r.t.Helper()
	if m.ID == "" {
		m.ID = uuid.NewString()
	}
	p, err := celery.Encode(m)
	require.NoError(r.t, err)
	require.NoError(r.t, r.ch.PublishWithContext(r.t.Context(), "", "selftest", true, false, p))
	return m.ID
}

// results makes a queue for results and returns its name and what arrives.
func (r *rig) results() (string, <-chan amqp.Delivery) {
	r.t.Helper()
	q, err := r.ch.QueueDeclare("", false, true, true, false, nil)
	require.NoError(r.t, err)
	in, err := r.ch.Consume(q.Name, "", true, true, false, false, nil)
	require.NoError(r.t, err)
	return q.Name, in
}

// event is what a monitor sees.
type event struct {
	Type, Hostname, UUID, Name, Args, Kwargs, Result, Exception string
	Clock                                                       int64
	Timestamp, Freq                                             float64
	Terminated, Expired                                         bool
	Retries                                                     int
}

// watcher collects events.
type watcher struct {
	r    *rig
	in   <-chan amqp.Delivery
	seen []event
}

// watch listens to all events, and waits until the nodes have been heard of: then they know that somebody listens.
func (r *rig) watch(nodes ...string) *watcher {
	r.t.Helper()
	q, err := r.ch.QueueDeclare("", false, true, true, false, nil)
	require.NoError(r.t, err)
	require.NoError(r.t, r.ch.QueueBind(q.Name, "#", "celeryev", false, nil))
	w := &watcher{r: r}
	w.in, err = r.ch.Consume(q.Name, "", true, true, false, false, nil)
	require.NoError(r.t, err)
	r.publish(map[string]any{"method": "heartbeat", "arguments": map[string]any{}}) // a cast, as every monitor sends
	for _, name := range nodes {
		w.until("a heartbeat of "+name, func(e event) bool { return e.Type == "worker-heartbeat" && e.Hostname == name })
	}
	return w
}

// until waits for an event, seen already or not.
func (w *watcher) until(what string, is func(event) bool) event {
	w.r.t.Helper()
	if i := slices.IndexFunc(w.seen, is); i >= 0 {
		return w.seen[i]
	}
	deadline := time.After(rabbittest.Patience)
	for {
		select {
		case d, ok := <-w.in:
			require.True(w.r.t, ok, "the broker took the queue away")
			before := len(w.seen)
			w.take(d)
			if i := slices.IndexFunc(w.seen[before:], is); i >= 0 {
				return w.seen[before+i]
			}
		case <-deadline:
			w.r.t.Fatalf("waited in vain for %s; seen: %+v", what, w.seen)
		}
	}
}

func (w *watcher) take(d amqp.Delivery) {
	w.r.t.Helper()
	require.Equal(w.r.t, "application/json", d.ContentType)
	var list []event
	if d.RoutingKey == "task.multi" {
		require.NoError(w.r.t, json.Unmarshal(d.Body, &list), string(d.Body))
	} else {
		var one event
		require.NoError(w.r.t, json.Unmarshal(d.Body, &one), string(d.Body))
		list = []event{one}
	}
	w.seen = append(w.seen, list...)
}

// of returns the types of a task's events, in order.
func (w *watcher) of(id string) (types []string) {
	for _, e := range w.seen {
		if e.UUID == id {
			types = append(types, e.Type)
		}
	}
	return types
}

// final waits for the task's end as a monitor sees it.
func (w *watcher) final(id string) event {
	w.r.t.Helper()
	return w.until("the end of "+id, func(e event) bool {
		return e.UUID == id && (e.Type == "task-succeeded" || e.Type == "task-failed" || e.Type == "task-revoked")
	})
}

// handlers are the self-test tasks. Echo waits with text "wait" and Slow waits with steps below zero, until letGo, or until Slow is cancelled; with -2 it fails then.
type handlers struct {
	free     chan struct{}
	once     sync.Once
	shutdown func()
}

func newHandlers() *handlers { return &handlers{free: make(chan struct{})} }

func (h *handlers) letGo() { h.once.Do(func() { close(h.free) }) }

func (h *handlers) Noop(context.Context, *gorm.DB, *selftest.NoopArgs) (*selftest.NoopResult, error) {
	return nil, nil
}

func (h *handlers) NoopBatch(context.Context, *gorm.DB, []*contract.Item[*selftest.NoopBatchArgs, *selftest.NoopBatchResult]) error {
	return nil
}

func (h *handlers) NoopLong(context.Context, contract.Run, *selftest.NoopLongArgs) (contract.Commit[*selftest.NoopLongResult], error) {
	return nil, nil
}

func (h *handlers) Echo(_ context.Context, _ *gorm.DB, args *selftest.EchoArgs) (*selftest.EchoResult, error) {
	if args.GetText() == "wait" {
		<-h.free
	}
	return &selftest.EchoResult{Text: args.GetText(), Number: args.GetNumber(), Labels: args.GetLabels()}, nil
}

func (h *handlers) Fail(ctx context.Context, _ *gorm.DB, args *selftest.FailArgs) (*selftest.FailResult, error) {
	run := task.RunFrom(ctx)
	switch {
	case args.GetKind() == "permanent":
		return nil, task.Permanent(errors.New("never again: password=hunter2"))
	case run.Attempt == 1:
		return nil, errors.New("once")
	}
	return &selftest.FailResult{Attempt: int32(run.Attempt)}, nil
}

func (h *handlers) Slow(ctx context.Context, _ contract.Run, args *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
	if args.GetSteps() < 0 {
		select {
		case <-h.free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if args.GetSteps() == -2 {
		return nil, errors.New("it came to nothing")
	}
	return func(*gorm.DB) (*selftest.SlowResult, error) { return &selftest.SlowResult{Steps: args.GetSteps()}, nil }, nil
}

// root is the repository's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	_, err = os.Stat(filepath.Join(dir, "go.work"))
	require.NoError(t, err)
	return dir
}
