package rabbit

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// This page names every exchange and queue that Makola shares with others.
//
//	publisher ──▶ tasks (direct) ──key = queue──▶ <queue> ──rejected too often──▶ dead (direct) ──key = queue──▶ <queue>.dead
//	worker ─────▶ task.events (topic) ──▶ one short-lived queue per watcher, see OwnQueue
//
// And those that it shares with Celery's tools, see Monitoring:
//
//	worker ─────▶ celeryev (topic) ──▶ a monitor's own queue
//	monitor ────▶ celery.pidbox (fanout) ──▶ every worker's own queue ──▶ reply.celery.pidbox (direct) ──▶ the monitor's own queue
const (
	// ExchangeTasks is the durable direct exchange that tasks are published to; the routing key is the queue's name.
	ExchangeTasks = "tasks"
	// ExchangeDead is the durable direct exchange that receives messages which ran out of deliveries; the routing key is the work queue's name.
	ExchangeDead = "dead"
	// ExchangeEvents is the durable topic exchange for task events. They are news, not truth: nobody waits for them and losing one is harmless.
	ExchangeEvents = "task.events"

	// ExchangeCeleryEvents is the durable topic exchange of Celery's events.
	ExchangeCeleryEvents = "celeryev"
	// ExchangeControl is the fanout exchange of Celery's remote control commands. It vanishes with the broker, as does ExchangeReplies.
	ExchangeControl = "celery.pidbox"
	// ExchangeReplies is the direct exchange of the answers to them; the routing key is the client's choice.
	ExchangeReplies = "reply.celery.pidbox"
)

// DeliveryLimit is how often the broker hands out one message before it is dead-lettered. It is only a backstop, and it must be
// positive: unset means unlimited on RabbitMQ 3.x but 20 on 4.x, and -1 dead-letters at the first requeue on 3.10.
const DeliveryLimit = 20

// deadDeliveryLimit keeps dead letters from being dropped: without a limit of its own, RabbitMQ 4.x drops one after 20 redeliveries.
const deadDeliveryLimit = 1_000_000

// ownQueueExpiry is how long the broker keeps an OwnQueue after its last consumer left: longer than a reconnect usually
// takes (Config.BackoffMax), short enough not to fill up behind a process that is gone. In milliseconds, as the broker wants it.
const ownQueueExpiry = 60_000

// ownQueueLength is the most messages that wait in an OwnQueue; beyond it the oldest are dropped. They are news, and old news at that.
const ownQueueLength = 10_000

// ErrTopology marks errors which only an operator can repair: an exchange or queue that is missing, forbidden, or exists with
// other arguments. The supervisor keeps trying all the same; a program that prefers to stop can test for it with errors.Is.
var ErrTopology = errors.New("topology")

// Queues returns the names of all work queues. A task's name begins with the name of its queue.
func Queues() []string {
	return []string{"ai_features", "subscriptions", "inventory", "sales", "reports", "accounts", "notifications", "webhooks"}
}

// DeadQueue returns the name of the queue that holds the dead letters of work queue q.
func DeadQueue(q string) string { return q + ".dead" }

// Exchange is one exchange to declare.
type Exchange struct {
	Name    string
	Kind    string // direct, topic or fanout
	Durable bool
	Own     bool // declared actively even where the rest is only checked, because it vanishes with the broker
}

// Binding binds a queue to an exchange.
type Binding struct{ Exchange, Key string }

// Queue is one queue to declare, with its bindings.
type Queue struct {
	Name       string
	Durable    bool
	AutoDelete bool
	Exclusive  bool
	Own        bool // belongs to this process: declared actively even where the rest is only checked
	Args       amqp.Table
	Bindings   []Binding
}

// Topology is what must exist before anything is published or consumed. Order matters: a dead queue comes before the work queue
// which dead-letters into it, because a message dead-lettered into nothing waits minutes for its target.
type Topology struct {
	Exchanges []Exchange
	Queues    []Queue
}

// Standard returns the three exchanges and, for each work queue named, its dead queue and itself. Without queues it is what a
// process needs that only publishes. The arguments are frozen: the broker refuses to change those of an existing queue, and
// operators tune with policies instead.
func Standard(queues ...string) Topology {
	t := Topology{Exchanges: []Exchange{
		{Name: ExchangeTasks, Kind: amqp.ExchangeDirect, Durable: true},
		{Name: ExchangeDead, Kind: amqp.ExchangeDirect, Durable: true},
		{Name: ExchangeEvents, Kind: amqp.ExchangeTopic, Durable: true},
	}}
	for _, q := range queues {
		t.Queues = append(t.Queues, deadQueue(q), workQueue(q))
	}
	return t
}

func workQueue(q string) Queue {
	return Queue{Name: q, Durable: true, Bindings: []Binding{{ExchangeTasks, q}}, Args: amqp.Table{
		amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
		"x-delivery-limit":          int32(DeliveryLimit),
		"x-dead-letter-exchange":    ExchangeDead,
		"x-dead-letter-routing-key": q,
		"x-dead-letter-strategy":    "at-least-once",
		amqp.QueueOverflowArg:       amqp.QueueOverflowRejectPublish, // at-least-once dead-lettering demands it
	}}
}

func deadQueue(q string) Queue {
	return Queue{Name: DeadQueue(q), Durable: true, Bindings: []Binding{{ExchangeDead, q}}, Args: amqp.Table{
		amqp.QueueTypeArg:  amqp.QueueTypeQuorum,
		"x-delivery-limit": int32(deadDeliveryLimit),
	}}
}

// OwnQueue returns a short-lived queue for one process: the live view's events, a control mailbox. The name must be unique to the
// process. It survives a reconnect and disappears a minute after its consumer did. It is not exclusive on purpose: an exclusive
// queue stays locked (405) while the broker still believes in the previous, dead connection.
func OwnQueue(name string, bindings ...Binding) Queue {
	return Queue{Name: name, Durable: true, Own: true, Bindings: bindings, Args: amqp.Table{"x-expires": int32(ownQueueExpiry), "x-max-length": int32(ownQueueLength)}}
}

// Monitoring returns what a worker needs to take part in Celery's monitoring: the three exchanges, exactly as Celery's own programs declare them, and the process's own
// queue, which receives commands and, by its name as the key, the answers to its own. All of it is declared actively, because whichever program comes first must do so.
func Monitoring(queue string) Topology {
	return Topology{
		Exchanges: []Exchange{
			{Name: ExchangeCeleryEvents, Kind: amqp.ExchangeTopic, Durable: true, Own: true},
			{Name: ExchangeControl, Kind: amqp.ExchangeFanout, Own: true},
			{Name: ExchangeReplies, Kind: amqp.ExchangeDirect, Own: true},
		},
		Queues: []Queue{OwnQueue(queue, Binding{ExchangeControl, ""}, Binding{ExchangeReplies, queue})},
	}
}

// ControlQueue names the queue of Monitoring for one process of a service. Its user may have queues that begin with the service's name.
func ControlQueue(service, instance string) string {
	return service + "." + instance + "." + ExchangeControl
}

// WorkQueueArguments are the arguments of a work queue, for those who show them; see Standard.
func WorkQueueArguments(q string) Table { return workQueue(q).Args }

// Declare creates the topology on ch, or with passive only checks that its exchanges and queues exist (bindings cannot be checked).
// Whatever is marked Own is created either way. After an error the broker has closed ch. An error the broker answered with
// wraps ErrTopology and says what to do.
func (t Topology) Declare(ch *amqp.Channel, passive bool) error {
	for _, e := range t.Exchanges {
		declare := ch.ExchangeDeclare
		if passive && !e.Own {
			declare = ch.ExchangeDeclarePassive
		}
		if err := declare(e.Name, e.Kind, e.Durable, false, false, false, nil); err != nil {
			return declareError("exchange", e.Name, err)
		}
	}
	for _, q := range t.Queues {
		if passive && !q.Own {
			if _, err := ch.QueueDeclarePassive(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, q.Args); err != nil {
				return declareError("queue", q.Name, err)
			}
			continue
		}
		if _, err := ch.QueueDeclare(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, q.Args); err != nil {
			return declareError("queue", q.Name, err)
		}
		for _, b := range q.Bindings {
			if err := ch.QueueBind(q.Name, b.Key, b.Exchange, false, nil); err != nil {
				return declareError("binding of queue", q.Name, err)
			}
		}
	}
	return nil
}

// declareError turns the broker's refusal into a sentence an operator can act on.
func declareError(kind, name string, err error) error {
	refusal, ok := errors.AsType[*amqp.Error](err)
	if !ok || !refusal.Server {
		return fmt.Errorf("declare %s %q: %w", kind, name, err)
	}
	advice := "see the broker's log"
	switch refusal.Code {
	case amqp.PreconditionFailed:
		advice = "it exists with other arguments, which cannot be changed: drain it, delete it, and it is declared anew"
	case amqp.NotFound:
		advice = "it does not exist and this process may only check: declare the topology first (deploy job, or AMQP_DECLARE=true)"
	case amqp.AccessRefused:
		advice = "this user lacks the permission: grant it, or set AMQP_DECLARE=false and let a deploy job declare"
	case amqp.ResourceLocked:
		advice = "another connection holds it exclusively: stop that process, or wait until the broker gives its connection up"
	}
	return fmt.Errorf("%w: declare %s %q: %s: %w", ErrTopology, kind, name, advice, err)
}
