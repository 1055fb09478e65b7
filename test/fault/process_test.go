package fault

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// victim is one process and its supervisor, which starts it again whenever it dies, as an orchestrator would.
type victim struct {
	w       *world
	name    string
	program string
	log     string
	env     []string
	// crashes are the crash points of the first incarnations, in order; later ones have none.
	crashes []string

	mu      sync.Mutex
	cmd     *exec.Cmd
	started int
	exits   []string // how each incarnation ended
	retired bool     // do not start again
	done    chan struct{}
}

// start runs a worker of the self-test tasks under supervision. crashes name the crash points of its first incarnations.
func (w *world) start(name string, env []string, crashes ...string) *victim {
	w.t.Helper()
	return w.supervise(name, shared.victim, append([]string{"DATABASE_URL=" + w.url("makola_billing")}, env...), crashes...)
}

// service runs one of the product's own programs, or a stand-in for the world outside, under supervision.
func (w *world) service(name, source string, env []string, crashes ...string) *victim {
	w.t.Helper()
	return w.supervise(name, w.program(source), env, crashes...)
}

func (w *world) supervise(name, program string, env []string, crashes ...string) *victim {
	w.t.Helper()
	v := &victim{w: w, name: name, program: program, env: env, crashes: crashes, log: filepath.Join(w.dir, name+".log"), done: make(chan struct{})}
	w.mu.Lock()
	w.victims = append(w.victims, v)
	w.mu.Unlock()
	go v.supervise()
	return v
}

// supervise keeps its thread, because the kernel kills the victim when the thread that started it ends: so no victim outlives the tests.
func (v *victim) supervise() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(v.done)
	out, err := os.Create(v.log)
	if err != nil {
		v.w.t.Errorf("victim's log: %v", err)
		return
	}
	defer out.Close()
	for {
		v.mu.Lock()
		if v.retired {
			v.mu.Unlock()
			return
		}
		cmd := exec.Command(v.program)
		cmd.Env = append(os.Environ(), "AMQP_URL="+v.w.amqp, "AMQP_BACKOFF_MIN=20ms", "AMQP_BACKOFF_MAX=500ms",
			"ADMIN_ADDR=127.0.0.1:0", "DATABASE_CONNECT_WAIT=60s", "MAKOLA_CRASH_AT=")
		cmd.Env = append(cmd.Env, v.env...)
		if v.started < len(v.crashes) {
			cmd.Env = append(cmd.Env, "MAKOLA_CRASH_AT="+v.crashes[v.started])
		}
		cmd.Stdout, cmd.Stderr = out, out
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		fmt.Fprintf(out, "%s %d\n", incarnation, v.started+1)
		err := cmd.Start()
		v.cmd = cmd
		v.started++
		v.mu.Unlock()
		if err != nil {
			v.w.t.Errorf("start victim: %v", err)
			return
		}
		_ = cmd.Wait()
		v.mu.Lock()
		v.exits = append(v.exits, cmd.ProcessState.String())
		v.mu.Unlock()
	}
}

// deaths is how often the victim has ended.
func (v *victim) deaths() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.exits)
}

// kill ends the running incarnation by SIGKILL; its supervisor starts the next.
func (v *victim) kill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cmd != nil && v.cmd.Process != nil {
		_ = v.cmd.Process.Kill() // it may be dead already
	}
}

// incarnation begins the line of the log above what an incarnation says.
const incarnation = "--- incarnation"

// hears reports whether the running incarnation has logged anything: it does so only after it has asked for its signals, and before that SIGTERM ends any program at once.
func (v *victim) hears() bool {
	log := v.output()
	at := strings.LastIndex(log, incarnation)
	return at >= 0 && strings.Contains(log[at:], "\n{")
}

// retire stops the victim for good by SIGTERM and fails the test unless it exits 0 within the 30 s that are promised.
func (v *victim) retire() {
	v.w.t.Helper()
	v.w.await(v.name+" hears signals", v.hears)
	v.mu.Lock()
	if v.retired {
		v.mu.Unlock()
		return
	}
	v.retired = true
	if v.cmd != nil && v.cmd.Process != nil {
		_ = v.cmd.Process.Signal(syscall.SIGTERM)
	}
	v.mu.Unlock()
	limit := time.NewTimer(31 * time.Second)
	defer limit.Stop()
	select {
	case <-v.done:
		v.mu.Lock()
		defer v.mu.Unlock()
		require.Equal(v.w.t, "exit status 0", v.exits[len(v.exits)-1], "%s after SIGTERM", v.name)
	case <-limit.C:
		v.w.report()
		v.w.t.Fatalf("%s did not exit within 30 s of SIGTERM", v.name)
	}
}

// killAll leaves no victim behind.
func (w *world) killAll() {
	w.mu.Lock()
	victims := w.victims
	w.mu.Unlock()
	for _, v := range victims {
		v.mu.Lock()
		v.retired = true
		v.mu.Unlock()
		v.kill()
		<-v.done
	}
	if w.t.Failed() {
		w.report()
	}
}

// report prints the end of each victim's log.
func (w *world) report() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.victims {
		raw, err := os.ReadFile(v.log)
		if err != nil {
			continue
		}
		w.t.Logf("%s, ended %v, log:\n%s", v.name, v.exits, raw[max(0, len(raw)-6000):])
	}
}

// output is what the victim has logged so far.
func (v *victim) output() string {
	raw, err := os.ReadFile(v.log)
	if !os.IsNotExist(err) { // it has not been started yet
		require.NoError(v.w.t, err)
	}
	return string(raw)
}

// has reports whether the victim has logged the words.
func (v *victim) has(words string) bool { return strings.Contains(v.output(), words) }

// starts is how often the victim was started.
func (v *victim) starts() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.started
}
