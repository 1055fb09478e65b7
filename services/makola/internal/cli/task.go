package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/task"
)

func newTask(e *env) *cobra.Command {
	return group("task", "List, show and cancel tasks", newTaskList(e), newTaskShow(e), newTaskCancel(e))
}

func newTaskList(e *env) *cobra.Command {
	var f task.Filter
	var states []string
	var before string
	c := &cobra.Command{
		Use: "list", Short: "List tasks, newest first", Args: exactly(0),
		Long: `Tasks that are waiting or at work, and failed ones, are found by their state at once. A search for few others, by a name or queue that is rare or by another state, goes through every task that is kept:
some 2 s for two millions. Of a job of the schedule makola schedule explain knows the runs without a search.`,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, s := range states {
				if !slices.Contains(allStates(), task.State(s)) {
					return fmt.Errorf("%w: unknown state %q; states are %v", errUsage, s, allStates())
				}
				f.States = append(f.States, task.State(s))
			}
			if before != "" {
				id, err := parseID(before)
				if err != nil {
					return err
				}
				f.Before = id
			}
			var views []*task.View
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				views, err = task.List(tx, f)
				return err
			})
			if err != nil {
				return err
			}
			list := make([]taskLine, len(views))
			rows := make([][]string, len(views))
			for i, v := range views {
				list[i] = lineOf(v)
				rows[i] = []string{v.ID.String(), v.Name, string(v.State), fmt.Sprint(v.Attempts), clock(&v.CreatedAt), oneLine(v.Error, 60)}
			}
			return e.print(list, []string{"ID", "NAME", "STATE", "ATTEMPT", "CREATED", "ERROR"}, rows)
		},
	}
	c.Flags().StringSliceVar(&states, "state", nil, "only these states: pending, published, running, succeeded, failed, cancelled")
	c.Flags().StringVar(&f.Name, "name", "", "only tasks of this name, such as notifications.send_email")
	c.Flags().StringVar(&f.Queue, "queue", "", "only tasks of this queue")
	c.Flags().StringVar(&before, "before", "", "only tasks older than the one with this id; continues a list")
	c.Flags().IntVar(&f.Limit, "limit", 20, "most tasks to list, up to 100")
	return c
}

func allStates() []task.State {
	return []task.State{task.Pending, task.Published, task.Running, task.Succeeded, task.Failed, task.Cancelled}
}

func newTaskCancel(e *env) *cobra.Command {
	var actor string
	c := &cobra.Command{
		Use: "cancel ID", Short: "Cancel a task",
		Long: `Cancels a task that has not started at once, and asks a LONG one that runs to stop, which takes some seconds. A SHORT or BATCH task
that is running, and one that has ended, is too late to cancel: exit code 4.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			result, err := e.cancel(c.Context(), id, actor)
			if err != nil {
				return err
			}
			return e.print(map[string]any{"id": id, "result": result}, nil, [][]string{{string(result)}})
		},
	}
	e.actorFlag(c, &actor)
	return c
}

func (e *env) cancel(ctx context.Context, id uuid.UUID, actor string) (result task.CancelResult, err error) {
	err = e.inSystem(ctx, func(tx *gorm.DB) (err error) {
		if result, err = task.Cancel(tx, id, actor); err != nil || result == task.CancelTooLate {
			return err
		}
		return task.RecordAction(tx, actor, "cancel", &id, nil, "")
	})
	if err == nil && result == task.CancelTooLate {
		err = fmt.Errorf("%w: task %s has ended, or is about to", errRefused, id)
	}
	return result, err
}

// actorFlag adds --actor: who does this, kept with what was done.
func (e *env) actorFlag(c *cobra.Command, actor *string) {
	c.Flags().StringVar(actor, "actor", e.lookup("USER"), "who does this; kept in the history (default $USER)")
	c.PreRunE = func(*cobra.Command, []string) error {
		if strings.TrimSpace(*actor) == "" {
			return fmt.Errorf("%w: $USER is not set; say who you are with --actor", errUsage)
		}
		return nil
	}
}

func parseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil {
		return id, fmt.Errorf("%w: %q is no id; ids look like 0193a0e6-5f9c-7c3e-8a44-0123456789ab", errUsage, s)
	}
	return id, nil
}
