package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/money"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/once"
)

// ListStockBatches pages through the deliveries of a business.
func (s *Server) ListStockBatches(ctx context.Context, req gen.ListStockBatchesRequestObject) (gen.ListStockBatchesResponseObject, error) {
	after, err := afterCursor(cursorBatches, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	var list []inventory.Batch
	var next uuid.UUID
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = inventory.Batches(tx, after, pageSize(req.Params.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.StockBatchPage{Items: []gen.StockBatch{}, NextCursor: nextCursor(cursorBatches, next)}
	for _, b := range list {
		page.Items = append(page.Items, gen.StockBatch{
			ID: b.ID, ArrivalDate: b.Arrival.Format(time.DateOnly), Reference: optional(b.Reference), Description: optional(b.Description), ItemCount: b.ItemCount,
			CreatedBy: b.CreatedBy, CreatedAt: b.CreatedAt.UTC(),
		})
	}
	return gen.ListStockBatches200JSONResponse(page), nil
}

// GetStockBatch shows a delivery and its items.
func (s *Server) GetStockBatch(ctx context.Context, req gen.GetStockBatchRequestObject) (gen.GetStockBatchResponseObject, error) {
	var b *inventory.Batch
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		b, err = inventory.BatchByID(tx, req.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetStockBatch200JSONResponse(batchBody(b)), nil
}

// ReceiveStockBatch takes a delivery in.
func (s *Server) ReceiveStockBatch(ctx context.Context, req gen.ReceiveStockBatchRequestObject) (gen.ReceiveStockBatchResponseObject, error) {
	claim := once.From(ctx)
	var b *inventory.Batch
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if id := claim.Made(); id != uuid.Nil {
			b, err = inventory.BatchByID(tx, id)
			return err
		}
		now := time.Now()
		rules, err := stockRules(tx, now)
		if err != nil {
			return err
		}
		d, err := deliveryIn(req.Body, rules)
		if err != nil {
			return err
		}
		if b, err = inventory.Receive(tx, actor(ctx), rules, d, now); err != nil {
			return err
		}
		return claim.Keep(tx, b.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("receive delivery: %w", err)
	}
	return gen.ReceiveStockBatch201JSONResponse(batchBody(b)), nil
}

func deliveryIn(body *gen.StockBatchRequest, rules inventory.Rules) (d inventory.Delivery, err error) {
	d = inventory.Delivery{Arrival: rules.Today, Reference: value(body.Reference), Description: value(body.Description)}
	day, err := dayIn("/arrival_date", body.ArrivalDate)
	if err != nil {
		return d, err
	}
	if day != nil {
		d.Arrival = *day
	}
	for i, line := range body.Items {
		at := "/items/" + strconv.Itoa(i)
		item := inventory.DeliveryItem{Product: line.ProductID, Location: line.LocationID, Supplier: value(line.SupplierID), Quantity: line.Quantity}
		if item.Expiry, err = dayIn(at+"/expiry_date", line.ExpiryDate); err != nil {
			return d, err
		}
		if item.Wholesale, err = priceIn(at+"/wholesale_price", line.WholesalePrice, rules.Currency); err != nil {
			return d, err
		}
		for _, p := range []struct {
			name string
			text *string
			to   *money.Amount
		}{{"unit_cost", &line.UnitCost, &item.Cost}, {"unit_tax", line.UnitTax, &item.Tax}, {"unit_additional_cost", line.UnitAdditionalCost, &item.Additional}, {"retail_price", &line.RetailPrice, &item.Retail}} {
			amount, err := priceIn(at+"/"+p.name, p.text, rules.Currency)
			if err != nil {
				return d, err
			}
			if *p.to = money.FromMinor(0, rules.Currency); amount != nil {
				*p.to = *amount
			}
		}
		d.Items = append(d.Items, item)
	}
	return d, nil
}

func batchBody(b *inventory.Batch) gen.StockBatchDetail {
	body := gen.StockBatchDetail{
		ID: b.ID, ArrivalDate: b.Arrival.Format(time.DateOnly), Reference: optional(b.Reference), Description: optional(b.Description), ItemCount: b.ItemCount,
		CreatedBy: b.CreatedBy, CreatedAt: b.CreatedAt.UTC(), Items: []gen.StockItem{},
	}
	for _, i := range b.Items {
		body.Items = append(body.Items, itemBody(&i))
	}
	return body
}
