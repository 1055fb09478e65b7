package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/reporting"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

// GenerateSalesReport writes a business's sales between two dates.
// LONG: the file is written row by row from one snapshot, and the returned function records it in the transaction that ends the task.
func (r *Reports) GenerateSalesReport(ctx context.Context, run contract.Run, args *reportspb.GenerateSalesReportArgs) (contract.Commit[*reportspb.GenerateSalesReportResult], error) {
	commit, err := r.make(ctx, run, wanted{Wish: reporting.Wish{Kind: reporting.Sales, Format: args.GetFormat(), StartDate: args.GetStartDate(), EndDate: args.GetEndDate()}, business: args.GetBusinessId(), user: args.GetUserId()})
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*reportspb.GenerateSalesReportResult, error) {
		res, err := commit(tx)
		return &reportspb.GenerateSalesReportResult{Status: res.status, FileUrl: res.url, Filename: res.fileName, RecordCount: res.records, Format: res.format, ReportId: res.id}, err
	}, nil
}
