package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/cron"
	"makola/pkg/rabbit"
	"makola/pkg/task"
	"makola/proto/catalogue"
	"makola/proto/contract"
)

func newWorkers(e *env) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "workers", Short: "List the worker processes, and when each last gave a sign of life", Args: exactly(0),
		Long: `STATE is alive, silent (no sign of life for 15 s and no goodbye: it crashed, or is cut off from the database) or stopped. LONG is how many LONG tasks it works on. Without --all, processes that stopped or
fell silent more than an hour ago are left out.`,
		RunE: func(c *cobra.Command, _ []string) error {
			var processes []task.Process
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				processes, err = task.Processes(tx)
				return err
			})
			if err != nil {
				return err
			}
			type line struct {
				ID        uuid.UUID `json:"id"`
				Service   string    `json:"service"`
				Host      string    `json:"host"`
				PID       int       `json:"pid"`
				State     string    `json:"state"`
				StartedAt time.Time `json:"started_at"`
				Silent    float64   `json:"silent_seconds"`
				Long      int       `json:"long_tasks"`
			}
			list, rows := []line{}, [][]string{}
			for i := range processes {
				p := &processes[i]
				if !all && !p.Alive() && p.Silent > time.Hour {
					continue
				}
				l := line{p.ID, p.Service, p.Host, p.PID, processState(p), p.StartedAt.UTC(), p.Silent.Seconds(), p.Long}
				list = append(list, l)
				rows = append(rows, []string{p.ID.String(), p.Service, p.Host, fmt.Sprint(p.PID), l.State, clock(&p.StartedAt), p.Silent.Round(time.Second).String(), fmt.Sprint(p.Long)})
			}
			return e.print(list, []string{"ID", "SERVICE", "HOST", "PID", "STATE", "STARTED", "SILENT FOR", "LONG"}, rows)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also those that ended more than an hour ago, as far as they are kept (KEEP_WORKERS)")
	return c
}

func processState(p *task.Process) string {
	switch {
	case p.StoppedAt != nil:
		return "stopped"
	case p.Alive():
		return "alive"
	default:
		return "silent"
	}
}

func newActive(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "active", Short: "List the tasks that are being worked on at this moment, the longest first", Args: exactly(0),
		Long: `A LONG task names the worker process that holds it. A SHORT or BATCH one works inside a transaction, and is known by the lock on its row: WORKER is then that transaction's database role.
Most work for milliseconds, so an empty list is no sign of idleness: makola stats tells what was done.`,
		RunE: func(c *cobra.Command, _ []string) error {
			var doing []task.Doing
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				doing, err = task.Active(tx)
				return err
			})
			if err != nil {
				return err
			}
			type line struct {
				taskLine
				StartedAt  *time.Time     `json:"started_at,omitempty"`
				Worker     *uuid.UUID     `json:"worker_id,omitempty"`
				LeaseUntil *time.Time     `json:"lease_until,omitempty"`
				Role       string         `json:"database_role,omitempty"`
				PID        int            `json:"database_pid,omitempty"`
				Progress   *task.Progress `json:"progress,omitempty"`
			}
			list, rows := []line{}, [][]string{}
			for _, d := range doing {
				l := line{lineOf(d.View), d.StartedAt, d.Worker, d.LeaseUntil, d.Holder, d.HolderPID, d.Progress}
				who, progress := d.Holder, ""
				if d.Worker != nil {
					who = d.Worker.String()
				}
				if d.Progress != nil {
					progress = fmt.Sprintf("%d of %d", d.Progress.Done, d.Progress.Total)
				}
				list = append(list, l)
				rows = append(rows, []string{d.ID.String(), d.Name, fmt.Sprint(d.Attempts), clock(d.StartedAt), who, progress})
			}
			return e.print(list, []string{"ID", "NAME", "ATTEMPT", "STARTED", "WORKER", "PROGRESS"}, rows)
		},
	}
}

func newScheduled(e *env) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "scheduled", Short: "List the tasks that wait for a time to come: retries and those that were put off, the soonest first", Args: exactly(0),
		Long: `These are tasks that exist. What cron will enqueue is listed by makola schedule list.`,
		RunE: func(c *cobra.Command, _ []string) error {
			var views []*task.View
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				views, err = task.Delayed(tx, limit)
				return err
			})
			if err != nil {
				return err
			}
			type line struct {
				taskLine
				At *time.Time `json:"at"`
			}
			list, rows := []line{}, [][]string{}
			for _, v := range views {
				list = append(list, line{lineOf(v), v.NextAttemptAt})
				rows = append(rows, []string{v.ID.String(), v.Name, clock(v.NextAttemptAt), fmt.Sprint(v.Attempts), oneLine(v.Error, 80)})
			}
			return e.print(list, []string{"ID", "NAME", "AT", "ATTEMPT", "ERROR"}, rows)
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "most tasks to list, up to 1000")
	return c
}

// registeredTask is a task of the contracts, as it is printed.
type registeredTask struct {
	Name      string   `json:"name"`
	Aliases   []string `json:"aliases"`
	Queue     string   `json:"queue"`
	Mode      string   `json:"mode"`
	Arguments []string `json:"arguments"`
	Attempts  int      `json:"attempts"`
	Timeout   float64  `json:"timeout_seconds"`
	Jobs      []string `json:"jobs"`
	Does      string   `json:"does"`
}

func newRegistered(e *env) *cobra.Command {
	var queue string
	c := &cobra.Command{
		Use: "registered [TASK]", Short: "List the tasks that this release knows, or say everything of one",
		Long: `What the contracts of this makola declare; a worker of the same release handles all of them, for its queues. JOBS are the jobs of the schedule that enqueue the task, as far as DATABASE_URL is set.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%w: name one task at most", errUsage)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			jobs, err := e.jobsByTask(c.Context())
			if err != nil { // the contracts are known all the same
				e.log.WarnContext(c.Context(), "the database does not say which jobs enqueue which task", "error", oneLine(err.Error(), mostReason))
			}
			list := []registeredTask{}
			for _, d := range catalogue.All() {
				if queue == "" || d.Queue == queue {
					list = append(list, registeredTask{d.Name, append([]string{}, d.Aliases...), d.Queue, d.Mode.String(), parameters(d), d.MaxAttempts, d.Timeout.Seconds(), jobs[d.Name], catalogue.Description(d.Name)})
				}
			}
			if len(args) == 1 {
				d, err := findTask(args[0])
				if err != nil {
					return err
				}
				i := slices.IndexFunc(list, func(t registeredTask) bool { return t.Name == d.Name })
				if i < 0 {
					return fmt.Errorf("%w: %s is not of queue %s", errUsage, d.Name, queue)
				}
				return e.printRegistered(&list[i])
			}
			rows := [][]string{}
			for _, t := range list {
				rows = append(rows, []string{t.Name, t.Queue, t.Mode, fmt.Sprint(t.Attempts), (time.Duration(t.Timeout) * time.Second).String(), strings.Join(t.Arguments, ", "), strings.Join(t.Jobs, ", ")})
			}
			return e.print(list, []string{"NAME", "QUEUE", "MODE", "ATTEMPTS", "TIME LIMIT", "ARGUMENTS", "JOBS"}, rows)
		},
	}
	c.Flags().StringVar(&queue, "queue", "", "only tasks of this queue")
	return c
}

func (e *env) printRegistered(t *registeredTask) error {
	return e.print(t, nil, [][]string{{"task", t.Name}, {"does", t.Does}, {"queue", t.Queue}, {"mode", t.Mode}, {"arguments", strings.Join(t.Arguments, ", ")}, {"attempts", fmt.Sprint(t.Attempts)},
		{"time limit", (time.Duration(t.Timeout) * time.Second).String()}, {"aliases", strings.Join(t.Aliases, ", ")}, {"jobs", strings.Join(t.Jobs, ", ")}})
}

// jobsByTask names the jobs of each task; nothing where no database is named.
func (e *env) jobsByTask(ctx context.Context) (map[string][]string, error) {
	byTask := map[string][]string{}
	if e.lookup("DATABASE_URL") == "" && e.lookup("DATABASE_URL_FILE") == "" {
		return byTask, nil
	}
	err := e.inSystem(ctx, func(tx *gorm.DB) error {
		jobs, err := cron.Jobs(tx)
		for _, j := range jobs {
			byTask[j.Task] = append(byTask[j.Task], j.Name)
		}
		return err
	})
	return byTask, err
}

// findTask returns the task of that name or alias.
func findTask(name string) (*contract.Descriptor, error) {
	d := catalogue.Find(name)
	if d == nil {
		return nil, fmt.Errorf("%w: no contract declares %q; makola registered lists every task", task.ErrNotFound, name)
	}
	return d, nil
}

func newStats(e *env) *cobra.Command {
	var since time.Duration
	c := &cobra.Command{
		Use: "stats", Short: "Count the tasks that ended lately, by name, with how long they waited and worked", Args: exactly(0),
		Long: `WAIT is how long a task waited on average from when it was due until its last start, RUN how long its last attempt worked on average, and RUN 95% what 95 of 100 kept within. RETRIES are the attempts beyond
each task's first. It takes as long as the tasks that ended within the time are many: some 5 s for a million.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if since <= 0 {
				return fmt.Errorf("%w: --since is %s; write a time such as 1h", errUsage, since)
			}
			var stats []task.Statistics
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				stats, err = task.Stats(tx, since)
				return err
			})
			if err != nil {
				return err
			}
			type line struct {
				Name      string  `json:"name"`
				Queue     string  `json:"queue"`
				Succeeded int64   `json:"succeeded"`
				Failed    int64   `json:"failed"`
				Cancelled int64   `json:"cancelled"`
				Retries   int64   `json:"retries"`
				Wait      float64 `json:"wait_seconds"`
				Run       float64 `json:"run_seconds"`
				Run95     float64 `json:"run_seconds_95"`
			}
			list, rows := []line{}, [][]string{}
			for _, s := range stats {
				list = append(list, line{s.Name, s.Queue, s.Succeeded, s.Failed, s.Cancelled, s.Retries, s.Wait.Seconds(), s.Run.Seconds(), s.Run95.Seconds()})
				row := []string{s.Name}
				for _, n := range []int64{s.Succeeded, s.Failed, s.Cancelled, s.Retries} {
					row = append(row, fmt.Sprint(n))
				}
				for _, d := range []time.Duration{s.Wait, s.Run, s.Run95} {
					row = append(row, d.Round(100*time.Microsecond).String())
				}
				rows = append(rows, row)
			}
			return e.print(list, []string{"NAME", "SUCCEEDED", "FAILED", "CANCELLED", "RETRIES", "WAIT", "RUN", "RUN 95%"}, rows)
		},
	}
	c.Flags().DurationVar(&since, "since", time.Hour, "how far back to look")
	return c
}

// queueLine is a queue as it is printed. What the broker says is missing while it does not answer.
type queueLine struct {
	Queue     string  `json:"queue"`
	Due       int64   `json:"due"`
	Later     int64   `json:"later"`
	Published int64   `json:"published"`
	Running   int64   `json:"running"`
	Failed    int64   `json:"failed"`
	Oldest    float64 `json:"oldest_seconds"`
	Ready     *int    `json:"messages_ready"`
	Consumers *int    `json:"consumers"`
	Dead      *int    `json:"messages_dead"`
}

func newQueues(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "queues", Short: "Show how much waits in each queue, in the database and at the broker, and who consumes it", Args: exactly(0),
		Long: `From the database: DUE tasks wait to be published, LATER ones for their time, PUBLISHED ones are at the broker or in a worker's hands, RUNNING ones are LONG and at work, FAILED ones are dead letters; OLDEST is
how long the longest waiting one has been due. From the broker: messages READY in the queue, its CONSUMERS, and messages in its DEAD queue. Right after a broker's restart it may say 0 for some seconds.
While the broker does not answer, or a queue is missing there, its columns stay empty and the exit code is 6.`,
		RunE: func(c *cobra.Command, _ []string) error {
			var backlogs []task.Backlog
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				backlogs, err = task.Backlogs(tx)
				return err
			})
			if err != nil {
				return err
			}
			names := rabbit.Queues()
			lines := map[string]*queueLine{}
			for _, q := range names {
				lines[q] = &queueLine{Queue: q}
			}
			for _, b := range backlogs {
				if lines[b.Queue] == nil { // a queue that this release does not know
					names = append(names, b.Queue)
				}
				lines[b.Queue] = &queueLine{Queue: b.Queue, Due: b.Due, Later: b.Later, Published: b.Published, Running: b.Running, Failed: b.Failed, Oldest: b.Oldest.Seconds()}
			}
			unwell, err := e.askBroker(c.Context(), lines)
			if err != nil {
				return err
			}
			list, rows := []*queueLine{}, [][]string{}
			for _, q := range names {
				l := lines[q]
				list = append(list, l)
				row := []string{q}
				for _, n := range []int64{l.Due, l.Later, l.Published, l.Running, l.Failed} {
					row = append(row, fmt.Sprint(n))
				}
				row = append(row, time.Duration(l.Oldest*float64(time.Second)).Round(time.Second).String())
				for _, n := range []*int{l.Ready, l.Consumers, l.Dead} {
					text := "-"
					if n != nil {
						text = fmt.Sprint(*n)
					}
					row = append(row, text)
				}
				rows = append(rows, row)
			}
			if err := e.print(list, []string{"QUEUE", "DUE", "LATER", "PUBLISHED", "RUNNING", "FAILED", "OLDEST", "READY", "CONSUMERS", "DEAD"}, rows); err != nil {
				return err
			}
			return unwell
		},
	}
}

// askBroker adds what the broker says of each of our queues. unwell says that it does not answer for all of them.
func (e *env) askBroker(ctx context.Context, lines map[string]*queueLine) (unwell, err error) {
	if err := e.load(&brokerConfig{}); err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := e.connect(wait, "makola queues", rabbit.Topology{})
	if err != nil {
		return fmt.Errorf("%w: %w", errUnwell, err), nil
	}
	defer stop(ctx, conn)
	for _, q := range rabbit.Queues() {
		state, err := conn.QueueState(wait, q)
		if err != nil {
			unwell = fmt.Errorf("%w: %w", errUnwell, err)
			continue
		}
		lines[q].Ready, lines[q].Consumers = &state.Ready, &state.Consumers
		dead, err := conn.QueueDepth(wait, rabbit.DeadQueue(q))
		if err != nil {
			unwell = fmt.Errorf("%w: %w", errUnwell, err)
			continue
		}
		lines[q].Dead = &dead
	}
	return unwell, nil
}
