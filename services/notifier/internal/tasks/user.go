package tasks

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
)

// user is whom a mail goes to.
type user struct{ email, name string }

// loadUser reads one user. One that does not exist, or has been anonymised, is a permanent error.
func loadUser(tx *gorm.DB, id uuid.UUID) (user, error) {
	var u user
	err := postgres.QueryRow(tx, `select email, name from accounts.user where id = $1 and anonymized_at is null`, id).Scan(&u.email, &u.name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return u, task.Permanent(fmt.Errorf("user %s does not exist", id))
	case err != nil:
		return u, fmt.Errorf("read user %s: %w", id, err)
	}
	return u, nil
}

// membership is what a user is in their business; empty for a user of none.
type membership struct{ business, role string }

// enterBusiness returns the user's place in the context's business; a user of another one is a permanent error. When the context has none, it
// finds the user's own (a user belongs to one at most), binds tx to it and returns a context of it.
func enterBusiness(ctx context.Context, tx *gorm.DB, id uuid.UUID) (context.Context, membership, error) {
	var m membership
	business, ok := tenant.From(ctx)
	if !ok {
		err := postgres.QueryRow(tx, `select tenant_id from accounts.membership where user_id = $1`, id).Scan(&business)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ctx, m, nil
		case err != nil:
			return ctx, m, fmt.Errorf("find the business of user %s: %w", id, err)
		}
		if err := postgres.BindTenants(tx, []uuid.UUID{business}); err != nil {
			return ctx, m, err
		}
		ctx = tenant.With(ctx, business)
	}
	err := postgres.QueryRow(tx, `select b.name, m.role from accounts.membership m join accounts.business b on b.id = m.tenant_id
		where m.tenant_id = $1 and m.user_id = $2`, business, id).Scan(&m.business, &m.role)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ctx, m, task.Permanent(fmt.Errorf("user %s does not belong to the task's business", id))
	case err != nil:
		return ctx, m, fmt.Errorf("read the membership of user %s: %w", id, err)
	}
	return ctx, m, nil
}
