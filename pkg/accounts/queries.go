package accounts

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// Me returns the person with that id as a member of the transaction's tenant. tx must be bound to it.
// Errors: ErrNotMember when the person, the membership or the business is gone or switched off.
func Me(tx *gorm.DB, user uuid.UUID) (*Profile, error) {
	business, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return nil, fmt.Errorf("read profile: %w", postgres.ErrNoTenant)
	}
	return profile(tx, user, business)
}

func profile(tx *gorm.DB, user, business uuid.UUID) (*Profile, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	var p Profile
	err := postgres.QueryRow(tx, `
		select u.id, u.email, u.name, u.language, u.email_verified, u.created_at,
		       b.id, b.name, b.currency, b.timezone, b.subscription_status, b.created_at, m.role
		  from accounts.user u
		  join accounts.membership m on m.user_id = u.id
		  join accounts.business b on b.id = m.tenant_id
		 where u.id = $1 and b.id = $2 and u.is_active and m.is_active and b.is_active`, user, business).
		Scan(&p.User.ID, &p.User.Email, &p.User.Name, &p.User.Language, &p.User.EmailVerified, &p.User.CreatedAt,
			&p.Business.ID, &p.Business.Name, &p.Business.Currency, &p.Business.Timezone, &p.Business.SubscriptionStatus, &p.Business.CreatedAt, &p.Role)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotMember
	case err != nil:
		return nil, fmt.Errorf("read profile: %w", err)
	}
	p.User.CreatedAt, p.Business.CreatedAt = p.User.CreatedAt.UTC(), p.Business.CreatedAt.UTC()
	return &p, nil
}

// memberOf returns the business that a person belongs to. It runs in a platform transaction, before any tenant is known.
func memberOf(tx *gorm.DB, user uuid.UUID) (uuid.UUID, error) {
	var business uuid.UUID
	err := postgres.QueryRow(tx, `select tenant_id from accounts.membership where user_id = $1 and is_active`, user).Scan(&business)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return uuid.Nil, ErrNotMember
	case err != nil:
		return uuid.Nil, fmt.Errorf("find membership: %w", err)
	}
	return business, nil
}

// signedIn reads a person's profile in a platform transaction, and binds it to their business for that.
func signedIn(tx *gorm.DB, user uuid.UUID) (*Profile, error) {
	business, err := memberOf(tx, user)
	if err != nil {
		return nil, err
	}
	if err := postgres.BindTenants(tx, []uuid.UUID{business}); err != nil {
		return nil, fmt.Errorf("bind business: %w", err)
	}
	return profile(tx, user, business)
}
