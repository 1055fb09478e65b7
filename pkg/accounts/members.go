package accounts

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// Storefronts tells which of the ids are no storefronts of the business that tx is bound to. The context that owns storefronts provides it.
type Storefronts func(tx *gorm.DB, ids []uuid.UUID) (unknown []uuid.UUID, err error)

// Member is a person's place in a business. Its ID is the person's.
type Member struct {
	ID            uuid.UUID
	Email, Name   string
	EmailVerified bool
	Role          Role
	AccessRole    AccessRole
	Active        bool
	Storefronts   Scope
	LastLoginAt   *time.Time
	JoinedAt      time.Time
}

// Place is what somebody is, or shall be, in a business.
type Place struct {
	Role Role
	// AccessRole is for STAFF; empty means the default.
	AccessRole AccessRole
	// StorefrontIDs are for MANAGER and STAFF.
	StorefrontIDs []uuid.UUID
}

// check refuses a place that cannot be, or that is above who gives it.
func (p *Place) check(tx *gorm.DB, who Principal, known Storefronts) error {
	if p.Role.rank() > who.Role.rank() {
		return ErrAboveOwnRole
	}
	if p.AccessRole != "" && p.Role != Staff {
		return ErrAccessRole
	}
	if p.AccessRole == Cashier {
		p.AccessRole = "" // the default
	}
	slices.SortFunc(p.StorefrontIDs, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	p.StorefrontIDs = slices.Compact(p.StorefrontIDs)
	if len(p.StorefrontIDs) == 0 {
		return nil
	}
	if p.Role.seesAllStorefronts() {
		return ErrStorefrontsOfAll
	}
	unknown, err := known(tx, p.StorefrontIDs)
	if err != nil {
		return fmt.Errorf("look for storefronts: %w", err)
	}
	if len(unknown) > 0 {
		return ErrUnknownStorefront
	}
	return nil
}

const memberSQL = `
	select u.id, u.email, u.name, u.email_verified, m.role, coalesce(r.name, ''), m.is_active, u.last_login_at, m.created_at,
	       array(select a.storefront_id from accounts.storefront_assignment a where a.tenant_id = m.tenant_id and a.user_id = m.user_id order by 1)
	  from accounts.membership m join accounts.user u on u.id = m.user_id
	  left join accounts.role r on r.name = m.access_role or m.access_role is null and r.default_for = m.role`

func members(tx *gorm.DB, where string, args ...any) ([]Member, error) {
	list := []Member{}
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var m Member
			err := rows.Scan(&m.ID, &m.Email, &m.Name, &m.EmailVerified, &m.Role, &m.AccessRole, &m.Active, &m.LastLoginAt, &m.JoinedAt, &m.Storefronts.IDs)
			if err != nil {
				return err
			}
			m.Storefronts.All = m.Role.seesAllStorefronts()
			list = append(list, m)
		}
		return rows.Err()
	}, memberSQL+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read members: %w", err)
	}
	return list, nil
}

// ListMembers pages through the people of the business that tx is bound to, those who left included, newest account first. before is the last id of the page before.
func ListMembers(tx *gorm.DB, before uuid.UUID, limit int) ([]Member, error) {
	return members(tx, ` where ($1::uuid is null or u.id < $1) order by u.id desc limit $2`, optionalID(before), limit)
}

func member(tx *gorm.DB, id uuid.UUID) (*Member, error) {
	list, err := members(tx, ` where u.id = $1`, id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, ErrMemberNotFound
	}
	return &list[0], nil
}

// MemberChange is what changes about a member; nil leaves it as it is.
type MemberChange struct {
	Role          *Role
	AccessRole    *AccessRole
	StorefrontIDs *[]uuid.UUID
	Active        *bool
}

// ChangeMember changes a member of the business that tx is bound to, at once: the member's next request is judged by it. Somebody who is sent away is signed out
// everywhere, and sees no storefront any more. Errors: ErrMemberNotFound, ErrAboveOwnRole, ErrLastOwner, ErrAccessRole, ErrStorefrontsOfAll, ErrUnknownStorefront.
func ChangeMember(tx *gorm.DB, who Principal, id uuid.UUID, change MemberChange, known Storefronts, c Client) (*Member, error) {
	// Changes of one business's members wait for each other; two owners who demote each other at the same moment would leave none.
	if _, err := postgres.Exec(tx, `select from accounts.business where id = $1 for update`, who.Tenant); err != nil {
		return nil, fmt.Errorf("lock business: %w", err)
	}
	before, err := member(tx, id)
	if err != nil {
		return nil, err
	}
	// Who asks was judged before the lock; what they are now counts.
	self, err := member(tx, who.User)
	if err != nil || !self.Active {
		return nil, ErrNotMember
	}
	who.Role = self.Role
	if before.Role.rank() > who.Role.rank() {
		return nil, ErrAboveOwnRole
	}
	place, active := before.place(), before.Active
	if change.Role != nil && *change.Role != place.Role {
		place = Place{Role: *change.Role, StorefrontIDs: place.StorefrontIDs}
		if place.Role.seesAllStorefronts() {
			place.StorefrontIDs = nil
		}
	}
	if change.AccessRole != nil {
		place.AccessRole = *change.AccessRole
	}
	if change.StorefrontIDs != nil {
		place.StorefrontIDs = slices.Clone(*change.StorefrontIDs)
	} else {
		known = func(*gorm.DB, []uuid.UUID) ([]uuid.UUID, error) { return nil, nil } // they were known when they were assigned
	}
	if change.Active != nil {
		active = *change.Active
	}
	if err := place.check(tx, who, known); err != nil {
		return nil, err
	}
	if !active {
		place.StorefrontIDs = nil
	}
	if err := setPlace(tx, who.Tenant, id, place, active); err != nil {
		return nil, err
	}
	if !active && before.Active {
		if _, err := endSessions(tx, id, uuid.Nil); err != nil {
			return nil, err
		}
	}
	if err := keepAnOwner(tx, who.Tenant); err != nil {
		return nil, err
	}
	after, err := member(tx, id)
	if err != nil {
		return nil, err
	}
	changes := before.differences(after)
	if len(changes) == 0 {
		return after, nil
	}
	return after, audit.Record(tx, who.entry(c, audit.Entry{Action: audit.Update, Entity: "membership", EntityID: id.String(), Changes: changes}))
}

// place is what a member is now.
func (m *Member) place() Place {
	p := Place{Role: m.Role, StorefrontIDs: slices.Clone(m.Storefronts.IDs)}
	if m.Role == Staff {
		p.AccessRole = m.AccessRole
	}
	return p
}

func (m *Member) differences(after *Member) map[string][2]any {
	changes := map[string][2]any{}
	if m.Role != after.Role {
		changes["role"] = [2]any{m.Role, after.Role}
	}
	if m.AccessRole != after.AccessRole {
		changes["access_role"] = [2]any{m.AccessRole, after.AccessRole}
	}
	if m.Active != after.Active {
		changes["is_active"] = [2]any{m.Active, after.Active}
	}
	if !slices.Equal(m.Storefronts.IDs, after.Storefronts.IDs) {
		changes["storefront_ids"] = [2]any{m.Storefronts.IDs, after.Storefronts.IDs}
	}
	return changes
}

// setPlace writes a membership that exists.
func setPlace(tx *gorm.DB, business, user uuid.UUID, p Place, active bool) error {
	_, err := postgres.Exec(tx, `update accounts.membership set role = $3, access_role = nullif($4, ''), is_active = $5 where tenant_id = $1 and user_id = $2`,
		business, user, string(p.Role), string(p.AccessRole), active)
	if err != nil {
		return fmt.Errorf("change member: %w", err)
	}
	return assign(tx, business, user, p.StorefrontIDs)
}

// assign makes exactly these storefronts the member's.
func assign(tx *gorm.DB, business, user uuid.UUID, ids []uuid.UUID) error {
	if ids == nil {
		ids = []uuid.UUID{}
	}
	if _, err := postgres.Exec(tx, `delete from accounts.storefront_assignment where tenant_id = $1 and user_id = $2 and storefront_id <> all($3)`, business, user, ids); err != nil {
		return fmt.Errorf("take storefronts from member: %w", err)
	}
	_, err := postgres.Exec(tx, `insert into accounts.storefront_assignment (tenant_id, user_id, storefront_id) select $1, $2, unnest($3::uuid[]) on conflict do nothing`, business, user, ids)
	if err != nil {
		return fmt.Errorf("assign storefronts: %w", err)
	}
	return nil
}

// keepAnOwner sees to it that the business has an active OWNER, and that owner_id names one: when the one it names is none any more, it is the OWNER who joined first.
func keepAnOwner(tx *gorm.DB, business uuid.UUID) error {
	var heir uuid.UUID
	err := postgres.QueryRow(tx, `
		select m.user_id from accounts.membership m join accounts.business b on b.id = m.tenant_id
		 where m.tenant_id = $1 and m.role = 'OWNER' and m.is_active order by m.user_id <> b.owner_id, m.created_at, m.user_id limit 1`, business).Scan(&heir)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrLastOwner
	case err != nil:
		return fmt.Errorf("look for owners: %w", err)
	}
	if _, err := postgres.Exec(tx, `update accounts.business set owner_id = $2, updated_at = now() where id = $1 and owner_id <> $2`, business, heir); err != nil {
		return fmt.Errorf("name owner: %w", err)
	}
	return nil
}
