package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// InvitationStatus is where an invitation is in its life:
//
//	PENDING ──▶ ACCEPTED
//	   │  ▲
//	   │  └── sent again ──┐
//	   ├── out of date ──▶ EXPIRED ──▶ REVOKED
//	   └── taken back ───────────────▶ REVOKED
type InvitationStatus string

// The states of an invitation.
const (
	InvitationPending  InvitationStatus = "PENDING"
	InvitationAccepted InvitationStatus = "ACCEPTED"
	InvitationExpired  InvitationStatus = "EXPIRED"
	InvitationRevoked  InvitationStatus = "REVOKED"
)

// maxSends is how often one invitation is mailed, and resendPause how long one waits in between, in seconds: nobody's inbox is filled in our name.
const (
	maxSends    = 10
	resendPause = 60
)

// Invitation asks a person into a business.
type Invitation struct {
	ID     uuid.UUID
	Email  string
	Place  Place
	Status InvitationStatus
	// Sends is how many mails were asked for, SentAt when the last one was.
	Sends                        int
	InvitedBy                    uuid.UUID
	SentAt, ExpiresAt, CreatedAt time.Time
}

// invitationSQL reads the status as it is now: one that is out of date counts as expired before the sweep says so.
const invitationSQL = `
	select id, email, role, coalesce(access_role, ''), storefront_ids, case when status = 'PENDING' and expires_at <= now() then 'EXPIRED' else status end, sends, invited_by,
	       sent_at, expires_at, created_at from accounts.invitation`

func invitations(tx *gorm.DB, where string, args ...any) ([]Invitation, error) {
	list := []Invitation{}
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var i Invitation
			err := rows.Scan(&i.ID, &i.Email, &i.Place.Role, &i.Place.AccessRole, &i.Place.StorefrontIDs, &i.Status, &i.Sends, &i.InvitedBy, &i.SentAt, &i.ExpiresAt, &i.CreatedAt)
			if err != nil {
				return err
			}
			list = append(list, i)
		}
		return rows.Err()
	}, invitationSQL+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read invitations: %w", err)
	}
	return list, nil
}

// ListInvitations pages through the invitations of the business that tx is bound to, newest first; an empty status means all.
func ListInvitations(tx *gorm.DB, status InvitationStatus, before uuid.UUID, limit int) ([]Invitation, error) {
	return invitations(tx, ` where ($1::uuid is null or id < $1) and ($2 = '' or case when status = 'PENDING' and expires_at <= now() then 'EXPIRED' else status end = $2)
		order by id desc limit $3`, optionalID(before), string(status), limit)
}

// Invite asks somebody into the business that tx is bound to. The caller enqueues the mail. Whether the address has an account elsewhere is not told: that shows when
// its person accepts. Errors: ErrEmailUnverified, ErrAboveOwnRole, ErrAccessRole, ErrUnknownStorefront, ErrStorefrontsOfAll, ErrInvalidEmail, ErrAlreadyMember, ErrInvitationPending.
func Invite(tx *gorm.DB, who Principal, email string, place Place, known Storefronts, c Client) (*Invitation, error) {
	if !who.EmailVerified {
		return nil, ErrEmailUnverified
	}
	email, err := NormalizeEmail(email)
	if err != nil {
		return nil, err
	}
	if err := place.check(tx, who, known); err != nil {
		return nil, err
	}
	var isMember bool
	err = postgres.QueryRow(tx, `select exists (select from accounts.membership m join accounts.user u on u.id = m.user_id
		 where m.tenant_id = $1 and m.is_active and lower(u.email) = $2)`, who.Tenant, email).Scan(&isMember)
	if err != nil {
		return nil, fmt.Errorf("look for member: %w", err)
	}
	if isMember {
		return nil, ErrAlreadyMember
	}
	// One that is out of date makes room.
	if _, err := postgres.Exec(tx, `update accounts.invitation set status = 'EXPIRED', ended_at = now() where tenant_id = $1 and lower(email) = $2 and status = 'PENDING' and expires_at <= now()`,
		who.Tenant, email); err != nil {
		return nil, fmt.Errorf("expire the invitation before: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("invite: make id: %w", err)
	}
	if place.StorefrontIDs == nil {
		place.StorefrontIDs = []uuid.UUID{}
	}
	_, err = postgres.Exec(tx, `
		insert into accounts.invitation (id, tenant_id, email, role, access_role, storefront_ids, invited_by, expires_at)
		values ($1, $2, $3, $4, nullif($5, ''), $6, $7, now() + $8 * interval '1 second')`,
		id, who.Tenant, email, string(place.Role), string(place.AccessRole), place.StorefrontIDs, who.User, seconds(InvitationLife))
	if postgres.Constraint(err) == "invitation_pending_key" {
		return nil, ErrInvitationPending
	}
	if err != nil {
		return nil, fmt.Errorf("invite: %w", err)
	}
	e := audit.Entry{Action: "invitation.created", Entity: "invitation", EntityID: id.String(), Changes: map[string]any{"email": email, "role": place.Role}}
	if err := audit.Record(tx, who.entry(c, e)); err != nil {
		return nil, err
	}
	return InvitationByID(tx, id)
}

// InvitationByID reads an invitation of the business and locks it. Errors: ErrInvitationNotFound.
func InvitationByID(tx *gorm.DB, id uuid.UUID) (*Invitation, error) {
	list, err := invitations(tx, ` where id = $1 for update`, id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, ErrInvitationNotFound
	}
	return &list[0], nil
}

// Resend lets an invitation begin its time anew. The caller enqueues mail number Sends.
// Errors: ErrInvitationNotFound, ErrInvitationAccepted, ErrInvitationRevoked, ErrAboveOwnRole, ErrInvitationPending, ErrResendTooSoon, ErrResendTooOften, ErrEmailUnverified.
func Resend(tx *gorm.DB, who Principal, id uuid.UUID, c Client) (*Invitation, error) {
	i, err := openInvitation(tx, who, id)
	if err != nil {
		return nil, err
	}
	switch {
	case !who.EmailVerified:
		return nil, ErrEmailUnverified
	case i.Sends >= maxSends:
		return nil, ErrResendTooOften
	}
	n, err := postgres.Exec(tx, `update accounts.invitation set status = 'PENDING', ended_at = null, sends = sends + 1, sent_at = now(), expires_at = now() + $2 * interval '1 second'
		 where id = $1 and sent_at < now() - $3 * interval '1 second'`, id, seconds(InvitationLife), resendPause)
	switch {
	case postgres.Constraint(err) == "invitation_pending_key":
		return nil, ErrInvitationPending
	case err != nil:
		return nil, fmt.Errorf("send invitation again: %w", err)
	case n == 0:
		return nil, ErrResendTooSoon
	}
	if err := audit.Record(tx, who.entry(c, audit.Entry{Action: "invitation.resent", Entity: "invitation", EntityID: id.String()})); err != nil {
		return nil, err
	}
	return InvitationByID(tx, id)
}

// Revoke takes an invitation back. Errors: ErrInvitationNotFound, ErrInvitationAccepted, ErrInvitationRevoked, ErrAboveOwnRole.
func Revoke(tx *gorm.DB, who Principal, id uuid.UUID, c Client) (*Invitation, error) {
	if _, err := openInvitation(tx, who, id); err != nil {
		return nil, err
	}
	if _, err := postgres.Exec(tx, `update accounts.invitation set status = 'REVOKED', ended_at = now() where id = $1`, id); err != nil {
		return nil, fmt.Errorf("revoke invitation: %w", err)
	}
	if err := audit.Record(tx, who.entry(c, audit.Entry{Action: "invitation.revoked", Entity: "invitation", EntityID: id.String()})); err != nil {
		return nil, err
	}
	return InvitationByID(tx, id)
}

// openInvitation returns one that is neither accepted nor revoked, and not above who asks.
func openInvitation(tx *gorm.DB, who Principal, id uuid.UUID) (*Invitation, error) {
	i, err := InvitationByID(tx, id)
	switch {
	case err != nil:
		return nil, err
	case i.Status == InvitationAccepted:
		return nil, ErrInvitationAccepted
	case i.Status == InvitationRevoked:
		return nil, ErrInvitationRevoked
	case i.Place.Role.rank() > who.Role.rank():
		return nil, ErrAboveOwnRole
	}
	return i, nil
}

// Invited is what the holder of an invitation's token may know.
type Invited struct {
	Email, Business, Inviter string
	Role                     Role
	ExpiresAt                time.Time
	// HasAccount is set when the address has an account, whose password is then asked for.
	HasAccount bool

	id, tenant, user uuid.UUID
	place            Place
	passwordHash     string
}

// LookAtInvitation returns the invitation that the token belongs to. tx is a platform transaction; it is bound to the inviting business afterwards.
// Errors: ErrInvitationNotFound, ErrInvitationAccepted, ErrInvitationOver.
func LookAtInvitation(tx *gorm.DB, token string) (*Invited, error) {
	if !strings.HasPrefix(token, invitationPrefix) {
		return nil, ErrInvitationNotFound
	}
	var i Invited
	var status InvitationStatus
	var expired bool
	var user *uuid.UUID
	var storefronts []uuid.UUID
	found := false
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			found = true
			err := rows.Scan(&i.id, &i.tenant, &i.Email, &i.Role, &i.place.AccessRole, &storefronts, &status, &i.ExpiresAt, &expired, &i.Inviter, &user, &i.passwordHash)
			if err != nil {
				return err
			}
		}
		return rows.Err()
	}, `select i.id, i.tenant_id, i.email, i.role, coalesce(i.access_role, ''), i.storefront_ids, i.status, i.expires_at, i.expires_at <= now(), v.name, u.id, coalesce(u.password_hash, '')
		  from accounts.invitation i join accounts.user v on v.id = i.invited_by left join accounts.user u on lower(u.email) = lower(i.email)
		 where i.token_hash = $1`, hashToken(token))
	switch {
	case err != nil:
		return nil, fmt.Errorf("find invitation: %w", err)
	case !found:
		return nil, ErrInvitationNotFound
	case status == InvitationAccepted:
		return nil, ErrInvitationAccepted
	case status != InvitationPending || expired:
		return nil, ErrInvitationOver
	}
	if user != nil {
		i.user, i.HasAccount = *user, true
	}
	i.place.Role, i.place.StorefrontIDs, i.ExpiresAt = i.Role, storefronts, i.ExpiresAt.UTC()
	if err := postgres.BindTenants(tx, []uuid.UUID{i.tenant}); err != nil {
		return nil, err
	}
	b, err := BusinessOf(tx)
	if errors.Is(err, ErrNotMember) {
		return nil, ErrInvitationOver // the business was switched off
	}
	if err != nil {
		return nil, err
	}
	i.Business = b.Name
	return &i, nil
}

// Accept makes the holder of an invitation's token a member and signs them in. Somebody new gives a name and chooses a password; somebody who has an account proves that
// it is theirs by its password. Errors: those of LookAtInvitation, ErrNameRequired, ErrPasswordLength, ErrBadCredentials, ErrInAnotherBusiness, ErrBusy.
func (s *Sessions) Accept(ctx context.Context, token, name, password string, c Client, now time.Time) (*Session, error) {
	var i *Invited
	err := s.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
		i, err = LookAtInvitation(tx, token)
		return err
	})
	if err != nil {
		return nil, err
	}
	// No transaction is open from here: hashing takes its time.
	hash := ""
	if i.HasAccount {
		ok, _, err := s.Hasher.Verify(ctx, i.passwordHash, password)
		if err != nil {
			return nil, err
		}
		if !ok {
			if err := s.signInFailed(ctx, i.user, i.Email, c); err != nil {
				return nil, err
			}
			return nil, ErrBadCredentials
		}
	} else {
		if name = strings.TrimSpace(name); name == "" {
			return nil, ErrNameRequired
		}
		if hash, err = s.Hasher.Hash(ctx, password); err != nil {
			return nil, err
		}
	}
	var session *Session
	err = s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		user, err := join(tx, i, hashToken(token), name, hash)
		if err != nil {
			return err
		}
		p, err := profile(tx, user, i.tenant)
		if err != nil {
			return err
		}
		if session, err = s.Open(tx, p, c, now); err != nil {
			return err
		}
		return audit.Record(tx,
			entry(p, c, audit.Entry{Action: "invitation.accepted", Entity: "invitation", EntityID: i.id.String(), Changes: map[string]any{"role": p.Role}}),
			entry(p, c, audit.Entry{Action: audit.Login, Entity: "session", EntityID: session.ID.String()}))
	})
	return session, err
}

// join spends the invitation and makes the membership. Of any number of requests at the same moment one gets past the first statement.
func join(tx *gorm.DB, i *Invited, hash []byte, name, passwordHash string) (uuid.UUID, error) {
	if err := postgres.BindTenants(tx, []uuid.UUID{i.tenant}); err != nil {
		return uuid.Nil, err
	}
	n, err := postgres.Exec(tx, `update accounts.invitation set status = 'ACCEPTED', ended_at = now() where id = $1 and token_hash = $2 and status = 'PENDING' and expires_at > now()`, i.id, hash)
	if err != nil {
		return uuid.Nil, fmt.Errorf("accept invitation: %w", err)
	}
	if n == 0 {
		var accepted bool
		err := postgres.QueryRow(tx, `select status = 'ACCEPTED' from accounts.invitation where id = $1`, i.id).Scan(&accepted)
		if err != nil {
			return uuid.Nil, fmt.Errorf("look at invitation: %w", err)
		}
		if accepted {
			return uuid.Nil, ErrInvitationAccepted
		}
		return uuid.Nil, ErrInvitationOver
	}
	user := i.user
	if !i.HasAccount {
		if user, err = uuid.NewV7(); err != nil {
			return uuid.Nil, fmt.Errorf("accept invitation: make user id: %w", err)
		}
		// The token came by mail, so the address is theirs.
		_, err = postgres.Exec(tx, `insert into accounts.user (id, email, name, password_hash, account_type, email_verified) values ($1, $2, $3, $4, $5, true)`,
			user, i.Email, name, passwordHash, accountEmployee)
		if postgres.Constraint(err) == "user_email_key" {
			return uuid.Nil, ErrEmailTaken // somebody registered with it a moment ago
		}
		if err != nil {
			return uuid.Nil, fmt.Errorf("accept invitation: %w", err)
		}
	} else if err := adopt(tx, i); err != nil {
		return uuid.Nil, err
	}
	_, err = postgres.Exec(tx, `insert into accounts.membership (tenant_id, user_id, role, access_role) values ($1, $2, $3, nullif($4, ''))
		on conflict (tenant_id, user_id) do update set role = excluded.role, access_role = excluded.access_role, is_active = true`,
		i.tenant, user, string(i.place.Role), string(i.place.AccessRole))
	if postgres.Constraint(err) == "membership_user_key" {
		return uuid.Nil, ErrInAnotherBusiness
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("accept invitation: %w", err)
	}
	if _, err := postgres.Exec(tx, `update accounts.invitation set accepted_by = $2 where id = $1`, i.id, user); err != nil {
		return uuid.Nil, fmt.Errorf("accept invitation: %w", err)
	}
	return user, assign(tx, i.tenant, user, i.place.StorefrontIDs)
}

// adopt makes an existing account fit to join: its address counts as verified, and a place in a business that sent it away is given up. Errors: ErrInAnotherBusiness.
func adopt(tx *gorm.DB, i *Invited) error {
	n, err := postgres.Exec(tx, `update accounts.user set email_verified = true, updated_at = now() where id = $1 and is_active and password_hash = $2`, i.user, i.passwordHash)
	if err != nil {
		return fmt.Errorf("accept invitation: %w", err)
	}
	if n == 0 {
		return ErrBadCredentials // switched off, or the password changed a moment ago
	}
	var elsewhere uuid.UUID
	var active bool
	err = postgres.QueryRow(tx, `select tenant_id, is_active from accounts.membership where user_id = $1 and tenant_id <> $2`, i.user, i.tenant).Scan(&elsewhere, &active)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("look for another membership: %w", err)
	case active:
		return ErrInAnotherBusiness
	}
	// The row moves: a person has one at most. The other business's log still tells of them.
	if err := postgres.BindTenants(tx, []uuid.UUID{elsewhere, i.tenant}); err != nil {
		return err
	}
	if err := assign(tx, elsewhere, i.user, nil); err != nil {
		return err
	}
	if _, err := postgres.Exec(tx, `update accounts.membership set tenant_id = $3, created_at = now() where tenant_id = $1 and user_id = $2 and not is_active`, elsewhere, i.user, i.tenant); err != nil {
		return fmt.Errorf("move membership: %w", err)
	}
	return postgres.BindTenants(tx, []uuid.UUID{i.tenant})
}

// ExpireInvitations ends the invitations of all businesses that are out of date, and returns how many they were. tx is a platform transaction of notifier.
func ExpireInvitations(tx *gorm.DB) (int, error) {
	var entries []audit.Entry
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var id, business uuid.UUID
			if err := rows.Scan(&id, &business); err != nil {
				return err
			}
			entries = append(entries, audit.Entry{Tenant: business, Actor: "task:accounts.expire_invitations", Action: "invitation.expired", Entity: "invitation", EntityID: id.String()})
		}
		return rows.Err()
	}, `update accounts.invitation set status = 'EXPIRED', ended_at = now() where status = 'PENDING' and expires_at <= now() returning id, tenant_id`)
	if err != nil {
		return 0, fmt.Errorf("expire invitations: %w", err)
	}
	return len(entries), audit.Record(tx, entries...)
}
