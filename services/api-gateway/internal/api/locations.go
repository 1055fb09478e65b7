package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/services/api-gateway/internal/api/gen"
)

// ListWarehouses pages through the warehouses of a business.
func (s *Server) ListWarehouses(ctx context.Context, req gen.ListWarehousesRequestObject) (gen.ListWarehousesResponseObject, error) {
	page, err := s.locations(ctx, inventory.Warehouse, cursorWarehouses, req.Params.Cursor, req.Params.Limit)
	if err != nil {
		return nil, err
	}
	return gen.ListWarehouses200JSONResponse(page), nil
}

// ListStorefronts pages through the storefronts of a business.
func (s *Server) ListStorefronts(ctx context.Context, req gen.ListStorefrontsRequestObject) (gen.ListStorefrontsResponseObject, error) {
	page, err := s.locations(ctx, inventory.Storefront, cursorStorefronts, req.Params.Cursor, req.Params.Limit)
	if err != nil {
		return nil, err
	}
	return gen.ListStorefronts200JSONResponse(page), nil
}

func (s *Server) locations(ctx context.Context, kind inventory.LocationKind, cursors byte, cursor *gen.Cursor, limit *gen.Limit) (page gen.LocationPage, err error) {
	after, err := afterCursor(cursors, cursor)
	if err != nil {
		return page, err
	}
	var list []inventory.Location
	var next uuid.UUID
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = inventory.Locations(tx, kind, after, pageSize(limit))
		return err
	})
	page = gen.LocationPage{Items: []gen.Location{}, NextCursor: nextCursor(cursors, next)}
	for _, l := range list {
		page.Items = append(page.Items, locationBody(&l))
	}
	return page, err
}

// OpenWarehouse makes a warehouse.
func (s *Server) OpenWarehouse(ctx context.Context, req gen.OpenWarehouseRequestObject) (gen.OpenWarehouseResponseObject, error) {
	l, err := s.openLocation(ctx, inventory.Warehouse, req.Body)
	if err != nil {
		return nil, fmt.Errorf("open warehouse: %w", err)
	}
	return gen.OpenWarehouse201JSONResponse(locationBody(l)), nil
}

// OpenStorefront makes a storefront, if the subscription covers one more.
func (s *Server) OpenStorefront(ctx context.Context, req gen.OpenStorefrontRequestObject) (gen.OpenStorefrontResponseObject, error) {
	l, err := s.openLocation(ctx, inventory.Storefront, req.Body)
	if err != nil {
		return nil, fmt.Errorf("open storefront: %w", err)
	}
	return gen.OpenStorefront201JSONResponse(locationBody(l)), nil
}

func (s *Server) openLocation(ctx context.Context, kind inventory.LocationKind, body *gen.LocationRequest) (l *inventory.Location, err error) {
	d := inventory.LocationDetails{Name: &body.Name, Code: body.Code, Address: body.Address, Manager: body.ManagerID}
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		covered, err := coveredFor(tx, kind)
		if err != nil {
			return err
		}
		l, err = inventory.OpenLocation(tx, actor(ctx), kind, d, covered)
		return err
	})
	return l, err
}

// coveredFor is storefrontsCovered for a storefront; warehouses are not counted.
func coveredFor(tx *gorm.DB, kind inventory.LocationKind) (int, error) {
	if kind != inventory.Storefront {
		return 0, nil
	}
	return storefrontsCovered(tx, time.Now())
}

// ChangeWarehouse changes a warehouse.
func (s *Server) ChangeWarehouse(ctx context.Context, req gen.ChangeWarehouseRequestObject) (gen.ChangeWarehouseResponseObject, error) {
	l, err := s.changeLocation(ctx, inventory.Warehouse, req.ID, req.Body)
	if err != nil {
		return nil, fmt.Errorf("change warehouse: %w", err)
	}
	return gen.ChangeWarehouse200JSONResponse(locationBody(l)), nil
}

// ChangeStorefront changes a storefront; one that opens again is counted like a new one.
func (s *Server) ChangeStorefront(ctx context.Context, req gen.ChangeStorefrontRequestObject) (gen.ChangeStorefrontResponseObject, error) {
	l, err := s.changeLocation(ctx, inventory.Storefront, req.ID, req.Body)
	if err != nil {
		return nil, fmt.Errorf("change storefront: %w", err)
	}
	return gen.ChangeStorefront200JSONResponse(locationBody(l)), nil
}

func (s *Server) changeLocation(ctx context.Context, kind inventory.LocationKind, id uuid.UUID, body *gen.LocationChangeRequest) (l *inventory.Location, err error) {
	d := inventory.LocationDetails{Name: body.Name, Code: body.Code, Address: body.Address, Manager: body.ManagerID, Active: body.IsActive}
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		covered, err := coveredFor(tx, kind)
		if err != nil {
			return err
		}
		l, err = inventory.ChangeLocation(tx, actor(ctx), kind, id, d, covered)
		return err
	})
	return l, err
}

// RemoveWarehouse deletes a warehouse that never held anything.
func (s *Server) RemoveWarehouse(ctx context.Context, req gen.RemoveWarehouseRequestObject) (gen.RemoveWarehouseResponseObject, error) {
	if err := s.removeLocation(ctx, inventory.Warehouse, req.ID); err != nil {
		return nil, fmt.Errorf("delete warehouse: %w", err)
	}
	return gen.RemoveWarehouse204Response{}, nil
}

// RemoveStorefront deletes a storefront that never held anything.
func (s *Server) RemoveStorefront(ctx context.Context, req gen.RemoveStorefrontRequestObject) (gen.RemoveStorefrontResponseObject, error) {
	if err := s.removeLocation(ctx, inventory.Storefront, req.ID); err != nil {
		return nil, fmt.Errorf("delete storefront: %w", err)
	}
	return gen.RemoveStorefront204Response{}, nil
}

func (s *Server) removeLocation(ctx context.Context, kind inventory.LocationKind, id uuid.UUID) error {
	return s.DB.InTenant(ctx, func(tx *gorm.DB) error { return inventory.RemoveLocation(tx, actor(ctx), kind, id) })
}

// SetWarehouseProduct sets prices and threshold of a product at a warehouse.
func (s *Server) SetWarehouseProduct(ctx context.Context, req gen.SetWarehouseProductRequestObject) (gen.SetWarehouseProductResponseObject, error) {
	l, err := s.setLevel(ctx, inventory.Warehouse, req.ID, req.ProductID, req.Body)
	if err != nil {
		return nil, fmt.Errorf("set product of warehouse: %w", err)
	}
	return gen.SetWarehouseProduct200JSONResponse(levelBody(l)), nil
}

// SetStorefrontProduct sets prices and threshold of a product at a storefront.
func (s *Server) SetStorefrontProduct(ctx context.Context, req gen.SetStorefrontProductRequestObject) (gen.SetStorefrontProductResponseObject, error) {
	l, err := s.setLevel(ctx, inventory.Storefront, req.ID, req.ProductID, req.Body)
	if err != nil {
		return nil, fmt.Errorf("set product of storefront: %w", err)
	}
	return gen.SetStorefrontProduct200JSONResponse(levelBody(l)), nil
}

func (s *Server) setLevel(ctx context.Context, kind inventory.LocationKind, place, product uuid.UUID, body *gen.LevelRequest) (l *inventory.Level, err error) {
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		rules, err := stockRules(tx, time.Now())
		if err != nil {
			return err
		}
		d := inventory.LevelDetails{ReorderLevel: body.ReorderLevel}
		if d.Retail, d.Wholesale, d.NoWholesale, err = pricesIn(body.RetailPrice, body.WholesalePrice, rules); err != nil {
			return err
		}
		l, err = inventory.SetLevel(tx, actor(ctx), rules, kind, place, product, d)
		return err
	})
	return l, err
}

func locationBody(l *inventory.Location) gen.Location {
	return gen.Location{
		ID: l.ID, Kind: gen.LocationKind(l.Kind), Name: l.Name, Code: l.Code, Address: optional(l.Address), ManagerID: l.Manager, IsActive: l.Active,
		CreatedAt: l.CreatedAt.UTC(), UpdatedAt: l.UpdatedAt.UTC(),
	}
}

func levelBody(l *inventory.Level) gen.StockLevel {
	return gen.StockLevel{
		ProductID: l.ProductID, Location: locationBody(&l.Location), OnHand: l.OnHand, ReorderLevel: l.ReorderLevel, Threshold: l.Threshold, Status: gen.StockStatus(l.Status()),
		Currency: string(l.Retail.Currency), RetailPrice: l.Retail.Decimal(), WholesalePrice: priceOut(l.Wholesale),
	}
}
