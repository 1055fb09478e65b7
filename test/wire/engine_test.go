package wire

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/proto/contract"
	reports "makola/proto/makola/reports/v1"
	selftest "makola/proto/makola/selftest/v1"
)

// engine is one worker process of ours, within the test, on the queues selftest and reports.
type engine struct {
	t      *testing.T
	broker *rabbittest.Broker
	look   *pgx.Conn
}

// newEngine starts a worker and its relay and stops them when the test ends.
func newEngine(t *testing.T) *engine {
	t.Helper()
	pg, broker := postgrestest.New(t), rabbittest.New(t)
	db, topology := pg.Open("makola_billing"), rabbit.Standard(queue, "reports")
	q := task.NewQueue(db, broker.Conn(t, topology), task.QueueConfig{PollInterval: 50 * time.Millisecond})
	w := task.NewWorker(db, broker.Conn(t, topology), q, task.WorkerConfig{Service: "wire", Queues: []string{queue, "reports"}})
	selftest.HandleTasks(w, selftests{})
	reports.HandleTasks(w, reporter{})
	if err := errors.Join(q.Start(t.Context()), w.Start(t.Context())); err != nil {
		t.Fatalf("start worker: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(w.Stop(ctx), q.Stop(ctx)); err != nil {
			t.Errorf("stop worker: %v", err)
		}
	})
	return &engine{t: t, broker: broker, look: pg.Admin()}
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
type selftests struct{}

func (selftests) Noop(context.Context, *gorm.DB, *selftest.NoopArgs) (*selftest.NoopResult, error) {
	return nil, nil
}

func (selftests) NoopBatch(context.Context, *gorm.DB, []*contract.Item[*selftest.NoopBatchArgs, *selftest.NoopBatchResult]) error {
	return nil
}

func (selftests) NoopLong(context.Context, contract.Run, *selftest.NoopLongArgs) (contract.Commit[*selftest.NoopLongResult], error) {
	return nil, nil
}

func (selftests) Echo(_ context.Context, _ *gorm.DB, args *selftest.EchoArgs) (*selftest.EchoResult, error) {
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

func (selftests) Slow(_ context.Context, run contract.Run, args *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
	run.Progress(1, int64(args.GetSteps()), "working")
	return func(*gorm.DB) (*selftest.SlowResult, error) { return &selftest.SlowResult{Steps: args.GetSteps()}, nil }, nil
}

// reporter runs one task of the contract reports; nobody here sends the others.
type reporter struct{ reports.TasksHandler }

func (reporter) SelfTest(_ context.Context, _ contract.Run, args *reports.SelfTestArgs) (contract.Commit[*reports.SelfTestResult], error) {
	return func(*gorm.DB) (*reports.SelfTestResult, error) {
		return &reports.SelfTestResult{Note: args.GetNote(), RanBy: "wire"}, nil
	}, nil
}
