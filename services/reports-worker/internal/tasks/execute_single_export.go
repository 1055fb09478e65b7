package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/mail"
	"makola/pkg/notifications"
	"makola/pkg/reporting"
	"makola/pkg/task"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

// ExecuteSingleExport makes the report of one schedule and mails it.
// LONG: the file is written row by row from one snapshot; the returned function records it and stores its mails in the transaction that ends the task.
func (r *Reports) ExecuteSingleExport(ctx context.Context, run contract.Run, args *reportspb.ExecuteSingleExportArgs) (contract.Commit[*reportspb.ExecuteSingleExportResult], error) {
	id, err := uuid.Parse(args.GetScheduleId())
	if err != nil {
		return nil, task.Permanent(errors.New("schedule_id is not a UUID"))
	}
	trigger := reporting.Scheduled
	if args.Trigger != nil {
		trigger = reporting.Trigger(args.GetTrigger())
	}
	switch trigger {
	case reporting.Scheduled, reporting.Manual, reporting.API:
	default:
		return nil, task.Permanent(errors.New("trigger must be one of SCHEDULED, MANUAL, API"))
	}
	business, err := r.ownerOf(ctx, run, id)
	if err != nil {
		return nil, err
	}
	e := &export{Reports: r, business: business, id: id}
	commit, err := r.produce(ctx, run, job{
		business: business,
		begin: func(tx *gorm.DB) (report *reporting.Report, err error) {
			report, e.schedule, err = reporting.BeginRun(tx, run.ID, id, trigger)
			return report, err
		},
		ready: e.ready, failed: e.failed,
	})
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*reportspb.ExecuteSingleExportResult, error) {
		res, err := commit(tx)
		return &reportspb.ExecuteSingleExportResult{Status: res.status, FileUrl: res.url, Filename: res.fileName, RecordCount: res.records, Format: res.format, ReportId: res.id, Mails: e.mails}, err
	}, nil
}

// ownerOf is the business of a schedule: the task's, or, when a task from elsewhere names none, the schedule's own.
func (r *Reports) ownerOf(ctx context.Context, run contract.Run, schedule uuid.UUID) (business uuid.UUID, err error) {
	if run.Tenant != uuid.Nil {
		return run.Tenant, nil
	}
	err = r.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
		business, err = reporting.ScheduleOwner(tx, schedule)
		return err
	})
	if errors.Is(err, reporting.ErrNoSchedule) {
		err = task.Permanent(err)
	}
	return business, err
}

// export is one run of a schedule.
type export struct {
	*Reports
	business, id uuid.UUID
	schedule     *reporting.Schedule // nil when it was deleted
	mails        int32
}

// ready mails the file to the schedule's recipients, one mail each, if the business wants that.
func (e *export) ready(ctx context.Context, tx *gorm.DB, report *reporting.Report, took time.Duration) error {
	settings, err := reporting.ExportSettingsOf(tx)
	if err != nil || !settings.OnSuccess {
		return err
	}
	people, err := reporting.Addressees(tx, e.schedule, settings)
	if err != nil {
		return err
	}
	var file *notifications.Attachment
	if report.File.Size <= notifications.MaxAttachment {
		file = &notifications.Attachment{Key: report.File.Key, Name: report.File.Name, Type: report.Format.ContentType(), Size: report.File.Size, SHA256: report.File.SHA256}
	}
	ids, _, err := e.queue(ctx, tx, settings, people, "export:"+report.ID.String(), file, func(p reporting.Recipient) notifications.Content {
		return notifications.ExportReady{
			Name: p.Name, Business: p.Business, Schedule: e.schedule.Name, Title: report.Kind.Title(), Period: report.Period.String(), Subject: e.schedule.Subject, Message: e.schedule.Message,
			FileName: report.File.Name, SizeBytes: report.File.Size, Rows: report.RecordCount, Seconds: int64(took.Round(time.Second) / time.Second), Attached: file != nil, Path: reporting.DownloadPath(report.ID), Report: report.ID,
			ExpiresAt: time.Now().Add(reporting.Keep), Timezone: p.Timezone,
		}
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	e.mails = int32(len(ids))
	return reporting.RecordMails(tx, report.ID, ids)
}

// failed tells that a run has failed: in the application whoever made the schedule, and by mail its recipients, if the business wants that.
func (e *export) failed(ctx context.Context, tx *gorm.DB, report *reporting.Report, why reporting.Failure) error {
	n := notice(e.business, report)
	n.Kind, n.Priority, n.Key = notifications.KindReportFailed, notifications.Medium, "report-failed:"+report.ID.String()
	n.Title = "Your scheduled " + words(report) + " could not be made"
	n.Body = "The list of reports says why."
	if why == reporting.FailedCreatorGone { // so nobody would read it
		n.User, n.Permission = uuid.Nil, seesReports
	}
	if _, err := notifications.Post(tx, e.Bell, []notifications.Notice{n}); err != nil {
		return err
	}
	schedule, err := reporting.GetSchedule(tx, reporting.Reader{All: true}, e.id)
	if errors.Is(err, reporting.ErrNoSchedule) {
		return nil
	}
	if err != nil {
		return err
	}
	settings, err := reporting.ExportSettingsOf(tx)
	if err != nil || !settings.OnFailure {
		return err
	}
	people, err := reporting.Addressees(tx, schedule, settings)
	if err != nil {
		return err
	}
	_, _, err = e.queue(ctx, tx, settings, people, "export-failed:"+report.ID.String(), nil, func(p reporting.Recipient) notifications.Content {
		return notifications.ExportFailed{Name: p.Name, Business: p.Business, Schedule: schedule.Name, Title: report.Kind.Title(), Period: report.Period.String(), Failure: string(why), NextRun: schedule.NextRun, Timezone: p.Timezone}
	})
	return err
}

// senderOf is whom a mail is from, as its readers are to see it: a name of the business's own, or the business. One that carries an address, which neither may today, is left out.
func senderOf(settings reporting.ExportSettings, p reporting.Recipient) string {
	for _, name := range []string{settings.FromName, p.Business} {
		if name != "" && !mail.HasLink(name) {
			return name
		}
	}
	return ""
}

// queue stores one mail for each of the people, under a key of theirs, and returns their ids and how many are new. Somebody whose address cannot be written to does not keep the others
// from having theirs.
func (r *Reports) queue(ctx context.Context, tx *gorm.DB, settings reporting.ExportSettings, people []reporting.Recipient, key string, file *notifications.Attachment,
	content func(p reporting.Recipient) notifications.Content,
) (ids []uuid.UUID, fresh int32, err error) {
	if len(people) == 0 {
		return nil, 0, nil
	}
	mails := make([]notifications.Email, len(people))
	for i, p := range people {
		mails[i] = notifications.Email{Key: key + ":" + p.Email, To: p.Email, Content: content(p), Attachment: file, FromName: senderOf(settings, p), ReplyTo: settings.ReplyTo}
	}
	queued, err := notifications.QueueAll(ctx, tx, r.Mail, mails)
	if err != nil {
		return nil, 0, fmt.Errorf("mail an export: %w", err)
	}
	for _, q := range queued {
		switch {
		case errors.Is(q.Err, notifications.ErrAddress):
			slog.WarnContext(ctx, "a recipient of exports cannot be written to", "mails", key)
		case q.Err != nil:
			return nil, 0, q.Err
		default:
			ids = append(ids, q.ID)
		}
		if q.New {
			fresh++
		}
	}
	return ids, fresh, nil
}
