package rabbit

import (
	"math/rand/v2"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Config says how one connection reaches the broker. The zero value of every field but URL works: New fills in the defaults named here.
type Config struct {
	// URL is the broker's address with user, password and virtual host: amqp://user:password@host:5672/vhost, or amqps:// for TLS.
	// It is never logged. A heartbeat parameter in it beats Heartbeat.
	URL string `env:"AMQP_URL,required,notEmpty" secret:"true" doc:"Broker address with the service's own user and vhost: amqp://user:password@host:5672/vhost, or amqps:// for TLS."`

	// Name is shown as the connection's name in the broker's lists ("billing-worker publish"). Set by the program, not by the environment.
	Name string

	// Declare decides whether exchanges and queues are created (true, the default of development) or only checked for existence
	// (false: production users may not configure anything, and a deploy job declares the topology).
	Declare bool `env:"AMQP_DECLARE" envDefault:"true" doc:"Create exchanges and queues (true), or only check that they exist (false): in production makola topology declares, and services may not."`

	// Heartbeat is the interval of keep-alive frames; a peer silent for three of them is dead. Default 10 s.
	// Shorten it only to find dead peers sooner; below 5 s a busy machine loses healthy connections.
	Heartbeat time.Duration `env:"AMQP_HEARTBEAT" envDefault:"10s" doc:"Interval of keep-alive frames; a peer silent for three is dead. Below 5 s a busy machine loses healthy connections."`

	// DialTimeout bounds dialling and the handshake together. Default 5 s. Lengthen it when the broker is far away.
	DialTimeout time.Duration `env:"AMQP_DIAL_TIMEOUT" envDefault:"5s" doc:"Bound of dialling and handshake together. Lengthen it when the broker is far away."`

	// CallTimeout bounds every socket write and every request that waits for the broker's answer; past it the connection is cut
	// and dialled again. Default 5 s. Lengthen it when the broker's disks are slow enough that declaring a queue takes seconds.
	CallTimeout time.Duration `env:"AMQP_CALL_TIMEOUT" envDefault:"5s" doc:"Bound of every write and every request to the broker; past it the connection is cut and dialled again."`

	// BackoffMin and BackoffMax bound the pause before dialling again: a random time up to BackoffMin, doubled per failure, never
	// above BackoffMax. Defaults 500 ms and 30 s. Raise the upper one when very many processes share one broker.
	BackoffMin time.Duration `env:"AMQP_BACKOFF_MIN" envDefault:"500ms" doc:"First pause before dialling again is a random time up to this; it doubles per failure."`
	BackoffMax time.Duration `env:"AMQP_BACKOFF_MAX" envDefault:"30s" doc:"Longest pause before dialling again. Raise it when very many processes share one broker."`
}

// Validate refuses an address that cannot be read.
func (cfg Config) Validate() error {
	if cfg.URL == "" {
		return nil // a setting that is missing is told of as such
	}
	if _, err := amqp.ParseURI(cfg.URL); err != nil {
		return errBadURL
	}
	return nil
}

func (cfg Config) withDefaults() Config {
	def := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	def(&cfg.Heartbeat, 10*time.Second)
	def(&cfg.DialTimeout, 5*time.Second)
	def(&cfg.CallTimeout, 5*time.Second)
	def(&cfg.BackoffMin, 500*time.Millisecond)
	def(&cfg.BackoffMax, 30*time.Second)
	return cfg
}

// ceiling is the longest pause before the given attempt (0 is the first).
func (cfg Config) ceiling(attempt int) time.Duration {
	if d := cfg.BackoffMin << min(attempt, 20); d > 0 && d < cfg.BackoffMax {
		return d
	}
	return cfg.BackoffMax
}

// pause is a "full jitter" pause: evenly spread between nothing and the ceiling, so that a restarted broker is not
// met by all its clients in the same instant.
func (cfg Config) pause(attempt int) time.Duration {
	return rand.N(cfg.ceiling(attempt)) //nolint:gosec // spreads load, guards nothing
}
