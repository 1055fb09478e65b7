package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/services/makola/internal/demo"
)

func newDemo(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Buy credits on the running stack, and print all that followed",
		Long: `Registers a fresh shop at the gateway, buys the package "value", pays it at the Paystack simulator, waits for the credits and the receipt,
and prints the purchase, the tasks with their timelines, the ledger and the mail. Every wait ends after 30 s with an error that says what
did not happen. GATEWAY_URL, SIMULATOR_URL and MAIL_URL say where the servers are.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := e.refuseProduction("demo"); err != nil {
				return err
			}
			var cfg demoConfig
			if err := e.load(&cfg); err != nil {
				return err
			}
			db, err := e.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			r, err := demo.Run(c.Context(), demo.Stack{Gateway: cfg.GatewayURL, Simulator: cfg.SimulatorURL, Mail: cfg.MailURL})
			if err != nil {
				return err
			}
			stories, err := awaitStories(c.Context(), db, r)
			if err != nil {
				return err
			}
			return e.printDemo(r, stories)
		},
	}
}

// settleWait is how long the demonstration waits for the last task to be finished: the mail may be in the viewer before its task says so.
const settleWait = 10 * time.Second

// awaitStories reads what the registration and the purchase set off, as soon as all of it has ended.
func awaitStories(ctx context.Context, db *postgres.DB, r *demo.Result) (stories []*story, err error) {
	wait, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	for {
		open := 0
		err := db.InSystem(ctx, func(tx *gorm.DB) error {
			ids, err := demoTasks(tx, r.Business.ID, r.Purchase.Reference)
			if err != nil {
				return err
			}
			stories = stories[:0]
			for _, id := range ids {
				s, err := tell(tx, id)
				if err != nil {
					return err
				}
				if !s.State.Terminal() {
					open++
				}
				stories = append(stories, s)
			}
			return nil
		})
		if err != nil || open == 0 {
			return stories, err
		}
		if !pause(wait, 100*time.Millisecond) {
			return stories, nil // shown as they are
		}
	}
}

// demoTasks finds the tasks of one business and those about one payment, oldest first. The webhook's task belongs to nobody: when it is enqueued
// only the reference is known.
func demoTasks(tx *gorm.DB, business uuid.UUID, reference string) (ids []uuid.UUID, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) (err error) {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	}, `with mine as (select id, coalesce(root_id, id) as root from task.task
			where tenant_id = $1 or (created_at > now() - interval '10 minutes' and args->>'payment_reference' = $2))
		select t.id from task.task t where t.id in (select id from mine) or t.root_id in (select root from mine) order by t.created_at, t.id limit 50`, business, reference)
	if err != nil {
		return nil, fmt.Errorf("find the tasks of the demonstration: %w", err)
	}
	return ids, nil
}

func (e *env) printDemo(r *demo.Result, stories []*story) error {
	if e.format == "json" {
		return e.print(map[string]any{"demo": r, "tasks": stories}, nil, nil)
	}
	_, _ = fmt.Fprintf(e.out, "registered %s (%s)\n", r.Business.Name, r.Business.Email)
	offers := make([][]string, len(r.Packages))
	for i, p := range r.Packages {
		offers[i] = []string{"  " + p.Package, p.Credits + " + " + p.Bonus + " credits", p.BaseAmount + " + " + p.TotalTax + " tax", p.TotalAmount + " " + p.Currency}
	}
	p := r.Purchase
	if err := e.section("packages", offers); err != nil {
		return err
	}
	err := e.section("purchase", [][]string{
		{"  reference", p.Reference}, {"  package", p.Package.Package + ", " + p.TotalAmount + " " + p.Currency},
		{"  status", p.Status + " at " + clock(p.CompletedAt)}, {"  balance", r.Before + " -> " + r.After + " credits, " + r.Took.Round(time.Millisecond).String() + " after paying"},
	})
	if err != nil {
		return err
	}
	for _, s := range stories {
		if err := e.section(fmt.Sprintf("task %s  %s  %s", s.Name, s.ID, s.State), timelineRows(s.Timeline)); err != nil {
			return err
		}
	}
	ledger := make([][]string, len(r.Ledger))
	for i, l := range r.Ledger {
		ledger[i] = []string{"  " + clock(&l.CreatedAt), l.Kind, l.Source, l.Delta, l.Reference}
	}
	if err := e.section("ledger", ledger); err != nil {
		return err
	}
	for _, m := range r.Mails {
		_, _ = fmt.Fprintf(e.out, "\nmail \"%s\"\n%s\n", m.Subject, indent(m.Text))
	}
	return nil
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")), "\n", "\n  ")
}
