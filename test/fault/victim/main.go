// Command victim is the worker that the fault tests kill. It is wired like a real one (two connections to the broker, a queue with
// its relay, a worker) and runs the self-test tasks; its times are short, so that leases and beats run out within a test's patience.
//
// Built with the tag "faults" it kills itself where MAKOLA_CRASH_AT says.
package main

import (
	"context"
	"fmt"
	"time"

	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/service"
	"makola/pkg/task"
	"makola/proto/makola/selftest/v1"
)

// Config is what the tests set.
type Config struct {
	service.Config
	PG   postgres.Config
	AMQP rabbit.Config
	// Lease, Sweep, Resend, Beat and Poll are task.WorkerConfig's and task.QueueConfig's times, shortened.
	Lease  time.Duration `env:"VICTIM_LEASE" envDefault:"2s" doc:"Lease of a LONG task."`
	Sweep  time.Duration `env:"VICTIM_SWEEP" envDefault:"500ms" doc:"Time between two sweeps."`
	Resend time.Duration `env:"VICTIM_RESEND" envDefault:"4s" doc:"How long a published task may go without an end before it is published again."`
	Early  time.Duration `env:"VICTIM_EARLY_ACK" envDefault:"10m" doc:"How long a LONG task keeps its message."`
	Beat   time.Duration `env:"VICTIM_BEAT" envDefault:"250ms" doc:"Time between two signs of life."`
	Poll   time.Duration `env:"VICTIM_POLL" envDefault:"100ms" doc:"Time between two looks of the relay."`
	// Work is false in a process that only relays, Relay in one that only works.
	Work  bool `env:"VICTIM_WORK" envDefault:"true" doc:"Whether to run tasks."`
	Relay bool `env:"VICTIM_RELAY" envDefault:"true" doc:"Whether to publish tasks."`
}

func main() { service.Main("victim", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	db, err := postgres.Open(ctx, cfg.PG)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	app.OnStop(db.Close)
	if err := db.WaitReady(ctx, cfg.PG.ConnectWait); err != nil {
		return fmt.Errorf("wait for the database: %w", err)
	}
	connect := func(purpose string, topology rabbit.Topology) *rabbit.Conn {
		c := cfg.AMQP
		c.Name = "victim " + purpose
		return rabbit.New(c, topology, app.Logger())
	}
	publish, consume := connect("publish", rabbit.Standard()), connect("consume", rabbit.Standard(queueName))
	relayOver := publish
	if !cfg.Relay {
		relayOver = nil // tasks of this process are published by others
	}
	queue := task.NewQueue(db, relayOver, task.QueueConfig{PollInterval: cfg.Poll, ConfirmTimeout: 2 * time.Second})
	app.Add(publish, consume, queue)
	if !cfg.Work {
		return nil
	}
	worker := task.NewWorker(db, consume, queue, task.WorkerConfig{
		Service: "victim", Queues: []string{queueName}, Lease: cfg.Lease, EarlyAck: cfg.Early, SweepEvery: cfg.Sweep, ResendAfter: cfg.Resend, WorkerBeat: cfg.Beat,
		Grace: cfg.ShutdownTimeout * 5 / 6,
	})
	selftest.HandleTasks(worker, &handlers{db: db, tasks: selftest.NewTasks(queue)})
	app.Add(worker)
	return nil
}

const queueName = "selftest"
