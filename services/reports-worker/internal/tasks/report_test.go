package tasks_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/pkg/storage/storagetest"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	notificationspb "makola/proto/makola/notifications/v1"
	reportspb "makola/proto/makola/reports/v1"
	"makola/services/reports-worker/internal/tasks"
)

func TestAReportIsMadeOnceAndToldOfOnce(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	r := w.request(march())
	require.Equal(t, r.ID, w.request(march()).ID, "the same is being made already")
	require.Equal(t, 1, w.h.Drain(t.Context()))

	v := w.h.View(t.Context(), r.Task)
	require.Equal(t, "completed", v.Status(), v.Error)
	var res struct {
		Status      string `json:"status"`
		FileURL     string `json:"file_url"`
		Filename    string `json:"filename"`
		RecordCount int    `json:"record_count"`
		Format      string `json:"format"`
	}
	require.NoError(t, json.Unmarshal(v.Result, &res))
	require.Equal(t, "completed", res.Status)
	require.Equal(t, "/api/v1/reports/"+r.ID.String()+"/download", res.FileURL)
	require.Regexp(t, `^sales_2026-03-10_2026-03-11_\d{8}_\d{6}\.csv$`, res.Filename)
	require.Equal(t, 3, res.RecordCount)

	got := w.get(r.ID)
	require.Equal(t, reporting.Completed, got.Status)
	file, err := w.files.Open(t.Context(), got.File.Key)
	require.NoError(t, err)
	defer file.Close()
	raw, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size))
	require.NoError(t, err)
	require.Contains(t, string(raw), "MKL-20260310-0001")
	require.EqualValues(t, len(raw), got.File.Size)
	require.True(t, strings.HasPrefix(got.File.Key, "reports/"+id("10").String()+"/"))
	require.Len(t, w.kept(), 1)
	require.Equal(t, 1, w.count(`select count(*) from notifications.notice where kind = 'REPORT_READY' and user_id = $1`, id("01")))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where template = 'report_ready' and recipient = 'ama@example.com'`))
	require.NotEqual(t, r.ID, w.request(march()).ID, "one that is finished is made anew")
}

func TestAReportThatIsReadyIsToldToWhoeverListens(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.request(march())
	w.h.Drain(t.Context())
	require.Zero(t, w.count(`select count(*) from webhooks.event`))
	w.exec(`insert into webhooks.endpoint (tenant_id, id, url, kinds, secret, created_by) values ($1, gen_random_uuid(), 'https://hooks.example.com/', '{report.ready}', '', gen_random_uuid())`, id("10"))
	r := w.request(march())
	w.h.Drain(t.Context())
	var data struct {
		Data struct {
			ReportID  uuid.UUID `json:"report_id"`
			StartDate string    `json:"start_date"`
			EndDate   string    `json:"end_date"`
			FileName  string    `json:"file_name"`
			Rows      int       `json:"rows"`
		} `json:"data"`
	}
	var body []byte
	require.NoError(t, w.look.QueryRow(t.Context(), `select v.body from webhooks.event v join webhooks.delivery d on d.event_id = v.id join task.task t on t.args ->> 'delivery_id' = d.id::text where v.kind = 'report.ready'`).Scan(&body))
	require.NoError(t, json.Unmarshal(body, &data))
	require.Equal(t, r.ID, data.Data.ReportID)
	require.Equal(t, []any{"2026-03-10", "2026-03-11", 3}, []any{data.Data.StartDate, data.Data.EndDate, data.Data.Rows})
	require.Regexp(t, `^sales_2026-03-10_2026-03-11_.*\.csv$`, data.Data.FileName)
}

func TestTasksFromElsewhereMakeReportsToo(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	kofi, business := id("02").String(), id("10").String()
	v := w.from("reports.generate_sales_report", func(tx *gorm.DB) (uuid.UUID, error) {
		return w.reports.GenerateSalesReport(t.Context(), tx, &reportspb.GenerateSalesReportArgs{BusinessId: business, StartDate: "2026-03-10", EndDate: "2026-03-11", UserId: &kofi})
	})
	require.Equal(t, "completed", v.Status(), v.Error)
	require.Contains(t, string(v.Result), `"format": "pdf"`)
	require.Contains(t, string(v.Result), `"record_count": 1`, "Kofi sees the storefront that is his")
	v = w.from("reports.export_transactions_to_excel", func(tx *gorm.DB) (uuid.UUID, error) {
		return w.reports.ExportTransactionsToExcel(t.Context(), tx, &reportspb.ExportTransactionsToExcelArgs{BusinessId: business, StartDate: "2026-03-10", EndDate: "2026-03-11"})
	})
	require.Contains(t, string(v.Result), `"sales_count": 3`)
	require.Contains(t, string(v.Result), `"payments_count": 5`)
	require.Equal(t, 1, w.count(`select count(*) from notifications.notice where kind = 'REPORT_READY' and user_id is null and permission = 'can_view_reports'`))
	require.Equal(t, 0, w.count(`select count(*) from notifications.email`))
}

func TestArgumentsThatCannotBeFailForGoodAndLeaveNothing(t *testing.T) { //nolint:tparallel // the cases share a worker that drains all there is

	t.Parallel()
	w := newWorker(t)
	business, docx, nobody := id("10").String(), "docx", id("03").String()
	tests := map[string]struct {
		args  proto.Message
		error string
	}{
		"a reversed period":      {&reportspb.GenerateSalesReportArgs{BusinessId: business, StartDate: "2026-03-11", EndDate: "2026-03-10"}, "end_date must not be before start_date"},
		"an unknown format":      {&reportspb.GenerateInventoryReportArgs{BusinessId: business, Format: &docx}, "format must be one of excel, pdf, csv"},
		"a date that is none":    {&reportspb.ExportTransactionsToExcelArgs{BusinessId: business, StartDate: "10/03/2026", EndDate: "2026-03-10"}, "start_date must be a date"},
		"no such business":       {&reportspb.ExportCustomersToCsvArgs{BusinessId: uuid.NewString()}, "does not exist"},
		"no business":            {&reportspb.ExportCustomersToCsvArgs{BusinessId: "12"}, "business_id is not a UUID"},
		"somebody else's member": {&reportspb.GenerateSalesReportArgs{BusinessId: business, StartDate: "2026-03-10", EndDate: "2026-03-10", UserId: &nobody}, "user_id is no member"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := w.from(nameOf(tt.args), func(tx *gorm.DB) (uuid.UUID, error) {
				switch args := tt.args.(type) {
				case *reportspb.GenerateSalesReportArgs:
					return w.reports.GenerateSalesReport(t.Context(), tx, args)
				case *reportspb.GenerateInventoryReportArgs:
					return w.reports.GenerateInventoryReport(t.Context(), tx, args)
				case *reportspb.ExportTransactionsToExcelArgs:
					return w.reports.ExportTransactionsToExcel(t.Context(), tx, args)
				default:
					return w.reports.ExportCustomersToCsv(t.Context(), tx, args.(*reportspb.ExportCustomersToCsvArgs))
				}
			})
			require.Equal(t, "failed", v.Status())
			require.Equal(t, task.KindPermanent, v.ErrorKind)
			require.Contains(t, v.Error, tt.error)
		})
	}
	require.Zero(t, w.count(`select count(*) from reporting.report`))
	require.Empty(t, w.kept())
}

func nameOf(args proto.Message) string {
	return map[string]string{
		"GenerateSalesReportArgs": "reports.generate_sales_report", "GenerateInventoryReportArgs": "reports.generate_inventory_report",
		"ExportTransactionsToExcelArgs": "reports.export_transactions_to_excel", "ExportCustomersToCsvArgs": "reports.export_customers_to_csv",
	}[string(args.ProtoReflect().Descriptor().Name())]
}

func TestAReportThatIsGivenUpLeavesNoFile(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	ctx := tenant.With(t.Context(), id("10"))
	giveUp := func(r *reporting.Report) {
		t.Helper()
		require.NoError(t, w.gateway.InTenant(ctx, func(tx *gorm.DB) error {
			_, _, err := reporting.Delete(tx, reporting.Reader{User: id("01"), All: true}, true, r.ID, "trial")
			return err
		}))
	}
	r := w.request(march())
	giveUp(r)
	w.h.Drain(t.Context())
	require.Equal(t, "cancelled", w.h.View(t.Context(), r.Task).Status())

	// Given up while its worker is about to finish it.
	r = w.request(march())
	handler := &tasks.Reports{DB: w.db, Files: w.files, Mail: notificationspb.NewTasks(w.h.Queue), Bell: w.h.Queue}
	run := contract.Run{ID: r.Task, Tenant: id("10"), Attempt: 1, MaxAttempts: 4, Progress: func(int64, int64, string) {}}
	args := &reportspb.GenerateSalesReportArgs{BusinessId: id("10").String(), StartDate: "2026-03-10", EndDate: "2026-03-11"}
	commit, err := handler.GenerateSalesReport(ctx, run, args)
	require.NoError(t, err)
	require.Len(t, w.kept(), 1)
	giveUp(r)
	require.ErrorIs(t, w.db.InTenant(ctx, func(tx *gorm.DB) error {
		_, err := commit(tx)
		return err
	}), reporting.ErrOver)
	require.Empty(t, w.kept())
	require.Zero(t, w.count(`select count(*) from notifications.notice`))

	// Taken over by another worker, who was faster.
	o := march()
	o.Format = reporting.Excel
	r = w.request(o)
	run.ID = r.Task
	slow, err := handler.GenerateSalesReport(ctx, run, args)
	require.NoError(t, err)
	fast, err := handler.GenerateSalesReport(ctx, run, args)
	require.NoError(t, err)
	require.Len(t, w.kept(), 2)
	require.NoError(t, w.db.InTenant(ctx, func(tx *gorm.DB) error {
		_, err := fast(tx)
		return err
	}))
	require.ErrorIs(t, w.db.InTenant(ctx, func(tx *gorm.DB) error {
		_, err := slow(tx)
		return err
	}), reporting.ErrOver)
	require.Len(t, w.kept(), 1)
	require.FileExists(t, filepath.Join(w.path, w.get(r.ID).File.Key))
}

func TestAStoreThatIsDownIsTriedAgainAndThenFailsClearly(t *testing.T) {
	t.Parallel()
	t.Run("a disk", func(t *testing.T) {
		t.Parallel()
		w := newWorker(t)
		require.NoError(t, os.WriteFile(filepath.Join(w.path, "reports"), nil, 0o600), "where a folder should be")
		r := w.failsAtLast("not a directory")
		require.NoError(t, os.Remove(filepath.Join(w.path, "reports")))
		w.recovers(r)
	})
	t.Run("an object store", func(t *testing.T) {
		t.Parallel()
		b := storagetest.New(t)
		files, err := storage.Open(t.Context(), b.Config())
		require.NoError(t, err)
		w := workerWith(t, files)
		b.Fail(storagetest.Down(http.StatusServiceUnavailable))
		r := w.failsAtLast("write file: the object store answered 503 ServiceUnavailable")
		require.Empty(t, b.Keys(t))
		b.Fail(nil)
		w.recovers(r)
		require.Len(t, b.Keys(t), 1)
	})
}

// A first attempt reads the other database, here one of another day; whatever it fails of, the second reads the service's own.
func TestAReportIsReadFromTheReplicaFirst(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	replica := postgrestest.New(t)
	fill(t, replica.Admin())
	_, err := replica.Admin().Exec(t.Context(), `update sales.sale set notes = 'read from the replica' where receipt_number = 'MKL-20260310-0001'`)
	require.NoError(t, err)
	handler := &tasks.Reports{DB: w.db, Read: replica.Open("makola_reader"), Files: w.files, Mail: notificationspb.NewTasks(w.h.Queue), Bell: w.h.Queue}
	args := &reportspb.GenerateSalesReportArgs{BusinessId: id("10").String(), StartDate: "2026-03-10", EndDate: "2026-03-11"}
	r := w.request(march())
	for attempt, there := range map[int]bool{1: true, 2: false} {
		_, err := handler.GenerateSalesReport(t.Context(), contract.Run{ID: r.Task, Tenant: id("10"), Attempt: attempt, MaxAttempts: 4, Progress: func(int64, int64, string) {}}, args)
		require.NoError(t, err)
		kept := w.kept()
		require.Len(t, kept, 1)
		raw, err := os.ReadFile(kept[0])
		require.NoError(t, err)
		require.Equal(t, there, strings.Contains(string(raw), "read from the replica"), "attempt %d", attempt)
		require.NoError(t, os.Remove(kept[0]))
	}
}

func TestAReportWaitsForItsTurnAndSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	var list []*reporting.Report
	for i, kind := range []reporting.Kind{reporting.Inventory, reporting.Customers} {
		for _, format := range []reporting.Format{reporting.CSV, reporting.Excel, reporting.PDF} {
			if r := w.request(reporting.Order{Kind: kind, Format: format}); len(list) < 3 {
				w.exec(`update task.task set state = 'running', started_at = clock_timestamp(), lease_until = now() + interval '1 day' where id = $1`, r.Task)
				w.exec(`update reporting.report set turn_at = clock_timestamp() where id = $1`, r.ID)
				list = append(list, r)
			} else if i > 0 {
				list = append(list, r)
			}
		}
	}
	require.Len(t, list, 6)
	w.h.Drain(t.Context())
	for _, r := range list[3:] {
		v := w.h.View(t.Context(), r.Task)
		require.Equal(t, []any{"queued", reporting.WaitingForTurn, "", 1}, []any{v.Status(), v.WaitingFor(), v.LastError(), v.Attempts})
		require.Equal(t, reporting.WaitingForTurn, w.get(r.ID).WaitingFor)
		require.Equal(t, reporting.Pending, w.get(r.ID).Status)
	}
	for range 5 { // as often as a task may fail, and more
		w.h.Advance(t.Context(), 11*time.Second)
		w.h.Drain(t.Context())
	}
	v := w.h.View(t.Context(), list[3].Task)
	require.Equal(t, []any{"queued", 1, 1}, []any{v.Status(), v.Attempts, len(v.History)}, "to wait costs no attempt, and is told once")

	w.exec(`update task.task set state = 'cancelled', finished_at = now() where id = $1`, list[0].Task)
	w.h.Advance(t.Context(), 11*time.Second)
	w.h.Drain(t.Context())
	for _, r := range list[3:] { // one after another, each as soon as the one before it is done
		require.Equal(t, reporting.Completed, w.get(r.ID).Status)
		require.Empty(t, w.get(r.ID).WaitingFor)
	}
}

func TestOldFilesGoAndTheirReportsStay(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	old := w.request(march())
	w.h.Drain(t.Context())
	fresh := march()
	fresh.Format = reporting.Excel
	young := w.request(fresh)
	w.h.Drain(t.Context())
	w.exec(`update reporting.report set expires_at = now() - interval '1 second' where id = $1`, old.ID)
	dead := w.request(march())
	w.exec(`update task.task set state = 'failed', error = 'crash_loop', finished_at = now() where id = $1`, dead.Task)
	require.Equal(t, reporting.Failed, w.get(dead.ID).Status, "its task says so")
	orphan, err := w.files.Put(t.Context(), "reports/x/orphan", strings.NewReader("x"), 10)
	require.NoError(t, err)
	require.EqualValues(t, 1, orphan.Size)
	past := time.Now().Add(-40 * 24 * time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(w.path, "reports/x/orphan"), past, past))

	clean := func() string {
		v := w.from("reports.cleanup_old_exports", func(tx *gorm.DB) (uuid.UUID, error) {
			return w.reports.CleanupOldExports(t.Context(), tx, &reportspb.CleanupOldExportsArgs{})
		})
		require.Equal(t, "completed", v.Status(), v.Error)
		return string(v.Result)
	}
	require.JSONEq(t, `{"status": "completed", "expired": 1, "orphans": 1, "settled": 1}`, clean())
	require.JSONEq(t, `{"status": "completed", "expired": 0, "orphans": 0, "settled": 0}`, clean())
	require.Len(t, w.kept(), 1)
	require.Equal(t, reporting.Expired, w.get(old.ID).Status)
	require.NotEmpty(t, w.get(old.ID).File.Name)
	require.Equal(t, reporting.Completed, w.get(young.ID).Status)
	require.Equal(t, 1, w.count(`select count(*) from reporting.report where id = $1 and state = 'FAILED'`, dead.ID))
}
