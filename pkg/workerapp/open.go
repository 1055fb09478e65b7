package workerapp

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"

	"makola/pkg/monitor"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/service"
	"makola/pkg/task"
)

// Parts is what a worker's wire goes on with. App starts and stops all of them.
type Parts struct {
	// DB is the way into the database, as the service's own role.
	DB *postgres.DB
	// Queue enqueues tasks; pass it to NewTasks of the contracts.
	Queue *task.Queue
	// Worker runs tasks; pass it to HandleTasks of the contracts.
	Worker *task.Worker
}

// Open builds the parts and adds them to app. It waits for the database (DATABASE_CONNECT_WAIT at most) and not for the broker.
// queues are all the worker has; QUEUES may narrow them.
// Errors: a QUEUES that names another queue; a DATABASE_URL that cannot be read; a database that does not answer or whose schema is too old.
func Open(ctx context.Context, cfg Config, app *service.App, queues ...string) (*Parts, error) {
	queues, err := narrow(queues, cfg.Consume.Queues)
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(ctx, cfg.PG)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	app.OnStop(db.Close)
	if err := db.WaitReady(ctx, cfg.PG.ConnectWait); err != nil {
		return nil, fmt.Errorf("wait for the database: %w", err)
	}
	publish := connect(cfg, app, "publish", rabbit.Standard())
	consume := connect(cfg, app, "consume", rabbit.Standard(queues...))
	queue := task.NewQueue(db, publish, task.QueueConfig{Metrics: app.Metrics()})
	talk, mon, err := watch(ctx, cfg, app)
	if err != nil {
		return nil, err
	}
	worker := task.NewWorker(db, consume, queue, task.WorkerConfig{
		Service: app.Name(), Queues: queues, Short: cfg.Consume.Short, Long: cfg.Consume.Long, Metrics: app.Metrics(),
		Grace: cfg.ShutdownTimeout * 5 / 6, // the part of the stop in which service.App lets work finish
		Watch: mon.Watch(),
	})
	mon.Attach(worker)
	app.Add(publish, consume, queue, talk, mon, worker) // the monitor stops after the worker, whose last events it sends
	app.Ready("database", db.Ping)
	app.Ready("worker", worker.Ready)
	return &Parts{DB: db, Queue: queue, Worker: worker}, nil
}

// watch makes what Celery's tools talk to: a connection and a monitor. Neither makes the process unready, because tasks run without them as well: a broker whose permissions are
// yesterday's only keeps monitors out, and the log says so.
func watch(ctx context.Context, cfg Config, app *service.App) (*rabbit.Conn, *monitor.Monitor, error) {
	cfg.PG.MaxConns = 1 // made when it is needed, and never held by a task
	db, err := postgres.Open(ctx, cfg.PG)
	if err != nil {
		return nil, nil, fmt.Errorf("open database for monitoring: %w", err)
	}
	app.OnStop(db.Close)
	cfg.AMQP.Name = app.Name() + " monitor"
	queue := rabbit.ControlQueue(app.Name(), app.Instance())
	conn := rabbit.New(cfg.AMQP, rabbit.Monitoring(queue), app.Logger())
	stop := sync.OnceFunc(func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) }) // as if an operator had sent it; a second signal would end the process at once
	return conn, monitor.New(cfg.Celery, monitor.Process{Service: app.Name(), Instance: app.Instance(), Broker: cfg.AMQP, Shutdown: stop, Metrics: app.Metrics()}, conn, queue, db), nil
}

// connect makes one of the two connections to the broker, named so that the broker's lists tell them apart.
func connect(cfg Config, app *service.App, purpose string, topology rabbit.Topology) *rabbit.Conn {
	cfg.AMQP.Name = app.Name() + " " + purpose
	conn := rabbit.New(cfg.AMQP, topology, app.Logger())
	app.Ready("broker "+purpose, conn.Ready)
	return conn
}
