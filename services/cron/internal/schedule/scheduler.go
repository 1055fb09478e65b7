package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"makola/pkg/postgres"
	"makola/proto/contract"
)

const (
	// maxWait bounds the sleep between two passes: a clock that was set, or a row that somebody deleted, is noticed after this time.
	maxWait = 15 * time.Second
	// retryWait is the pause after a pass that failed.
	retryWait = 5 * time.Second
	// passTimeout bounds one pass; a pass is some milliseconds of queries.
	passTimeout = 30 * time.Second
	// staleAfter is how long passes may fail before the process calls itself unready.
	staleAfter = time.Minute
)

// Scheduler runs the jobs. Any number of them, in any number of processes, may work on one database.
type Scheduler struct {
	db    *postgres.DB
	queue contract.Enqueuer
	table []Entry
	jobs  []Job
	slots *prometheus.CounterVec

	cancel context.CancelFunc
	work   sync.WaitGroup
	mu     sync.Mutex
	passed time.Time // when the last pass succeeded; by this process's clock, which only measures here
	err    error     // of the last pass
}

// NewScheduler makes a scheduler of the jobs that Check returned for the table. Metrics go to reg when it is not nil.
func NewScheduler(db *postgres.DB, queue contract.Enqueuer, table []Entry, jobs []Job, reg prometheus.Registerer) *Scheduler {
	s := &Scheduler{db: db, queue: queue, table: table, jobs: jobs, passed: time.Now(), slots: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "makola_cron_slots_total", Help: "Slots this process dealt with, by job and outcome (run, skipped).",
	}, []string{"job", "outcome"})}
	if reg != nil {
		reg.MustRegister(s.slots)
	}
	return s
}

// Start begins to schedule. The context bounds the start only.
func (s *Scheduler) Start(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.work.Go(func() { s.loop(run) })
	slog.InfoContext(ctx, "schedule is active", "jobs", len(s.jobs))
	return nil
}

// Stop ends scheduling after the pass at hand, or in the middle of it when ctx ends; a half-done slot is rolled back and taken up by the next pass of any replica.
func (s *Scheduler) Stop(context.Context) error {
	s.cancel()
	s.work.Wait()
	return nil
}

// Ready returns nil while passes succeed, and the last one's error when none has for a minute.
func (s *Scheduler) Ready(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.passed) < staleAfter {
		return nil
	}
	if s.err == nil {
		return fmt.Errorf("no pass has ended for %s", time.Since(s.passed).Round(time.Second))
	}
	return s.err
}

func (s *Scheduler) loop(ctx context.Context) {
	for {
		wait := s.passOnce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// passOnce makes one pass, reports it, and returns how long to wait for the next.
func (s *Scheduler) passOnce(ctx context.Context) time.Duration {
	pass, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	done, wait, err := s.Pass(pass)
	for _, o := range done {
		outcome := "run"
		if o.Skipped != "" {
			outcome = "skipped"
		}
		s.slots.WithLabelValues(o.Job, outcome).Inc()
		slog.InfoContext(ctx, "slot dealt with", "job", o.Job, "slot", o.Slot.Format(time.RFC3339), "outcome", outcome, "task_id", o.Task, "reason", o.Skipped)
	}
	s.mu.Lock()
	s.err = err
	if err == nil {
		s.passed = time.Now()
	}
	s.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "schedule pass did not succeed; due slots are taken up by the next one", "error", err)
		return retryWait
	}
	return max(wait, 10*time.Millisecond)
}
