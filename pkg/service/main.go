package service

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

// Main is the whole main function of a service: it loads C from the environment, lets wire build the parts, runs them until a signal comes,
// stops them and exits the process. C must embed Config. See the package documentation for the order of things and the exit codes.
func Main[C any](name string, wire func(ctx context.Context, cfg C, app *App) error) {
	tuneMemory()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	p := process{name: name, args: os.Args[1:], environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr, signals: signals, exit: os.Exit}
	os.Exit(run(context.Background(), p, wire))
}

// process is what run needs of the world outside.
type process struct {
	name           string
	args, environ  []string
	stdout, stderr io.Writer
	signals        <-chan os.Signal
	exit           func(code int) // leaves at once
}

// run is Main without the parts that end or mark the test process. It returns the exit code.
func run[C any](ctx context.Context, p process, wire func(ctx context.Context, cfg C, app *App) error) int {
	if len(p.args) > 0 {
		return subcommand[C](ctx, p)
	}
	var cfg C
	if err := Load(&cfg, p.environ); err != nil {
		_, _ = fmt.Fprintf(p.stderr, "%s: %v\n", p.name, err)
		return 1
	}
	e, ok := any(cfg).(embedsConfig)
	if !ok {
		panic(fmt.Sprintf("service: %T does not embed service.Config", cfg))
	}
	return serve(ctx, p, e.base(), func(ctx context.Context, app *App) error { return wire(ctx, cfg, app) })
}

// serve is the life of the process once its configuration is known.
func serve(ctx context.Context, p process, base Config, wire func(ctx context.Context, app *App) error) int {
	instance := newInstance()
	log := NewLogger(p.stderr, base.LogLevel).With("service", p.name, "instance", instance)
	slog.SetDefault(log)
	app := newApp(p.name, instance, log)

	runCtx, cancelRun := context.WithCancel(ctx)
	defer cancelRun()
	stopping, isStopping := context.WithCancel(context.WithoutCancel(ctx))
	defer isStopping()
	go func() { // ends with the process: a second signal must work at any time
		<-p.signals
		app.setPhase(phaseStopping)
		isStopping()
		<-p.signals
		log.WarnContext(ctx, "second signal, leaving at once")
		p.exit(1)
	}()

	admin := newAdmin(app, base)
	if err := admin.Start(runCtx); err != nil {
		log.ErrorContext(ctx, "service did not start", "error", err.Error())
		return 1
	}
	// A signal before the service is up aborts the start; afterwards the run context outlives the signal, so that work can be finished.
	endAbort := context.AfterFunc(stopping, cancelRun)
	started, err := up(runCtx, app, wire)
	endAbort()
	code := 0
	switch {
	case err != nil && stopping.Err() != nil:
		log.InfoContext(ctx, "signal during the start")
	case err != nil:
		log.ErrorContext(ctx, "service did not start", "error", err.Error())
		code = 1
	default:
		app.markStarted()
		settleMemory(app.gcPercent)
		log.InfoContext(ctx, "service started", "environment", base.Env)
		if err := app.wait(stopping); err != nil {
			log.ErrorContext(ctx, "component failed", "error", err.Error())
			code = 1
		}
	}
	app.setPhase(phaseStopping)
	log.InfoContext(ctx, "service stops", "timeout", base.ShutdownTimeout.String())
	// The admin server stops last, so that /readyz and /metrics can be read to the end.
	parts := append([]part{{name: "admin server", stop: admin.Stop}}, started...)
	if err := app.stop(ctx, parts, base.ShutdownTimeout, cancelRun); err != nil {
		log.ErrorContext(ctx, "service did not stop cleanly", "error", err.Error())
		return 1
	}
	log.InfoContext(ctx, "service stopped")
	return code
}

// up wires and starts everything. Whatever it returns in started must be stopped, error or not.
func up(ctx context.Context, app *App, wire func(ctx context.Context, app *App) error) (started []part, err error) {
	if err := wire(ctx, app); err != nil {
		return app.stopFunctions(0), err
	}
	return app.start(ctx)
}

// subcommand runs `health` or `config`. Wrong usage exits with 2.
func subcommand[C any](ctx context.Context, p process) int {
	var err error
	switch {
	case p.args[0] == "health" && len(p.args) == 1:
		var base Config
		if err = Load(&base, p.environ); err == nil {
			err = askHealth(ctx, base.AdminAddr)
		}
	case p.args[0] == "config" && len(p.args) <= 2:
		var cfg C
		format := append(p.args[1:], "table")[0]
		err = writeSettings(p.stdout, DescribeConfig(cfg), format)
	default:
		_, _ = fmt.Fprintf(p.stderr, "usage: %s [health | config [table|markdown|dotenv|json]]\n", p.name)
		return 2
	}
	if err != nil {
		_, _ = fmt.Fprintf(p.stderr, "%s %s: %v\n", p.name, p.args[0], err)
		return 1
	}
	return 0
}

// newInstance names this process: the host's name, and a random part because a container may restart under the same one.
func newInstance() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "host"
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	return regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(host, "-") + "-" + hex.EncodeToString(random[:])
}
