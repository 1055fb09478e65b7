package tasks_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/pkg/tenant"
	"makola/proto/contract"
	notificationspb "makola/proto/makola/notifications/v1"
	reportspb "makola/proto/makola/reports/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/reports-worker/internal/tasks"
)

// id is one of pkg/reporting/testdata/shop.sql.
func id(end string) uuid.UUID {
	return uuid.MustParse("01900000-0000-7000-8000-" + strings.Repeat("0", 12-len(end)) + end)
}

// fill makes the shop of pkg/reporting/testdata/shop.sql.
func fill(t *testing.T, admin *pgx.Conn) {
	t.Helper()
	sql, err := os.ReadFile("../../../../pkg/reporting/testdata/shop.sql")
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), string(sql))
	require.NoError(t, err)
}

// folder is a place for files.
func folder(t *testing.T) *storage.Files {
	t.Helper()
	return folderAt(t, t.TempDir())
}

func folderAt(t *testing.T, path string) *storage.Files {
	t.Helper()
	files, err := storage.Open(t.Context(), storage.Config{URL: "file://" + path})
	require.NoError(t, err)
	t.Cleanup(func() { _ = files.Close() })
	return files
}

func register(db, read *postgres.DB, files *storage.Files, r contract.Registrar, q *task.Queue) {
	reportspb.HandleTasks(r, &tasks.Reports{Instance: "reports-1", DB: db, Read: read, Files: files, Webhooks: webhookspb.NewTasks(q), Mail: notificationspb.NewTasks(q), Bell: q, Tasks: reportspb.NewTasks(q)})
}

// worker is reports-worker on a database of its own, with a shop and without a broker.
type worker struct {
	t       *testing.T
	db      *postgres.DB
	gateway *postgres.DB
	h       *tasktest.Harness
	look    *pgx.Conn
	reports *reportspb.Tasks
	path    string
	files   *storage.Files
}

func newWorker(t *testing.T) *worker {
	t.Helper()
	path := t.TempDir()
	w := workerWith(t, folderAt(t, path))
	w.path = path
	return w
}

func workerWith(t *testing.T, files *storage.Files) *worker {
	t.Helper()
	pg := postgrestest.New(t)
	w := &worker{t: t, db: pg.Open("makola_reports"), gateway: pg.Open("makola_gateway"), look: pg.Admin(), files: files}
	fill(t, w.look)
	w.h = tasktest.New(t, w.db)
	register(w.db, pg.Open("makola_reader"), w.files, w.h, w.h.Queue)
	w.reports = reportspb.NewTasks(w.h.Queue)
	return w
}

// request asks for a report as the gateway does.
func (w *worker) request(o reporting.Order) *reporting.Report {
	w.t.Helper()
	ctx := tenant.With(w.t.Context(), id("10"))
	var r *reporting.Report
	require.NoError(w.t, w.gateway.InTenant(ctx, func(tx *gorm.DB) (err error) {
		r, _, err = reporting.Request(ctx, tx, w.reports, o)
		return err
	}))
	return r
}

func (w *worker) get(id_ uuid.UUID) *reporting.Report {
	w.t.Helper()
	ctx := tenant.With(w.t.Context(), id("10"))
	var r *reporting.Report
	require.NoError(w.t, w.gateway.InTenant(ctx, func(tx *gorm.DB) (err error) {
		r, err = reporting.Get(tx, reporting.Reader{All: true}, id_)
		return err
	}))
	return r
}

// from is a task from elsewhere, as a Celery client would send it.
func (w *worker) from(name string, d func(tx *gorm.DB) (uuid.UUID, error)) *task.View {
	w.t.Helper()
	var id uuid.UUID
	require.NoError(w.t, w.db.InSystem(w.t.Context(), func(tx *gorm.DB) (err error) {
		id, err = d(tx)
		return err
	}))
	w.h.Drain(w.t.Context())
	v := w.h.View(w.t.Context(), id)
	require.Equal(w.t, name, v.Name)
	return v
}

func (w *worker) count(sql string, args ...any) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.look.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

func (w *worker) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.look.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

// kept lists the files there are.
func (w *worker) kept() (all []string) {
	w.t.Helper()
	require.NoError(w.t, filepath.WalkDir(w.path, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	}))
	return all
}

func march() reporting.Order {
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	return reporting.Order{Kind: reporting.Sales, Format: reporting.CSV, Period: reporting.Period{From: day(10), To: day(11)}, User: id("01"), Mail: true}
}

// failsAtLast asks for a report that cannot be kept, and waits until that is given up.
func (w *worker) failsAtLast(reason string) *reporting.Report {
	t := w.t
	t.Helper()
	r := w.request(march())
	w.h.Drain(t.Context())
	require.Equal(t, "queued", w.h.View(t.Context(), r.Task).Status())
	require.Equal(t, reporting.Pending, w.get(r.ID).Status)
	for range 5 {
		w.h.Advance(t.Context(), 2*time.Hour)
		w.h.Drain(t.Context())
	}
	require.Equal(t, "failed", w.h.View(t.Context(), r.Task).Status())
	got := w.get(r.ID)
	require.Equal(t, reporting.Failed, got.Status)
	require.Contains(t, got.Reason, reason)
	require.NotContains(t, got.Reason, id("10").String(), "no place in the store")
	require.Equal(t, 1, w.count(`select count(*) from notifications.notice where kind = 'REPORT_FAILED'`))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where template = 'report_failed'`))
	return r
}

// recovers asks for the same once more, when the store is back.
func (w *worker) recovers(failed *reporting.Report) {
	t := w.t
	t.Helper()
	r := w.request(march())
	require.NotEqual(t, failed.ID, r.ID, "it may be asked for again")
	w.h.Drain(t.Context())
	got := w.get(r.ID)
	require.Equal(t, reporting.Completed, got.Status)
	file, err := w.files.Open(t.Context(), got.File.Key)
	require.NoError(t, err)
	defer file.Close()
	require.Equal(t, got.File.Size, file.Size)
}
