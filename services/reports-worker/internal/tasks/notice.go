package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
)

// seesReports is who is told of reports that nobody in particular asked for, a codename of the permission matrix.
const seesReports = "can_view_reports"

// finish records the file in the transaction that ends the task, and tells of it.
func (r *Reports) finish(ctx context.Context, tx *gorm.DB, report *reporting.Report, j job, made reporting.Made, key string, w storage.Written, took time.Duration) (result, error) {
	ctx = tenant.With(ctx, j.business)
	if err := postgres.BindTenants(tx, []uuid.UUID{j.business}); err != nil { // a task from elsewhere belongs to nobody
		return result{}, err
	}
	tx = tx.WithContext(tenant.With(tx.Statement.Context, j.business)) //nolint:contextcheck // the transaction's own, and the business with it
	if err := reporting.Complete(tx, report.ID, made, key, w, took); err != nil {
		return result{}, err
	}
	if err := reporting.PassTurn(tx); err != nil {
		return result{}, err
	}
	report.File = &reporting.File{Name: made.FileName, Size: w.Size, SHA256: w.SHA256, Key: key}
	report.RecordCount, report.SalesCount, report.Payments = made.Records, made.Sales, made.Payments
	err := webhooks.Emit(ctx, tx, r.Webhooks, []webhooks.Event{{Tenant: j.business, At: time.Now(), Data: webhooks.ReportReady{
		ReportID: report.ID, Kind: string(report.Kind), StartDate: date(report.Period.From), EndDate: date(report.Period.To), FileName: made.FileName, SizeBytes: w.Size, Rows: made.Records,
		ExpiresAt: time.Now().Add(reporting.Keep).UTC(),
	}}})
	if err != nil {
		return result{}, err
	}
	return resultOf(report), j.ready(ctx, tx, report, took)
}

// tellReady tells whoever asked that there is a file.
func (r *Reports) tellReady(ctx context.Context, tx *gorm.DB, business uuid.UUID, report *reporting.Report) error {
	n := notice(business, report)
	n.Kind, n.Priority, n.Key = notifications.KindReportReady, notifications.Low, "report:"+report.ID.String()
	n.Title = "Your " + words(report) + " is ready"
	n.Body = fmt.Sprintf("%s, %d rows. The file is kept for 30 days.", report.File.Name, report.RecordCount)
	if _, err := notifications.Post(tx, r.Bell, []notifications.Notice{n}); err != nil {
		return err
	}
	return r.mail(ctx, tx, business, report, n.Key, func(p *reporting.Recipient) notifications.Content {
		return notifications.ReportReady{
			Name: p.Name, Business: p.Business, Title: report.Kind.Title(), Period: report.Period.String(), FileName: report.File.Name, SizeBytes: report.File.Size, Rows: report.RecordCount,
			ExpiresAt: time.Now().Add(reporting.Keep), Timezone: p.Timezone,
		}
	})
}

// tellFailed tells that there will be no report.
func (r *Reports) tellFailed(ctx context.Context, tx *gorm.DB, business uuid.UUID, report *reporting.Report) error {
	n := notice(business, report)
	n.Kind, n.Priority, n.Key = notifications.KindReportFailed, notifications.Medium, "report-failed:"+report.ID.String()
	n.Title = "Your " + words(report) + " could not be made"
	n.Body = "Ask for it again. If it fails once more, ask for a shorter period."
	if _, err := notifications.Post(tx, r.Bell, []notifications.Notice{n}); err != nil {
		return err
	}
	return r.mail(ctx, tx, business, report, n.Key, func(p *reporting.Recipient) notifications.Content {
		return notifications.ReportFailed{Name: p.Name, Business: p.Business, Title: report.Kind.Title(), Period: report.Period.String()}
	})
}

// notice is what the two have in common: they are for whoever asked, or, when that was nobody, for all who see reports.
func notice(business uuid.UUID, report *reporting.Report) notifications.Notice {
	n := notifications.Notice{Tenant: business, User: report.User, Link: "/reports/" + report.ID.String(), Data: map[string]any{"report_id": report.ID.String(), "kind": string(report.Kind)}}
	if report.User == uuid.Nil {
		n.Permission = seesReports
	}
	return n
}

// mail writes to whoever asked for the report, if they wanted that. Somebody whose address cannot be written to does not keep the report from being made.
func (r *Reports) mail(ctx context.Context, tx *gorm.DB, business uuid.UUID, report *reporting.Report, key string, content func(p *reporting.Recipient) notifications.Content) error {
	if !report.Mail || report.User == uuid.Nil {
		return nil
	}
	p, err := reporting.RecipientOf(tx, report.User)
	if err != nil || p == nil {
		return err
	}
	_, _, err = notifications.Queue(ctx, tx, r.Mail, notifications.Email{Tenant: business, Key: key, To: p.Email, Content: content(p)})
	if errors.Is(err, notifications.ErrAddress) {
		slog.WarnContext(ctx, "whoever asked for a report cannot be written to", "mail", key)
		return nil
	}
	return err
}

// words are the report in a sentence.
func words(report *reporting.Report) string {
	text := strings.ToLower(report.Kind.Title())
	if period := report.Period.String(); period != "" {
		text += ", " + period + ","
	}
	return text
}

// date is a day as programs read it; nil is none.
func date(day time.Time) *string {
	if day.IsZero() {
		return nil
	}
	text := day.Format(time.DateOnly)
	return &text
}
