package accounts

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// Parts of queries on a user u and their membership m, which an outer join may have left empty: r is the role whose permissions a member has,
// s that of a platform administrator, and permissionsSQL what both permit, separated by commas.
const (
	rolesSQL = `
		left join accounts.role r on r.name = m.access_role or m.access_role is null and r.default_for = m.role
		left join accounts.role s on s.level = 'PLATFORM' and s.default_for = u.platform_role`
	permissionsSQL = `array_to_string(array(select distinct p.permission from accounts.role_permission p where p.role in (r.name, s.name) order by 1), ',')`
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

// Person returns a person as one of no business. tx is a platform transaction. Errors: ErrNotMember when the person is gone or switched off.
func Person(tx *gorm.DB, user uuid.UUID) (*Profile, error) {
	var p Profile
	var permissions string
	err := postgres.QueryRow(tx, `
		select u.id, u.email, u.name, u.language, u.email_verified, u.created_at, `+permissionsSQL+`
		  from accounts.user u left join accounts.membership m on false `+rolesSQL+` where u.id = $1 and u.is_active`, user).
		Scan(&p.User.ID, &p.User.Email, &p.User.Name, &p.User.Language, &p.User.EmailVerified, &p.User.CreatedAt, &permissions)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotMember
	case err != nil:
		return nil, fmt.Errorf("read person: %w", err)
	}
	p.User.CreatedAt, p.Permissions = p.User.CreatedAt.UTC(), splitPermissions(permissions)
	return &p, nil
}

func profile(tx *gorm.DB, user, business uuid.UUID) (*Profile, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	var p Profile
	var permissions string
	err := postgres.QueryRow(tx, `
		select u.id, u.email, u.name, u.language, u.email_verified, u.created_at, m.role, r.name, `+permissionsSQL+`
		  from accounts.user u
		  join accounts.membership m on m.user_id = u.id `+rolesSQL+`
		 where u.id = $1 and m.tenant_id = $2 and u.is_active and m.is_active`, user, business).
		Scan(&p.User.ID, &p.User.Email, &p.User.Name, &p.User.Language, &p.User.EmailVerified, &p.User.CreatedAt, &p.Role, &p.AccessRole, &permissions)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotMember
	case err != nil:
		return nil, fmt.Errorf("read profile: %w", err)
	}
	p.User.CreatedAt, p.Permissions = p.User.CreatedAt.UTC(), splitPermissions(permissions)
	b, err := BusinessOf(tx)
	if err != nil {
		return nil, err
	}
	p.Business = *b
	if p.Storefronts, err = StorefrontsOf(tx, user, p.Role); err != nil {
		return nil, err
	}
	return &p, nil
}

// BusinessOf returns the business that tx is bound to. Errors: ErrNotMember when it is gone or switched off.
func BusinessOf(tx *gorm.DB) (*Business, error) {
	var b *Business
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			b = &Business{}
			if err := rows.Scan(&b.ID, &b.Name, &b.TIN, &b.Email, &b.Address, &b.Website, &b.PhoneNumbers, &b.Currency, &b.Timezone, &b.SubscriptionStatus, &b.CreatedAt); err != nil {
				return err
			}
		}
		return rows.Err()
	}, `select id, name, coalesce(tin, ''), email, address, website, phone_numbers, currency, timezone,
	        coalesce((select n.status from billing.subscription_standing n where n.tenant_id = business.id), subscription_status), created_at
		  from accounts.business where id = any ((select app.tenants())::uuid[]) and is_active`)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read business: %w", err)
	case b == nil:
		return nil, ErrNotMember
	}
	b.CreatedAt = b.CreatedAt.UTC()
	return b, nil
}

// StorefrontsOf returns which storefronts a member of the transaction's business sees: OWNER and ADMIN all, MANAGER and STAFF those they are assigned to.
func StorefrontsOf(tx *gorm.DB, user uuid.UUID, role Role) (Scope, error) {
	if role.seesAllStorefronts() {
		return Scope{All: true, IDs: []uuid.UUID{}}, nil
	}
	s := Scope{IDs: []uuid.UUID{}}
	err := postgres.Query(tx, func(rows pgx.Rows) (err error) {
		s.IDs, err = pgx.AppendRows(s.IDs, rows, pgx.RowTo[uuid.UUID])
		return err
	}, `select storefront_id from accounts.storefront_assignment where user_id = $1 order by 1`, user)
	if err != nil {
		return Scope{}, fmt.Errorf("read storefronts of member: %w", err)
	}
	return s, nil
}

func splitPermissions(list string) []Permission {
	all := []Permission{}
	for name := range strings.SplitSeq(list, ",") {
		if name != "" {
			all = append(all, Permission(name))
		}
	}
	return all
}

// signedIn reads a person's profile in a platform transaction, and binds it to their business for that. An OWNER who has no business yet is a person of none.
// Errors: ErrNotMember.
func signedIn(tx *gorm.DB, user uuid.UUID) (*Profile, error) {
	var accountType string
	var business *uuid.UUID
	var active bool
	err := postgres.QueryRow(tx, `select u.account_type, m.tenant_id, coalesce(m.is_active, false)
		  from accounts.user u left join accounts.membership m on m.user_id = u.id where u.id = $1 and u.is_active`, user).Scan(&accountType, &business, &active)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotMember
	case err != nil:
		return nil, fmt.Errorf("find membership: %w", err)
	case business == nil && accountType == accountOwner:
		return Person(tx, user)
	case business == nil || !active:
		return nil, ErrNotMember
	}
	if err := postgres.BindTenants(tx, []uuid.UUID{*business}); err != nil {
		return nil, fmt.Errorf("bind business: %w", err)
	}
	return profile(tx, user, *business)
}
