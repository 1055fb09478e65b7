package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/reporting"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

// GenerateInventoryReport writes what each place of a business holds.
// LONG: the file is written row by row from one snapshot, and the returned function records it in the transaction that ends the task.
func (r *Reports) GenerateInventoryReport(ctx context.Context, run contract.Run, args *reportspb.GenerateInventoryReportArgs) (contract.Commit[*reportspb.GenerateInventoryReportResult], error) {
	commit, err := r.make(ctx, run, wanted{Wish: reporting.Wish{Kind: reporting.Inventory, Format: args.GetFormat()}, business: args.GetBusinessId(), includeZeroStock: args.GetIncludeZeroStock()})
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*reportspb.GenerateInventoryReportResult, error) {
		res, err := commit(tx)
		return &reportspb.GenerateInventoryReportResult{Status: res.status, FileUrl: res.url, Filename: res.fileName, RecordCount: res.records, Format: res.format, ReportId: res.id}, err
	}, nil
}
