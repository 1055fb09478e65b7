package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/imports"
	"makola/pkg/sales"
	"makola/proto/contract"
	salespb "makola/proto/makola/sales/v1"
)

// ImportCustomers brings the customers of an uploaded file.
// LONG: as ImportProducts.
func (s *Sales) ImportCustomers(ctx context.Context, run contract.Run, args *salespb.ImportCustomersArgs) (contract.Commit[*salespb.ImportCustomersResult], error) {
	write, err := runImport(ctx, s.Imports, run, imports.Customers, args.GetImportId(), func(tx *gorm.DB, im *imports.Import) (imports.Sink[sales.CustomerRow], error) {
		c := &sales.CustomerImport{Business: run.Tenant, User: im.CreatedBy, Update: im.OnExisting == imports.Update}
		return c, c.ReadTerms(tx)
	})
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*salespb.ImportCustomersResult, error) {
		r, err := write(tx)
		return &salespb.ImportCustomersResult{Status: r.status, Rows: r.rows, Created: r.created, Updated: r.updated, Faults: r.faults}, err
	}, nil
}
