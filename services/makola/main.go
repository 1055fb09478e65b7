// Command makola is the operator's command: it migrates the database, declares the broker's topology, shows and cancels tasks, deals with
// dead letters, checks the ledger, and writes the generated pages. `makola help` lists everything.
//
// Needs: PostgreSQL; RabbitMQ for topology and for replaying a dead letter; the running stack for demo.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"makola/services/makola/internal/cli"
)

//go:generate go run . docs --root ../..

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
