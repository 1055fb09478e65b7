package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience is how long the helpers wait for something to happen before they fail the test: a start may include the wait for a slow server on a busy machine.
const Patience = 60 * time.Second

// Process is one running program. Its methods may be called from the test's goroutine only, but Output from any.
type Process struct {
	// Name is the program's name.
	Name string
	// Addr is where it serves, host:port: the API of the gateway and the simulator, the page of the mail viewer. Empty for workers.
	Addr string
	// Admin is its health and metrics address; the same as Addr for sandbox programs.
	Admin string

	t       testing.TB
	cmd     *exec.Cmd
	log     string        // file with what it wrote
	exited  chan struct{} // closed by the goroutine that waits for the program, after code is set
	code    int
	readyAt string // the path that answers 200 once it works
}

// Launch runs a program with exactly the environment given, besides PATH and HOME, and kills it when the test ends. It does not wait for it.
func Launch(t testing.TB, path, name string, env []string) *Process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), name+"-*.log") // a file costs the program what it costs in production; a pipe would cost this process as much again
	if err != nil {
		t.Fatalf("create log of %s: %v", name, err)
	}
	defer func() { _ = log.Close() }()
	p := &Process{Name: name, t: t, log: log.Name(), exited: make(chan struct{}), readyAt: "/readyz"}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), path)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// The kernel kills the program when the thread that started it ends, so the goroutine keeps its thread: then the program cannot outlive a test that is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait() // how it ended is in the exit code
		p.code = p.cmd.ProcessState.ExitCode()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, tail(p.Output()))
		}
	})
	return p
}

// URL is http:// and the process's address.
func (p *Process) URL() string { return "http://" + p.Addr }

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is what the process has written so far.
func (p *Process) Output() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return "log not read: " + err.Error()
	}
	return string(text)
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Signal sends a signal. A process that has ended already is no error.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %s: %v", p.Name, err)
	}
}

// Kill ends the process by SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
	<-p.exited
}

// Stop ends the process by SIGTERM and returns its exit code. It fails the test when that takes longer than 35 s: a stop takes 30 s at most.
func (p *Process) Stop() int {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Exit(35 * time.Second)
}

// Exit waits for the process to end by itself and returns its exit code, -1 after a signal. It fails the test when it has not ended in time.
func (p *Process) Exit(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.code
	case <-time.After(within):
		p.t.Fatalf("%s has not ended within %v", p.Name, within)
		return -1
	}
}

// IsReady reports whether the process answers that it is ready.
func (p *Process) IsReady() bool { return p.Get(p.readyAt) == http.StatusOK }

// Get asks the admin address for a path and returns the status, 0 when it does not answer.
func (p *Process) Get(path string) int {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+path, http.NoBody)
	if err != nil {
		return 0
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Memory returns the process's resident memory in bytes, and the most it ever had.
func (p *Process) Memory() (now, peak int64) {
	p.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		p.t.Fatalf("memory of %s: %v", p.Name, err)
	}
	field := func(name string) int64 {
		_, rest, _ := strings.Cut(string(raw), name+":")
		text, _, _ := strings.Cut(rest, "kB")
		kib, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			p.t.Fatalf("memory of %s: no %s: %v", p.Name, name, err)
		}
		return kib << 10
	}
	return field("VmRSS"), field("VmHWM")
}

// CPU returns the processor time that the process has used so far, to 10 ms. Unlike a rate, it hardly depends on what else the machine does.
func (p *Process) CPU() time.Duration {
	p.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		p.t.Fatalf("processor time of %s: %v", p.Name, err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:])) // the name before may hold anything
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime, fields 14 and 15 of proc(5)
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			p.t.Fatalf("processor time of %s: %v", p.Name, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on every platform of Linux that we know
}

// Ready waits until every process is ready, and fails the test when one ends or takes too long.
func Ready(t testing.TB, processes ...*Process) {
	t.Helper()
	for _, p := range processes {
		Eventually(t, p.Name+" is ready", func() bool {
			if !p.Running() {
				t.Fatalf("%s ended with code %d instead of becoming ready", p.Name, p.code)
			}
			return p.IsReady()
		})
	}
}

// Eventually waits until the condition holds, and fails the test after Patience.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	Within(t, Patience, what, holds)
}

// Within waits until the condition holds, and fails the test when it takes longer than the limit.
func Within(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v in vain until %s", limit, what)
		}
	}
}

// tail is the end of a long log.
func tail(s string) string {
	const most = 8 << 10
	if len(s) <= most {
		return s
	}
	return "…" + s[len(s)-most:]
}
