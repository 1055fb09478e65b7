package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/imports"
	"makola/pkg/inventory"
	"makola/proto/contract"
	inventorypb "makola/proto/makola/inventory/v1"
)

// ImportOpeningStock takes in what an uploaded file says that a place holds.
// LONG: as ImportProducts.
func (i *Inventory) ImportOpeningStock(ctx context.Context, run contract.Run, args *inventorypb.ImportOpeningStockArgs) (contract.Commit[*inventorypb.ImportOpeningStockResult], error) {
	write, err := runImport(ctx, i.Imports, run, imports.OpeningStock, args.GetImportId(), func(tx *gorm.DB, im *imports.Import) (imports.Sink[inventory.StockRow], error) {
		s := &inventory.StockImport{Place: im.Location, Reference: "Import " + im.ID.String(), Description: im.FileName, User: im.CreatedBy, Now: im.CreatedAt}
		return s, s.ReadRules(tx)
	})
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*inventorypb.ImportOpeningStockResult, error) { //nolint:contextcheck // the transaction has it
		r, err := write(listening(tx, i.Webhooks))
		return &inventorypb.ImportOpeningStockResult{Status: r.status, Rows: r.rows, Created: r.created, Updated: r.updated, Faults: r.faults}, err
	}, nil
}
