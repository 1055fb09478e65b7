package load

import (
	"fmt"
	"testing"
	"time"

	"gorm.io/gorm"

	"makola/pkg/task"
	inventory "makola/proto/makola/inventory/v1"
	reports "makola/proto/makola/reports/v1"
	"makola/test/stack"
)

// settled is how long after its start a service's idle memory is read.
const settled = 5 * time.Second

// BenchmarkMemory reads the resident memory of each service: idle, and the most it needed while 500 payments went from webhook to mail and the other workers ran their self-tests.
func BenchmarkMemory(b *testing.B) {
	const n = 500
	s := stack.New(b)
	admin := s.DB.Admin()
	sell(b, admin, n)
	mails, simulator := s.Start("mail-viewer"), s.Start("paystack-simulator") // cron's first nightly jobs ask the provider
	var processes []*stack.Process
	for _, name := range []string{"api-gateway", "billing-worker", "inventory-worker", "reports-worker", "notifier", "cron"} {
		processes = append(processes, s.Start(name))
	}
	stack.Ready(b, append(processes, mails, simulator)...)
	<-time.After(settled)
	idle := make([]int64, len(processes))
	for i, p := range processes {
		idle[i], _ = p.Memory()
		b.ReportMetric(float64(idle[i])/(1<<20), p.Name+"-MiB")
	}
	flood(b, s.Gateway, 64, webhooks(s.Gateway, 0, n))
	busy(b, s, n)
	stack.Within(b, limit, "nothing is left to do", func() bool {
		var left bool
		if err := admin.QueryRow(b.Context(), "select exists (select from task.task where state in ('pending', 'published', 'running'))").Scan(&left); err != nil {
			b.Fatalf("look for unfinished tasks: %v", err)
		}
		return !left
	})
	for i, p := range processes {
		_, peak := p.Memory()
		note("memory of "+p.Name, "%s idle, %s at most under load", mib(idle[i]), mib(peak))
	}
}

// busy gives the workers that have no part in a payment some tasks: few to reports-worker, whose self-test takes a second.
func busy(b *testing.B, s *stack.Stack, n int) {
	b.Helper()
	db := s.DB.Open("makola_cron")
	queue := task.NewQueue(db, nil, task.QueueConfig{})
	err := db.InSystem(b.Context(), func(tx *gorm.DB) error {
		for i := range n {
			if _, err := inventory.NewTasks(queue).SelfTest(b.Context(), tx, &inventory.SelfTestArgs{Note: "load"}); err != nil {
				return err
			}
			if i%20 != 0 {
				continue
			}
			if _, err := reports.NewTasks(queue).SelfTest(b.Context(), tx, &reports.SelfTestArgs{Note: "load"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatalf("enqueue: %v", err)
	}
}

// mib prints bytes as MiB.
func mib(bytes int64) string { return fmt.Sprintf("%d.%d MiB", bytes>>20, bytes%(1<<20)*10>>20) }
