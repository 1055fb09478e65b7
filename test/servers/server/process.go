package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one running server program and everything it started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed by the goroutine in start, once the program has ended and err is set
	err    error         // what Wait returned; read only after exited is closed
}

// spec is what start needs to know about a program.
type spec struct {
	name string
	args []string
	env  []string
	dir  string              // working folder
	log  string              // file that gets the program's output, appended
	user *syscall.Credential // nil: as the caller
}

// start runs a program in its own process group, so that a ^C at the terminal reaches the tests and not their servers.
//
// The kernel sends the program a SIGTERM when the thread that started it ends. The goroutine therefore keeps its thread
// for itself as long as the program runs: then the signal comes exactly when this process ends, however it ends.
func start(ctx context.Context, s spec) (*process, error) {
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	defer out.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.name, s.args...) //nolint:gosec // the servers of the tests
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = s.env, s.dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.user}
	dieWithParent(cmd.SysProcAttr)

	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	return p, nil
}

// running reports whether the program has not ended yet. A nil process is not running.
func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// stop asks the program to end by the given signal and waits for it. When ctx ends first, the program is killed.
func (p *process) stop(ctx context.Context, sig syscall.Signal) error {
	if !p.running() {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal server: %w", err)
	}
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop server: %w", context.Cause(ctx)), p.kill())
	}
}

// kill ends the program and all its descendants by SIGKILL and returns when none of them is left.
// The program is halted first, so that it cannot start another child between the look and the kill.
func (p *process) kill() error {
	if !p.running() {
		return nil
	}
	root := p.cmd.Process.Pid
	signalOne(root, syscall.SIGSTOP)
	pids := append([]int{root}, descendants(root)...)
	for _, pid := range pids {
		signalOne(pid, syscall.SIGKILL)
	}
	<-p.exited
	deadline := time.Now().Add(10 * time.Second)
	for _, pid := range pids {
		for alive(pid) {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d outlives SIGKILL", pid)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

// signalOne sends a signal to one process. A process that is gone already is what the callers want, so errors say nothing new.
func signalOne(pid int, sig syscall.Signal) {
	_ = syscall.Kill(pid, sig)
}
