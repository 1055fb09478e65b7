package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"makola/pkg/celery"
	"makola/pkg/rabbit"
	"makola/pkg/task"
)

const (
	// answerWithin is how long an answer waits for the database: clients wait a second.
	answerWithin = 700 * time.Millisecond
	// recordWithin bounds the writing of a revocation, which goes on after its answer.
	recordWithin = 10 * time.Second
	// maxIDs is how many tasks one command may name.
	maxIDs = 10_000
	// maxScheduled is how many waiting tasks are shown, the next due ones.
	maxScheduled = 500
)

func (m *Monitor) ping(context.Context, *celery.Control) (any, error) {
	return celery.OK{OK: "pong"}, nil
}

func (m *Monitor) active(context.Context, *celery.Control) (any, error) { return m.requests(true), nil }

func (m *Monitor) reserved(context.Context, *celery.Control) (any, error) {
	return m.requests(false), nil
}

// requests shows the tasks at hand, the oldest first: those that run, or those that wait.
func (m *Monitor) requests(running bool) []celery.Request {
	held := slices.DeleteFunc(m.worker.Held(), func(h task.Held) bool { return h.Started.IsZero() == running })
	slices.SortFunc(held, func(a, b task.Held) int { return a.Received.Compare(b.Received) })
	list := make([]celery.Request, len(held)) // [] and not null when there is none
	for i, h := range held {
		list[i] = m.request(h)
	}
	return list
}

func (m *Monitor) request(h task.Held) celery.Request {
	r := celery.HeldRequest(m.self.Node, &h.Delivery.Delivery)
	r.Acknowledged = h.Acked
	if !h.Started.IsZero() {
		started := celery.Epoch(h.Started)
		r.TimeStart, r.WorkerPID = &started, &m.self.PID
	}
	return r
}

func (m *Monitor) queryTask(_ context.Context, c *celery.Control) (any, error) {
	ids, err := idList(c, "ids")
	if err != nil {
		return nil, err
	}
	found := map[string][2]any{}
	for _, h := range m.worker.Held() {
		id, _ := h.Delivery.Headers["id"].(string)
		if !slices.Contains(ids, id) {
			continue
		}
		state := "reserved"
		if !h.Started.IsZero() {
			state = "active"
		}
		found[id] = [2]any{state, m.request(h)}
	}
	return found, nil
}

func (m *Monitor) scheduled(ctx context.Context, _ *celery.Control) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	rows, err := m.worker.Scheduled(ctx, m.db, maxScheduled)
	if err != nil {
		return nil, err
	}
	list := make([]celery.Scheduled, len(rows))
	for i, s := range rows {
		r := celery.NewRequest(m.self.Node, s.ID, s.Name, s.Args, s.Kwargs)
		r.Acknowledged = true // it waits in the database, not in the broker
		r.DeliveryInfo = celery.DeliveryInfo{Exchange: rabbit.ExchangeTasks, RoutingKey: s.Queue}
		list[i] = celery.Scheduled{ETA: s.At.UTC().Format("2006-01-02T15:04:05.000000-07:00"), Priority: 6, Request: r}
	}
	return list, nil
}

func (m *Monitor) revoked(context.Context, *celery.Control) (any, error) {
	ids := []string{}
	for _, r := range m.worker.Revoked() {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids, nil
}

// registered lists the tasks by name and alias. What else is asked of them is shown as Celery shows it; there is nothing to tell of options that tasks do not have here.
func (m *Monitor) registered(_ context.Context, c *celery.Control) (any, error) {
	items, err := c.Strings("taskinfoitems")
	if err != nil {
		return nil, err
	}
	list := []string{}
	for name, d := range m.worker.Tasks() {
		facts := map[string]string{
			"name": name, "queue": d.Queue, "exchange": rabbit.ExchangeTasks, "routing_key": d.Queue, "acks_late": "True", "serializer": "json",
			"max_retries": strconv.Itoa(max(d.MaxAttempts, 1) - 1), "time_limit": strconv.FormatFloat(d.Timeout.Seconds(), 'f', -1, 64),
		}
		var shown []string
		for _, item := range items {
			if v, ok := facts[item]; ok {
				shown = append(shown, item+"="+v)
			}
		}
		if len(shown) > 0 {
			name += " [" + strings.Join(shown, " ") + "]"
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list, nil
}

func (m *Monitor) activeQueues(context.Context, *celery.Control) (any, error) {
	list := []celery.QueueInfo{}
	for _, q := range m.worker.Queues() {
		list = append(list, celery.DurableQueue(q, rabbit.ExchangeTasks, rabbit.WorkQueueArguments(q)))
	}
	return list, nil
}

func (m *Monitor) stats(context.Context, *celery.Control) (any, error) {
	_, begun := m.worker.Load()
	return celery.Stats{
		Total: begun, PID: m.self.PID, Clock: strconv.FormatInt(m.now(), 10), Uptime: int64(time.Since(m.started).Seconds()), PrefetchCount: m.worker.Prefetch(), RUsage: usage(),
		Pool:   celery.PoolStats{Implementation: "goroutines", MaxConcurrency: m.worker.Slots(), Processes: []int{m.self.PID}, MaxTasksPerChild: "N/A"},
		Broker: m.broker(),
	}, nil
}

// broker shows where the connection leads, without the password.
func (m *Monitor) broker() celery.BrokerStats {
	b := celery.BrokerStats{Transport: "amqp", LoginMethod: "PLAIN", Heartbeat: celery.Seconds(m.process.Broker.Heartbeat.Seconds()), Alternates: []string{}, Failover: "round-robin", ConnectTimeout: int(m.process.Broker.DialTimeout.Seconds())}
	u, err := url.Parse(m.process.Broker.URL)
	if err != nil {
		return b // the connection complains of it
	}
	b.Hostname, b.UserID, b.SSL, b.Port = u.Hostname(), u.User.Username(), u.Scheme == "amqps", 5672
	if b.SSL {
		b.Port = 5671
	}
	if port, err := strconv.Atoi(u.Port()); err == nil {
		b.Port = port
	}
	if b.VirtualHost = strings.TrimPrefix(u.Path, "/"); b.VirtualHost == "" {
		b.VirtualHost = "/"
	}
	return b
}

// address is the broker's address as Celery shows it.
func (m *Monitor) address() string {
	b := m.broker()
	scheme := "amqp"
	if b.SSL {
		scheme = "amqps"
	}
	return fmt.Sprintf("%s://%s:********@%s:%d/%s", scheme, b.UserID, b.Hostname, b.Port, strings.TrimPrefix(b.VirtualHost, "/"))
}

func (m *Monitor) report(context.Context, *celery.Control) (any, error) {
	return celery.OK{OK: fmt.Sprintf("software -> %s:%s %s:%s\nplatform -> system:%s arch:%s cpus:%d\nservice -> %s node:%s\ntransport -> %s results:rpc:///\nqueues -> %s slots:%d\ntasks -> %s\n",
		software, version(), runtime.Compiler, runtime.Version(), system(), runtime.GOARCH, runtime.NumCPU(), m.process.Service, m.self.Node,
		m.address(), strings.Join(m.worker.Queues(), ","), m.worker.Slots(), strings.Join(m.worker.Registered(), " "))}, nil
}

// conf shows the settings that matter to Celery's side, under Celery's names. It holds no secret.
func (m *Monitor) conf(context.Context, *celery.Control) (any, error) {
	return map[string]any{
		"broker_url": m.address(), "result_backend": "rpc:///", "accept_content": []string{"json"}, "task_serializer": "json", "result_serializer": "json", "event_serializer": "json",
		"timezone": "UTC", "enable_utc": true, "task_acks_late": true, "task_track_started": false, "task_default_exchange": rabbit.ExchangeTasks, "task_default_exchange_type": "direct",
		"task_queues": m.worker.Queues(), "task_create_missing_queues": false, "worker_concurrency": m.worker.Slots(), "worker_send_task_events": m.enabled.Load(),
		"worker_remote_control": m.obeys, "event_exchange": rabbit.ExchangeCeleryEvents, "control_exchange": strings.TrimSuffix(rabbit.ExchangeControl, ".pidbox"),
		"broker_heartbeat": m.process.Broker.Heartbeat.Seconds(),
	}, nil
}

func (m *Monitor) lamport(context.Context, *celery.Control) (any, error) {
	return map[string]int64{"clock": m.now()}, nil
}

// hello tells a worker that joins what this one knows, and learns what that one does.
func (m *Monitor) hello(_ context.Context, c *celery.Control) (any, error) {
	from, err := c.Text("from_node")
	if err != nil {
		return nil, err
	}
	if from == m.self.Node {
		return nil, nil
	}
	if raw := c.Arguments["revoked"]; len(raw) > 0 {
		var theirs map[string]json.RawMessage
		if err := json.Unmarshal(raw, &theirs); err != nil {
			return nil, errors.New("revoked is not an object")
		}
		m.worker.Remember(idsOf(theirs))
	}
	r := celery.HelloReply{Revoked: map[string][2]any{}, Clock: m.now()}
	for _, known := range m.worker.Revoked() {
		r.Revoked[known.ID] = celery.RevokedEntry(known.ID, monotonic(known.At))
	}
	return r, nil
}

func (m *Monitor) revoke(ctx context.Context, c *celery.Control) (any, error) {
	terminate, err := c.Bool("terminate")
	if err != nil {
		return nil, err
	}
	return m.revokeTasks(ctx, c, terminate)
}

func (m *Monitor) terminate(ctx context.Context, c *celery.Control) (any, error) {
	return m.revokeTasks(ctx, c, true)
}

// revokeTasks keeps tasks from starting, and with terminate stops those that can be stopped. The answer does not wait long for the database: this process knows already, and the
// cancellation goes on.
func (m *Monitor) revokeTasks(ctx context.Context, c *celery.Control, terminate bool) (any, error) {
	ids, err := idList(c, "task_id")
	if err != nil {
		return nil, err
	}
	terminated, unstoppable := m.worker.Revoke(ids, terminate)
	done := make(chan error, 1)
	m.work.Go(func() { //nolint:contextcheck // outlives the command: Stop waits for it
		ctx, cancel := context.WithTimeout(m.record, recordWithin)
		defer cancel()
		n, err := m.worker.CancelRevoked(ctx, m.db, ids, terminate, "celery control")
		if err != nil {
			slog.WarnContext(ctx, "revoked tasks are known to this process only", "count", len(ids), "first_id", clip(ids[0]), "error", err)
		} else if n > 0 {
			slog.InfoContext(ctx, "revoked tasks cancelled", "count", n, "first_id", clip(ids[0]))
		}
		done <- err
	})
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	select {
	case err = <-done:
	case <-timer.C:
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("kept from starting by this process, but not recorded: %w", err)
	case !terminate:
		return celery.OK{OK: "tasks " + strings.Join(ids, ", ") + " flagged as revoked"}, nil
	case len(terminated) > 0:
		return celery.OK{OK: "terminate: " + strings.Join(terminated, ", ")}, nil
	case len(unstoppable) > 0:
		return nil, fmt.Errorf("%s cannot be terminated: it runs in one short transaction and comes to its end", strings.Join(unstoppable, ", "))
	default:
		return celery.OK{OK: "terminate: tasks unknown"}, nil
	}
}

func (m *Monitor) enableEvents(context.Context, *celery.Control) (any, error) {
	m.askBeat() // it looks who listens
	if m.enabled.Swap(true) {
		return celery.OK{OK: "task events already enabled"}, nil
	}
	return celery.OK{OK: "task events enabled"}, nil
}

func (m *Monitor) disableEvents(context.Context, *celery.Control) (any, error) {
	if !m.enabled.Swap(false) {
		return celery.OK{OK: "task events already disabled"}, nil
	}
	return celery.OK{OK: "task events disabled"}, nil
}

func (m *Monitor) heartbeat(context.Context, *celery.Control) (any, error) {
	m.askBeat()
	return nil, nil
}

func (m *Monitor) askBeat() {
	select {
	case m.beatNow <- struct{}{}:
	default: // asked already
	}
}

func (m *Monitor) shutDown(context.Context, *celery.Control) (any, error) {
	if m.process.Shutdown == nil {
		return nil, errors.New("this process cannot be shut down from outside")
	}
	m.process.Shutdown()
	return celery.OK{OK: "shutting down"}, nil
}

// idList reads the ids that a command names: one text, or a list.
func idList(c *celery.Control, name string) ([]string, error) {
	ids, err := c.Strings(name)
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 0:
		return nil, fmt.Errorf("%s names no task", name)
	case len(ids) > maxIDs:
		return nil, fmt.Errorf("%s names %d tasks, %d are allowed at once", name, len(ids), maxIDs)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		if id == "" || len(id) > 255 {
			return nil, fmt.Errorf("%s holds an id that is empty or longer than 255 bytes", name)
		}
	}
	return ids, nil
}

func idsOf[V any](byID map[string]V) []string {
	ids := make([]string, 0, len(byID))
	for id := range byID {
		if id != "" && len(id) <= 255 {
			ids = append(ids, id)
		}
	}
	return ids
}
