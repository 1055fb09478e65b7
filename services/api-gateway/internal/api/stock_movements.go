package api

import (
	"context"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/services/api-gateway/internal/api/gen"
)

// ListStockMovements pages through the ledger of stock.
func (s *Server) ListStockMovements(ctx context.Context, req gen.ListStockMovementsRequestObject) (gen.ListStockMovementsResponseObject, error) {
	p := req.Params
	after, err := afterCursor(cursorMovements, p.Cursor)
	if err != nil {
		return nil, err
	}
	f := inventory.MovementFilter{Product: value(p.ProductID), Location: value(p.LocationID), Kind: string(value(p.Kind)), From: p.From, To: p.To}
	var list []inventory.Movement
	var next uuid.UUID
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = inventory.Movements(tx, f, after, pageSize(p.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.MovementPage{Items: []gen.Movement{}, NextCursor: nextCursor(cursorMovements, next)}
	for _, m := range list {
		page.Items = append(page.Items, gen.Movement{
			ID: m.ID, At: m.At.UTC(), ProductID: m.Product, ProductName: m.ProductName, Sku: m.ProductSKU, LocationID: m.Location, LocationName: m.LocationName, StockItemID: m.Item,
			Kind: gen.MovementKind(m.Kind), Before: m.Before, Change: m.Delta, After: m.After, SourceType: m.SourceType, SourceID: m.Source, Reason: optional(m.Reason), UserID: m.User,
		})
	}
	return gen.ListStockMovements200JSONResponse(page), nil
}
