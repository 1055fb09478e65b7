package task

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// ForBusiness works for the business that the arguments name. A task of a business works for that one and for no other; a platform task, such as an old publisher's, is bound to
// it here. The context and the transaction that it returns belong to the business.
func ForBusiness(ctx context.Context, tx *gorm.DB, business string) (context.Context, *gorm.DB, error) {
	id, err := uuid.Parse(business)
	if err != nil || id == uuid.Nil {
		return ctx, tx, Permanent(errors.New("business_id is not a UUID"))
	}
	own, ok := tenant.From(ctx)
	switch {
	case ok && own != id:
		return ctx, tx, Permanent(errors.New("business_id is not the task's business"))
	case !ok:
		if err := postgres.BindTenants(tx, []uuid.UUID{id}); err != nil {
			return ctx, tx, err
		}
		ctx = tenant.With(ctx, id)
	}
	return ctx, tx.WithContext(ctx), nil
}

// ForActiveBusiness is ForBusiness, and says which business it is. active is false for one that does not take part any more: its tasks do nothing.
func ForActiveBusiness(ctx context.Context, tx *gorm.DB, business string) (_ context.Context, _ *gorm.DB, id uuid.UUID, active bool, err error) {
	if ctx, tx, err = ForBusiness(ctx, tx, business); err != nil {
		return ctx, tx, uuid.Nil, false, err
	}
	id, _ = tenant.From(ctx)
	active, err = TenantActive(ctx, tx)
	return ctx, tx, id, active, err
}

// TenantActive reports whether the context's tenant still takes part: a task of one that does not is answered by a result that says so, not by an error.
// A tenant that does not exist is a permanent error. tx must be bound to the tenant.
func TenantActive(ctx context.Context, tx *gorm.DB) (bool, error) {
	id, ok := tenant.From(ctx)
	if !ok {
		return false, postgres.ErrNoTenant
	}
	var active bool
	err := postgres.QueryRow(tx, `select is_active from accounts.v_business where id = $1`, id).Scan(&active)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, Permanent(fmt.Errorf("business %s does not exist", id))
	case err != nil:
		return false, fmt.Errorf("look up business %s: %w", id, err)
	}
	return active, nil
}
