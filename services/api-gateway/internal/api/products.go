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

// ListProducts pages through the products of a business, by name.
func (s *Server) ListProducts(ctx context.Context, req gen.ListProductsRequestObject) (gen.ListProductsResponseObject, error) {
	p := req.Params
	after, err := afterCursor(cursorProducts, p.Cursor)
	if err != nil {
		return nil, err
	}
	f := inventory.ProductFilter{Query: value(p.Q), Barcode: value(p.Barcode), Category: value(p.CategoryID), Location: value(p.LocationID), Status: inventory.Status(value(p.Status)), Active: p.Active}
	var list []inventory.Stocked
	var next uuid.UUID
	var rules inventory.Rules
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if rules, err = stockRules(tx, time.Now()); err != nil {
			return err
		}
		list, next, err = inventory.Products(tx, rules, f, after, pageSize(p.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.ProductPage{Items: []gen.Product{}, NextCursor: nextCursor(cursorProducts, next)}
	for _, one := range list {
		page.Items = append(page.Items, productBody(&one, rules))
	}
	return gen.ListProducts200JSONResponse(page), nil
}

// AddProduct makes a product.
func (s *Server) AddProduct(ctx context.Context, req gen.AddProductRequestObject) (gen.AddProductResponseObject, error) {
	b := req.Body
	d := inventory.ProductDetails{Name: &b.Name, SKU: &b.Sku, Barcode: b.Barcode, Unit: b.Unit, Category: b.CategoryID, ReorderLevel: b.ReorderLevel, AlertsMuted: b.AlertsMuted}
	body, err := s.editProduct(ctx, func(tx *gorm.DB) (*inventory.Product, error) { return inventory.AddProduct(tx, actor(ctx), d) })
	if err != nil {
		return nil, fmt.Errorf("add product: %w", err)
	}
	return gen.AddProduct201JSONResponse(body), nil
}

// ChangeProduct changes a product.
func (s *Server) ChangeProduct(ctx context.Context, req gen.ChangeProductRequestObject) (gen.ChangeProductResponseObject, error) {
	b := req.Body
	d := inventory.ProductDetails{Name: b.Name, SKU: b.Sku, Barcode: b.Barcode, Unit: b.Unit, Category: b.CategoryID, ReorderLevel: b.ReorderLevel, AlertsMuted: b.AlertsMuted, Active: b.IsActive}
	body, err := s.editProduct(ctx, func(tx *gorm.DB) (*inventory.Product, error) {
		return inventory.ChangeProduct(tx, actor(ctx), req.ID, d)
	})
	if err != nil {
		return nil, fmt.Errorf("change product: %w", err)
	}
	return gen.ChangeProduct200JSONResponse(body), nil
}

// editProduct does something to a product and answers with how it stands then.
func (s *Server) editProduct(ctx context.Context, edit func(tx *gorm.DB) (*inventory.Product, error)) (body gen.Product, err error) {
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		p, err := edit(tx)
		if err != nil {
			return err
		}
		rules, err := stockRules(tx, time.Now())
		if err != nil {
			return err
		}
		stocked, err := inventory.ProductByID(tx, rules, p.ID)
		if err == nil {
			body = productBody(stocked, rules)
		}
		return err
	})
	return body, err
}

// GetProduct shows a product and what each place holds of it.
func (s *Server) GetProduct(ctx context.Context, req gen.GetProductRequestObject) (gen.GetProductResponseObject, error) {
	detail := gen.ProductDetail{Levels: []gen.StockLevel{}}
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		rules, err := stockRules(tx, time.Now())
		if err != nil {
			return err
		}
		p, err := inventory.ProductByID(tx, rules, req.ID)
		if err != nil {
			return err
		}
		detail.Product = productBody(p, rules)
		levels, err := inventory.Levels(tx, rules, req.ID)
		for _, l := range levels {
			detail.Levels = append(detail.Levels, levelBody(&l))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetProduct200JSONResponse(detail), nil
}

func productBody(p *inventory.Stocked, rules inventory.Rules) gen.Product {
	return gen.Product{
		ID: p.ID, Name: p.Name, Sku: p.SKU, Barcode: p.Barcode, CategoryID: p.Category, Unit: p.Unit, ReorderLevel: p.ReorderLevel, AlertsMuted: p.AlertsMuted, IsActive: p.Active,
		OnHand: p.OnHand, Threshold: p.Threshold, Status: gen.StockStatus(p.Status()), Currency: string(rules.Currency), RetailPrice: priceOut(p.Retail), WholesalePrice: priceOut(p.Wholesale),
		CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC(),
	}
}
