package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/cron"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/task"
)

// mostReason is how much of a reason is printed, in characters; the cause stands at its end.
const mostReason = 500

// answer is what one part of the system said.
type answer struct {
	Who    string `json:"who"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func newPing(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "ping", Short: "Ask whether everything is there: database, broker, cron, worker processes, and a consumer for each queue",
		Long: `The database and the broker are asked. Cron and the worker processes are known by the signs of life they leave in the database (every 30 s, and every 3 s), and that somebody consumes each queue is known
from the broker. A process that fell silent without a goodbye is listed for an hour, but fails nothing if its queues have a consumer. Exit code 6 when something is missing.

To see a task go through a worker and come back: makola call inventory.self_test --arg note=hello --wait 10s (and reports.self_test for a LONG one).`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := e.load(&struct {
				Database databaseConfig
				Broker   brokerConfig
			}{}); err != nil {
				return err // a faulty setting is wrong use, not a server that is down
			}
			var answers, broker []answer
			var work sync.WaitGroup
			work.Go(func() { broker = e.pingBroker(c.Context()) }) // neither's silence keeps the other from answering
			answers = e.pingDatabase(c.Context())
			work.Wait()
			answers = append(answers, broker...)
			rows := [][]string{}
			missing := 0
			for _, a := range answers {
				word := "ok"
				if !a.OK {
					word = "MISSING"
					missing++
				}
				rows = append(rows, []string{a.Who, word, a.Detail})
			}
			if err := e.print(answers, []string{"WHO", "ANSWER", "DETAIL"}, rows); err != nil {
				return err
			}
			if missing > 0 {
				return fmt.Errorf("%w: %d of %d do not answer", errUnwell, missing, len(answers))
			}
			return nil
		},
	}
}

// pingDatabase asks the database, and reads there how cron and the worker processes are.
func (e *env) pingDatabase(ctx context.Context) []answer {
	db, err := e.openDatabase(ctx)
	if err != nil {
		return []answer{{"database", false, oneLine(err.Error(), mostReason)}}
	}
	defer func() { _ = db.Close() }()
	begin := time.Now()
	var jobs []*cron.Job
	var processes []task.Process
	err = db.InSystem(ctx, func(tx *gorm.DB) (err error) {
		if jobs, err = cron.Jobs(tx); err == nil {
			processes, err = task.Processes(tx)
		}
		return err
	})
	if err != nil {
		return []answer{{"database", false, oneLine(err.Error(), mostReason)}}
	}
	list := []answer{{"database", true, fmt.Sprintf("schema version %d, read in %s", postgres.SchemaVersion(), time.Since(begin).Round(time.Millisecond))}, cronAnswer(jobs)}
	for i := range processes {
		p := &processes[i]
		name := fmt.Sprintf("%s@%s:%d", p.Service, p.Host, p.PID)
		switch {
		case p.Alive():
			list = append(list, answer{name, true, "sign of life " + p.Silent.Round(time.Second).String() + " ago"})
		case p.StoppedAt == nil && p.Silent < time.Hour:
			list = append(list, answer{name, true, "fell silent " + p.Silent.Round(time.Second).String() + " ago, without a goodbye"})
		}
	}
	return list
}

func cronAnswer(jobs []*cron.Job) answer {
	var silent time.Duration
	for i, j := range jobs {
		if age := j.ReadAt.Sub(j.SeenAt); i == 0 || age < silent {
			silent = max(age, 0)
		}
	}
	if len(jobs) == 0 {
		return answer{"cron", false, "has never run on this database"}
	}
	return answer{"cron", silent <= cronSilentAfter, fmt.Sprintf("sign of life %s ago", silent.Round(time.Second))}
}

// pingBroker asks the broker who consumes each queue.
func (e *env) pingBroker(ctx context.Context) []answer {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begin := time.Now()
	conn, err := e.connect(wait, "makola ping", rabbit.Topology{})
	if err != nil {
		return []answer{{"broker", false, oneLine(err.Error(), mostReason)}}
	}
	defer stop(ctx, conn)
	list := []answer{{"broker", true, "connected in " + time.Since(begin).Round(time.Millisecond).String()}}
	for _, q := range rabbit.Queues() {
		state, err := conn.QueueState(wait, q)
		if err != nil {
			list = append(list, answer{"queue " + q, false, oneLine(err.Error(), mostReason)})
			continue
		}
		list = append(list, answer{"queue " + q, state.Consumers > 0, fmt.Sprintf("consumers: %d, messages that wait: %d", state.Consumers, state.Ready)})
	}
	return list
}
