package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/reporting"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

// ExportAuditLogs writes what was done in a business between two dates.
// LONG: the file is written row by row from one snapshot, and the returned function records it in the transaction that ends the task.
func (r *Reports) ExportAuditLogs(ctx context.Context, run contract.Run, args *reportspb.ExportAuditLogsArgs) (contract.Commit[*reportspb.ExportAuditLogsResult], error) {
	commit, err := r.make(ctx, run, wanted{Wish: reporting.Wish{Kind: reporting.AuditLogs, Format: args.GetFormat(), StartDate: args.GetStartDate(), EndDate: args.GetEndDate()}, business: args.GetBusinessId()})
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*reportspb.ExportAuditLogsResult, error) {
		res, err := commit(tx)
		return &reportspb.ExportAuditLogsResult{Status: res.status, FileUrl: res.url, Filename: res.fileName, RecordCount: res.records, Format: res.format, ReportId: res.id}, err
	}, nil
}
