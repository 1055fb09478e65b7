package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// requestHelp ends the help of commands that change the books.
const requestHelp = `
The role makola_operator cannot change the books, so this asks billing-worker to, by a task, and waits for its end (--wait, 30 s; 0 does not wait). The
decision is kept in the audit log with who made it and why.`

// request is what an operator wants billing-worker to do.
type request struct {
	actor, reason string
	wait          time.Duration
}

// flags adds --actor, --reason and --wait.
func (r *request) flags(e *env, c *cobra.Command) {
	e.actorFlag(c, &r.actor)
	c.Flags().StringVar(&r.reason, "reason", "", "why; kept with the decision (required)")
	c.Flags().DurationVar(&r.wait, "wait", 30*time.Second, "how long to wait for the task to end; 0 does not wait")
}

// decided refuses a request without a reason.
func (r *request) decided() error {
	if strings.TrimSpace(r.reason) == "" {
		return fmt.Errorf("%w: say why with --reason", errUsage)
	}
	return nil
}

// run enqueues what fn asks for, waits for the task, and prints its end. A task that failed is a refusal; its error says why.
func (r *request) run(ctx context.Context, e *env, fn func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error)) error {
	return r.enqueue(ctx, e, func(tx *gorm.DB, queue *task.Queue) (contract.ID, error) { return fn(tx, aifeatures.NewTasks(queue)) })
}

// enqueue is run for the tasks of any queue.
func (r *request) enqueue(ctx context.Context, e *env, fn func(tx *gorm.DB, queue *task.Queue) (contract.ID, error)) error {
	db, err := e.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	queue := task.NewQueue(db, nil, task.QueueConfig{})
	var id contract.ID
	if err := db.InSystem(ctx, func(tx *gorm.DB) (err error) {
		id, err = fn(tx, queue)
		return err
	}); err != nil {
		return err
	}
	v, err := r.await(ctx, db, id)
	if err != nil {
		return err
	}
	if v.State == task.Failed {
		return fmt.Errorf("%w: task %s failed: %s", errRefused, id, v.Error)
	}
	outcome := "task " + id.String() + " is " + v.Status()
	if len(v.Result) > 0 {
		outcome += ": " + string(v.Result)
	}
	return e.print(map[string]any{"task": id, "status": v.Status(), "result": v.Result}, nil, [][]string{{outcome}})
}

// await looks at the task until it has ended or the patience is over.
func (r *request) await(ctx context.Context, db *postgres.DB, id uuid.UUID) (v *task.View, err error) {
	limit, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	for {
		err = db.InSystem(ctx, func(tx *gorm.DB) (err error) {
			v, err = task.Get(tx, id)
			return err
		})
		if err != nil || v.State.Terminal() || !pause(limit, 100*time.Millisecond) {
			return v, err
		}
	}
}

// start enqueues what fn asks for and prints the task, or waits for its end if that is wanted. A task that is waited for and does not succeed in time is errUnwell.
func (r *request) start(ctx context.Context, e *env, fn func(tx *gorm.DB, queue *task.Queue) (contract.ID, error)) error {
	db, err := e.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var id contract.ID
	if err := db.InSystem(ctx, func(tx *gorm.DB) (err error) {
		id, err = fn(tx, task.NewQueue(db, nil, task.QueueConfig{}))
		return err
	}); err != nil {
		return err
	}
	v, err := r.await(ctx, db, id)
	if err != nil {
		return err
	}
	outcome := "task " + id.String() + " is " + v.Status()
	if len(v.Result) > 0 {
		outcome += ": " + string(v.Result)
	}
	if err := e.print(map[string]any{"task": id, "status": v.Status(), "result": v.Result, "error": v.Error}, nil, [][]string{{outcome}}); err != nil {
		return err
	}
	switch {
	case r.wait <= 0 || v.State == task.Succeeded:
		return nil
	case v.State.Terminal():
		return fmt.Errorf("%w: task %s is %s: %s", errUnwell, id, v.Status(), v.Error)
	default:
		return fmt.Errorf("%w: task %s has not ended within %s; makola task show %s tells how it goes on", errUnwell, id, r.wait, id)
	}
}
