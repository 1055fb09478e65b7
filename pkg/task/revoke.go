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

// Revocation is what became of a command to revoke.
type Revocation struct {
	// Terminated are those that ran here and have been told to stop.
	Terminated []string
	// Unstoppable are those that run here in one short transaction and come to their end.
	Unstoppable []string
	// Cancelled counts the rows of this worker's queues that this call cancelled, or asked to be cancelled by whoever runs them.
	Cancelled int
}

// Remember keeps ids from starting here, as another worker was told.
func (w *Worker) Remember(ids []string) { w.revoked.add(time.Now(), ids...) }

// Revoked returns what this worker keeps from starting.
func (w *Worker) Revoked() []RevokedID { return w.revoked.list() }

// Revoke keeps tasks from starting, by the ids their publishers gave them: at once in this process, and for good in the database, where they are cancelled when they stand in one
// of this worker's queues. With terminate it also stops LONG ones that run, here or elsewhere; by is kept in their history. Every worker is told of a revoke and does this; a row
// is cancelled by the first.
//
// db is asked rather than the worker's own connections, which all may be held by tasks. After an error the process still remembers the ids.
func (w *Worker) Revoke(ctx context.Context, db *postgres.DB, ids []string, terminate bool, by string) (r Revocation, err error) {
	w.Remember(ids)
	rows := make([]uuid.UUID, len(ids))
	byRow := make(map[uuid.UUID]string, len(ids))
	for i, id := range ids {
		rows[i] = celery.TaskUUID(id)
		byRow[rows[i]] = id
	}
	var cancelled []*claimed
	err = db.InSystem(ctx, func(tx *gorm.DB) (err error) {
		cancelled, err = revokeRows(tx, rows, w.cfg.Queues, terminate, by)
		return err
	})
	if terminate {
		r.Terminated, r.Unstoppable = w.held.terminate(byRow)
	}
	if err != nil {
		return r, fmt.Errorf("cancel revoked tasks: %w", err)
	}
	for _, c := range cancelled {
		r.Cancelled++
		if c.state != Cancelled {
			continue // it runs; its holder tells how it ended
		}
		w.tell(c, Cancelled, nil)
		v := verdict{state: Cancelled, kind: KindCancelled}
		w.watchFailure(c, v, errCancelled)
		w.answerFailure(ctx, c, v, errCancelled)
	}
	return r, nil
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
