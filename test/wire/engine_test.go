package wire

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/monitor"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/proto/contract"
	reports "makola/proto/makola/reports/v1"
	selftest "makola/proto/makola/selftest/v1"
)

// engine is one worker process of ours, within the test, on the queues selftest and reports, with its monitor.
type engine struct {
	t      *testing.T
	broker *rabbittest.Broker // nil on a broker of the test's own
	amqp   string             // the broker's address
	pg     *postgrestest.Database
	look   *pgx.Conn
	// letGo ends what waits: selftest.echo with the text "wait", and selftest.slow with steps below zero.
	letGo func()
	// stop stops the worker, once.
	stop func()
}

// node is how Celery's tools know the worker of newEngine.
const node = "wire@one"

// newEngine starts a worker and its relay and stops them when the test ends.
func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{t: t, broker: rabbittest.New(t), pg: postgrestest.New(t)}
	e.look = e.pg.Admin()
	e.start(e.broker.Config(t.Name()), node, task.WorkerConfig{})
	return e
}

// start starts a worker of that name. A second one on the same engine is stopped when the test ends, too.
func (e *engine) start(cfg rabbit.Config, name string, wc task.WorkerConfig) {
	t := e.t
	t.Helper()
	e.amqp = cfg.URL
	db, topology := e.pg.Open("makola_billing"), rabbit.Standard(queue, "reports")
	conn := func(topology rabbit.Topology) *rabbit.Conn {
		c := rabbittest.Start(t, cfg, topology)
		rabbittest.WaitReady(t, c)
		return c
	}
	own := rabbit.ControlQueue("wire", uuid.NewString())
	mon := monitor.New(monitor.Config{Events: true, Node: name}, monitor.Process{Service: "wire", Broker: cfg}, conn(rabbit.Monitoring(own)), own, e.pg.Open("makola_billing"))
	q := task.NewQueue(db, conn(topology), task.QueueConfig{PollInterval: 50 * time.Millisecond})
	wc.Service, wc.Queues, wc.Watch = "wire", []string{queue, "reports"}, mon.Watch()
	w := task.NewWorker(db, conn(topology), q, wc)
	free := make(chan struct{})
	selftest.HandleTasks(w, selftests{free: free})
	reports.HandleTasks(w, reporter{})
	mon.Attach(w)
	if err := errors.Join(q.Start(t.Context()), mon.Start(t.Context()), w.Start(t.Context())); err != nil {
		t.Fatalf("start worker: %v", err)
	}
	e.letGo = sync.OnceFunc(func() { close(free) })
	e.stop = sync.OnceFunc(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(w.Stop(ctx), mon.Stop(ctx), q.Stop(ctx)); err != nil {
			t.Errorf("stop worker: %v", err)
		}
	})
	t.Cleanup(e.stop)
	t.Cleanup(e.letGo)
}

// count asks the database for one number.
func (e *engine) count(query string, args ...any) (n int) {
	e.t.Helper()
	if err := e.look.QueryRow(e.t.Context(), query, args...).Scan(&n); err != nil {
		e.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// eventually waits until a count is as wanted.
func (e *engine) eventually(what string, want int, query string, args ...any) {
	e.t.Helper()
	rabbittest.Eventually(e.t, what, func() bool { return e.count(query, args...) == want })
}

// selftests runs the tasks of the contract selftest.
type selftests struct{ free <-chan struct{} }

func (selftests) Noop(context.Context, *gorm.DB, *selftest.NoopArgs) (*selftest.NoopResult, error) {
	return nil, nil
}

func (selftests) NoopBatch(context.Context, *gorm.DB, []*contract.Item[*selftest.NoopBatchArgs, *selftest.NoopBatchResult]) error {
	return nil
}

func (selftests) NoopLong(context.Context, contract.Run, *selftest.NoopLongArgs) (contract.Commit[*selftest.NoopLongResult], error) {
	return nil, nil
}

func (s selftests) Echo(_ context.Context, _ *gorm.DB, args *selftest.EchoArgs) (*selftest.EchoResult, error) {
	if args.GetText() == "wait" {
		<-s.free
	}
	return &selftest.EchoResult{Text: args.GetText(), Number: args.GetNumber(), Flag: args.Flag == nil || args.GetFlag(), Labels: args.GetLabels(), List: args.GetList()}, nil
}

// Fail fails for good, panics, or succeeds at the second attempt.
func (selftests) Fail(ctx context.Context, _ *gorm.DB, args *selftest.FailArgs) (*selftest.FailResult, error) {
	run := task.RunFrom(ctx)
	switch {
	case args.GetKind() == "permanent":
		return nil, task.Permanent(errors.New("the range is reversed"))
	case args.GetKind() == "panic":
		panic("a mistake of ours")
	case run.Attempt == 1:
		return nil, errors.New("once")
	}
	return &selftest.FailResult{Attempt: int32(run.Attempt)}, nil
}

func (s selftests) Slow(ctx context.Context, run contract.Run, args *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
	run.Progress(1, int64(args.GetSteps()), "working")
	if args.GetSteps() < 0 {
		select {
		case <-s.free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func(*gorm.DB) (*selftest.SlowResult, error) { return &selftest.SlowResult{Steps: args.GetSteps()}, nil }, nil
}

// reporter runs one task of the contract reports; nobody here sends the others.
type reporter struct{ reports.TasksHandler }

func (reporter) SelfTest(_ context.Context, _ contract.Run, args *reports.SelfTestArgs) (contract.Commit[*reports.SelfTestResult], error) {
	return func(*gorm.DB) (*reports.SelfTestResult, error) {
		return &reports.SelfTestResult{Note: args.GetNote(), RanBy: "wire"}, nil
	}, nil
}
