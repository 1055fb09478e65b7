package task_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/proto/makola/selftest/v1"
)

// benchmarkNoops measures no-op tasks from enqueue to finish: n enqueued one by one, each in its own transaction, by eight producers, while relay and worker run in the same process.
func benchmarkNoops(b *testing.B, n int, enqueue func(tasks *selftest.Tasks, ctx context.Context, tx *gorm.DB) error) {
	b.Helper()
	pg, broker := postgrestest.New(b), rabbittest.New(b)
	db := pg.Open("makola_billing")
	topo := rabbit.Standard("selftest")
	queue := task.NewQueue(db, broker.Conn(b, topo), task.QueueConfig{})
	require.NoError(b, queue.Start(b.Context()))
	w := task.NewWorker(db, broker.Conn(b, topo), queue, task.WorkerConfig{Service: "bench", Queues: []string{"selftest"}})
	selftest.HandleTasks(w, &handlers{})
	require.NoError(b, w.Start(b.Context()))
	b.Cleanup(func() {
		_ = w.Stop(context.WithoutCancel(b.Context()))
		_ = queue.Stop(context.WithoutCancel(b.Context()))
	})
	look := pg.Admin()
	tasks := selftest.NewTasks(queue)
	total := 0
	var enqueued time.Duration
	b.ResetTimer()
	for range b.N {
		began := time.Now()
		var g errgroup.Group
		for range 8 {
			g.Go(func() error {
				for range n / 8 {
					if err := db.InSystem(b.Context(), func(tx *gorm.DB) error { return enqueue(tasks, b.Context(), tx) }); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(b, g.Wait())
		enqueued += time.Since(began)
		total += n / 8 * 8
		for left := 1; left > 0; {
			require.NoError(b, look.QueryRow(b.Context(), "select count(*) from task.task where state <> 'succeeded'").Scan(&left))
			if left > 0 {
				time.Sleep(20 * time.Millisecond) //nolint:forbidigo // polling for the end of the measured work
			}
		}
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "tasks/s")
	b.ReportMetric(float64(total)/enqueued.Seconds(), "enqueued/s")
}

func BenchmarkNoopShort(b *testing.B) {
	benchmarkNoops(b, 20_000, func(t *selftest.Tasks, ctx context.Context, tx *gorm.DB) error {
		_, err := t.Noop(ctx, tx, &selftest.NoopArgs{})
		return err
	})
}

func BenchmarkNoopBatch(b *testing.B) {
	benchmarkNoops(b, 20_000, func(t *selftest.Tasks, ctx context.Context, tx *gorm.DB) error {
		_, err := t.NoopBatch(ctx, tx, &selftest.NoopBatchArgs{})
		return err
	})
}
