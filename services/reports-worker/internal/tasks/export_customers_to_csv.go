package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/reporting"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

// ExportCustomersToCsv writes a business's customers.
// LONG: the file is written row by row from one snapshot, and the returned function records it in the transaction that ends the task.
func (r *Reports) ExportCustomersToCsv(ctx context.Context, run contract.Run, args *reportspb.ExportCustomersToCsvArgs) (contract.Commit[*reportspb.ExportCustomersToCsvResult], error) {
	commit, err := r.make(ctx, run, wanted{Wish: reporting.Wish{Kind: reporting.Customers, Format: args.GetFormat()}, business: args.GetBusinessId()})
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*reportspb.ExportCustomersToCsvResult, error) {
		res, err := commit(tx)
		return &reportspb.ExportCustomersToCsvResult{Status: res.status, FileUrl: res.url, Filename: res.fileName, RecordCount: res.records, Format: res.format, ReportId: res.id}, err
	}, nil
}
