package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/reporting"
	"makola/pkg/task"
	"makola/pkg/tenant"
	reportspb "makola/proto/makola/reports/v1"
)

// subscribe lets things happen by themselves for both businesses.
func (w *worker) subscribe() {
	w.t.Helper()
	w.exec(`insert into billing.subscription (tenant_id, status, is_trial, period_start, period_end) select id, 'TRIAL', true, now() - interval '1 day', now() + interval '13 days' from accounts.business`)
}

// schedule makes a schedule of a business, as the gateway does.
func (w *worker) schedule(business, user string, c reporting.ScheduleChange) (s *reporting.Schedule) {
	w.t.Helper()
	require.NoError(w.t, w.gateway.InTenant(tenant.With(w.t.Context(), id(business)), func(tx *gorm.DB) (err error) {
		s, err = reporting.AddSchedule(tx, reporting.Reader{User: id(user), All: true}, c)
		return err
	}))
	return s
}

// customersDaily is a list of customers for somebody outside.
func customersDaily(name string) reporting.ScheduleChange {
	kind, frequency := string(reporting.Customers), string(reporting.Daily)
	return reporting.ScheduleChange{Name: &name, Kind: &kind, Frequency: &frequency, Recipients: &[]string{"accountant@example.com"}}
}

// due lets a schedule fall due, each time for a time of its own.
func (w *worker) due(schedules ...*reporting.Schedule) {
	w.t.Helper()
	for _, s := range schedules {
		w.exec(`update reporting.export_schedule set next_run_at = date_trunc('hour', now()) - interval '1 hour' * (1 + (select count(*) from reporting.report where schedule_id = $1)) where id = $1`, s.ID)
	}
}

// platform runs a task that belongs to no business, and returns its result.
func (w *worker) platform(enqueue func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error)) map[string]any {
	w.t.Helper()
	var task uuid.UUID
	require.NoError(w.t, w.db.InSystem(w.t.Context(), func(tx *gorm.DB) (err error) {
		task, err = enqueue(w.t.Context(), tx)
		return err
	}))
	w.h.Drain(w.t.Context())
	v := w.h.View(w.t.Context(), task)
	require.Equal(w.t, "completed", v.Status(), v.Error)
	res := map[string]any{}
	require.NoError(w.t, json.Unmarshal(v.Result, &res))
	return res
}

func (w *worker) sweep() map[string]any {
	w.t.Helper()
	return w.platform(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return w.reports.CheckAndRunScheduledExports(ctx, tx, &reportspb.CheckAndRunScheduledExportsArgs{})
	})
}

func (w *worker) retry() map[string]any {
	w.t.Helper()
	return w.platform(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
		return w.reports.RetryFailedExports(ctx, tx, &reportspb.RetryFailedExportsArgs{})
	})
}

// runs are a schedule's reports, the newest first.
func (w *worker) runs(s *reporting.Schedule) (list []*reporting.Report) {
	w.t.Helper()
	require.NoError(w.t, w.gateway.InTenant(tenant.With(w.t.Context(), id("10")), func(tx *gorm.DB) (err error) {
		list, err = reporting.List(tx, reporting.Reader{All: true}, reporting.Filter{Schedule: s.ID, Limit: 100})
		return err
	}))
	return list
}

func TestAScheduleThatIsDueRunsOnceAndIsMailed(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	sales, daily, lastMonth, csv := string(reporting.Sales), string(reporting.Daily), string(reporting.LastMonth), "csv"
	yes, name, subject := true, "Month", "Our month"
	s := w.schedule("10", "01", reporting.ScheduleChange{Name: &name, Kind: &sales, Frequency: &daily, Period: &lastMonth, Format: &csv, Recipients: &[]string{"accountant@example.com"}, IncludeCreator: &yes, Subject: &subject})
	paused := w.schedule("10", "01", customersDaily("Paused"))
	w.due(s)
	w.exec(`update reporting.export_schedule set is_active = false, next_run_at = null where id = $1`, paused.ID)

	require.Equal(t, map[string]any{"status": "completed", "total_found": 1.0, "enqueued": 1.0, "skipped": 0.0}, ints(w.sweep()))
	require.Equal(t, map[string]any{"status": "completed", "total_found": 0.0, "enqueued": 0.0, "skipped": 0.0}, ints(w.sweep()), "it has been moved on")
	runs := w.runs(s)
	require.Len(t, runs, 1)
	require.Empty(t, w.runs(paused))
	r := runs[0]
	require.Equal(t, []any{reporting.Completed, reporting.Scheduled, reporting.MailQueued}, []any{r.Status, r.Trigger, r.Mails})
	require.Equal(t, []int{1, 1}, []int{r.Period.From.Day(), r.Period.To.AddDate(0, 0, 1).Day()}, "a whole month")
	require.Equal(t, r.Period.From.Month(), r.Period.To.Month())
	require.True(t, r.Period.To.Before(r.CreatedAt))
	require.Len(t, w.kept(), 1)
	require.Equal(t, 2, w.count(`select count(*) from notifications.email where template = 'export_ready' and data ->> 'subject' = 'Our month' and (data ->> 'attached')::boolean
		and attachment ->> 'key' = $1 and attachment ->> 'name' = $2 and recipient in ('accountant@example.com', 'ama@example.com')`, r.File.Key, r.File.Name))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where data ->> 'name' = 'Ama Ẹ̀bùn'`))
	require.Equal(t, 1, w.count(`select count(*) from reporting.export_schedule where id = $1 and next_run_at > now() and next_run_at <= now() + interval '24 hours' and last_run_at is not null`, s.ID))

	// What becomes of the mails is seen in the report, and a recipient that bounces does not undo it.
	w.exec(`update notifications.email set state = 'sent' where recipient = 'ama@example.com'`)
	require.Equal(t, reporting.MailQueued, w.get(r.ID).Mails)
	w.exec(`update notifications.email set state = 'refused', error = '550 no such user' where recipient = 'accountant@example.com'`)
	now := w.runs(s)[0]
	require.Equal(t, []any{reporting.Completed, reporting.MailPartlySent}, []any{now.Status, now.Mails})
	require.Equal(t, []reporting.MailedTo{{Address: "accountant@example.com", State: reporting.MailRefused, Reason: "550 no such user"}, {Address: "ama@example.com", State: reporting.MailSent}}, now.Recipients)
	require.Equal(t, 2, w.count(`select count(*) from notifications.email where from_name = 'Ẹ̀bùn & Daughters'`), "readers see whose mail it is")
	w.exec(`update notifications.email set error = null`)
	w.exec(`update notifications.email set state = 'sent'`)
	require.Equal(t, []any{reporting.Emailed, reporting.MailSent}, []any{w.get(r.ID).Status, w.get(r.ID).Mails})
	w.exec(`update notifications.email set state = 'refused'`)
	require.Equal(t, []any{reporting.Completed, reporting.MailRefused}, []any{w.get(r.ID).Status, w.get(r.ID).Mails})
}

// ints reads what protobuf's JSON writes as text.
func ints(m map[string]any) map[string]any {
	for k, v := range m {
		if text, ok := v.(string); ok {
			var n float64
			if json.Unmarshal([]byte(text), &n) == nil {
				m[k] = n
			}
		}
	}
	return m
}

// Any number of sweeps at once start each schedule once, whoever holds which.
func TestSweepsAtOnceStartEachScheduleOnce(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	const n = 40
	var all []*reporting.Schedule
	for i := range n {
		business, user := "10", "01"
		if i%2 == 1 {
			business, user = "11", "03"
		}
		all = append(all, w.schedule(business, user, customersDaily(fmt.Sprintf("Schedule %d", i))))
	}
	w.due(all...)
	tasks := reportspb.NewTasks(w.h.Queue)
	var wg sync.WaitGroup
	found, errs := make([]reporting.Due, 4), make([]error, 4)
	for i := range found {
		wg.Go(func() {
			errs[i] = w.db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
				found[i], err = reporting.RunDue(t.Context(), tx, tasks)
				return err
			})
		})
	}
	wg.Wait()
	started := 0
	for i := range found {
		require.NoError(t, errs[i])
		started += found[i].Started
	}
	require.Equal(t, n, started)
	require.Equal(t, n, w.count(`select count(*) from reporting.report where trigger = 'SCHEDULED'`))
	require.Equal(t, n, w.count(`select count(distinct schedule_id) from reporting.report`))
	require.Equal(t, n, w.count(`select count(*) from task.task t join reporting.report r on r.task_id = t.id and r.tenant_id = t.tenant_id where t.name = 'reports.execute_single_export'`))

	// A sweep that dies before its commit leaves nothing behind, and what it had is due still.
	w.due(all...)
	killed := errors.New("killed")
	require.ErrorIs(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		if _, err := reporting.RunDue(t.Context(), tx, tasks); err != nil {
			return err
		}
		return killed
	}), killed)
	require.Equal(t, n, w.count(`select count(*) from reporting.report`))
	require.Equal(t, n, w.count(`select count(*) from reporting.export_schedule where next_run_at < now()`))
	// And what ran for a time does not run for it again, even if it is set back to it.
	w.exec(`update reporting.export_schedule s set next_run_at = r.due_at from reporting.report r where r.schedule_id = s.id`)
	require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		due, err := reporting.RunDue(t.Context(), tx, tasks)
		require.Equal(t, n, due.Found)
		require.Zero(t, due.Started)
		return err
	}))
	require.Equal(t, n, w.count(`select count(*) from reporting.report`))
}

func TestNothingHappensByItselfForWhoDoesNotPayOrHasClosed(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	mine, theirs := w.schedule("10", "01", customersDaily("Mine")), w.schedule("11", "03", customersDaily("Theirs"))
	w.due(mine, theirs)
	w.exec(`update billing.subscription set period_end = now() - interval '1 second', period_start = now() - interval '2 days' where tenant_id = $1`, id("10"))
	w.exec(`update accounts.business set is_active = false where id = $1`, id("11"))
	require.Equal(t, map[string]any{"status": "completed", "total_found": 2.0, "enqueued": 0.0, "skipped": 2.0}, ints(w.sweep()))
	require.Zero(t, w.count(`select count(*) from reporting.report`))
	require.Equal(t, 2, w.count(`select count(*) from reporting.export_schedule where next_run_at > now() and last_run_at is null`))
}

func TestARunOfABusinessThatHasClosedMakesNothingAndIsInNobodysWay(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := w.schedule("10", "01", customersDaily("Customers"))
	ctx := tenant.With(t.Context(), id("10"))
	trigger := func() (r *reporting.Report, fresh bool) {
		t.Helper()
		require.NoError(t, w.gateway.InTenant(ctx, func(tx *gorm.DB) (err error) {
			r, fresh, err = reporting.TriggerSchedule(ctx, tx, w.reports, reporting.Reader{All: true}, s.ID)
			return err
		}))
		return r, fresh
	}
	first, fresh := trigger()
	require.True(t, fresh)
	w.exec(`update accounts.business set is_active = false where id = $1`, id("10"))
	w.h.Drain(t.Context())
	require.Contains(t, string(w.h.View(t.Context(), first.Task).Result), `"inactive"`)
	require.Equal(t, reporting.Cancelled, w.get(first.ID).Status)
	w.exec(`update accounts.business set is_active = true where id = $1`, id("10"))
	second, fresh := trigger()
	require.True(t, fresh)
	again, fresh := trigger()
	require.False(t, fresh)
	require.Equal(t, second.ID, again.ID)
	w.h.Drain(t.Context())
	require.Equal(t, reporting.Completed, w.get(second.ID).Status)
}

func TestWhatTheBusinessDoesNotWantToHearIsNotMailed(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	s := w.schedule("10", "01", customersDaily("Quiet"))
	settings := func(success, failure bool, defaults ...string) {
		t.Helper()
		require.NoError(t, w.gateway.InTenant(tenant.With(t.Context(), id("10")), func(tx *gorm.DB) error {
			_, err := reporting.PutExportSettings(tx, reporting.ExportSettings{OnSuccess: success, OnFailure: failure, Defaults: defaults, FromName: "Ẹ̀bùn", ReplyTo: "ama@example.com"})
			return err
		}))
	}
	settings(false, false)
	w.due(s)
	w.sweep()
	require.Equal(t, []any{reporting.Completed, reporting.MailState("")}, []any{w.runs(s)[0].Status, w.runs(s)[0].Mails})
	w.ruin()
	w.due(s)
	w.sweep()
	w.exhaust()
	require.Equal(t, []any{reporting.Failed, reporting.FailedStorage}, []any{w.runs(s)[0].Status, w.runs(s)[0].Failure})
	require.Zero(t, w.count(`select count(*) from notifications.email`))
	require.Equal(t, 1, w.count(`select count(*) from notifications.notice where kind = 'REPORT_FAILED' and user_id = $1`, id("01")))

	settings(true, true, "owner@example.com")
	w.exec(`update reporting.export_schedule set recipients = '{}'`)
	w.due(s)
	w.sweep()
	w.exhaust()
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where template = 'export_failed' and recipient = 'owner@example.com' and data ->> 'failure' = 'STORAGE' and from_name = 'Ẹ̀bùn' and reply_to = 'ama@example.com'`),
		"nobody is named, so the default recipients are told")
}

// ruin takes the place for files away.
func (w *worker) ruin() {
	w.t.Helper()
	require.NoError(w.t, os.RemoveAll(filepath.Join(w.path, "reports")))
	require.NoError(w.t, os.WriteFile(filepath.Join(w.path, "reports"), nil, 0o600))
}

func (w *worker) mend() {
	w.t.Helper()
	require.NoError(w.t, os.Remove(filepath.Join(w.path, "reports")))
}

// exhaust lets the attempts of all tasks pass.
func (w *worker) exhaust() {
	w.t.Helper()
	for range 5 {
		w.h.Advance(w.t.Context(), 2*time.Hour)
		w.h.Drain(w.t.Context())
	}
}

func TestAFailedRunIsTriedOnceMoreUntilOneSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	s := w.schedule("10", "01", customersDaily("Customers"))
	w.ruin()
	w.due(s)
	w.sweep()
	w.exhaust()
	require.Equal(t, reporting.Failed, w.runs(s)[0].Status)
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where template = 'export_failed'`))
	for n := range 3 {
		require.Equal(t, map[string]any{"status": "completed", "found": 1.0, "retried": 1.0}, ints(w.retry()), "%d", n)
		require.Equal(t, map[string]any{"status": "completed", "found": 0.0, "retried": 0.0}, ints(w.retry()), "it is being tried")
		w.exhaust()
		require.Equal(t, []any{reporting.Failed, n + 1}, []any{w.runs(s)[0].Status, w.runs(s)[0].Retries})
	}
	require.Equal(t, map[string]any{"status": "completed", "found": 0.0, "retried": 0.0}, ints(w.retry()), "three times at most")

	w.due(s)
	w.sweep()
	w.exhaust()
	w.mend()
	require.Equal(t, 1.0, ints(w.retry())["retried"])
	require.Equal(t, reporting.Completed, w.runs(s)[0].Status)
	require.Equal(t, 0.0, ints(w.retry())["found"], "it has succeeded since")
	require.Len(t, w.runs(s), 6)

	// Retries at once are one.
	w.ruin()
	w.due(s)
	w.sweep()
	w.exhaust()
	tasks := reportspb.NewTasks(w.h.Queue)
	var wg sync.WaitGroup
	started, errs := make([]int, 4), make([]error, 4)
	for i := range started {
		wg.Go(func() {
			errs[i] = w.db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
				_, started[i], err = reporting.RetryFailed(t.Context(), tx, tasks, 3)
				return err
			})
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, 1, started[0]+started[1]+started[2]+started[3])
	w.exhaust()
	w.exec(`update reporting.report set created_at = created_at - interval '25 hours'`)
	require.Equal(t, 0.0, ints(w.retry())["found"], "yesterday's are left alone")
}

func TestAScheduleWhoseMakerHasLeftFailsAndIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	s := w.schedule("10", "02", customersDaily("Kofi's"))
	w.due(s)
	w.exec(`update accounts.membership set is_active = false where user_id = $1`, id("02"))
	w.sweep()
	r := w.runs(s)[0]
	require.Equal(t, []any{reporting.Failed, reporting.FailedCreatorGone}, []any{r.Status, r.Failure})
	require.Empty(t, w.kept())
	require.Equal(t, task.KindPermanent, w.h.View(t.Context(), r.Task).ErrorKind)
	require.Equal(t, 1, w.count(`select count(*) from notifications.notice where kind = 'REPORT_FAILED' and permission = 'can_view_reports' and user_id is null`))
	require.Equal(t, 0.0, ints(w.retry())["found"])
	w.exec(`update accounts.membership set is_active = true, role = 'STAFF' where user_id = $1`, id("02"))
	w.due(s)
	w.sweep()
	require.Equal(t, reporting.FailedCreatorGone, w.runs(s)[0].Failure, "nor may a cashier export")

	// A run whose schedule was deleted meanwhile.
	other := w.schedule("10", "01", customersDaily("Deleted"))
	w.due(other)
	tasks := reportspb.NewTasks(w.h.Queue)
	require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := reporting.RunDue(t.Context(), tx, tasks)
		return err
	}))
	require.NoError(t, w.gateway.InTenant(tenant.With(t.Context(), id("10")), func(tx *gorm.DB) error {
		_, err := reporting.DeleteSchedule(tx, reporting.Reader{All: true}, other.ID)
		return err
	}))
	w.h.Drain(t.Context())
	require.Equal(t, []any{reporting.Failed, reporting.FailedNoSchedule}, []any{w.runs(other)[0].Status, w.runs(other)[0].Failure})
}

func TestARunIsOfWhatItsMakerSees(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	kind, frequency, period, format := string(reporting.Sales), string(reporting.Daily), string(reporting.LastSevenDays), "csv"
	plan := func(user, name string) *reporting.Schedule {
		return w.schedule("10", user, reporting.ScheduleChange{Name: &name, Kind: &kind, Frequency: &frequency, Period: &period, Format: &format, Recipients: &[]string{"accountant@example.com"}})
	}
	ama, kofi := plan("01", "Ama's"), plan("02", "Kofi's")
	w.due(ama, kofi)
	w.exec(`update sales.sale set completed_at = date_trunc('day', now() at time zone 'Africa/Lagos') at time zone 'Africa/Lagos' - interval '3 hours' where completed_at is not null`)
	w.sweep()
	require.EqualValues(t, 4, w.runs(ama)[0].RecordCount)
	require.EqualValues(t, 1, w.runs(kofi)[0].RecordCount, "Kofi sees the storefront that is his")
	require.Equal(t, []uuid.UUID{id("22")}, w.runs(kofi)[0].Storefronts)
}

func TestExportsThatACeleryClientAsksFor(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	s := w.schedule("10", "01", customersDaily("Customers"))
	ask := func(args *reportspb.ExecuteSingleExportArgs) *task.View {
		t.Helper()
		return w.from("reports.execute_single_export", func(tx *gorm.DB) (uuid.UUID, error) { return w.reports.ExecuteSingleExport(t.Context(), tx, args) })
	}
	manual := "MANUAL"
	v := ask(&reportspb.ExecuteSingleExportArgs{ScheduleId: s.ID.String(), Trigger: &manual})
	require.Equal(t, "completed", v.Status(), v.Error)
	require.Contains(t, string(v.Result), `"mails": 1`)
	require.Equal(t, []any{reporting.Completed, reporting.Manual}, []any{w.runs(s)[0].Status, w.runs(s)[0].Trigger})
	never := "NEVER"
	for name, tt := range map[string]struct {
		args  *reportspb.ExecuteSingleExportArgs
		error string
	}{
		"no such schedule":   {&reportspb.ExecuteSingleExportArgs{ScheduleId: uuid.NewString()}, "There is no such export schedule"},
		"no id":              {&reportspb.ExecuteSingleExportArgs{ScheduleId: "12"}, "schedule_id is not a UUID"},
		"an unknown trigger": {&reportspb.ExecuteSingleExportArgs{ScheduleId: s.ID.String(), Trigger: &never}, "trigger must be one of"},
	} {
		v := ask(tt.args)
		require.Equal(t, task.KindPermanent, v.ErrorKind, name)
		require.Contains(t, v.Error, tt.error, name)
	}
	require.Len(t, w.runs(s), 1)
}

func TestAWeekOfReportsIsSummedUpOnce(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	w.subscribe()
	ask := func(business *string) map[string]any {
		return ints(w.platform(func(ctx context.Context, tx *gorm.DB) (uuid.UUID, error) {
			return w.reports.SendExportSummaryReport(ctx, tx, &reportspb.SendExportSummaryReportArgs{BusinessId: business})
		}))
	}
	shop := id("10").String()
	require.Equal(t, "no_data", ask(&shop)["status"])
	s := w.schedule("10", "01", customersDaily("Customers"))
	w.due(s)
	w.sweep()
	w.exec(`update reporting.report set created_at = created_at - interval '2 days'`)
	require.Equal(t, "no_recipient", ask(&shop)["status"])
	require.NoError(t, w.gateway.InTenant(tenant.With(t.Context(), id("10")), func(tx *gorm.DB) error {
		_, err := reporting.PutExportSettings(tx, reporting.ExportSettings{Defaults: []string{"ama@example.com", "accountant@example.com"}})
		return err
	}))
	res := ask(&shop)
	require.Equal(t, []any{"sent", 2.0, 1.0, 1.0, 0.0, 2.0}, []any{res["status"], res["mails"], res["total"], res["successful"], res["failed"], res["records"]})
	require.Equal(t, "already_sent", ask(&shop)["status"])
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where template = 'export_summary' and recipient = 'ama@example.com' and data ->> 'name' = 'Ama Ẹ̀bùn' and (data ->> 'records')::int = 2`))
	require.Equal(t, []any{"fanned_out", 2.0}, []any{ask(nil)["status"], ask(nil)["businesses"]})
	require.Equal(t, 2, w.count(`select count(*) from notifications.email where template = 'export_summary'`))
	v := w.from("reports.send_export_summary_report", func(tx *gorm.DB) (uuid.UUID, error) {
		none := "12"
		return w.reports.SendExportSummaryReport(t.Context(), tx, &reportspb.SendExportSummaryReportArgs{BusinessId: &none})
	})
	require.Equal(t, task.KindPermanent, v.ErrorKind)
}
