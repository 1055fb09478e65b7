package celery

import (
	"encoding/json"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Request is a task that a worker holds, as inspect active, reserved, scheduled and query_task show it.
type Request struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Args         json.RawMessage `json:"args"`
	Kwargs       json.RawMessage `json:"kwargs"`
	Type         string          `json:"type"`
	Hostname     string          `json:"hostname"`
	TimeStart    *Seconds        `json:"time_start"`
	Acknowledged bool            `json:"acknowledged"`
	DeliveryInfo DeliveryInfo    `json:"delivery_info"`
	WorkerPID    *int            `json:"worker_pid"`
}

// DeliveryInfo says how a task came.
type DeliveryInfo struct {
	Exchange    string `json:"exchange"`
	RoutingKey  string `json:"routing_key"`
	Priority    int    `json:"priority"`
	Redelivered bool   `json:"redelivered"`
}

// Scheduled is a task that waits for its time.
type Scheduled struct {
	ETA      string  `json:"eta"`
	Priority int     `json:"priority"`
	Request  Request `json:"request"`
}

// HeldRequest shows a delivery on the node. Secrets among the arguments are masked; large arguments are left out.
func HeldRequest(node string, d *amqp.Delivery) Request {
	id, _ := d.Headers["id"].(string)
	name, _ := d.Headers["task"].(string)
	args, kwargs := arguments(d.Body)
	r := NewRequest(node, id, name, args, kwargs)
	r.DeliveryInfo = DeliveryInfo{Exchange: d.Exchange, RoutingKey: d.RoutingKey, Priority: int(d.Priority), Redelivered: d.Redelivered}
	return r
}

// NewRequest shows a task that is in no message at the moment.
func NewRequest(node, id, name string, args, kwargs json.RawMessage) Request {
	return Request{ID: id, Name: name, Type: name, Hostname: node, Args: Redacted(args, "[]"), Kwargs: Redacted(kwargs, "{}")}
}

// QueueInfo is a queue that a worker consumes, as inspect active_queues shows it. Its many empty fields are kombu's.
type QueueInfo struct {
	Name              string         `json:"name"`
	Exchange          ExchangeInfo   `json:"exchange"`
	RoutingKey        string         `json:"routing_key"`
	QueueArguments    map[string]any `json:"queue_arguments"`
	BindingArguments  *struct{}      `json:"binding_arguments"`
	ConsumerArguments *struct{}      `json:"consumer_arguments"`
	Durable           bool           `json:"durable"`
	Exclusive         bool           `json:"exclusive"`
	AutoDelete        bool           `json:"auto_delete"`
	NoAck             bool           `json:"no_ack"`
	Alias             *struct{}      `json:"alias"`
	Bindings          []struct{}     `json:"bindings"`
	NoDeclare         bool           `json:"no_declare"`
	Expires           *int           `json:"expires"`
	MessageTTL        *int           `json:"message_ttl"`
	MaxLength         *int           `json:"max_length"`
	MaxLengthBytes    *int           `json:"max_length_bytes"`
	MaxPriority       *int           `json:"max_priority"`
}

// ExchangeInfo is the exchange that a queue is bound to.
type ExchangeInfo struct {
	Name         string    `json:"name"`
	Type         string    `json:"type"`
	Arguments    *struct{} `json:"arguments"`
	Durable      bool      `json:"durable"`
	Passive      bool      `json:"passive"`
	AutoDelete   bool      `json:"auto_delete"`
	DeliveryMode *int      `json:"delivery_mode"`
	NoDeclare    bool      `json:"no_declare"`
}

// DurableQueue shows a durable queue that is bound to a durable direct exchange. no_declare is true: a client that declares a queue of ours is refused.
func DurableQueue(name, exchange string, arguments map[string]any) QueueInfo {
	return QueueInfo{
		Name: name, RoutingKey: name, QueueArguments: arguments, Durable: true, Bindings: []struct{}{}, NoDeclare: true,
		Exchange: ExchangeInfo{Name: exchange, Type: "direct", Durable: true},
	}
}

// Stats is what inspect stats shows. Clock is a text here, as in Celery.
type Stats struct {
	Total         map[string]int64 `json:"total"`
	PID           int              `json:"pid"`
	Clock         string           `json:"clock"`
	Uptime        int64            `json:"uptime"`
	Pool          PoolStats        `json:"pool"`
	Broker        BrokerStats      `json:"broker"`
	PrefetchCount int              `json:"prefetch_count"`
	RUsage        map[string]any   `json:"rusage"`
}

// PoolStats is how many tasks run at once, and where.
type PoolStats struct {
	Implementation        string    `json:"implementation"`
	MaxConcurrency        int       `json:"max-concurrency"`
	Processes             []int     `json:"processes"`
	MaxTasksPerChild      string    `json:"max-tasks-per-child"`
	PutGuardedBySemaphore bool      `json:"put-guarded-by-semaphore"`
	Timeouts              [2]int    `json:"timeouts"`
	Writes                *struct{} `json:"writes,omitempty"`
}

// BrokerStats is which broker a worker talks to, without the password.
type BrokerStats struct {
	Hostname       string    `json:"hostname"`
	UserID         string    `json:"userid"`
	VirtualHost    string    `json:"virtual_host"`
	Port           int       `json:"port"`
	Insist         bool      `json:"insist"`
	SSL            bool      `json:"ssl"`
	Transport      string    `json:"transport"`
	ConnectTimeout int       `json:"connect_timeout"`
	LoginMethod    string    `json:"login_method"`
	Heartbeat      Seconds   `json:"heartbeat"`
	Alternates     []string  `json:"alternates"`
	Failover       string    `json:"failover_strategy"`
	URIPrefix      *struct{} `json:"uri_prefix"`
}
