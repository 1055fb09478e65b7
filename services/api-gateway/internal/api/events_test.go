package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/services/api-gateway/internal/api"
	"makola/services/api-gateway/internal/live"
)

// patience is how long a test waits for an event; a stream that is not rung looks at its row every two or fifteen seconds.
const patience = time.Minute

// event is one server-sent event; comments are left out.
type event struct {
	id, name, data, retry string
	body                  map[string]any
}

// stream is an open stream.
type stream struct {
	t      *testing.T
	events chan event // closed at the stream's end
	cancel context.CancelFunc
	header http.Header
}

// watch opens a stream of a task.
func (g *gateway) watch(s shop, id string, header ...string) *stream {
	g.t.Helper()
	return g.follow(s, "/api/v1/tasks/"+id+"/events", header...)
}

// follow opens a stream.
func (g *gateway) follow(s shop, path string, header ...string) *stream {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	g.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+path, nil)
	require.NoError(g.t, err)
	req.Header.Set("Authorization", "Bearer "+s.access)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	require.NoError(g.t, err)
	require.Equal(g.t, http.StatusOK, res.StatusCode)
	require.Equal(g.t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Equal(g.t, "no", res.Header.Get("X-Accel-Buffering"))
	require.Equal(g.t, "no-store", res.Header.Get("Cache-Control"))
	out := &stream{t: g.t, events: make(chan event, 100), cancel: cancel, header: res.Header}
	go func() {
		defer close(out.events)
		defer res.Body.Close()
		var e event
		for scan := bufio.NewScanner(res.Body); scan.Scan(); {
			name, value, _ := strings.Cut(scan.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "retry":
				e.retry = value
			case "":
				if scan.Text() != "" { // a comment
					continue
				}
				if e.name != "" {
					_ = json.Unmarshal([]byte(e.data), &e.body)
					out.events <- e
				}
				e = event{}
			}
		}
	}()
	return out
}

// next waits for the next event.
func (s *stream) next() event {
	s.t.Helper()
	select {
	case e, ok := <-s.events:
		require.True(s.t, ok, "the stream has ended")
		return e
	case <-time.After(patience):
		s.t.Fatal("no event came")
		return event{}
	}
}

// until reads events until one shows the status, and returns it.
func (s *stream) until(status string) event {
	s.t.Helper()
	for {
		if e := s.next(); e.body["status"] == status {
			return e
		}
	}
}

func (s *stream) ends() {
	s.t.Helper()
	select {
	case e, open := <-s.events:
		require.False(s.t, open, "%v", e)
	case <-time.After(patience):
		s.t.Fatal("the stream does not end")
	}
}

// listening gives a gateway a queue of its own on a broker, as main does.
func listening(t *testing.T, b *rabbittest.Broker, limits live.Limits) func(*api.Options, *api.Server) {
	t.Helper()
	return func(o *api.Options, _ *api.Server) {
		instance := uuid.NewString()
		topo := rabbit.Standard()
		topo.Queues = append(topo.Queues, live.Queue(instance))
		hub := live.NewHub(b.Conn(t, topo), instance, limits, nil)
		require.NoError(t, hub.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, hub.Stop(context.WithoutCancel(t.Context()))) })
		o.Hub = hub
	}
}

// announcing gives the gateway a queue that tells of cancelled tasks.
func announcing(t *testing.T, b *rabbittest.Broker, g *gateway) *task.Queue {
	t.Helper()
	q := task.NewQueue(g.server.DB, b.Conn(t, rabbit.Standard()), task.QueueConfig{PollInterval: time.Hour})
	require.NoError(t, q.Start(t.Context()))
	t.Cleanup(func() { _ = q.Stop(context.WithoutCancel(t.Context())) })
	g.server.Queue = q
	return q
}

func TestAStreamTellsTheLifeOfATaskAtWhicheverGateway(t *testing.T) {
	t.Parallel()
	b := rabbittest.New(t)
	require.NoError(t, b.Declare(t, rabbit.Standard(), false))
	g := open(t, listening(t, b, live.Limits{}))
	other := g.replica(listening(t, b, live.Limits{}))
	queue := announcing(t, b, g)
	s := g.register("ama")
	id := g.enqueue(s)
	tell := func(state task.State) {
		queue.Announce(task.Event{ID: uuid.MustParse(id), Tenant: uuid.MustParse(s.business), State: state, Attempt: 1})
	}
	here, there := g.watch(s, id), other.watch(s, id)
	first := here.next()
	require.Equal(t, "task", first.name)
	require.Equal(t, "queued", first.body["status"])
	require.Equal(t, first, there.next(), "every gateway names a state alike")
	tag := g.do("GET", "/api/v1/tasks/"+id, s.access, nil).is(t, 200, "").Header.Get("ETag")
	require.Equal(t, `"`+first.id+`"`, tag)

	g.exec(`update task.task set state = 'running', started_at = now(), progress = '{"done": 1, "total": 4}' where id = $1`, id)
	tell(task.Running)
	for _, w := range []*stream{here, there} {
		e := w.until("processing")
		require.EqualValues(t, 25, e.body["progress"])
	}
	// One client loses its connection, misses a state, and comes back to the other gateway.
	missed := here
	here.cancel()
	for range missed.events { // until it is closed
	}
	g.exec(`update task.task set progress = '{"done": 3, "total": 4}' where id = $1`, id)
	tell(task.Running)
	latest := there.next()
	require.EqualValues(t, 75, latest.body["progress"])
	back := other.watch(s, id, "Last-Event-ID", first.id)
	require.Equal(t, latest, back.next(), "what was missed is sent")
	known := g.watch(s, id, "Last-Event-ID", latest.id)

	g.exec(`update task.task set state = 'succeeded', finished_at = now(), result = '{"rows": 7}' where id = $1`, id)
	tell(task.Succeeded)
	var last event
	for _, w := range []*stream{there, back, known} {
		last = w.next() // for known the first there is: it had the state before
		require.Equal(t, "completed", last.body["status"])
		w.ends()
	}
	a := g.do("GET", "/api/v1/tasks/"+id+"/events", s.access, nil, "Last-Event-ID", last.id).is(t, 204, "")
	require.Empty(t, a.raw, "do not come back")
	require.Contains(t, string(other.do("GET", "/api/v1/tasks/"+id+"/events", s.access, nil).is(t, 200, "").raw), `"status":"completed"`)
}

// permissions are what deploy/rabbitmq/definitions.sh gives a service's user: configure, write, read.
func permissions(t *testing.T, service string) [3]string {
	t.Helper()
	script := exec.CommandContext(t.Context(), "../../../../deploy/rabbitmq/definitions.sh")
	script.Env = os.Environ()
	for _, name := range []string{"ADMIN", "GATEWAY", "BILLING", "INVENTORY", "REPORTS", "NOTIFIER", "CRON", "OPERATOR"} {
		script.Env = append(script.Env, "AMQP_PASSWORD_"+name+"=x")
	}
	raw, err := script.Output()
	require.NoError(t, err)
	var all struct {
		Permissions []struct{ User, Configure, Write, Read string }
	}
	require.NoError(t, json.Unmarshal(raw, &all))
	for _, p := range all.Permissions {
		if p.User == "makola_"+service {
			return [3]string{p.Configure, p.Write, p.Read}
		}
	}
	t.Fatalf("definitions.sh has no user of %s", service)
	return [3]string{}
}

// In production nobody may declare anything, but the gateway may have its own queue, and workers may write the events.
func TestTheBrokersUsersMayDoWhatStreamsNeed(t *testing.T) {
	t.Parallel()
	b := rabbittest.New(t)
	require.NoError(t, b.Declare(t, rabbit.Standard(), false))
	user := func(service string, queues ...rabbit.Queue) *rabbit.Conn {
		p := permissions(t, service)
		cfg := b.Config(service)
		cfg.URL, cfg.Declare = b.User(t, p[0], p[1], p[2]), false
		topo := rabbit.Standard()
		topo.Queues = append(topo.Queues, queues...)
		return rabbittest.Start(t, cfg, topo)
	}
	conn := user("gateway", live.Queue("shop-1.example"))
	rabbittest.WaitReady(t, conn)
	hub := live.NewHub(conn, "shop-1.example", live.Limits{}, nil)
	require.NoError(t, hub.Start(t.Context()))
	t.Cleanup(func() { _ = hub.Stop(context.WithoutCancel(t.Context())) })
	g := open(t, func(o *api.Options, _ *api.Server) { o.Hub = hub })
	worker := task.NewQueue(g.server.DB, user("notifier"), task.QueueConfig{PollInterval: time.Hour})
	require.NoError(t, worker.Start(t.Context()))
	t.Cleanup(func() { _ = worker.Stop(context.WithoutCancel(t.Context())) })
	s := g.register("ama")
	id := g.enqueue(s)
	w := g.watch(s, id)
	w.next()
	rabbittest.Eventually(t, "the hub consumes", hub.Hears)
	g.exec(`update task.task set state = 'succeeded', finished_at = now() where id = $1`, id)
	begin := time.Now()
	worker.Announce(task.Event{ID: uuid.MustParse(id), Tenant: uuid.MustParse(s.business), State: task.Succeeded, Attempt: 1})
	require.Equal(t, "completed", w.next().body["status"])
	require.Less(t, time.Since(begin), 10*time.Second, "rung, not found at the heartbeat")

	for name, conn := range map[string]*rabbit.Conn{
		"another's queue": user("gateway", rabbit.OwnQueue("sales.spy", rabbit.Binding{Exchange: rabbit.ExchangeEvents, Key: "#"})),
		"a worker's":      user("notifier", live.Queue("spy")),
	} {
		rabbittest.Eventually(t, name+" is refused", func() bool { return errors.Is(conn.Ready(t.Context()), rabbit.ErrTopology) })
	}
}

func TestACancelledTaskIsToldAtOnce(t *testing.T) {
	t.Parallel()
	b := rabbittest.New(t)
	require.NoError(t, b.Declare(t, rabbit.Standard(), false))
	g := open(t)
	other := g.replica(listening(t, b, live.Limits{}))
	announcing(t, b, g)
	s := g.register("ama")
	id := g.enqueue(s)
	w := other.watch(s, id)
	require.Equal(t, "queued", w.next().body["status"])
	g.do("DELETE", "/api/v1/tasks/"+id, s.access, nil).is(t, 204, "")
	begin := time.Now()
	require.Equal(t, "cancelled", w.next().body["status"])
	require.Less(t, time.Since(begin), 10*time.Second, "sooner than the heartbeat would have")
	w.ends()
}

func TestWithoutABrokerAStreamLooksForItself(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	id := g.enqueue(s)
	w := g.watch(s, id)
	require.Equal(t, "queued", w.next().body["status"])
	g.exec(`update task.task set state = 'failed', finished_at = now(), error = 'no rows' where id = $1`, id)
	begin := time.Now()
	e := w.next()
	require.Equal(t, "failed", e.body["status"])
	require.Equal(t, "no rows", e.body["error"])
	require.Less(t, time.Since(begin), 12*time.Second)
	w.ends()
}

func TestStreamsAreForTheTenantAlone(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	id := g.enqueue(ama)
	g.do("GET", "/api/v1/tasks/"+id+"/events", kofi.access, nil).is(t, 404, "not_found")
	g.do("GET", "/api/v1/tasks/"+uuid.NewString()+"/events", kofi.access, nil).is(t, 404, "not_found")
	g.do("GET", "/api/v1/tasks/42/events", kofi.access, nil).is(t, 422, "invalid")
	g.do("GET", "/api/v1/tasks/"+id+"/events", "", nil).is(t, 401, "unauthenticated")
	a := g.do("HEAD", "/api/v1/tasks/"+id+"/events", ama.access, nil)
	require.Equal(t, 200, a.StatusCode, "and it does not hang")
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(nil, "", live.Limits{Person: 2, Business: 3, Total: 4}, nil)
	g := open(t, func(o *api.Options, _ *api.Server) { o.Hub = hub })
	ama, kofi := g.register("ama"), g.register("kofi")
	id, other := g.enqueue(ama), g.enqueue(kofi)
	colleague := func() shop {
		c := ama
		c.user = uuid.NewString()
		c.access = g.token(c, "MANAGER", time.Now())
		return c
	}
	first := g.watch(ama, id)
	first.next()
	g.watch(ama, id).next()
	a := g.do("GET", "/api/v1/tasks/"+id+"/events", ama.access, nil).is(t, 429, "too_many_streams")
	require.Equal(t, "5", a.Header.Get("Retry-After"))
	g.watch(colleague(), id).next()
	g.do("GET", "/api/v1/tasks/"+id+"/events", colleague().access, nil).is(t, 429, "too_many_streams")
	g.watch(kofi, other).next()
	g.do("GET", "/api/v1/tasks/"+other+"/events", kofi.access, nil).is(t, 429, "too_many_streams")
	first.cancel()
	require.Eventually(t, func() bool { return hub.Open() == 3 }, patience, 10*time.Millisecond, "one who leaves makes room")
	g.watch(kofi, other).next()
}

func TestStreamsSayGoodbyeWhenTheGatewayDrains(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(nil, "", live.Limits{}, nil)
	g := open(t, func(o *api.Options, _ *api.Server) { o.Hub = hub })
	s := g.register("ama")
	w := g.watch(s, g.enqueue(s))
	w.next()
	hub.Drain()
	e := w.next()
	require.Equal(t, "bye", e.name)
	require.Equal(t, "draining", e.body["reason"])
	require.NotEmpty(t, e.retry, "when to come back")
	require.Empty(t, e.id, "the client keeps the id of the last state")
	w.ends()
	require.Eventually(t, func() bool { return hub.Open() == 0 }, patience, 10*time.Millisecond)
}

// A client that does not read is dropped once the sockets' buffers are full, and holds up nobody.
func TestASlowClientIsDropped(t *testing.T) {
	t.Parallel()
	hub := live.NewHub(nil, "", live.Limits{}, nil)
	g := open(t, func(o *api.Options, _ *api.Server) { o.Hub, o.StreamPatience = hub, 300*time.Millisecond })
	s := g.register("ama")
	id := g.enqueue(s)
	g.exec(`update task.task set result = jsonb_build_object('text', repeat('x', 1 << 20)) where id = $1`, id) // more than the buffers, and soon read on a busy machine
	server := httptest.NewUnstartedServer(g.handler)
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10) // else the kernel lets it grow to megabytes
		return ctx
	}
	server.Start()
	t.Cleanup(server.Close)
	begins := func() bool { // a stream that cannot read its row in time answers 503: come again
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			return false
		}
		t.Cleanup(func() { _ = c.Close() })
		request := "GET /api/v1/tasks/" + id + "/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.access + "\r\n\r\n"
		if c.(*net.TCPConn).SetReadBuffer(4<<10) != nil {
			return false
		}
		if _, err := io.WriteString(c, request); err != nil {
			return false
		}
		begin := make([]byte, len("HTTP/1.1 200"))
		_, err = io.ReadFull(c, begin)
		return err == nil && string(begin) == "HTTP/1.1 200"
	}
	require.Eventually(t, begins, patience, 10*time.Millisecond, "the stream is open")
	require.Eventually(t, func() bool { return hub.Open() == 0 }, patience, 10*time.Millisecond, "it has been dropped")
}
