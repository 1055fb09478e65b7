// Command servers starts a private PostgreSQL and a private RabbitMQ, runs a command with their addresses in its environment,
// stops them and ends with the command's exit code.
//
//	go run ./test/servers -- go test ./pkg/task/...
//
// The command finds MAKOLA_TEST_PG (a superuser's postgres:// address), MAKOLA_TEST_AMQP and MAKOLA_TEST_AMQP_API (the
// addresses of an administrator) and MAKOLA_TEST_SERVERS (the folder with the servers' data and logs, gone afterwards). That folder is in memory where
// there is plenty of it; MAKOLA_TEST_DATA names another place, for measurements with a real disk.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"makola/test/servers/server"

	"golang.org/x/sync/errgroup"
)

// exitTrouble is the exit code when the servers, not the command, are the trouble: the shell's "cannot execute".
const exitTrouble = 126

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: servers -- command [argument ...]")
		os.Exit(2)
	}
	code, err := run(context.Background(), args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
	}
	os.Exit(code)
}

// run is main with an error.
func run(ctx context.Context, args []string) (code int, err error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	server.RemoveStale()
	dir, err := server.MkdirTemp()
	if err != nil {
		return exitTrouble, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	// A signal while the servers start ends the start. From then on the command decides.
	starting, cancel := context.WithCancelCause(ctx)
	started := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case sig := <-signals:
			cancel(fmt.Errorf("interrupted by %v", sig))
		case <-started:
		}
	}()
	pg, mq, err := startBoth(starting, dir)
	close(started)
	<-watched
	defer func() { err = errors.Join(err, stopBoth(ctx, pg, mq)) }()
	if cause := context.Cause(starting); cause != nil {
		return exitTrouble, cause
	}
	if err != nil {
		return exitTrouble, err
	}
	env := append(os.Environ(), "MAKOLA_TEST_PG="+pg.URL(), "MAKOLA_TEST_AMQP="+mq.URL(), "MAKOLA_TEST_AMQP_API="+mq.APIURL(),
		"MAKOLA_TEST_SERVERS="+dir)
	return command(ctx, args, env, signals)
}

// startBoth starts the servers side by side. What did start is returned even when the other did not.
func startBoth(ctx context.Context, dir string) (pg *server.Postgres, mq *server.Rabbit, err error) {
	var g errgroup.Group
	g.Go(func() (err error) { pg, err = server.StartPostgres(ctx, dir); return err })
	g.Go(func() (err error) { mq, err = server.StartRabbit(ctx, dir); return err })
	err = g.Wait()
	return pg, mq, err
}

// stopBoth stops what runs, by force after 30 s.
func stopBoth(ctx context.Context, pg *server.Postgres, mq *server.Rabbit) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var g errgroup.Group
	if pg != nil {
		g.Go(func() error { return pg.Stop(ctx) })
	}
	if mq != nil {
		g.Go(mq.Kill) // a clean stop would take seconds to save data that is removed next
	}
	return g.Wait()
}

// command runs the command and returns its exit code. Signals are handed to it; the third is a SIGKILL.
func command(ctx context.Context, args, env []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the command that the caller asks for
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return exitTrouble, fmt.Errorf("start command: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for count := 1; ; {
		select {
		case sig := <-signals:
			if count == 3 {
				sig = os.Kill
			}
			count++
			_ = cmd.Process.Signal(sig) // it may have ended meanwhile
		case err := <-done:
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
					return 128 + int(status.Signal()), nil
				}
				return exit.ExitCode(), nil
			}
			if err != nil {
				return exitTrouble, fmt.Errorf("wait for command: %w", err)
			}
			return 0, nil
		}
	}
}
