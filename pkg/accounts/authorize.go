package accounts

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

// Authorize returns what the person of a verified access token may do now. The token says who asks; what they may do is read for each request, so that a
// changed role, a member who was sent away and a session that was ended count at once. See docs/adr/0011-permissions-are-read-at-every-request.md.
//
// Errors: ErrSessionEnded; ErrNotMember.
func (s *Sessions) Authorize(ctx context.Context, p Principal) (Principal, error) {
	in := s.DB.InSystem // a person of no business is bound to none
	if p.Tenant != uuid.Nil {
		ctx, in = tenant.With(ctx, p.Tenant), s.DB.InTenant
	}
	var permissions string
	err := in(ctx, func(tx *gorm.DB) error {
		return postgres.QueryRow(tx, `
			select u.email, u.email_verified, coalesce(m.role, ''), coalesce(r.name, ''), `+permissionsSQL+`
			  from accounts.user u
			  left join (accounts.membership m join accounts.business b on b.id = m.tenant_id and b.is_active)
			    on m.user_id = u.id and m.tenant_id = $2 and m.is_active `+rolesSQL+`
			 where u.id = $1 and u.is_active
			   and ($3::uuid is null or exists (select from accounts.refresh_token t where t.family_id = $3 and t.user_id = $1 and t.revoked_at is null and t.expires_at > now()))`,
			p.User, optionalID(p.Tenant), optionalID(p.Session)).
			Scan(&p.Email, &p.EmailVerified, &p.Role, &p.AccessRole, &permissions)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Principal{}, ErrSessionEnded
	case err != nil:
		return Principal{}, fmt.Errorf("read permissions: %w", err)
	case p.Tenant != uuid.Nil && p.Role == "":
		return Principal{}, ErrNotMember
	}
	p.Permissions = splitPermissions(permissions)
	return p, nil
}

// optionalID turns the zero id into NULL.
func optionalID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
