package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"makola/pkg/celery"
	"makola/pkg/rabbit"
)

// command is one remote control command.
type command struct {
	aliases []string
	// slow ones ask the database, and run beside the others.
	slow   bool
	answer func(m *Monitor, ctx context.Context, c *celery.Control) (any, error)
}

// commands are all that exist here, by canonical name.
var commands = map[string]command{
	"ping":           {answer: (*Monitor).ping},
	"active":         {answer: (*Monitor).active, aliases: []string{"dump_active"}},
	"reserved":       {answer: (*Monitor).reserved, aliases: []string{"dump_reserved"}},
	"scheduled":      {answer: (*Monitor).scheduled, aliases: []string{"dump_schedule"}, slow: true},
	"revoked":        {answer: (*Monitor).revoked, aliases: []string{"dump_revoked"}},
	"registered":     {answer: (*Monitor).registered, aliases: []string{"dump_tasks"}},
	"query_task":     {answer: (*Monitor).queryTask},
	"active_queues":  {answer: (*Monitor).activeQueues},
	"stats":          {answer: (*Monitor).stats},
	"report":         {answer: (*Monitor).report},
	"conf":           {answer: (*Monitor).conf, aliases: []string{"dump_conf"}},
	"clock":          {answer: (*Monitor).lamport},
	"hello":          {answer: (*Monitor).hello},
	"revoke":         {answer: (*Monitor).revoke, slow: true},
	"terminate":      {answer: (*Monitor).terminate, slow: true},
	"enable_events":  {answer: (*Monitor).enableEvents},
	"disable_events": {answer: (*Monitor).disableEvents},
	"heartbeat":      {answer: (*Monitor).heartbeat},
	shutdown:         {answer: (*Monitor).shutDown},
}

// elsewhere are Celery's commands that change a worker while it runs, and what stands for them here. Monitors offer them as buttons and show the answer.
var elsewhere = map[string]string{
	"add_consumer":    queuesElsewhere,
	"cancel_consumer": queuesElsewhere,
	"autoscale":       poolElsewhere,
	"pool_grow":       poolElsewhere,
	"pool_shrink":     poolElsewhere,
	"pool_restart":    "restart the process",
	"rate_limit":      "tasks have no rate limits",
	"time_limit":      "a task's time limit is part of its contract",
}

const (
	queuesElsewhere = "set QUEUES and restart the process"
	poolElsewhere   = "set TASKS_SHORT and TASKS_LONG and restart the process, or run more of them"
)

// unknown is the answer to a command that does not exist here, as Python's workers answer what they do not know.
func unknown(method string) error {
	if instead, ok := elsewhere[method]; ok {
		return fmt.Errorf("%s does not exist on this worker: %s", method, instead)
	}
	return fmt.Errorf("KeyError(%s)", celery.PyString(celery.Shown(method)))
}

// canonical finds a command by name or alias.
func canonical(method string) (string, command, bool) {
	if c, ok := commands[method]; ok {
		return method, c, true
	}
	for name, c := range commands {
		if slices.Contains(c.aliases, method) {
			return name, c, true
		}
	}
	return "", command{}, false
}

// listen handles commands until the consumer stops.
func (m *Monitor) listen(ctx context.Context) {
	for d := range m.consumer.Deliveries() {
		if err := d.Ack(); err != nil {
			continue // the broker delivers it again
		}
		m.receive(ctx, d)
	}
}

// receive handles one message of the worker's own queue.
func (m *Monitor) receive(ctx context.Context, d rabbit.Delivery) {
	if d.Exchange == rabbit.ExchangeReplies {
		m.learn(ctx, d)
		return
	}
	c, err := celery.DecodeControl(&d.Delivery)
	if err != nil {
		m.metrics.commands.WithLabelValues("other", "unreadable").Inc()
		slog.WarnContext(ctx, "message on the control exchange is no command", "error", err, "bytes", len(d.Body), "content_type", clip(d.ContentType))
		return
	}
	m.saw(c.Clock)
	meant, err := c.Addressed(m.self.Node)
	if err != nil {
		m.metrics.commands.WithLabelValues("other", "unreadable").Inc()
		slog.WarnContext(ctx, "remote control command addresses nobody", "method", clip(c.Method), "error", err)
		return
	}
	if !meant {
		return
	}
	name, cmd, known := canonical(c.Method)
	switch {
	case !known:
		m.finish(ctx, c, "other", "unknown", nil, unknown(c.Method))
	case !m.cfg.allows(name):
		m.finish(ctx, c, name, "forbidden", nil, fmt.Errorf("%s is not allowed on this worker; see CELERY_CONTROL", name))
	case cmd.slow:
		select {
		case m.slow <- struct{}{}:
			m.work.Go(func() {
				defer func() { <-m.slow }()
				m.obey(ctx, c, name, cmd)
			})
		default:
			m.finish(ctx, c, name, "busy", nil, errors.New("too many commands at once; ask again"))
		}
	default:
		m.obey(ctx, c, name, cmd)
	}
}

// obey carries a command out. A mistake of ours is an error for the client and nothing worse.
func (m *Monitor) obey(ctx context.Context, c *celery.Control, name string, cmd command) {
	var value any
	err := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				slog.ErrorContext(ctx, "remote control command panicked", "method", name, "stack", string(debug.Stack()))
				err = errors.New("the command failed; the worker's log has more")
			}
		}()
		value, err = cmd.answer(m, ctx, c)
		return err
	}()
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	m.finish(ctx, c, name, outcome, value, err)
}

// finish logs the command with its origin, which is where its answer goes: a command says no more about its sender. Then it answers, if somebody waits.
func (m *Monitor) finish(ctx context.Context, c *celery.Control, name, outcome string, value any, err error) {
	m.metrics.commands.WithLabelValues(name, outcome).Inc()
	facts := []any{"method", clip(c.Method), "outcome", outcome, "reply_exchange", clip(c.ReplyTo.Exchange), "reply_key", clip(c.ReplyTo.RoutingKey), "ticket", c.Ticket}
	if ids, bad := c.Strings("task_id"); bad == nil && len(ids) > 0 {
		facts = append(facts, "count", len(ids), "first_id", clip(ids[0]))
	}
	if from, bad := c.Text("from_node"); bad == nil && from != "" {
		facts = append(facts, "from_node", clip(from))
	}
	if err != nil {
		facts = append(facts, "error", err)
		value = celery.Failed{Error: celery.Shown(err.Error())}
	}
	slog.InfoContext(ctx, "remote control command", facts...)
	if !c.WantsReply() {
		return
	}
	if c.ReplyTo.Exchange != rabbit.ExchangeReplies {
		slog.WarnContext(ctx, "remote control command asks for its answer on another exchange; not answered", "method", clip(c.Method), "reply_exchange", clip(c.ReplyTo.Exchange))
		return
	}
	err = m.say(ctx, m.replies, func(tick func() int64) (rabbit.Publishing, error) {
		msg, err := c.Reply(m.self.Node, value, tick())
		return rabbit.Publishing{Exchange: rabbit.ExchangeReplies, Key: c.ReplyTo.RoutingKey, Msg: msg}, err
	})
	if err != nil {
		slog.InfoContext(ctx, "answer to a remote control command not sent", "method", clip(c.Method), "error", err)
	}
}

// learn takes over what another worker answers to our hello.
func (m *Monitor) learn(ctx context.Context, d rabbit.Delivery) {
	if ticket, ok := d.Headers["ticket"].(string); !ok || ticket != m.ticket {
		return
	}
	r, err := celery.DecodeHelloReply(&d.Delivery)
	if err != nil {
		slog.WarnContext(ctx, "answer to hello cannot be read", "error", err)
		return
	}
	if r == nil {
		return // our own
	}
	m.saw(r.Clock)
	m.worker.Remember(idsOf(r.Revoked))
}

// clip bounds what strangers can write into our log.
func clip(s string) string { return s[:min(len(s), 100)] }
