package task

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/celery"
	"makola/pkg/postgres"
)

// maxRevoked and revokedFor bound what a worker remembers of revoked tasks; they are Celery's.
const (
	maxRevoked = 50_000
	revokedFor = 3 * time.Hour
)

// RevokedID is the id of a task that must not start, and when this worker learned of it.
type RevokedID struct {
	ID string
	At time.Time
}

// revokedSet remembers revoked tasks for a while. It matters for messages that have no row yet; what has one is cancelled there. The zero value works.
type revokedSet struct {
	mu    sync.RWMutex
	byID  map[uuid.UUID]RevokedID
	order []uuid.UUID // the keys of byID, oldest first
}

// add remembers ids; one that is known keeps its time.
func (s *revokedSet) add(now time.Time, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[uuid.UUID]RevokedID{}
	}
	for _, id := range ids {
		key := celery.TaskUUID(id)
		if _, known := s.byID[key]; !known {
			s.byID[key] = RevokedID{id, now}
			s.order = append(s.order, key)
		}
	}
	for len(s.order) > maxRevoked || len(s.order) > 0 && now.Sub(s.byID[s.order[0]].At) >= revokedFor {
		delete(s.byID, s.order[0])
		s.order = s.order[1:]
	}
}

func (s *revokedSet) has(id uuid.UUID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.byID[id]
	return ok && time.Since(r.At) < revokedFor
}

// since returns when the id was learned of.
func (s *revokedSet) since(id uuid.UUID) time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[id].At
}

func (s *revokedSet) forget(id uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
	s.order = slices.DeleteFunc(s.order, func(known uuid.UUID) bool { return known == id })
}

func (s *revokedSet) list() []RevokedID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]RevokedID, 0, len(s.byID))
	for _, r := range s.byID {
		if time.Since(r.At) < revokedFor {
			list = append(list, r)
		}
	}
	return list
}

// Remember keeps ids from starting here, as another worker was told.
func (w *Worker) Remember(ids []string) { w.revoked.add(time.Now(), ids...) }

// Revoked returns what this worker keeps from starting.
func (w *Worker) Revoked() []RevokedID { return w.revoked.list() }

// Revoke keeps tasks from starting in this process, by the ids their publishers gave them. With terminate it also stops LONG ones that run here, which it returns, beside those
// that cannot be stopped, because they run in one short transaction or are about to commit. CancelRevoked does the same in the database.
func (w *Worker) Revoke(ids []string, terminate bool) (terminated, unstoppable []string) {
	w.Remember(ids)
	if !terminate {
		return nil, nil
	}
	byRow := make(map[uuid.UUID]string, len(ids))
	for _, id := range ids {
		byRow[celery.TaskUUID(id)] = id
	}
	return w.held.terminate(byRow)
}

// CancelRevoked cancels tasks in the database, those of this worker's queues that have not started, and with terminate those that run; their holders learn of it by their next
// heartbeat. It tells monitors and waiting clients, and returns how many it changed. by is kept in their history. Every worker is told of a revoke and does this; a row is
// cancelled by the first. db is asked rather than the worker's own connections, which all may be held by tasks.
func (w *Worker) CancelRevoked(ctx context.Context, db *postgres.DB, ids []string, terminate bool, by string) (int, error) {
	rows := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		rows[i] = celery.TaskUUID(id)
	}
	var cancelled []*claimed
	err := db.InSystem(ctx, func(tx *gorm.DB) (err error) {
		cancelled, err = revokeRows(tx, rows, w.cfg.Queues, terminate, by)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cancel revoked tasks: %w", err)
	}
	for _, c := range cancelled {
		if c.state != Cancelled {
			continue // it runs; its holder tells how it ended
		}
		w.tell(c, Cancelled, nil)
		v := verdict{state: Cancelled, kind: KindCancelled}
		w.watchFailure(c, v, errCancelled)
		w.answerFailure(ctx, c, v, errCancelled)
	}
	return len(cancelled), nil
}

// revokeRows is Cancel for many tasks at once, of some queues, and leaves running ones alone unless they are to be terminated.
func revokeRows(tx *gorm.DB, ids []uuid.UUID, queues []string, terminate bool, by string) (cancelled []*claimed, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			c := &claimed{}
			var rawOrigin []byte
			if err := rows.Scan((*[16]byte)(&c.id), &c.tenant, &c.name, &c.state, &c.attempt, &rawOrigin); err != nil {
				return fmt.Errorf("read cancelled task: %w", err)
			}
			if c.origin, err = parseOrigin(rawOrigin); err != nil {
				return err
			}
			cancelled = append(cancelled, c)
		}
		return rows.Err()
	}, `with held as (select id, state from task.task where id = any($1) and queue = any($3)
		and (state in ('pending', 'published') or $4 and state = 'running' and not cancel_requested) order by id for update skip locked) `+
		cancelHeldSQL+` returning t.id, t.tenant_id, t.name, t.state, t.attempt, t.origin`, ids, by, queues, terminate)
	return cancelled, err
}

// terminate stops the handlers of those among the ids that run here.
func (t *holds) terminate(ids map[uuid.UUID]string) (terminated, unstoppable []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for h := range t.now {
		id, asked := ids[h.id]
		switch {
		case !asked || h.started.IsZero():
		case h.abort == nil:
			unstoppable = append(unstoppable, id)
		default:
			h.abort(errCancelled)
			terminated = append(terminated, id)
		}
	}
	slices.Sort(terminated)
	slices.Sort(unstoppable)
	return terminated, unstoppable
}

// replayed reports whether an operator replayed a task after it was revoked: that is the later decision.
func (w *Worker) replayed(ctx context.Context, c *claimed) (yes bool, err error) {
	err = w.inSystem(ctx, `select exists (select from task.task t, jsonb_array_elements(t.history) h where t.id = $1 and h->>'event' = 'replay' and (h->>'at')::timestamptz > $2)`,
		[]any{c.id, w.revoked.since(c.id)}, &yes)
	return yes, err
}

// Scheduled is a task that waits for its time.
type Scheduled struct {
	ID       string // as its publisher wrote it
	Name     string
	Queue    string
	Args     json.RawMessage
	Kwargs   json.RawMessage
	At       time.Time
	Attempts int
}

// Scheduled returns the tasks of this worker's queues that wait for a time of their own, or for their next attempt, the next due first. db is as for Revoke.
func (w *Worker) Scheduled(ctx context.Context, db *postgres.DB, limit int) (list []Scheduled, err error) {
	err = db.InSystem(ctx, func(tx *gorm.DB) error {
		return postgres.Query(tx, func(rows pgx.Rows) error {
			for rows.Next() {
				c := &claimed{}
				s := Scheduled{}
				var rawOrigin []byte
				if err := rows.Scan((*[16]byte)(&c.id), &s.Name, &s.Queue, &s.Kwargs, &s.At, &s.Attempts, &rawOrigin); err != nil {
					return fmt.Errorf("read scheduled task: %w", err)
				}
				if c.origin, err = parseOrigin(rawOrigin); err != nil {
					return err
				}
				s.ID = c.wireID()
				if c.origin != nil {
					s.Args = c.origin.Args
				}
				list = append(list, s)
			}
			return rows.Err()
		}, `select id, name, queue, args, available_at, attempt, origin from task.task
			where state = 'pending' and available_at > now() and queue = any($1) order by available_at, id limit $2`, w.cfg.Queues, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("list scheduled tasks: %w", err)
	}
	return list, nil
}
