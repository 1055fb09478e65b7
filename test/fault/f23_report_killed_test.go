package fault

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/task"
	"makola/pkg/tenant"
	reportspb "makola/proto/makola/reports/v1"
)

// TestF23 kills reports-worker when the file of a report is written and nothing says so yet, and its successor when the report is complete and its message not acked. The report
// is finished once: one file that its row names, whole, and one notice. What the first one left behind is named by nobody.
func TestF23ReportKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sql, err := os.ReadFile("../../pkg/reporting/testdata/shop.sql")
	require.NoError(t, err)
	w.exec(string(sql))
	files := t.TempDir()
	gateway, err := postgres.Open(t.Context(), postgres.Config{URL: w.url("makola_gateway"), MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(func() { _ = gateway.Close() })
	ctx := tenant.With(t.Context(), uuid.MustParse("01900000-0000-7000-8000-000000000010"))
	var report *reporting.Report
	require.NoError(t, gateway.InTenant(ctx, func(tx *gorm.DB) (err error) {
		report, _, err = reporting.Request(ctx, tx, reportspb.NewTasks(task.NewQueue(gateway, nil, task.QueueConfig{})), reporting.Order{Kind: reporting.Customers, Format: reporting.CSV})
		return err
	}))
	v := w.service("reports-worker", "services/reports-worker", []string{"DATABASE_URL=" + w.url("makola_reports"), "STORAGE_URL=file://" + files}, "long.before_commit:1", "long.after_commit:1")
	w.await("both are killed", func() bool { return v.deaths() >= 2 })
	w.await("the report is complete", func() bool {
		return w.count(`select count(*) from reporting.report r join task.task t on t.id = r.task_id where r.id = $1 and r.state = 'COMPLETED' and t.state = 'succeeded'`, report.ID) == 1
	})
	var kept []string
	require.NoError(t, filepath.WalkDir(files, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			kept = append(kept, path)
		}
		return err
	}))
	require.Len(t, kept, 2, "one for each that wrote")
	require.NoError(t, gateway.InTenant(ctx, func(tx *gorm.DB) (err error) {
		report, err = reporting.Get(tx, reporting.Reader{All: true}, report.ID)
		return err
	}))
	info, err := os.Stat(filepath.Join(files, report.File.Key))
	require.NoError(t, err)
	require.Equal(t, report.File.Size, info.Size())
	require.Equal(t, 1, w.count(`select count(*) from notifications.notice where kind = 'REPORT_READY'`))
}
