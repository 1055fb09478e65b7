package task

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/celery"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
)

// continueChain inserts what a Celery client asked to run after this task, in the transaction that finishes it. A continuation on a queue we do not know fails the task:
// dropping it silently would look like success.
func (w *Worker) continueChain(_ context.Context, tx *gorm.DB, c *claimed, result string) error {
	if c.origin == nil || len(c.origin.Chain)+len(c.origin.Callbacks) == 0 {
		return nil
	}
	next, err := celery.OnSuccess(c.message(), json.RawMessage(result), time.Now())
	if err != nil {
		return Permanent(fmt.Errorf("continue after %s: %w", c.origin.ID, err))
	}
	return w.insertContinuations(tx, c, next)
}

// continueFailed inserts the errbacks of a task that failed for good.
func (w *Worker) continueFailed(tx *gorm.DB, c *claimed) error {
	if c.origin == nil || len(c.origin.Errbacks) == 0 {
		return nil
	}
	next, err := celery.OnFailure(c.message(), time.Now())
	if err != nil {
		return fmt.Errorf("continue after failure of %s: %w", c.origin.ID, err)
	}
	return w.insertContinuations(tx, c, next)
}

// message is the part of the foreign message that its continuations grow from.
func (c *claimed) message() *celery.Message {
	m := &celery.Message{ID: c.origin.ID, Task: c.name, RootID: rootOf(c).String(), Chain: c.origin.Chain, Callbacks: c.origin.Callbacks, Errbacks: c.origin.Errbacks}
	if c.tenant != nil {
		m.Headers = map[string]any{"tenant": c.tenant.String()}
	}
	return m
}

// continuationQueue is where a continuation goes: the queue it names, else the one its task's name begins with. Empty when that is none of ours.
func continuationQueue(m *celery.Message) string {
	queue := m.Queue
	if queue == "" {
		queue, _, _ = strings.Cut(m.Task, ".")
	}
	if !slices.Contains(rabbit.Queues(), queue) {
		return ""
	}
	return queue
}

func (w *Worker) insertContinuations(tx *gorm.DB, c *claimed, next []*celery.Message) error {
	for _, m := range next {
		queue := continuationQueue(m)
		if queue == "" {
			return Permanent(fmt.Errorf("continue after %s: task %q names no queue of ours", c.origin.ID, m.Task))
		}
		raw, err := json.Marshal(originOf(m))
		if err != nil {
			return fmt.Errorf("encode continuation %s: %w", m.ID, err)
		}
		_, err = postgres.Exec(tx, `insert into task.task (id, tenant_id, name, queue, args, available_at, expires_at, parent_id, root_id, origin)
			values ($1, $2, $3, $4, $5::jsonb, coalesce($6, now()), $7, $8, $9, $10) on conflict do nothing`,
			celery.TaskUUID(m.ID), c.tenant, m.Task, queue, kwargs(m.Kwargs), m.ETA, m.Expires, c.id, rootOf(c), string(raw))
		if err != nil {
			return fmt.Errorf("insert continuation %s of %s: %w", m.Task, c.origin.ID, err)
		}
		w.queue.wakeAfter(tx)
		c.children = append(c.children, m.ID)
	}
	return nil
}

func rootOf(c *claimed) uuid.UUID {
	if c.root == uuid.Nil {
		return c.id
	}
	return c.root
}

func kwargs(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "{}"
	}
	return string(raw)
}
