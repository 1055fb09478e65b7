package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

// OpenBusiness makes a business for an owner who has none, with all that Register makes for one.
func (s *Server) OpenBusiness(ctx context.Context, req gen.OpenBusinessRequestObject) (gen.OpenBusinessResponseObject, error) {
	who := auth.From(ctx)
	if who.Tenant != uuid.Nil {
		return nil, accounts.ErrHasBusiness
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make business id: %w", err)
	}
	d := accounts.BusinessDetails{TIN: req.Body.Tin, Email: req.Body.Email, Address: req.Body.Address, Website: req.Body.Website, Timezone: req.Body.Timezone, PhoneNumbers: req.Body.PhoneNumbers}
	var b *accounts.Business
	ctx = tenant.With(ctx, id)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if b, err = accounts.OpenBusiness(tx, who, req.Body.Name, d, clientOf(ctx)); err != nil {
			return err
		}
		if err := billing.OpenTenant(tx, id, s.TrialCredits, time.Now()); err != nil {
			return fmt.Errorf("open books: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open business: %w", err)
	}
	return gen.OpenBusiness201JSONResponse(businessBody(*b)), nil
}

// GetBusiness shows a member their business.
func (s *Server) GetBusiness(ctx context.Context, _ gen.GetBusinessRequestObject) (gen.GetBusinessResponseObject, error) {
	var b *accounts.Business
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		b, err = accounts.BusinessOf(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetBusiness200JSONResponse(businessBody(*b)), nil
}

// ChangeBusiness changes details of a business.
func (s *Server) ChangeBusiness(ctx context.Context, req gen.ChangeBusinessRequestObject) (gen.ChangeBusinessResponseObject, error) {
	d := accounts.BusinessDetails{
		Name: req.Body.Name, TIN: req.Body.Tin, Email: req.Body.Email, Address: req.Body.Address, Website: req.Body.Website, Timezone: req.Body.Timezone, PhoneNumbers: req.Body.PhoneNumbers,
	}
	var b *accounts.Business
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		b, err = accounts.ChangeBusiness(tx, auth.From(ctx), d, clientOf(ctx))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("change business: %w", err)
	}
	return gen.ChangeBusiness200JSONResponse(businessBody(*b)), nil
}
