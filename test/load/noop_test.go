package load

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/proto/contract"
	selftest "makola/proto/makola/selftest/v1"
	"makola/test/stack"
)

// noops is how many tasks one measurement enqueues and drains.
const noops = 20_000

// modes are the two ways to do nothing.
var modes = []struct {
	name    string
	enqueue func(tasks *selftest.Tasks, ctx context.Context, tx *gorm.DB) error
}{
	{"SHORT", func(tasks *selftest.Tasks, ctx context.Context, tx *gorm.DB) error {
		_, err := tasks.Noop(ctx, tx, &selftest.NoopArgs{})
		return err
	}},
	{"BATCH", func(tasks *selftest.Tasks, ctx context.Context, tx *gorm.DB) error {
		_, err := tasks.NoopBatch(ctx, tx, &selftest.NoopBatchArgs{})
		return err
	}},
}

// BenchmarkNoops measures no-op tasks end to end: 20,000 enqueued one by one, each in its own transaction, by 8 and by 32 producers, relayed over RabbitMQ and finished.
func BenchmarkNoops(b *testing.B) {
	for _, mode := range modes {
		for _, producers := range []int{8, 32} {
			b.Run(fmt.Sprintf("%s_%d_producers", mode.name, producers), func(b *testing.B) {
				f := newFactory(b)
				f.start(b)
				began := time.Now()
				f.produce(b, producers, mode.enqueue)
				enqueued := time.Since(began)
				f.drained(b)
				all := time.Since(began)
				b.ReportMetric(float64(perSecond(noops, all)), "tasks/s")
				b.ReportMetric(float64(perSecond(noops, enqueued)), "enqueued/s")
				note(fmt.Sprintf("no-op tasks, %s, end to end, %d producers", mode.name, producers), "%d tasks/s; enqueued at %d/s meanwhile", perSecond(noops, all), perSecond(noops, enqueued))
			})
		}
	}
}

// BenchmarkDrain measures the halves alone: 20,000 tasks enqueued while relay and worker stand still, and then relayed and finished.
func BenchmarkDrain(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			f := newFactory(b)
			began := time.Now()
			f.produce(b, 32, mode.enqueue)
			enqueued := time.Since(began)
			began = time.Now()
			f.start(b)
			f.drained(b)
			all := time.Since(began)
			b.ReportMetric(float64(perSecond(noops, all)), "tasks/s")
			b.ReportMetric(float64(perSecond(noops, enqueued)), "enqueued/s")
			note("no-op tasks, "+mode.name+", drained alone", "%d tasks/s", perSecond(noops, all))
			note("no-op tasks, "+mode.name+", enqueued alone, 32 producers", "%d tasks/s", perSecond(noops, enqueued))
		})
	}
}

// factory is a queue and a worker within this process, on servers of its own.
type factory struct {
	pg     *postgrestest.Database
	db     *postgres.DB
	queue  *task.Queue
	worker *task.Worker
	tasks  *selftest.Tasks
}

func newFactory(b *testing.B) *factory {
	b.Helper()
	return newWatchedFactory(b, postgrestest.New(b), rabbittest.New(b), nil)
}

func newWatchedFactory(b *testing.B, pg *postgrestest.Database, broker *rabbittest.Broker, watch *task.Watch) *factory {
	b.Helper()
	f := &factory{pg: pg, db: pg.Open("makola_billing")} // 10 connections, more than which only wait for the two cores
	topology := rabbit.Standard("selftest")
	f.queue = task.NewQueue(f.db, broker.Conn(b, topology), task.QueueConfig{})
	f.worker = task.NewWorker(f.db, broker.Conn(b, topology), f.queue, task.WorkerConfig{Service: "load", Queues: []string{"selftest"}, Watch: watch})
	selftest.HandleTasks(f.worker, idle{})
	f.tasks = selftest.NewTasks(f.queue)
	return f
}

// start starts relay and worker.
func (f *factory) start(b *testing.B) {
	b.Helper()
	if err := errors.Join(f.queue.Start(b.Context()), f.worker.Start(b.Context())); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx := context.WithoutCancel(b.Context())
		if err := errors.Join(f.worker.Stop(ctx), f.queue.Stop(ctx)); err != nil {
			b.Error(err)
		}
	})
}

// produce enqueues the tasks, each in its own transaction.
func (f *factory) produce(b *testing.B, producers int, enqueue func(*selftest.Tasks, context.Context, *gorm.DB) error) {
	b.Helper()
	var group errgroup.Group
	for range producers {
		group.Go(func() error {
			for range noops / producers {
				if err := f.db.InSystem(b.Context(), func(tx *gorm.DB) error { return enqueue(f.tasks, b.Context(), tx) }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatalf("enqueue: %v", err)
	}
}

// drained waits until every task has succeeded, at its first attempt.
func (f *factory) drained(b *testing.B) {
	b.Helper()
	look := f.pg.Admin()
	stack.Within(b, limit, "every task has succeeded", func() bool {
		var left bool // by way of indexes, so that looking costs nothing
		if err := look.QueryRow(b.Context(), `select exists (select from task.task where state = 'pending') or exists (select from task.task where state = 'published')
			or exists (select from task.task where state = 'running')`).Scan(&left); err != nil {
			b.Fatalf("look for unfinished tasks: %v", err)
		}
		return !left
	})
	var n int
	if err := look.QueryRow(b.Context(), "select count(*) from task.task where state = 'succeeded' and attempt = 1").Scan(&n); err != nil || n != noops {
		b.Fatalf("%d tasks succeeded at their first attempt, want %d: %v", n, noops, err)
	}
}

// idle runs the self-test tasks and does nothing.
type idle struct{}

func (idle) Noop(context.Context, *gorm.DB, *selftest.NoopArgs) (*selftest.NoopResult, error) {
	return nil, nil
}

func (idle) NoopBatch(context.Context, *gorm.DB, []*contract.Item[*selftest.NoopBatchArgs, *selftest.NoopBatchResult]) error {
	return nil
}

func (idle) NoopLong(context.Context, contract.Run, *selftest.NoopLongArgs) (contract.Commit[*selftest.NoopLongResult], error) {
	return nil, nil
}

func (idle) Echo(context.Context, *gorm.DB, *selftest.EchoArgs) (*selftest.EchoResult, error) {
	return nil, nil
}

func (idle) Fail(context.Context, *gorm.DB, *selftest.FailArgs) (*selftest.FailResult, error) {
	return nil, nil
}

func (idle) Slow(context.Context, contract.Run, *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
	return nil, nil
}
