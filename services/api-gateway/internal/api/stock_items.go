package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/money"
	"makola/services/api-gateway/internal/api/gen"
)

// ListStockItems pages through what deliveries and transfers brought.
func (s *Server) ListStockItems(ctx context.Context, req gen.ListStockItemsRequestObject) (gen.ListStockItemsResponseObject, error) {
	p := req.Params
	after, err := afterCursor(cursorItems, p.Cursor)
	if err != nil {
		return nil, err
	}
	f := inventory.ItemFilter{Product: value(p.ProductID), Location: value(p.LocationID), InStock: value(p.InStock)}
	if p.ExpiringBefore != nil {
		day, err := time.Parse(time.DateOnly, *p.ExpiringBefore)
		if err != nil {
			return nil, parameterProblem("expiring_before", "invalid", "must be a day, as 2026-11-26")
		}
		f.ExpiringBefore = &day
	}
	var list []inventory.Item
	var next uuid.UUID
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = inventory.Items(tx, f, after, pageSize(p.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.StockItemPage{Items: []gen.StockItem{}, NextCursor: nextCursor(cursorItems, next)}
	for _, i := range list {
		page.Items = append(page.Items, itemBody(&i))
	}
	return gen.ListStockItems200JSONResponse(page), nil
}

// ChangeStockItem corrects a stock item.
func (s *Server) ChangeStockItem(ctx context.Context, req gen.ChangeStockItemRequestObject) (gen.ChangeStockItemResponseObject, error) {
	var i *inventory.Item
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		now := time.Now()
		rules, err := stockRules(tx, now)
		if err != nil {
			return err
		}
		d := inventory.ItemDetails{Quantity: req.Body.Quantity}
		if d.Retail, d.Wholesale, d.NoWholesale, err = pricesIn(req.Body.RetailPrice, req.Body.WholesalePrice, rules); err != nil {
			return err
		}
		i, err = inventory.ChangeItem(tx, actor(ctx), rules, req.ID, d, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("change stock item: %w", err)
	}
	return gen.ChangeStockItem200JSONResponse(itemBody(i)), nil
}

// pricesIn reads a retail price and a wholesale price, which an empty text takes away.
func pricesIn(retail, wholesale *string, rules inventory.Rules) (r, w *money.Amount, none bool, err error) {
	if r, err = priceIn("/retail_price", retail, rules.Currency); err != nil {
		return nil, nil, false, err
	}
	if wholesale != nil && *wholesale == "" {
		return r, nil, true, nil
	}
	w, err = priceIn("/wholesale_price", wholesale, rules.Currency)
	return r, w, false, err
}

// GetAvailability tells what a storefront can sell of a product.
func (s *Server) GetAvailability(ctx context.Context, req gen.GetAvailabilityRequestObject) (gen.GetAvailabilityResponseObject, error) {
	var a *inventory.Availability
	var rules inventory.Rules
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if rules, err = stockRules(tx, time.Now()); err != nil {
			return err
		}
		a, err = inventory.AvailabilityOf(tx, req.Params.StorefrontID, req.Params.ProductID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetAvailability200JSONResponse{
		ProductID: req.Params.ProductID, StorefrontID: req.Params.StorefrontID, OnHand: a.OnHand, Reserved: a.Reserved, Available: a.Available(),
		Currency: string(rules.Currency), RetailPrice: priceOut(a.Retail), WholesalePrice: priceOut(a.Wholesale),
	}, nil
}

func itemBody(i *inventory.Item) gen.StockItem {
	return gen.StockItem{
		ID: i.ID, BatchID: i.Batch, LocationID: i.Location, ProductID: i.Product, ProductName: i.ProductName, Sku: i.ProductSKU, SupplierID: i.Supplier, SourceItemID: i.Source,
		ExpiryDate: dayOut(i.Expiry), QuantityReceived: i.Received, OnHand: i.OnHand, Currency: string(i.Cost.Currency), UnitCost: i.Cost.Decimal(), UnitTax: i.Tax.Decimal(),
		UnitAdditionalCost: i.Additional.Decimal(), LandedUnitCost: i.Landed.Decimal(), RetailPrice: i.Retail.Decimal(), WholesalePrice: priceOut(i.Wholesale), CreatedAt: i.CreatedAt.UTC(),
	}
}
