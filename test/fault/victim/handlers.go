package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

// handlers run the self-test tasks. Each leaves one row in fault.effect per run that is committed, which is what "exactly once" is counted by.
// A row in fault.conduct makes a task behave badly.
type handlers struct {
	db    *postgres.DB
	tasks *selftest.Tasks
}

// Noop implements selftest.TasksHandler.
func (h *handlers) Noop(ctx context.Context, tx *gorm.DB, _ *selftest.NoopArgs) (*selftest.NoopResult, error) {
	return nil, h.run(ctx, tx, task.RunFrom(ctx).ID)
}

// NoopBatch implements selftest.TasksHandler.
func (h *handlers) NoopBatch(ctx context.Context, tx *gorm.DB, items []*contract.Item[*selftest.NoopBatchArgs, *selftest.NoopBatchResult]) error {
	ids := make([]uuid.UUID, len(items))
	for i, it := range items {
		ids[i] = it.Run.ID
	}
	return h.run(ctx, tx, ids...)
}

// NoopLong implements selftest.TasksHandler.
func (h *handlers) NoopLong(ctx context.Context, run contract.Run, _ *selftest.NoopLongArgs) (contract.Commit[*selftest.NoopLongResult], error) {
	commit, err := h.long(ctx, run)
	return func(tx *gorm.DB) (*selftest.NoopLongResult, error) { return nil, commit(tx) }, err
}

// fanOut is what Echo is told, to have it enqueue selftest.noop_batch for every active business.
const fanOut = "for every business"

// Echo implements selftest.TasksHandler.
func (h *handlers) Echo(ctx context.Context, tx *gorm.DB, args *selftest.EchoArgs) (*selftest.EchoResult, error) {
	if args.GetText() == fanOut {
		if _, err := task.Each(ctx, tx, h.tasks.NoopBatch, func(uuid.UUID) *selftest.NoopBatchArgs { return &selftest.NoopBatchArgs{} }); err != nil {
			return nil, err
		}
	}
	return &selftest.EchoResult{Text: args.GetText()}, h.run(ctx, tx, task.RunFrom(ctx).ID)
}

// Fail implements selftest.TasksHandler.
func (h *handlers) Fail(ctx context.Context, tx *gorm.DB, _ *selftest.FailArgs) (*selftest.FailResult, error) {
	return nil, h.run(ctx, tx, task.RunFrom(ctx).ID)
}

// Slow implements selftest.TasksHandler.
func (h *handlers) Slow(ctx context.Context, run contract.Run, args *selftest.SlowArgs) (contract.Commit[*selftest.SlowResult], error) {
	for i := range args.GetSteps() {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
		run.Progress(int64(i+1), int64(args.GetSteps()), "")
	}
	commit, err := h.long(ctx, run)
	return func(tx *gorm.DB) (*selftest.SlowResult, error) {
		return &selftest.SlowResult{Steps: args.GetSteps()}, commit(tx)
	}, err
}

// run is the work of a SHORT task, or of BATCH tasks together.
func (h *handlers) run(ctx context.Context, tx *gorm.DB, ids ...uuid.UUID) error {
	var bad []string
	err := postgres.Query(tx, func(rows pgx.Rows) (err error) {
		bad, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}, "select conduct from fault.conduct where task_id = any($1)", ids)
	if err != nil {
		return fmt.Errorf("look up conduct: %w", err)
	}
	for _, c := range bad {
		if err := misbehave(ctx, c); err != nil {
			return err
		}
	}
	return effect(tx, ids...)
}

// long is the work of a LONG task.
func (h *handlers) long(ctx context.Context, run contract.Run) (commit func(tx *gorm.DB) error, err error) {
	if err := pause(ctx, time.Duration(run.ID[15]%20)*time.Millisecond); err != nil {
		return nil, err
	}
	var conduct string
	err = h.db.Pool().QueryRow(ctx, "select conduct from fault.conduct where task_id = $1", run.ID).Scan(&conduct)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("look up conduct: %w", err)
	}
	if err := misbehave(ctx, conduct); err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) error { return effect(tx, run.ID) }, nil
}

func effect(tx *gorm.DB, ids ...uuid.UUID) error {
	if _, err := postgres.Exec(tx, "insert into fault.effect (task_id, pid) select unnest($1::uuid[]), $2", ids, os.Getpid()); err != nil {
		return fmt.Errorf("write effect: %w", err)
	}
	return nil
}

// misbehave does what the test asked for.
func misbehave(ctx context.Context, conduct string) error {
	switch conduct {
	case "exit":
		os.Exit(3)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "error":
		return errors.New("it always fails")
	case "gibberish": // what a foreign server's answer may drag into an error
		return errors.New("bad answer: \x00 \xff\xfe")
	case "refused": // another server that is down, such as a payment provider or a mail server
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", "127.0.0.1:1")
		if err != nil {
			return fmt.Errorf("ask the other server: %w", err)
		}
		return c.Close()
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
