package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/services/api-gateway/internal/api/gen"
)

// ListSuppliers pages through the suppliers of a business.
func (s *Server) ListSuppliers(ctx context.Context, req gen.ListSuppliersRequestObject) (gen.ListSuppliersResponseObject, error) {
	after, err := afterCursor(cursorSuppliers, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	var list []inventory.Supplier
	var next uuid.UUID
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = inventory.Suppliers(tx, after, pageSize(req.Params.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.SupplierPage{Items: []gen.Supplier{}, NextCursor: nextCursor(cursorSuppliers, next)}
	for _, one := range list {
		page.Items = append(page.Items, supplierBody(&one))
	}
	return gen.ListSuppliers200JSONResponse(page), nil
}

// AddSupplier makes a supplier.
func (s *Server) AddSupplier(ctx context.Context, req gen.AddSupplierRequestObject) (gen.AddSupplierResponseObject, error) {
	d := inventory.SupplierDetails{Name: &req.Body.Name, Contact: req.Body.Contact, Email: req.Body.Email, Phone: req.Body.Phone}
	var one *inventory.Supplier
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		one, err = inventory.AddSupplier(tx, actor(ctx), d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("add supplier: %w", err)
	}
	return gen.AddSupplier201JSONResponse(supplierBody(one)), nil
}

// ChangeSupplier changes a supplier.
func (s *Server) ChangeSupplier(ctx context.Context, req gen.ChangeSupplierRequestObject) (gen.ChangeSupplierResponseObject, error) {
	d := inventory.SupplierDetails{Name: req.Body.Name, Contact: req.Body.Contact, Email: req.Body.Email, Phone: req.Body.Phone, Active: req.Body.IsActive}
	var one *inventory.Supplier
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		one, err = inventory.ChangeSupplier(tx, actor(ctx), req.ID, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("change supplier: %w", err)
	}
	return gen.ChangeSupplier200JSONResponse(supplierBody(one)), nil
}

// RemoveSupplier deletes a supplier of whom nothing was bought.
func (s *Server) RemoveSupplier(ctx context.Context, req gen.RemoveSupplierRequestObject) (gen.RemoveSupplierResponseObject, error) {
	if err := s.DB.InTenant(ctx, func(tx *gorm.DB) error { return inventory.RemoveSupplier(tx, actor(ctx), req.ID) }); err != nil {
		return nil, fmt.Errorf("delete supplier: %w", err)
	}
	return gen.RemoveSupplier204Response{}, nil
}

func supplierBody(s *inventory.Supplier) gen.Supplier {
	return gen.Supplier{ID: s.ID, Name: s.Name, Contact: optional(s.Contact), Email: optional(s.Email), Phone: optional(s.Phone), IsActive: s.Active, CreatedAt: s.CreatedAt.UTC()}
}
