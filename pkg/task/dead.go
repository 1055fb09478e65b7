package task

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// DeadLetter is a message that could not become a task.
type DeadLetter struct {
	ID         uuid.UUID
	Queue      string
	Reason     string
	Detail     string
	MessageID  string
	TaskName   string
	Headers    json.RawMessage
	Payload    []byte
	SizeBytes  int64
	ReceivedAt time.Time
}

// DeadLetters returns the open dead letters of a task's name and a queue, newest first; at most limit. An empty name or queue is any.
func DeadLetters(tx *gorm.DB, name, queue string, limit int) (letters []DeadLetter, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var l DeadLetter
			if err := rows.Scan(&l.ID, &l.Queue, &l.Reason, &l.Detail, &l.MessageID, &l.TaskName, &l.Headers, &l.Payload, &l.SizeBytes, &l.ReceivedAt); err != nil {
				return err
			}
			letters = append(letters, l)
		}
		return rows.Err()
	}, `select id, queue, reason, detail, coalesce(message_id, ''), coalesce(task_name, ''), headers, payload, size_bytes, received_at from task.dead_letter
		where replayed_at is null and discarded_at is null and ($1 = '' or task_name = $1) and ($2 = '' or queue = $2) order by id desc limit $3`, name, queue, min(max(limit, 1), 100))
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return letters, nil
}

// Replay gives a failed or cancelled task all its attempts again, at once. actor and reason are kept. ErrNotFound when there is no such task, or it has not failed.
// tx must be a platform transaction (postgres.InSystem) of the operator's role.
func Replay(tx *gorm.DB, id uuid.UUID, actor, reason string) error {
	n, err := postgres.Exec(tx, `update task.task set state = 'pending', attempt = 1, available_at = clock_timestamp(), finished_at = null, started_at = null, result = null, error = null, error_kind = null,
		suspect = holders <> '{}' or coalesce(error_kind = 'crash_loop', false), holders = '{}', cancel_requested = false, expires_at = null, publish_errors = 0, resends = 0, progress = null,
		history = history || jsonb_build_object('at', clock_timestamp(), 'event', 'replay', 'attempt', attempt, 'by', $2::text)
		where id = $1 and state in ('failed', 'cancelled')`, id, actor)
	if err != nil {
		return fmt.Errorf("replay task %s: %w", id, err)
	}
	if n == 0 {
		return fmt.Errorf("replay task %s: %w in state failed or cancelled", id, ErrNotFound)
	}
	return RecordAction(tx, actor, "replay", &id, nil, reason)
}

// Discard closes a failed task for good: it stays as a row, in state cancelled, and is no dead letter any more.
func Discard(tx *gorm.DB, id uuid.UUID, actor, reason string) error {
	n, err := postgres.Exec(tx, `update task.task set state = 'cancelled',
		history = history || jsonb_build_object('at', clock_timestamp(), 'event', 'discard', 'attempt', attempt, 'by', $2::text) where id = $1 and state = 'failed'`, id, actor)
	if err != nil {
		return fmt.Errorf("discard task %s: %w", id, err)
	}
	if n == 0 {
		return fmt.Errorf("discard task %s: %w in state failed", id, ErrNotFound)
	}
	return RecordAction(tx, actor, "discard", &id, nil, reason)
}

// CloseDeadLetter marks a dead letter as dealt with: action is "replay", after the caller has published it again, or "discard".
func CloseDeadLetter(tx *gorm.DB, id uuid.UUID, action, actor, reason string) error {
	column := map[string]string{"replay": "replayed", "discard": "discarded"}[action]
	if column == "" {
		return fmt.Errorf("close dead letter %s: unknown action %q", id, action)
	}
	n, err := postgres.Exec(tx, `update task.dead_letter set `+column+`_at = now(), `+column+`_by = $2 where id = $1 and replayed_at is null and discarded_at is null`, id, actor)
	if err != nil {
		return fmt.Errorf("%s dead letter %s: %w", action, id, err)
	}
	if n == 0 {
		return fmt.Errorf("%s dead letter %s: %w among the open ones", action, id, ErrNotFound)
	}
	return RecordAction(tx, actor, action, nil, &id, reason)
}

// RecordAction keeps who did what to a task or a dead letter, and why. Role makola_operator.
func RecordAction(tx *gorm.DB, actor, action string, taskID, letterID *uuid.UUID, reason string) error {
	_, err := postgres.Exec(tx, `insert into task.operator_action (id, actor, action, task_id, dead_letter_id, reason) values ($1, $2, $3, $4, $5, $6)`,
		uuid.Must(uuid.NewV7()), actor, action, taskID, letterID, reason)
	if err != nil {
		return fmt.Errorf("record operator action: %w", err)
	}
	return nil
}

// Prune deletes tasks that ended before the given time, at most limit, oldest first, and returns how many. Failed ones are kept: they wait for a decision.
// Ids are UUIDv7, so the primary key finds the oldest; foreign tasks with other ids are found by their place in it and are pruned late at worst.
func Prune(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	n, err := postgres.Exec(tx, `delete from task.task where id in (select id from task.task where state in ('succeeded', 'cancelled') and finished_at < $1 order by id limit $2 for update skip locked)`, before, limit)
	if err != nil {
		return 0, fmt.Errorf("prune tasks: %w", err)
	}
	return n, nil
}
