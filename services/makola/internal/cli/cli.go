// Package cli is the command tree of makola. A command does one thing: it reads its settings from the environment, calls the package that
// knows the rules, and prints what happened, as a table for people or as JSON for programs.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"makola/pkg/billing"
	"makola/pkg/cron"
	"makola/pkg/service"
	"makola/pkg/task"
)

// The exit codes. They are part of the command's interface: scripts branch on them.
const (
	exitOK       = 0
	exitFailed   = 1 // something did not work; the message says what
	exitUsage    = 2 // unknown command or flag, missing argument, faulty setting
	exitNotFound = 3 // no such task, job, dead letter, purchase, subscription, review or event, or not in a state in which this can be done
	exitRefused  = 4 // understood and refused: too late to cancel, not in production
	exitFaults   = 5 // ledger check found faults
	exitUnwell   = 6 // something does not answer, or a task that was waited for did not succeed in time
)

const rootHelp = `makola is the operator's command.

Settings come from the environment: DATABASE_URL (the role makola_operator, except where a command names another) and AMQP_URL.
Secrets are never arguments; DATABASE_URL_FILE and AMQP_URL_FILE may name files that hold them.

Exit codes:
  0  done
  1  something did not work; the message says what
  2  wrong use: unknown command or flag, missing argument, faulty setting
  3  no such task, job, dead letter, purchase, subscription, review or event, or it is in no state for this
  4  refused: too late to cancel, against the rules of the books, or not allowed in production
  5  ledger check found faults
  6  something does not answer (ping, queues), or a task that was waited for did not succeed in time (call, schedule run)`

var (
	errRefused = errors.New("refused")
	errUsage   = errors.New("wrong use")
	errFaults  = errors.New("the ledger does not agree with itself")
	errUnwell  = errors.New("not well")
)

// Run executes one command line (without the program's name) with the given environment and returns the exit code. Results go to stdout,
// messages to stderr. Cancelling ctx ends the command.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	e := &env{vars: environ, out: stdout, log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	root := newRoot(e) //nolint:contextcheck // cobra hands each command the context of ExecuteContext
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintf(stderr, "makola: %v\n", err)
		return exitCode(err)
	}
	return exitOK
}

// env is what a command sees of the world around it.
type env struct {
	vars   []string
	out    io.Writer
	log    *slog.Logger
	format string
}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use: "makola", Short: "Operate Makola", Long: rootHelp,
		SilenceUsage: true, SilenceErrors: true, Args: known,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if e.format != "table" && e.format != "json" {
				return fmt.Errorf("%w: --output is %q; write table or json", errUsage, e.format)
			}
			return nil
		},
		RunE: help,
	}
	root.PersistentFlags().StringVarP(&e.format, "output", "o", "table", "table or json")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.AddCommand(newMigrate(e), newTopology(e), newSeed(e), newPing(e), newActive(e), newScheduled(e), newRegistered(e), newStats(e), newQueues(e), newWorkers(e), newTask(e), newCall(e),
		newSchedule(e), newDead(e), newLedger(e), newCredits(e), newSubscription(e), newReview(e), newWebhook(e), newGateways(e), newActivity(e), newAudit(e), newDocs(e), newDemo(e))
	return root
}

func exitCode(err error) int {
	var faults service.FaultList
	var unfinished *cron.UnfinishedError
	switch {
	case errors.Is(err, errFaults):
		return exitFaults
	case errors.Is(err, errUnwell):
		return exitUnwell
	case errors.Is(err, errRefused), errors.As(err, &unfinished), errors.Is(err, cron.ErrPaused), errors.Is(err, cron.ErrNotPaused), errors.Is(err, cron.ErrWaits), errors.Is(err, cron.ErrUnknownTask):
		return exitRefused
	case errors.Is(err, cron.ErrNotFound), errors.Is(err, task.ErrNotFound), errors.Is(err, billing.ErrNotFound), errors.Is(err, billing.ErrSubscriptionPaymentNotFound), errors.Is(err, billing.ErrReviewNotFound), errors.Is(err, billing.ErrEventNotFound),
		errors.Is(err, billing.ErrNoSubscription):
		return exitNotFound
	case errors.Is(err, errUsage), errors.As(err, &faults):
		return exitUsage
	default:
		return exitFailed
	}
}

// group makes a command that only holds others; alone it shows its help.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: known, RunE: help}
	c.AddCommand(commands...)
	return c
}

func help(c *cobra.Command, _ []string) error { return c.Help() }

// known refuses a word that is none of the command's own.
func known(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: unknown command %q; see %s --help", errUsage, args[0], c.CommandPath())
	}
	return nil
}

// lookup returns a variable of the environment.
func (e *env) lookup(name string) string {
	for _, kv := range e.vars {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// exactly wraps cobra's argument checks, so that a wrong number of arguments is wrong use.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(c, args); err != nil {
			return fmt.Errorf("%w: %w; usage: %s", errUsage, err, c.UseLine())
		}
		return nil
	}
}
