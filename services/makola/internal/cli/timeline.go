package cli

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
)

// taskLine is a task in lists.
type taskLine struct {
	ID         uuid.UUID  `json:"id"`
	TenantID   *uuid.UUID `json:"tenant_id,omitempty"`
	ParentID   *uuid.UUID `json:"parent_id,omitempty"`
	Name       string     `json:"name"`
	Queue      string     `json:"queue"`
	State      task.State `json:"state"`
	Attempt    int        `json:"attempt"`
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
	Error      string     `json:"error,omitempty"`
	ErrorKind  string     `json:"error_kind,omitempty"`
}

func lineOf(v *task.View) taskLine {
	return taskLine{ID: v.ID, TenantID: v.TenantID, Name: v.Name, Queue: v.Queue, State: v.State, Attempt: v.Attempts,
		CreatedAt: v.CreatedAt, FinishedAt: v.FinishedAt, Error: v.Error, ErrorKind: v.ErrorKind}
}

// moment is one line of a task's timeline.
type moment struct {
	At      time.Time `json:"at"`
	Event   string    `json:"event"`
	Attempt int       `json:"attempt,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}

// story is one task with everything that happened to it, and the tasks it belongs with.
type story struct {
	taskLine
	Args     json.RawMessage `json:"args"`
	Result   json.RawMessage `json:"result,omitempty"`
	Progress *task.Progress  `json:"progress,omitempty"`
	Next     *time.Time      `json:"next_attempt_at,omitempty"`
	Timeline []moment        `json:"timeline"`
	// Family is the task that began it all and everything that followed from it within four days, this task included, in the order of creation.
	Family []taskLine `json:"family"`
}

func newTaskShow(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show what happened to one task, and to the tasks it belongs with", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			var s *story
			err = e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				s, err = tell(tx, id)
				return err
			})
			if err != nil {
				return err
			}
			return e.printStory(s)
		},
	}
}

// tell gathers a task's story.
func tell(tx *gorm.DB, id uuid.UUID) (*story, error) {
	v, err := task.Get(tx, id)
	if err != nil {
		return nil, err
	}
	s := &story{taskLine: lineOf(v), Args: v.Args, Result: v.Result, Progress: v.Progress, Next: v.NextAttemptAt, Timeline: timeline(v)}
	s.Family, err = family(tx, id)
	return s, err
}

func timeline(v *task.View) []moment {
	m := []moment{{At: v.CreatedAt, Event: "created"}}
	add := func(at *time.Time, event, detail string) {
		if at != nil {
			m = append(m, moment{At: *at, Event: event, Attempt: v.Attempts, Detail: detail})
		}
	}
	// Written down when the broker's confirm has come, so a quick worker may have started before.
	add(v.PublishedAt, "published", "confirmed by queue "+v.Queue)
	add(v.StartedAt, "started", "")
	for _, h := range v.History {
		detail := strings.TrimSpace(strings.Join([]string{h.Kind, h.Error}, " "))
		if h.By != "" {
			detail = strings.TrimSpace("by " + h.By + " " + detail)
		}
		m = append(m, moment{At: h.At, Event: h.Event, Attempt: h.Attempt, Detail: detail})
	}
	if v.State.Terminal() && !endsHistory(v) {
		add(v.FinishedAt, string(v.State), strings.TrimSpace(v.ErrorKind+" "+v.Error))
	}
	sort.SliceStable(m, func(i, j int) bool { return m[i].At.Before(m[j].At) })
	return m
}

// endsHistory reports whether the history's last entry tells the task's end already, as it does for most failures and cancellations.
func endsHistory(v *task.View) bool {
	if v.State == task.Succeeded || len(v.History) == 0 {
		return false
	}
	switch v.History[len(v.History)-1].Event {
	case "failed", "cancelled", "cancel", "discard":
		return true
	default:
		return false
	}
}

const (
	// familyAge is how much later than the first of a family its last is looked for. What is tried for longest is given up after three days.
	familyAge = 4 * 24 * time.Hour
	// idSlack is how much the clocks that make ids may differ from the database's.
	idSlack = time.Hour
)

// family reads the tasks with the same root as the given one. There is no index for that, because every task would pay for it: the ids of our own tasks begin with the time of
// their making, and so bound where those of the root's days are. Ids that Celery clients gave are chance, and nearly all beyond every time that was.
func family(tx *gorm.DB, id uuid.UUID) (list []taskLine, err error) {
	var root uuid.UUID
	var from, now time.Time
	err = postgres.QueryRow(tx, `select coalesce(t.root_id, t.id), case when t.root_id is null then t.created_at else coalesce(r.created_at, t.created_at - $2 * interval '1 second') end, clock_timestamp()
		  from task.task t left join task.task r on r.id = t.root_id where t.id = $1`, id, familyAge.Seconds()).Scan(&root, &from, &now)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil // it is not kept any more
	case err != nil:
		return nil, fmt.Errorf("read the root of task %s: %w", id, err)
	}
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var l taskLine
			if err := rows.Scan(&l.ID, &l.TenantID, &l.ParentID, &l.Name, &l.Queue, &l.State, &l.Attempt, &l.CreatedAt, &l.FinishedAt, &l.Error, &l.ErrorKind); err != nil {
				return err
			}
			list = append(list, l)
		}
		return rows.Err()
	}, `select t.id, t.tenant_id, t.parent_id, t.name, t.queue, t.state, t.attempt, t.created_at, t.finished_at, coalesce(t.error, ''), coalesce(t.error_kind, '')
		  from (select id from task.task where id in ($1, $2)
		        union select id from task.task where id >= $3 and id < $4 and root_id = $2
		        union select id from task.task where id >= $5 and root_id = $2) f
		  join task.task t on t.id = f.id
		 order by t.created_at, t.id limit 500`, id, root, postgres.FirstID(from.Add(-idSlack)), postgres.FirstID(from.Add(familyAge+idSlack)), postgres.FirstID(now.Add(idSlack)))
	if err != nil {
		return nil, fmt.Errorf("read the tasks around %s: %w", id, err)
	}
	return list, nil
}

func (e *env) printStory(s *story) error {
	if e.format == "json" {
		return e.print(s, nil, nil)
	}
	rows := [][]string{{"task", s.ID.String()}, {"name", s.Name}, {"queue", s.Queue}, {"state", string(s.State)}, {"attempt", fmt.Sprint(s.Attempt)}}
	if s.TenantID != nil {
		rows = append(rows, []string{"tenant", s.TenantID.String()})
	}
	rows = append(rows, []string{"args", string(s.Args)})
	if len(s.Result) > 0 {
		rows = append(rows, []string{"result", string(s.Result)})
	}
	if s.Progress != nil {
		rows = append(rows, []string{"progress", fmt.Sprintf("%d of %d %s", s.Progress.Done, s.Progress.Total, s.Progress.Note)})
	}
	if s.Error != "" {
		rows = append(rows, []string{"error", s.ErrorKind + " " + oneLine(s.Error, 300)})
	}
	if s.Next != nil {
		rows = append(rows, []string{"next attempt", clock(s.Next)})
	}
	if err := e.print(nil, nil, rows); err != nil {
		return err
	}
	if err := e.section("timeline", timelineRows(s.Timeline)); err != nil {
		return err
	}
	if len(s.Family) > 1 {
		return e.section("family", familyRows(s.Family, s.ID))
	}
	return nil
}

func (e *env) section(title string, rows [][]string) error {
	_, _ = fmt.Fprintf(e.out, "\n%s\n", title)
	return e.print(nil, nil, rows)
}

// timelineRows writes each moment with the time since the first.
func timelineRows(moments []moment) [][]string {
	rows := make([][]string, len(moments))
	for i, m := range moments {
		attempt := ""
		if m.Attempt > 0 {
			attempt = fmt.Sprintf("attempt %d", m.Attempt)
		}
		since := m.At.Sub(moments[0].At).Round(time.Millisecond)
		rows[i] = []string{"  " + clock(&m.At), "+" + since.String(), m.Event, attempt, oneLine(m.Detail, 120)}
	}
	return rows
}

// familyRows indents each task below its parent and marks the one that was asked for.
func familyRows(list []taskLine, me uuid.UUID) [][]string {
	depth := map[uuid.UUID]int{}
	rows := make([][]string, len(list))
	for i, l := range list {
		if l.ParentID != nil {
			if d, ok := depth[*l.ParentID]; ok {
				depth[l.ID] = d + 1
			}
		}
		if _, ok := depth[l.ID]; !ok {
			depth[l.ID] = 0
		}
		mark := "  "
		if l.ID == me {
			mark = "* "
		}
		rows[i] = []string{mark + strings.Repeat("  ", depth[l.ID]) + l.Name, l.ID.String(), string(l.State), clock(&l.CreatedAt), clock(l.FinishedAt)}
	}
	return rows
}
