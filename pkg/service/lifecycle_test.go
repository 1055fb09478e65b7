package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// diary records who did what, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// fake is a component whose start and stop a test chooses.
type fake struct {
	name        string
	diary       *diary
	start, stop func(ctx context.Context) error
}

func (f *fake) Start(ctx context.Context) error {
	f.diary.add("start " + f.name)
	if f.start != nil {
		return f.start(ctx)
	}
	return nil
}

func (f *fake) Stop(ctx context.Context) error {
	f.diary.add("stop " + f.name)
	if f.stop != nil {
		return f.stop(ctx)
	}
	return nil
}

// safeBuffer is a bytes.Buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// embedder is the smallest configuration a service can have.
type embedder struct{ Config }

// running is a service under test, in this process.
type running struct {
	signals chan os.Signal
	exited  chan int // code of run
	hard    chan int // code of the exit at once
	out     *safeBuffer
}

// launch runs a service in this process and returns at once.
func launch(t *testing.T, environ []string, wire func(ctx context.Context, cfg embedder, app *App) error) *running {
	t.Helper()
	r := &running{make(chan os.Signal, 2), make(chan int, 1), make(chan int, 1), &safeBuffer{}}
	p := process{
		name: "test-service", environ: append([]string{"ADMIN_ADDR=127.0.0.1:0"}, environ...), stdout: r.out, stderr: r.out, signals: r.signals,
		exit: func(code int) { r.hard <- code },
	}
	go func() { r.exited <- run(context.WithoutCancel(t.Context()), p, wire) }()
	return r
}

// patience is how long a test waits for what comes at once on a machine that has time.
const patience = time.Minute

// addr is where the admin server listens, as the service says in its log; empty before.
func (r *running) addr() string {
	for line := range strings.Lines(r.out.String()) {
		var said struct{ Msg, Addr string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "admin server listens" {
			return said.Addr
		}
	}
	return ""
}

func (r *running) ready(t *testing.T) (int, readiness) {
	t.Helper()
	res, err := http.Get("http://" + r.addr() + "/readyz")
	if err != nil {
		return 0, readiness{}
	}
	defer res.Body.Close()
	var body readiness
	require.NoError(t, json.NewDecoder(res.Body).Decode(&body))
	return res.StatusCode, body
}

func (r *running) waitReady(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { code, _ := r.ready(t); return code == http.StatusOK }, patience, 5*time.Millisecond, "%s", r.out)
}

func (r *running) waitExit(t *testing.T) int {
	t.Helper()
	select {
	case code := <-r.exited:
		return code
	case <-time.After(patience):
		require.FailNow(t, "service did not exit", r.out.String())
		return 0
	}
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	t.Parallel()
	var d diary
	r := launch(t, nil, func(_ context.Context, _ embedder, app *App) error {
		app.OnStop(func() { d.add("close database") })
		app.Add(&fake{name: "conn", diary: &d}, &fake{name: "worker", diary: &d})
		app.OnStop(func(context.Context) error { d.add("last in, first out"); return nil })
		return nil
	})
	r.waitReady(t)
	r.signals <- syscall.SIGTERM
	require.Equal(t, 0, r.waitExit(t))
	require.Equal(t, []string{"start conn", "start worker", "last in, first out", "stop worker", "stop conn", "close database"}, d.all())
}

func TestReadinessFailsBeforeTheFirstStopAndWorkMayFinish(t *testing.T) {
	t.Parallel()
	var d diary
	inStop, release, runCtx := make(chan struct{}), make(chan struct{}), make(chan context.Context, 1)
	r := launch(t, nil, func(_ context.Context, _ embedder, app *App) error {
		app.Add(&fake{name: "worker", diary: &d,
			start: func(ctx context.Context) error { runCtx <- ctx; return nil },
			stop:  func(context.Context) error { close(inStop); <-release; return nil }})
		return nil
	})
	r.waitReady(t)
	r.signals <- os.Interrupt
	<-inStop
	code, body := r.ready(t)
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "stopping", body.Status)
	require.NoError(t, (<-runCtx).Err(), "the run context outlives the signal, so that work in hand can be finished")
	close(release)
	require.Equal(t, 0, r.waitExit(t))
}

func TestStopIsBoundedAndNamesWhoHangs(t *testing.T) {
	t.Parallel()
	var d diary
	r := launch(t, []string{"SHUTDOWN_TIMEOUT=1s"}, func(_ context.Context, _ embedder, app *App) error {
		app.Add(&fake{name: "hangs", diary: &d, stop: func(context.Context) error { select {} }})
		return nil
	})
	r.waitReady(t)
	r.signals <- syscall.SIGTERM
	require.Equal(t, 1, r.waitExit(t))
	require.Contains(t, r.out.String(), "stop *service.fake: not finished after 1s")
}

// The times are those of production: 30 s in all, 25 s of them for finishing work.
func TestStopTellsWorkersToGiveUpInTimeToCloseTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		runCtx, cancelRun := context.WithCancel(t.Context())
		var gaveUp, closed time.Duration
		parts := []part{
			{name: "database", stop: func(ctx context.Context) error { closed = time.Since(began); return ctx.Err() }},
			{name: "worker", stop: func(ctx context.Context) error {
				<-ctx.Done()
				<-runCtx.Done()
				gaveUp = time.Since(began)
				return nil
			}},
		}
		require.NoError(t, (&App{}).stop(t.Context(), parts, 30*time.Second, cancelRun))
		require.Equal(t, 25*time.Second, gaveUp)
		require.Equal(t, 25*time.Second, closed)
	})
}

func TestSecondSignalLeavesAtOnce(t *testing.T) {
	t.Parallel()
	var d diary
	inStop, release := make(chan struct{}), make(chan struct{})
	r := launch(t, nil, func(_ context.Context, _ embedder, app *App) error {
		app.Add(&fake{name: "slow", diary: &d, stop: func(context.Context) error { close(inStop); <-release; return nil }})
		return nil
	})
	r.waitReady(t)
	r.signals <- syscall.SIGTERM
	<-inStop
	r.signals <- syscall.SIGTERM
	require.Equal(t, 1, <-r.hard)
	close(release)
	r.waitExit(t)
}

func TestFailedStartStopsWhatWasStarted(t *testing.T) {
	t.Parallel()
	var d diary
	r := launch(t, nil, func(_ context.Context, _ embedder, app *App) error {
		app.OnStop(func() error { d.add("close database"); return nil })
		app.Add(&fake{name: "conn", diary: &d},
			&fake{name: "worker", diary: &d, start: func(context.Context) error { return errors.New("queue refused") }},
			&fake{name: "never", diary: &d})
		app.OnStop(func(context.Context) { d.add("close files") })
		return nil
	})
	require.Equal(t, 1, r.waitExit(t))
	require.Equal(t, []string{"start conn", "start worker", "close files", "stop conn", "close database"}, d.all())
	require.Contains(t, r.out.String(), `"msg":"service did not start"`)
	require.Contains(t, r.out.String(), `start *service.fake: queue refused`)
}

func TestFailedWiringClosesWhatItOpened(t *testing.T) {
	t.Parallel()
	var d diary
	r := launch(t, nil, func(_ context.Context, _ embedder, app *App) error {
		app.OnStop(func() { d.add("close database") })
		app.Add(&fake{name: "conn", diary: &d})
		return fmt.Errorf("open files: %w", os.ErrPermission)
	})
	require.Equal(t, 1, r.waitExit(t))
	require.Equal(t, []string{"close database"}, d.all())
	require.Equal(t, 1, strings.Count(r.out.String(), `"level":"ERROR"`), "one line says what went wrong: %s", r.out)
}

func TestSignalDuringTheStartAbortsIt(t *testing.T) {
	t.Parallel()
	var d diary
	waiting := make(chan struct{})
	r := launch(t, nil, func(_ context.Context, _ embedder, app *App) error {
		app.Add(&fake{name: "conn", diary: &d}, &fake{name: "waits", diary: &d, start: func(ctx context.Context) error {
			close(waiting)
			<-ctx.Done()
			return ctx.Err()
		}})
		return nil
	})
	<-waiting
	code, body := r.ready(t)
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "starting", body.Status)
	r.signals <- syscall.SIGTERM
	require.Equal(t, 0, r.waitExit(t))
	require.Equal(t, []string{"start conn", "start waits", "stop conn"}, d.all())
}

func TestComponentThatDiesEndsTheProcessInOrder(t *testing.T) {
	t.Parallel()
	var d diary
	r := launch(t, nil, func(_ context.Context, _ embedder, app *App) error {
		app.Add(&fake{name: "server", diary: &d, start: func(context.Context) error { app.Fail(errors.New("listener closed")); return nil }})
		return nil
	})
	require.Equal(t, 1, r.waitExit(t))
	require.Equal(t, []string{"start server", "stop server"}, d.all())
	require.Contains(t, r.out.String(), "listener closed")
}

func TestReadyzNamesEveryFailingCheckAndDoesNotWaitForHangingOnes(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	r := launch(t, nil, func(_ context.Context, _ embedder, app *App) error {
		app.Ready("postgres", func(context.Context) error { return errors.New("connection refused") })
		app.Ready("rabbitmq", func(context.Context) error { <-release; return nil })
		app.Ready("storage", func(context.Context) error { return nil })
		return nil
	})
	require.Eventually(t, func() bool { _, b := r.ready(t); return b.Status == "unready" }, patience, 5*time.Millisecond)
	code, body := r.ready(t)
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, map[string]string{"postgres": "connection refused", "rabbitmq": "no answer within 2s", "storage": "ok"}, body.Checks)
	r.signals <- syscall.SIGTERM
	require.Equal(t, 0, r.waitExit(t))
}

func TestAdminServesLifeMetricsAndProfilesOnlyInDevelopment(t *testing.T) {
	t.Parallel()
	for _, env := range []string{Development, Production} {
		r := launch(t, []string{"MAKOLA_ENV=" + env}, func(context.Context, embedder, *App) error { return nil })
		r.waitReady(t)
		status := map[string]int{}
		for _, path := range []string{"/livez", "/metrics", "/debug/pprof/heap"} {
			res, err := http.Get("http://" + r.addr() + path)
			require.NoError(t, err)
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			status[path] = res.StatusCode
			if path == "/metrics" {
				require.Contains(t, string(body), "process_resident_memory_bytes")
			}
		}
		require.Equal(t, 200, status["/livez"])
		require.Equal(t, 200, status["/metrics"])
		require.Equal(t, map[string]int{Development: 200, Production: 404}[env], status["/debug/pprof/heap"])
		r.signals <- syscall.SIGTERM
		require.Equal(t, 0, r.waitExit(t))
	}
}

func TestFaultsOfConfigurationAreToldWithoutStarting(t *testing.T) {
	t.Parallel()
	r := launch(t, []string{"MAKOLA_ENV=moon", "SHUTDOWN_TIMEOUT=1ms"}, func(context.Context, embedder, *App) error {
		panic("wire must not run")
	})
	require.Equal(t, 1, r.waitExit(t))
	require.Contains(t, r.out.String(), "test-service: configuration has 2 fault(s):\n  - MAKOLA_ENV is \"moon\"")
}

func TestSoftLimitLeavesRoomBelowTheContainersLimit(t *testing.T) {
	t.Parallel()
	limit, ok := softLimit("268435456\n")
	require.True(t, ok)
	require.EqualValues(t, 241591905, limit)
	for _, none := range []string{"max\n", "9223372036854771712\n", ""} { // cgroup v2 and v1 without a limit
		_, ok = softLimit(none)
		require.False(t, ok, none)
	}
}
