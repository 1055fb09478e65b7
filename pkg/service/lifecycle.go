package service

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// start starts the components in order and returns the parts that must be stopped again. A stop function is due from the moment wire
// returned, a component only once it has started.
func (a *App) start(ctx context.Context) (started []part, err error) {
	a.mu.Lock()
	parts := a.parts
	a.mu.Unlock()
	for i, p := range parts {
		if p.start != nil {
			if err := p.start(ctx); err != nil {
				return append(started, a.stopFunctions(i)...), fmt.Errorf("start %s: %w", p.name, err)
			}
		}
		started = append(started, p)
	}
	return started, nil
}

// stopFunctions returns the parts from the given one on that are due although nothing after it was started.
func (a *App) stopFunctions(from int) []part {
	a.mu.Lock()
	defer a.mu.Unlock()
	var kept []part
	for _, p := range a.parts[from:] {
		if p.start == nil {
			kept = append(kept, p)
		}
	}
	return kept
}

// stop stops parts in reverse, all within the timeout. Five sixths of it (25 s of 30 s) are for finishing work; then the run context ends,
// which abandons what still runs, and the rest is for rolling back and closing. It returns an error that names whoever did not stop cleanly.
func (a *App) stop(ctx context.Context, parts []part, timeout time.Duration, cancelRun context.CancelFunc) error {
	hard, cancelHard := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancelHard()
	soft, cancelSoft := context.WithTimeout(hard, timeout*5/6)
	defer cancelSoft()
	defer context.AfterFunc(soft, cancelRun)()

	var faults []error
	for i := len(parts) - 1; i >= 0; i-- {
		limit := soft
		if soft.Err() != nil { // overrun by an earlier part: this one still may close its connections
			limit = hard
		}
		done := make(chan error, 1)
		go func() { done <- parts[i].stop(limit) }()
		select {
		case err := <-done:
			if err != nil {
				faults = append(faults, fmt.Errorf("stop %s: %w", parts[i].name, err))
			}
		case <-hard.Done():
			return errors.Join(append(faults, fmt.Errorf("stop %s: not finished after %v", parts[i].name, timeout))...)
		}
	}
	return errors.Join(faults...)
}

// wait returns nil when the process was told to stop, or the reason when a component failed.
func (a *App) wait(stopping context.Context) error {
	select {
	case <-stopping.Done():
		return nil
	case err := <-a.failed:
		return err
	}
}

// markStarted hands readiness over to the checks, unless a signal was quicker.
func (a *App) markStarted() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == phaseStarting {
		a.phase = phaseRunning
	}
}
