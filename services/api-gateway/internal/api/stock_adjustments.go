package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/once"
)

// ListStockAdjustments pages through the adjustments of a business.
func (s *Server) ListStockAdjustments(ctx context.Context, req gen.ListStockAdjustmentsRequestObject) (gen.ListStockAdjustmentsResponseObject, error) {
	after, err := afterCursor(cursorAdjustments, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	f := inventory.AdjustmentFilter{Status: inventory.AdjustmentStatus(value(req.Params.Status)), Item: value(req.Params.StockItemID)}
	var list []inventory.Adjustment
	var next uuid.UUID
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = inventory.Adjustments(tx, f, after, pageSize(req.Params.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.AdjustmentPage{Items: []gen.Adjustment{}, NextCursor: nextCursor(cursorAdjustments, next)}
	for _, a := range list {
		page.Items = append(page.Items, adjustmentBody(&a))
	}
	return gen.ListStockAdjustments200JSONResponse(page), nil
}

// GetStockAdjustment shows an adjustment.
func (s *Server) GetStockAdjustment(ctx context.Context, req gen.GetStockAdjustmentRequestObject) (gen.GetStockAdjustmentResponseObject, error) {
	var a *inventory.Adjustment
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		a, err = inventory.AdjustmentByID(tx, req.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetStockAdjustment200JSONResponse(adjustmentBody(a)), nil
}

// adjust does something to an adjustment, once for each Idempotency-Key, and keeps that it was done.
func (s *Server) adjust(ctx context.Context, do func(tx *gorm.DB, rules inventory.Rules, now time.Time) (*inventory.Adjustment, error)) (body gen.Adjustment, err error) {
	claim := once.From(ctx)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		if id := claim.Made(); id != uuid.Nil {
			a, err := inventory.AdjustmentByID(tx, id)
			if err == nil {
				body = adjustmentBody(a)
			}
			return err
		}
		now := time.Now()
		rules, err := stockRules(tx, now)
		if err != nil {
			return err
		}
		a, err := do(tx, rules, now)
		if err != nil {
			return err
		}
		body = adjustmentBody(a)
		return claim.Keep(tx, a.ID)
	})
	return body, err
}

// CreateStockAdjustment asks for a change of stock.
func (s *Server) CreateStockAdjustment(ctx context.Context, req gen.CreateStockAdjustmentRequestObject) (gen.CreateStockAdjustmentResponseObject, error) {
	b := req.Body
	body, err := s.adjust(ctx, func(tx *gorm.DB, rules inventory.Rules, _ time.Time) (*inventory.Adjustment, error) {
		kind := string(b.Type)
		d := inventory.AdjustmentDetails{Type: &kind, Quantity: &b.Quantity, Reason: &b.Reason, Reference: b.Reference}
		var err error
		if d.UnitCost, err = priceIn("/unit_cost", b.UnitCost, rules.Currency); err != nil {
			return nil, err
		}
		return inventory.Adjust(tx, actor(ctx), b.StockItemID, d)
	})
	if err != nil {
		return nil, fmt.Errorf("create adjustment: %w", err)
	}
	return gen.CreateStockAdjustment201JSONResponse(body), nil
}

// ChangeStockAdjustment changes an adjustment that nobody decided on.
func (s *Server) ChangeStockAdjustment(ctx context.Context, req gen.ChangeStockAdjustmentRequestObject) (gen.ChangeStockAdjustmentResponseObject, error) {
	b := req.Body
	body, err := s.adjust(ctx, func(tx *gorm.DB, rules inventory.Rules, _ time.Time) (*inventory.Adjustment, error) {
		d := inventory.AdjustmentDetails{Quantity: b.Quantity, Reason: b.Reason, Reference: b.Reference}
		if b.Type != nil {
			kind := string(*b.Type)
			d.Type = &kind
		}
		var err error
		if d.UnitCost, err = priceIn("/unit_cost", b.UnitCost, rules.Currency); err != nil {
			return nil, err
		}
		return inventory.ChangeAdjustment(tx, actor(ctx), req.ID, d)
	})
	if err != nil {
		return nil, fmt.Errorf("change adjustment: %w", err)
	}
	return gen.ChangeStockAdjustment200JSONResponse(body), nil
}

// ApproveStockAdjustment carries an adjustment out.
func (s *Server) ApproveStockAdjustment(ctx context.Context, req gen.ApproveStockAdjustmentRequestObject) (gen.ApproveStockAdjustmentResponseObject, error) {
	body, err := s.adjust(ctx, func(tx *gorm.DB, rules inventory.Rules, now time.Time) (*inventory.Adjustment, error) {
		return inventory.Approve(tx, actor(ctx), rules, req.ID, now)
	})
	if err != nil {
		return nil, err
	}
	return gen.ApproveStockAdjustment200JSONResponse(body), nil
}

// RejectStockAdjustment turns an adjustment down.
func (s *Server) RejectStockAdjustment(ctx context.Context, req gen.RejectStockAdjustmentRequestObject) (gen.RejectStockAdjustmentResponseObject, error) {
	body, err := s.adjust(ctx, func(tx *gorm.DB, _ inventory.Rules, _ time.Time) (*inventory.Adjustment, error) {
		return inventory.Reject(tx, actor(ctx), req.ID)
	})
	if err != nil {
		return nil, err
	}
	return gen.RejectStockAdjustment200JSONResponse(body), nil
}

func adjustmentBody(a *inventory.Adjustment) gen.Adjustment {
	return gen.Adjustment{
		ID: a.ID, StockItemID: a.Item, LocationID: a.Location, ProductID: a.Product, ProductName: a.ProductName, Sku: a.ProductSKU, Type: gen.AdjustmentType(a.Type), Quantity: a.Quantity,
		QuantityBefore: a.Before, Currency: string(a.UnitCost.Currency), UnitCost: a.UnitCost.Decimal(), TotalCost: a.TotalCost.Decimal(), Reason: a.Reason, Reference: optional(a.Reference),
		Status: gen.AdjustmentStatus(a.Status), CreatedBy: a.CreatedBy, DecidedBy: a.DecidedBy, DecidedAt: utc(a.DecidedAt), CompletedAt: utc(a.CompletedAt),
		CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC(),
	}
}
