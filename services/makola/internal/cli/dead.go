package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/rabbit"
	"makola/pkg/task"
)

const deadHelp = `Two things are dead letters: a task that failed (permanent error, attempts used up, three crashes), and a message that could not become a
task at all (broken JSON, too large, another protocol). Both wait until somebody replays or discards them; who did, and why, is kept in
task.operator_action.`

func newDead(e *env) *cobra.Command {
	c := group("dead", "List, show, replay and discard dead letters", newDeadList(e), newDeadShow(e), newDeadReplay(e), newDeadDiscard(e))
	c.Long = deadHelp
	return c
}

func newDeadList(e *env) *cobra.Command {
	var limit int
	var name, queue string
	c := &cobra.Command{
		Use: "list", Short: "List failed tasks and open dead messages, newest first", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			var tasks []*task.View
			var letters []task.DeadLetter
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				tasks, err = task.List(tx, task.Filter{States: []task.State{task.Failed}, Name: name, Queue: queue, Limit: limit})
				if err == nil {
					letters, err = task.DeadLetters(tx, name, queue, limit)
				}
				return err
			})
			if err != nil {
				return err
			}
			return e.printDead(tasks, letters)
		},
	}
	c.Flags().StringVar(&name, "name", "", "only tasks, and messages, of this name")
	c.Flags().StringVar(&queue, "queue", "", "only this queue")
	c.Flags().IntVar(&limit, "limit", 20, "most of each kind to list, up to 100")
	return c
}

func (e *env) printDead(tasks []*task.View, letters []task.DeadLetter) error {
	type entry struct {
		Kind      string    `json:"kind"` // task or message
		ID        uuid.UUID `json:"id"`
		Name      string    `json:"name"`
		Queue     string    `json:"queue"`
		Reason    string    `json:"reason"`
		Error     string    `json:"error"`
		DiedAt    string    `json:"died_at"`
		SizeBytes int64     `json:"size_bytes,omitempty"`
	}
	list := []entry{}
	for _, t := range tasks {
		list = append(list, entry{Kind: "task", ID: t.ID, Name: t.Name, Queue: t.Queue, Reason: t.ErrorKind, Error: t.Error, DiedAt: clock(t.FinishedAt)})
	}
	for _, l := range letters {
		list = append(list, entry{Kind: "message", ID: l.ID, Name: l.TaskName, Queue: l.Queue, Reason: l.Reason, Error: l.Detail, DiedAt: clock(&l.ReceivedAt), SizeBytes: l.SizeBytes})
	}
	rows := make([][]string, len(list))
	for i, d := range list {
		rows[i] = []string{d.Kind, d.ID.String(), d.Name, d.Queue, d.Reason, d.DiedAt, oneLine(d.Error, 60)}
	}
	return e.print(list, []string{"KIND", "ID", "NAME", "QUEUE", "REASON", "DIED", "ERROR"}, rows)
}

func newDeadShow(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one dead letter: a task's story, or a message's headers and payload", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			var s *story
			var l *letter
			err = e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				if s, err = tell(tx, id); errors.Is(err, task.ErrNotFound) {
					l, err = findLetter(tx, id)
				}
				return err
			})
			switch {
			case err != nil:
				return err
			case l != nil:
				return e.printLetter(l)
			default:
				return e.printStory(s)
			}
		},
	}
}

func (e *env) printLetter(l *letter) error {
	payload := l.Payload
	if l.PayloadBase64 != "" {
		payload = "(base64) " + l.PayloadBase64
	}
	rows := [][]string{
		{"message", l.ID.String()}, {"queue", l.Queue}, {"reason", l.Reason}, {"detail", l.Detail}, {"message id", l.MessageID}, {"task", l.TaskName},
		{"received", clock(&l.ReceivedAt)}, {"size", fmt.Sprintf("%d bytes, %d kept", l.SizeBytes, len(l.raw))},
		{"headers", string(l.Headers)}, {"payload", oneLine(payload, 4000)},
	}
	if l.Closed != "" {
		rows = append(rows, []string{l.Closed, "by " + l.ClosedBy})
	}
	return e.print(l, nil, rows)
}

func newDeadReplay(e *env) *cobra.Command {
	return decision(e, "replay ID", "Give a dead letter another life",
		`Gives a failed task all its attempts again, at once. A message is published again as it was, with a confirm, to its queue; that needs
AMQP_URL. A message of which only the first part was kept cannot be replayed: exit code 4.`,
		func(ctx context.Context, d deed) (string, error) {
			err := d.tx(func(tx *gorm.DB) error { return task.Replay(tx, d.id, d.actor, d.reason) })
			if !errors.Is(err, task.ErrNotFound) {
				return "task is pending again", err
			}
			return "message is published again", e.replayLetter(ctx, d, err)
		})
}

func newDeadDiscard(e *env) *cobra.Command {
	return decision(e, "discard ID", "Close a dead letter for good",
		`The row stays, as cancelled or discarded, until it is pruned; it is no dead letter any more.`,
		func(_ context.Context, d deed) (string, error) {
			err := d.tx(func(tx *gorm.DB) error { return task.Discard(tx, d.id, d.actor, d.reason) })
			if !errors.Is(err, task.ErrNotFound) {
				return "task is discarded", err
			}
			err = d.tx(func(tx *gorm.DB) error { return d.closeLetter(tx, "discard", err) })
			return "message is discarded", err
		})
}

// deed is one decision about one dead letter.
type deed struct {
	id            uuid.UUID
	actor, reason string
	tx            func(fn func(tx *gorm.DB) error) error // one platform transaction
}

// closeLetter closes the letter; notTask is what asking for a task of this id answered, and is the better answer when there is no letter either.
func (d deed) closeLetter(tx *gorm.DB, action string, notTask error) error {
	if _, err := findLetter(tx, d.id); errors.Is(err, task.ErrNotFound) {
		return notTask
	} else if err != nil {
		return err
	}
	return task.CloseDeadLetter(tx, d.id, action, d.actor, d.reason)
}

// decision makes a command that decides about one dead letter.
func decision(e *env, use, short, long string, do func(ctx context.Context, d deed) (string, error)) *cobra.Command {
	var actor, reason string
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			if strings.TrimSpace(reason) == "" {
				return fmt.Errorf("%w: say why with --reason", errUsage)
			}
			db, err := e.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			outcome, err := do(c.Context(), deed{id: id, actor: actor, reason: reason, tx: func(fn func(tx *gorm.DB) error) error { return db.InSystem(c.Context(), fn) }})
			if err != nil {
				return err
			}
			return e.print(map[string]any{"id": id, "outcome": outcome}, nil, [][]string{{outcome}})
		},
	}
	e.actorFlag(c, &actor)
	c.Flags().StringVar(&reason, "reason", "", "why; kept with the decision (required)")
	return c
}

// replayLetter publishes a dead message again. The letter is closed first and committed last, so that two operators cannot both send it;
// when the commit is lost after the confirm it stays open, and a second replay finds the first one's task by its id.
func (e *env) replayLetter(ctx context.Context, d deed, notTask error) error {
	return d.tx(func(tx *gorm.DB) error {
		if err := d.closeLetter(tx, "replay", notTask); err != nil {
			return err
		}
		l, err := findLetter(tx, d.id)
		if err != nil {
			return err
		}
		msg, err := l.message()
		if err != nil {
			return err
		}
		conn, err := e.connect(ctx, "makola dead replay", rabbit.Topology{})
		if err != nil {
			return err
		}
		defer stop(ctx, conn)
		if err := conn.NewPublisher(rabbit.PublisherOptions{}).PublishBatch(ctx, []rabbit.Publishing{msg})[0]; err != nil {
			return fmt.Errorf("publish dead letter %s again: %w", d.id, err)
		}
		return nil
	})
}
