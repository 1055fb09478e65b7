// Command makola is the operator's command: it migrates the database, declares the broker's topology, watches, shows, calls and
// cancels tasks, steers the schedule, deals with dead letters, checks the ledger, shows the audit log, and writes the generated pages. `makola help` lists everything.
//
// Needs: PostgreSQL; RabbitMQ for topology, ping, queues and for replaying a dead letter; the running stack for demo.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a job of the schedule may name a time zone, also where the system has none

	"makola/services/makola/internal/cli"
)

//go:generate go run . docs --root ../..

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
