package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/services/api-gateway/internal/api/gen"
)

// ListCategories pages through the categories of a business.
func (s *Server) ListCategories(ctx context.Context, req gen.ListCategoriesRequestObject) (gen.ListCategoriesResponseObject, error) {
	after, err := afterCursor(cursorCategories, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	var list []inventory.Category
	var next uuid.UUID
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = inventory.Categories(tx, after, pageSize(req.Params.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.CategoryPage{Items: []gen.Category{}, NextCursor: nextCursor(cursorCategories, next)}
	for _, c := range list {
		page.Items = append(page.Items, categoryBody(&c))
	}
	return gen.ListCategories200JSONResponse(page), nil
}

// AddCategory makes a category.
func (s *Server) AddCategory(ctx context.Context, req gen.AddCategoryRequestObject) (gen.AddCategoryResponseObject, error) {
	var c *inventory.Category
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		c, err = inventory.AddCategory(tx, actor(ctx), req.Body.Name, value(req.Body.ParentID))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("add category: %w", err)
	}
	return gen.AddCategory201JSONResponse(categoryBody(c)), nil
}

// ChangeCategory renames or moves a category.
func (s *Server) ChangeCategory(ctx context.Context, req gen.ChangeCategoryRequestObject) (gen.ChangeCategoryResponseObject, error) {
	var c *inventory.Category
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		c, err = inventory.ChangeCategory(tx, actor(ctx), req.ID, req.Body.Name, req.Body.ParentID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("change category: %w", err)
	}
	return gen.ChangeCategory200JSONResponse(categoryBody(c)), nil
}

// RemoveCategory deletes a category that nothing is in.
func (s *Server) RemoveCategory(ctx context.Context, req gen.RemoveCategoryRequestObject) (gen.RemoveCategoryResponseObject, error) {
	if err := s.DB.InTenant(ctx, func(tx *gorm.DB) error { return inventory.RemoveCategory(tx, actor(ctx), req.ID) }); err != nil {
		return nil, fmt.Errorf("delete category: %w", err)
	}
	return gen.RemoveCategory204Response{}, nil
}

func categoryBody(c *inventory.Category) gen.Category {
	return gen.Category{ID: c.ID, Name: c.Name, ParentID: c.Parent, CreatedAt: c.CreatedAt.UTC()}
}
