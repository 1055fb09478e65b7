package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/task"
	"makola/pkg/tenant"
	reportspb "makola/proto/makola/reports/v1"
)

// summaryHour is when the week's summary is sent, on a Monday.
const summaryHour = 7 * time.Hour

// SendExportSummaryReport tells a business's default recipients what became of its reports in a week.
// SHORT: a few statements, however many reports there were.
func (r *Reports) SendExportSummaryReport(ctx context.Context, tx *gorm.DB, args *reportspb.SendExportSummaryReportArgs) (*reportspb.SendExportSummaryReportResult, error) {
	own, bound := tenant.From(ctx)
	if args.BusinessId == nil && !bound {
		n, err := task.Each(ctx, tx, r.Tasks.SendExportSummaryReport, func(business uuid.UUID) *reportspb.SendExportSummaryReportArgs {
			id := business.String()
			return &reportspb.SendExportSummaryReportArgs{BusinessId: &id}
		}, task.EachWeekAt(time.Monday, summaryHour))
		return &reportspb.SendExportSummaryReportResult{Status: "fanned_out", Businesses: int32(n)}, err
	}
	business := own
	if args.BusinessId != nil {
		id, err := uuid.Parse(args.GetBusinessId())
		switch {
		case err != nil:
			return nil, task.Permanent(errors.New("business_id is not a UUID"))
		case bound && id != own:
			return nil, task.Permanent(errors.New("business_id is not the task's business"))
		}
		business = id
	}
	if !bound {
		if err := postgres.BindTenants(tx, []uuid.UUID{business}); err != nil {
			return nil, err
		}
	}
	ctx = tenant.With(ctx, business)
	tx = tx.WithContext(ctx)
	active, err := task.TenantActive(ctx, tx)
	if err != nil || !active {
		return &reportspb.SendExportSummaryReportResult{Status: "inactive"}, err
	}
	res, err := r.sendSummary(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("send export summary: %w", err)
	}
	return res, nil
}

func (r *Reports) sendSummary(ctx context.Context, tx *gorm.DB) (*reportspb.SendExportSummaryReportResult, error) {
	clock, err := reporting.ClockOf(tx)
	if err != nil {
		return nil, err
	}
	from, to, days := clock.Week()
	s, err := reporting.StatisticsOf(tx, reporting.Reader{All: true}, from, to)
	if err != nil {
		return nil, err
	}
	res := &reportspb.SendExportSummaryReportResult{Status: "no_data", Total: s.Total, Successful: s.Completed, Failed: s.Failed, Records: s.Records, SizeBytes: s.Bytes}
	if s.Total == 0 {
		return res, nil
	}
	settings, err := reporting.ExportSettingsOf(tx)
	if err != nil {
		return nil, err
	}
	if len(settings.Defaults) == 0 {
		res.Status = "no_recipient"
		return res, nil
	}
	people, err := reporting.Named(tx, settings.Defaults)
	if err != nil {
		return nil, err
	}
	kinds := make([]notifications.ExportKind, len(s.ByKind))
	for i, k := range s.ByKind {
		kinds[i] = notifications.ExportKind{Title: k.Kind.Title(), Total: k.Total, Successful: k.Completed, Failed: k.Failed, Records: k.Records, SizeBytes: k.Bytes}
	}
	begin, end := days.From.Format(time.DateOnly), days.To.Format(time.DateOnly)
	_, res.Mails, err = r.queue(ctx, tx, settings, people, "export-summary:"+end, nil, func(p reporting.Recipient) notifications.Content {
		return notifications.ExportSummary{Name: p.Name, Business: p.Business, From: begin, To: end, Total: s.Total, Successful: s.Completed, Failed: s.Failed, Records: s.Records, SizeBytes: s.Bytes, Kinds: kinds}
	})
	res.Status = "already_sent"
	if res.Mails > 0 {
		res.Status = "sent"
	}
	return res, err
}
