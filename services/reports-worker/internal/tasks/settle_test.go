package tasks_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/reporting"
	"makola/pkg/task"
	notificationspb "makola/proto/makola/notifications/v1"
	reportspb "makola/proto/makola/reports/v1"
	"makola/services/reports-worker/internal/tasks"
)

// crashed ends a report's task as the engine ends one that stopped three workers: nothing of the task itself has run to its end.
func (w *worker) crashed(r *reporting.Report) {
	w.t.Helper()
	w.exec(`update task.task set state = 'failed', error_kind = $2, error = '3 processes died while this task ran alone in them', finished_at = now() where id = $1`, r.Task, task.KindCrashLoop)
}

func TestAReportThatStoppedThreeWorkersIsToldOfOnce(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	s := w.schedule("10", "01", customersDaily("Customers"))
	w.due(s)
	require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := reporting.RunDue(t.Context(), tx, reportspb.NewTasks(w.h.Queue))
		return err
	}))
	run, asked, cancelled := w.runs(s)[0], w.request(march()), march()
	cancelled.Format = reporting.Excel
	gone := w.request(cancelled)
	w.exec(`update task.task set state = 'cancelled', finished_at = now() where id = $1`, gone.Task)
	w.exec(`update task.task set state = 'running' where id = any ($1)`, []any{run.Task, asked.Task})
	require.Equal(t, []reporting.Status{reporting.Processing, reporting.Processing}, []reporting.Status{w.get(run.ID).Status, w.get(asked.ID).Status})
	w.sweep()
	require.Zero(t, w.count(`select count(*) from notifications.notice`), "they are being made")

	w.crashed(run)
	w.crashed(asked)
	const why = "Each of the programs that made it stopped before it was done, three in a row, so it was given up."
	failed := []any{reporting.Failed, reporting.FailedInterrupted, why}
	for _, r := range []*reporting.Report{run, asked} {
		now := w.get(r.ID)
		require.Equal(t, failed, []any{now.Status, now.Failure, now.Reason}, "at once, before anybody has swept")
	}
	w.sweep()
	w.sweep()
	for _, r := range []*reporting.Report{run, asked} {
		now := w.get(r.ID)
		require.Equal(t, failed, []any{now.Status, now.Failure, now.Reason})
	}
	require.Equal(t, reporting.Cancelled, w.get(gone.ID).Status)
	require.Zero(t, w.count(`select count(*) from reporting.report where state = 'PENDING'`))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where template = 'export_failed' and recipient = 'accountant@example.com' and data ->> 'failure' = 'INTERRUPTED' and tenant_id = $1`, id("10")))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where template = 'report_failed' and recipient = 'ama@example.com'`))
	require.Equal(t, 2, w.count(`select count(*) from notifications.email`))
	require.Equal(t, 2, w.count(`select count(*) from task.task where name = 'notifications.send_email' and tenant_id = $1`, id("10")))
	require.Equal(t, 2, w.count(`select count(*) from notifications.notice where kind = 'REPORT_FAILED' and user_id = $1`, id("01")))
	require.Equal(t, 0.0, ints(w.retry())["found"], "it would stop three more")
}

// Whoever does not want to hear of failures sees them in the list, and of those who sweep at once one tells.
func TestSweepsAtOnceTellOnceOfWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	mine, theirs := w.schedule("10", "01", customersDaily("Mine")), w.schedule("11", "03", customersDaily("Theirs"))
	w.exec(`insert into reporting.export_settings (tenant_id, notify_on_failure) values ($1, false)`, id("11"))
	w.due(mine, theirs)
	enqueue := reportspb.NewTasks(w.h.Queue)
	require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := reporting.RunDue(t.Context(), tx, enqueue)
		return err
	}))
	w.exec(`update task.task set state = 'failed', error_kind = $1, error = 'x', finished_at = now() where name = 'reports.execute_single_export'`, task.KindCrashLoop)
	var wg sync.WaitGroup
	errs := make([]error, 3)
	handler := &tasks.Reports{DB: w.db, Mail: notificationspb.NewTasks(w.h.Queue), Bell: w.h.Queue, Tasks: enqueue}
	for i := range errs {
		wg.Go(func() {
			errs[i] = w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
				_, err := handler.CheckAndRunScheduledExports(t.Context(), tx, &reportspb.CheckAndRunScheduledExportsArgs{})
				return err
			})
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, 2, w.count(`select count(*) from reporting.report where state = 'FAILED' and error_code = 'INTERRUPTED'`))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where template = 'export_failed' and tenant_id = $1`, id("10")))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email`))
	require.Equal(t, 2, w.count(`select count(*) from notifications.notice where kind = 'REPORT_FAILED'`))
}
