package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/reporting"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

// ExportTransactionsToExcel writes a business's sales, payments and refunds between two dates.
// LONG: the file is written row by row from one snapshot, and the returned function records it in the transaction that ends the task.
func (r *Reports) ExportTransactionsToExcel(ctx context.Context, run contract.Run, args *reportspb.ExportTransactionsToExcelArgs) (contract.Commit[*reportspb.ExportTransactionsToExcelResult], error) {
	commit, err := r.make(ctx, run, wanted{Wish: reporting.Wish{Kind: reporting.Transactions, StartDate: args.GetStartDate(), EndDate: args.GetEndDate()}, business: args.GetBusinessId()})
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*reportspb.ExportTransactionsToExcelResult, error) {
		res, err := commit(tx)
		return &reportspb.ExportTransactionsToExcelResult{Status: res.status, FileUrl: res.url, Filename: res.fileName, RecordCount: res.records, Format: res.format, ReportId: res.id, SalesCount: res.sales, PaymentsCount: res.payments}, err
	}, nil
}
