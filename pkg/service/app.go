package service

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Component is a part of the process that runs from Start to Stop.
//
// Start returns as soon as the component works, or with the reason why it cannot; lasting work goes into goroutines the component owns.
// Start's context lives until the process has stopped (it ends early when the stop takes too long), so goroutines may use it.
// Stop finishes or gives up the work in hand and returns when every goroutine has ended. Its context ends when it is time to give up:
// then the component cancels what still runs and returns without further ado. Stop is called once, and only after a Start without error.
type Component interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// App is one running process: what wire adds to it is started, watched and stopped by Main. Its methods are safe for concurrent use.
type App struct {
	name     string
	instance string
	logger   *slog.Logger
	registry *prometheus.Registry
	failed   chan error // buffered by one; never closed

	gcPercent int

	mu     sync.Mutex
	parts  []part
	checks []*check
	phase  phase
}

// phase is where the process is in its life. Only a running process may be ready.
type phase string

const (
	phaseStarting phase = "starting"
	phaseRunning  phase = "running"
	phaseStopping phase = "stopping"
)

// part is a component, or a function to call on the way out.
type part struct {
	name  string
	start func(ctx context.Context) error // nil for a stop function
	stop  func(ctx context.Context) error
}

func newApp(name, instance string, logger *slog.Logger) *App {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &App{name: name, instance: instance, logger: logger, registry: registry, failed: make(chan error, 1), phase: phaseStarting, gcPercent: gcPercent}
}

// Add appends components. Call it from wire; they are started in this order once wire has returned, and stopped in reverse.
func (a *App) Add(cs ...Component) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range cs {
		a.parts = append(a.parts, part{name: fmt.Sprintf("%T", c), start: c.Start, stop: c.Stop})
	}
}

// OnStop appends a function to the same list that Add appends to: it runs after everything added later has stopped. It is one of
// func(), func() error, func(context.Context) or func(context.Context) error; anything else panics. It runs even when wire or a Start fails.
func (a *App) OnStop(fn any) {
	var stop func(ctx context.Context) error
	switch f := fn.(type) {
	case func():
		stop = func(context.Context) error { f(); return nil }
	case func() error:
		stop = func(context.Context) error { return f() }
	case func(context.Context):
		stop = func(ctx context.Context) error { f(ctx); return nil }
	case func(context.Context) error:
		stop = f
	default:
		panic(fmt.Sprintf("service: OnStop of a %T", fn))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.parts = append(a.parts, part{name: "stop function", stop: stop})
}

// Ready adds a condition for /readyz: the process is ready while every check returns nil within two seconds. The error's text is shown on
// the admin server, so it must hold no secret. The check must honour its context.
func (a *App) Ready(name string, fn func(ctx context.Context) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checks = append(a.checks, &check{name: name, fn: fn})
}

// Fail reports that a component died on its own. The process stops in order and exits with status 1. Only the first report counts.
func (a *App) Fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

// Metrics returns the registry that /metrics serves. It already holds the Go runtime's and the process's metrics.
func (a *App) Metrics() *prometheus.Registry { return a.registry }

// Logger returns the process's logger, which is also slog's default.
func (a *App) Logger() *slog.Logger { return a.logger }

// Instance returns this process's own name, unique among replicas and restarts, such as "reports-7c9f-3fa85f64". It holds only
// letters, digits, dots and hyphens, so it may become part of a queue name.
func (a *App) Instance() string { return a.instance }

// Name returns the service's name, such as "reports-worker".
func (a *App) Name() string { return a.name }

// GCPercent sets GOGC for a service whose work holds tens of MiB at a time, of which the default of 400 would leave five times as much. The environment's GOGC wins.
// To be called while the service is wired.
func (a *App) GCPercent(percent int) { a.gcPercent = percent }

func (a *App) setPhase(p phase) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.phase = p
}
