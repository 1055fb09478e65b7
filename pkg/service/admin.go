package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds all readiness checks together: an orchestrator's probe usually gives up after a few seconds itself.
const checkTimeout = 2 * time.Second

// admin serves /livez, /readyz and /metrics, and profiles in development.
type admin struct {
	app    *App
	addr   string
	server *http.Server
}

func newAdmin(app *App, base Config) *admin {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", app.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(app.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	if !base.IsProduction() {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return &admin{app: app, addr: base.AdminAddr, server: &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}}
}

// Start implements Component.
func (a *admin) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.addr)
	if err != nil {
		return fmt.Errorf("listen for health and metrics on ADMIN_ADDR %s: %w", a.addr, err)
	}
	a.app.logger.InfoContext(ctx, "admin server listens", "addr", listener.Addr().String())
	go func() {
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.app.Fail(fmt.Errorf("serve health and metrics: %w", err))
		}
	}()
	return nil
}

// Stop implements Component. Nobody's work depends on an admin request, so it does not wait for one.
func (a *admin) Stop(context.Context) error { return a.server.Close() }

// check is one readiness condition.
type check struct {
	name string
	fn   func(ctx context.Context) error

	mu     sync.Mutex
	flight *flight // the run that has not returned yet; nil when there is none
}

// flight is one run of a check; err may be read once done is closed.
type flight struct {
	done chan struct{}
	err  error
}

// run runs the check, or joins the run that is under way, and gives up waiting when ctx ends. So neither many probes at once nor a check
// that hangs can pile up goroutines.
func (c *check) run(ctx context.Context) error {
	c.mu.Lock()
	f := c.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		c.flight = f
		go c.fly(context.WithoutCancel(ctx), f) // the first asker may leave while others still wait
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return fmt.Errorf("no answer within %v", checkTimeout)
	}
}

func (c *check) fly(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	f.err = c.fn(ctx)
	c.mu.Lock()
	c.flight = nil
	c.mu.Unlock()
	close(f.done)
}

// readiness is the answer of /readyz.
type readiness struct {
	Status   string            `json:"status"` // ready, unready, starting or stopping
	Service  string            `json:"service"`
	Instance string            `json:"instance"`
	Checks   map[string]string `json:"checks"` // ok, or what is wrong
}

// ready runs every check, in parallel. While the process starts or stops nothing is asked.
func (a *App) ready(ctx context.Context) readiness {
	a.mu.Lock()
	checks, phase := a.checks, a.phase
	a.mu.Unlock()
	r := readiness{Status: string(phase), Service: a.name, Instance: a.instance, Checks: map[string]string{}}
	if phase != phaseRunning {
		return r
	}
	r.Status = "ready"
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make([]error, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { results[i] = c.run(ctx) })
	}
	wg.Wait()
	for i, c := range checks {
		r.Checks[c.name] = "ok"
		if results[i] != nil {
			r.Status, r.Checks[c.name] = "unready", results[i].Error()
		}
	}
	return r
}

func (a *App) serveReady(w http.ResponseWriter, req *http.Request) {
	r := a.ready(req.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if r.Status != "ready" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r)
}

// askHealth asks the process that listens on addr whether it is ready.
func askHealth(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("read ADMIN_ADDR %s: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout+time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	// A transport of its own: the check must not go through a proxy the environment may name.
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(body)))
	}
	return nil
}
