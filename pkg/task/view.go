package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// View is a task as people see it: what GET /tasks/{id} answers and what the operator's command prints.
type View struct {
	ID       uuid.UUID
	TenantID *uuid.UUID
	// CreatedBy is who asked for it; nil when nobody did.
	CreatedBy *uuid.UUID
	Name      string
	Queue     string
	State     State
	Attempts  int
	Args      json.RawMessage
	Result    json.RawMessage
	Error     string
	// ErrorKind is one of the Kind constants, or empty.
	ErrorKind     string
	Progress      *Progress
	CreatedAt     time.Time
	PublishedAt   *time.Time
	StartedAt     *time.Time
	FinishedAt    *time.Time
	NextAttemptAt *time.Time
	History       []HistoryEntry
}

// Status is the public word for the state: queued, processing, completed, failed or cancelled.
func (v *View) Status() string {
	switch v.State {
	case Running:
		return "processing"
	case Succeeded:
		return "completed"
	case Failed:
		return "failed"
	case Cancelled:
		return "cancelled"
	case Pending, Published:
		return "queued"
	default:
		return "queued"
	}
}

// WaitingFor says why a task that is queued does not start yet, when that is known; else it is empty.
func (v *View) WaitingFor() string {
	if v.ErrorKind == KindThrottled && (v.State == Pending || v.State == Published) {
		return v.Error
	}
	return ""
}

// LastError is what the last attempt failed of. To wait is not to fail.
func (v *View) LastError() string {
	if v.ErrorKind == KindThrottled {
		return ""
	}
	return v.Error
}

// Percent is the progress from 0 to 100; a completed task is at 100.
func (v *View) Percent() int {
	if v.State == Succeeded {
		return 100
	}
	return v.Progress.Percent()
}

const viewColumns = `id, tenant_id, created_by, name, queue, state, attempt, args, result, coalesce(error, ''), coalesce(error_kind, ''), progress,
	created_at, published_at, started_at, finished_at, case when state = 'pending' then available_at end, history`

// scanView reads viewColumns, and what stands behind them into more.
func scanView(rows pgx.Rows, more ...any) (*View, error) {
	v := &View{}
	var progress, history []byte
	err := rows.Scan(append([]any{&v.ID, &v.TenantID, &v.CreatedBy, &v.Name, &v.Queue, &v.State, &v.Attempts, &v.Args, &v.Result, &v.Error, &v.ErrorKind, &progress,
		&v.CreatedAt, &v.PublishedAt, &v.StartedAt, &v.FinishedAt, &v.NextAttemptAt, &history}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("read task: %w", err)
	}
	if len(progress) > 0 {
		v.Progress = &Progress{}
		if err := json.Unmarshal(progress, v.Progress); err != nil {
			return nil, fmt.Errorf("read progress of task %s: %w", v.ID, err)
		}
	}
	if err := json.Unmarshal(history, &v.History); err != nil {
		return nil, fmt.Errorf("read history of task %s: %w", v.ID, err)
	}
	return v, nil
}

// Get returns one task that tx may see. ErrNotFound also stands for another tenant's task.
func Get(tx *gorm.DB, id uuid.UUID) (*View, error) {
	views, err := list(tx, `select `+viewColumns+` from task.task where id = $1`, id)
	if err != nil {
		return nil, err
	}
	if len(views) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return views[0], nil
}

// Filter narrows List. Zero fields do not filter.
type Filter struct {
	States []State
	Name   string
	Queue  string
	// CreatedBy is who asked for the task.
	CreatedBy uuid.UUID
	// Before is a cursor: only tasks older than this one. Ids are UUIDv7, so their order is the order of creation.
	Before uuid.UUID
	// Limit is at most 100, and 20 when zero.
	Limit int
}

// List returns the tasks that tx may see, newest first.
func List(tx *gorm.DB, f Filter) ([]*View, error) {
	if f.Limit <= 0 {
		f.Limit = 20
	}
	where, args := []string{"true"}, []any{}
	narrow := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	// Row security would hide the others anyway; naming the tenant lets an index do so.
	if business, err := postgres.Owner(tx); err == nil {
		narrow("tenant_id = $%d", business)
	}
	if f.CreatedBy != uuid.Nil {
		narrow("created_by = $%d", f.CreatedBy)
	}
	if len(f.States) > 0 {
		states := make([]string, len(f.States))
		for i, s := range f.States {
			states[i] = string(s)
		}
		narrow("state = any($%d)", states)
	}
	if f.Name != "" {
		narrow("name = $%d", f.Name)
	}
	if f.Queue != "" {
		narrow("queue = $%d", f.Queue)
	}
	if f.Before != uuid.Nil {
		narrow("id < $%d", f.Before)
	}
	args = append(args, min(f.Limit, 100))
	return list(tx, fmt.Sprintf(`select %s from task.task where %s order by id desc limit $%d`, viewColumns, strings.Join(where, " and "), len(args)), args...)
}

func list(tx *gorm.DB, query string, args ...any) (views []*View, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			v, err := scanView(rows)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
		return rows.Err()
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	return views, nil
}

// Hasten lets tasks that wait (see Waiting) try again at once, because what they wait for may have come. Others, and those that somebody is just about to start, stay as they are.
func Hasten(tx *gorm.DB, ids []uuid.UUID) error {
	_, err := postgres.Exec(tx, `update task.task t set available_at = clock_timestamp() from (
		select id from task.task where id = any($1) and state = 'pending' and error_kind = 'throttled' and available_at > clock_timestamp() for update skip locked) w where t.id = w.id`, ids)
	if err != nil {
		return fmt.Errorf("hasten tasks: %w", err)
	}
	return nil
}

// CancelResult says what Cancel achieved.
type CancelResult string

// The outcomes of Cancel.
const (
	CancelDone      CancelResult = "cancelled"        // it will not start
	CancelRequested CancelResult = "requested"        // it is running; its worker learns of it within seconds
	CancelTooLate   CancelResult = "already_finished" // it has ended, or is about to
)

// cancelHeldSQL cancels the locked rows of held: at once those that have not started, by their next heartbeat those that run. $2 names who asked.
const cancelHeldSQL = `update task.task t set
	state = case when held.state = 'running' then t.state else 'cancelled' end, cancel_requested = true,
	finished_at = case when held.state = 'running' then null else clock_timestamp() end,
	error_kind = case when held.state = 'running' then t.error_kind else 'cancelled' end,
	error = case when held.state = 'running' then t.error else 'cancelled before it started' end,
	history = t.history || jsonb_build_object('at', clock_timestamp(), 'event', 'cancel', 'attempt', t.attempt, 'by', $2::text)
from held where t.id = held.id`

// Cancel stops a task that tx may see: at once when it has not started, within seconds when it is a LONG one that runs. by names the person.
// A SHORT or BATCH task that is running holds its row, and is too late to cancel. ErrNotFound also stands for another tenant's task.
func Cancel(tx *gorm.DB, id uuid.UUID, by string) (CancelResult, error) {
	var state State
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		if !rows.Next() {
			return errNoRow
		}
		defer rows.Close()
		return rows.Scan(&state)
	}, `with held as (select id, state from task.task where id = $1 and state in ('pending', 'published', 'running') for update skip locked) `+
		cancelHeldSQL+` returning t.state`, id, by)
	switch {
	case errors.Is(err, errNoRow):
		if _, err := Get(tx, id); err != nil {
			return "", err
		}
		return CancelTooLate, nil
	case err != nil:
		return "", fmt.Errorf("cancel task %s: %w", id, err)
	case state == Running:
		return CancelRequested, nil
	default:
		return CancelDone, nil
	}
}

var errNoRow = errors.New("no row")
