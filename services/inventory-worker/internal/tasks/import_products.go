package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/imports"
	"makola/pkg/inventory"
	"makola/proto/contract"
	inventorypb "makola/proto/makola/inventory/v1"
)

// ImportProducts brings the products of an uploaded file.
// LONG: the file is read, and its rows are checked, without an open transaction; the returned function reads it again and writes once.
func (i *Inventory) ImportProducts(ctx context.Context, run contract.Run, args *inventorypb.ImportProductsArgs) (contract.Commit[*inventorypb.ImportProductsResult], error) {
	write, err := runImport(ctx, i.Imports, run, imports.Products, args.GetImportId(), func(_ *gorm.DB, im *imports.Import) (imports.Sink[inventory.ProductRow], error) {
		return &inventory.ProductImport{Update: im.OnExisting == imports.Update}, nil
	})
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*inventorypb.ImportProductsResult, error) {
		r, err := write(tx)
		return &inventorypb.ImportProductsResult{Status: r.status, Rows: r.rows, Created: r.created, Updated: r.updated, Faults: r.faults}, err
	}, nil
}
