package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/cron"
	"makola/pkg/task"
	"makola/proto/catalogue"
)

const scheduleHelp = `Jobs are what cron enqueues by itself: cron keeps writing its table down, and this is what is shown. A job's slot becomes a task, or is recorded as skipped with the reason. Whoever pauses,
resumes or runs a job says why; that is kept in the audit log (makola audit --entity schedule).`

func newSchedule(e *env) *cobra.Command {
	c := group("schedule", "Show the schedule, and pause, resume and run its jobs", newScheduleList(e), newScheduleExplain(e), newScheduleRun(e),
		newScheduleSteer(e, "pause", "Keep a job's slots from running", "Once this has returned no slot of the job runs until it is resumed. The slots are recorded as skipped, and never made up for. A job that is paused already: exit code 4.", cron.PauseJob),
		newScheduleSteer(e, "resume", "Let a paused job run again, from its next slot on", "What was skipped is not made up for: makola schedule run does that. A job that is not paused: exit code 4.", cron.ResumeJob))
	c.Long = scheduleHelp
	return c
}

// jobLine is a job as it is printed.
type jobLine struct {
	Name     string          `json:"name"`
	Task     string          `json:"task"`
	Args     json.RawMessage `json:"args"`
	When     string          `json:"when"`
	Missed   string          `json:"missed"`
	Overlap  string          `json:"overlap"`
	State    string          `json:"state"` // active, paused or waiting
	PausedBy string          `json:"paused_by,omitempty"`
	PausedAt *time.Time      `json:"paused_at,omitempty"`
	Reason   string          `json:"pause_reason,omitempty"`
	Next     *time.Time      `json:"next_at"`
	Last     *runLine        `json:"last_run"`
	Skipped  int             `json:"skipped_last_7_days"`
	SeenAt   time.Time       `json:"seen_at"`
}

// runLine is what became of a slot or a request, as it is printed.
type runLine struct {
	Slot        *time.Time      `json:"slot,omitempty"`
	At          time.Time       `json:"at"`
	Status      string          `json:"status"` // skipped, forgotten, or the task's
	Skipped     string          `json:"skipped,omitempty"`
	RequestedBy string          `json:"requested_by,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	Task        *uuid.UUID      `json:"task_id,omitempty"`
	Seconds     *float64        `json:"seconds,omitempty"`
	Result      json.RawMessage `json:"result,omitempty"`
	Error       string          `json:"error,omitempty"`
}

func jobLineOf(j *cron.Job) jobLine {
	l := jobLine{Name: j.Name, Task: j.Task, Args: j.Args, When: j.Words(), Missed: j.Missed.String(), Overlap: j.Overlap.String(), State: "active", Skipped: j.Skipped, SeenAt: j.SeenAt.UTC()}
	if j.Pause != nil {
		l.State, l.PausedBy, l.PausedAt, l.Reason = "paused", j.Pause.By, &j.Pause.At, j.Pause.Reason
	}
	if j.Waits {
		l.State = "waiting"
	}
	if next := j.NextSlots(1); l.State == "active" && len(next) > 0 {
		l.Next = &next[0]
	}
	if j.Last != nil {
		last := runLineOf(j.Last)
		l.Last = &last
	}
	return l
}

func runLineOf(r *cron.Run) runLine {
	l := runLine{Slot: r.Slot, At: r.At, Skipped: r.Skipped, RequestedBy: r.RequestedBy, Reason: r.Reason, Result: r.Result, Error: r.Error}
	switch {
	case r.Skipped != "":
		l.Status = "skipped"
		return l
	case r.State == "":
		l.Status = "forgotten"
	default:
		l.Status = (&task.View{State: r.State}).Status()
	}
	l.Task = &r.Task
	if r.FinishedAt != nil {
		took := r.Took().Seconds()
		l.Seconds = &took
	}
	return l
}

// took is how long a run worked, for people.
func (l *runLine) took() string {
	if l.Seconds == nil {
		return "-"
	}
	return time.Duration(*l.Seconds * float64(time.Second)).Round(time.Millisecond).String()
}

// minute writes an instant in UTC to the minute; nothing for none.
func minute(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func newScheduleList(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List every job with its next and last run", Args: exactly(0),
		Long: `LAST is the newest run that became a task, TOOK how long that worked, and SKIPPED how many slots of the last seven days were skipped: makola schedule explain says why.`,
		RunE: func(c *cobra.Command, _ []string) error {
			var jobs []*cron.Job
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				jobs, err = cron.Jobs(tx)
				return err
			})
			if err != nil {
				return err
			}
			list, rows := []jobLine{}, [][]string{}
			for _, j := range jobs {
				l := jobLineOf(j)
				list = append(list, l)
				last, status, took := "-", "-", "-"
				if l.Last != nil {
					last, status, took = minute(&l.Last.At), l.Last.Status, l.Last.took()
				}
				rows = append(rows, []string{l.Name, l.Task, l.When, l.State, minute(l.Next), last, status, took, fmt.Sprint(l.Skipped)})
			}
			if err := e.print(list, []string{"NAME", "TASK", "WHEN", "STATE", "NEXT", "LAST", "RESULT", "TOOK", "SKIPPED"}, rows); err != nil {
				return err
			}
			e.warnOfSilence(c.Context(), jobs)
			return nil
		},
	}
}

// cronSilentAfter is after how long without a sign of life no cron runs: it gives one every half minute.
const cronSilentAfter = 2 * time.Minute

// warnOfSilence says on standard error that no cron runs, as far as its rows tell.
func (e *env) warnOfSilence(ctx context.Context, jobs []*cron.Job) {
	var seen, now time.Time
	for _, j := range jobs {
		if now = j.ReadAt; j.SeenAt.After(seen) {
			seen = j.SeenAt
		}
	}
	switch {
	case len(jobs) == 0:
		e.log.WarnContext(ctx, "no cron has ever run on this database")
	case now.Sub(seen) > cronSilentAfter:
		e.log.WarnContext(ctx, "no cron runs: nothing is scheduled", "last_heard_of", seen.UTC().Format(time.RFC3339))
	}
}

// explained is one job with everything there is to say of it.
type explained struct {
	jobLine
	Does  string      `json:"does"`
	Words []string    `json:"policy"`
	Slots []time.Time `json:"next_slots"`
	Runs  []runLine   `json:"runs"`
}

func newScheduleExplain(e *env) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "explain NAME", Short: "Say what a job does, when it runs next, and what became of its slots", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			var x explained
			err := e.inSystem(c.Context(), func(tx *gorm.DB) error {
				j, err := cron.Find(tx, args[0])
				if err != nil {
					return err
				}
				runs, err := cron.Runs(tx, args[0], limit)
				if err != nil {
					return err
				}
				x = explained{jobLine: jobLineOf(j), Does: catalogue.Description(j.Task), Words: []string{j.Missed.Words(), j.Overlap.Words()}, Slots: j.NextSlots(5), Runs: []runLine{}}
				for i := range runs {
					x.Runs = append(x.Runs, runLineOf(&runs[i]))
				}
				return nil
			})
			if err != nil {
				return err
			}
			return e.printExplained(&x)
		},
	}
	c.Flags().IntVar(&limit, "limit", 10, "most slots and requests of the past to show, up to 100")
	return c
}

func (e *env) printExplained(x *explained) error {
	if e.format == "json" {
		return e.print(x, nil, nil)
	}
	does := x.Does
	if does == "" {
		does = "this makola does not know the task"
	}
	rows := [][]string{{"job", x.Name}, {"task", x.Task}, {"arguments", string(x.Args)}, {"does", does}, {"runs", x.When}, {"policy", strings.Join(x.Words, " ")}}
	switch x.State {
	case "paused":
		rows = append(rows, []string{"paused", minute(x.PausedAt) + " by " + x.PausedBy + ": " + oneLine(x.Reason, 300)})
	case "waiting":
		rows = append(rows, []string{"waiting", "for its task: nothing implements it yet"})
	}
	if err := e.print(nil, nil, rows); err != nil {
		return err
	}
	next := [][]string{}
	for i := range x.Slots {
		note := ""
		if x.State != "active" {
			note = "will not run"
		}
		next = append(next, []string{"  " + minute(&x.Slots[i]) + " UTC", x.Slots[i].Weekday().String(), note})
	}
	if err := e.section("next slots", next); err != nil {
		return err
	}
	past := [][]string{}
	for _, r := range x.Runs {
		what := "slot " + minute(r.Slot)
		if r.Slot == nil {
			what = minute(&r.At) + " by " + r.RequestedBy
		}
		id, detail := "", r.Skipped
		if r.Task != nil {
			id, detail = r.Task.String(), strings.TrimSpace(r.Reason+" "+string(r.Result)+" "+r.Error)
		}
		past = append(past, []string{"  " + what, r.Status, r.took(), id, oneLine(detail, 120)})
	}
	return e.section("the past, newest first", past)
}

func newScheduleSteer(e *env, use, short, long string, steer func(tx *gorm.DB, name, reason string, who cron.Who) error) *cobra.Command {
	var r request
	c := &cobra.Command{
		Use: use + " NAME", Short: short, Long: long, Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.decided(); err != nil {
				return err
			}
			var l jobLine
			err := e.inSystem(c.Context(), func(tx *gorm.DB) error {
				if err := steer(tx, args[0], r.reason, r.who()); err != nil {
					return err
				}
				j, err := cron.Find(tx, args[0])
				if err == nil {
					l = jobLineOf(j)
				}
				return err
			})
			if err != nil {
				return err
			}
			return e.print(l, nil, [][]string{{l.Name + " is " + l.State}})
		},
	}
	e.actorFlag(c, &r.actor)
	c.Flags().StringVar(&r.reason, "reason", "", "why; kept in the audit log (required)")
	return c
}

// who is the operator, as the schedule and the audit log remember them.
func (r *request) who() cron.Who { return cron.Who{Actor: "operator:" + r.actor} }

func newScheduleRun(e *env) *cobra.Command {
	var r request
	var key string
	c := &cobra.Command{
		Use: "run NAME", Short: "Run a job now, besides its slots",
		Long: `Enqueues the job's task at once, also while the job is paused. Where the job forbids overlap and a run of it is unfinished, this is refused: exit code 4. With --key the command may be repeated:
the same key is run once. With --wait it waits for the task's end: exit code 6 if that is no success, or has not come in time.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.decided(); err != nil {
				return err
			}
			return r.start(c.Context(), e, func(tx *gorm.DB, queue *task.Queue) (id uuid.UUID, err error) {
				id, _, err = cron.RunJob(c.Context(), tx, queue, args[0], cron.Request{Who: r.who(), Reason: r.reason, Key: key})
				return id, err
			})
		},
	}
	e.actorFlag(c, &r.actor)
	c.Flags().StringVar(&r.reason, "reason", "", "why; kept with the run and in the audit log (required)")
	c.Flags().DurationVar(&r.wait, "wait", 0, "how long to wait for the task to end; 0 does not wait")
	c.Flags().StringVar(&key, "key", "", "your own name for this run, so that repeating the command runs once")
	return c
}
