package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// Session is what a person holds after signing in.
type Session struct {
	// ID stays the same for as long as the session is refreshed.
	ID      uuid.UUID
	Profile *Profile
	// Access is the access token, good until AccessExpiresAt; Refresh gets the next pair.
	Access, Refresh string
	AccessExpiresAt time.Time
}

// Sessions signs people in and keeps them signed in. Its fields are set once. Safe for concurrent use.
type Sessions struct {
	DB     *postgres.DB
	Hasher *Hasher
	Keys   *Keys
}

// Client is what is kept of the program that signs in, so that a person can tell their sessions apart.
type Client struct {
	// IP is the address, UserAgent what the program calls itself; it is cut to 200 bytes.
	IP, UserAgent string
}

// Open starts a session for a person in tx, which must be bound to their business or be a platform transaction of the gateway.
func (s *Sessions) Open(tx *gorm.DB, p *Profile, c Client, now time.Time) (*Session, error) {
	family, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("open session: make id: %w", err)
	}
	return s.issue(tx, p, family, c, now)
}

// SignIn checks a password and opens a session, for a member of a business or an OWNER who has none yet. A hash of the Django application, or of an older cost, is
// replaced on the way. Sign-ins, and every few wrong passwords in a row, are audited. Errors: ErrBadCredentials, ErrNotMember, ErrBusy.
func (s *Sessions) SignIn(ctx context.Context, email, password string, c Client, now time.Time) (*Session, error) {
	user, stored, err := s.credentials(ctx, email)
	if err != nil {
		return nil, err
	}
	// No transaction is open from here: hashing takes its time. An unknown address takes as long as a wrong password.
	ok, outdated, err := s.Hasher.Verify(ctx, stored, password)
	if err != nil {
		return nil, err
	}
	if !ok {
		if err := s.signInFailed(ctx, user, email, c); err != nil {
			return nil, err
		}
		return nil, ErrBadCredentials
	}
	fresh := stored
	if outdated {
		// A password of the Django application may be shorter than ours may be; then its hash stays.
		if fresh, err = s.Hasher.Hash(ctx, password); errors.Is(err, ErrPasswordLength) {
			fresh = stored
		} else if err != nil {
			return nil, err
		}
	}
	var session *Session
	err = s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		// The hash is compared again: a password changed in the meantime is not brought back.
		n, err := postgres.Exec(tx, `update accounts.user set last_login_at = $3, password_hash = $4
			 where id = $1 and password_hash = $2 and is_active`, user, stored, now.UTC(), fresh)
		if err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
		if n == 0 {
			return ErrBadCredentials
		}
		p, err := signedIn(tx, user)
		if err != nil {
			return err
		}
		if err := signInSucceeded(tx, p.User.Email); err != nil {
			return err
		}
		if session, err = s.Open(tx, p, c, now); err != nil {
			return err
		}
		return audit.Record(tx, entry(p, c, audit.Entry{Action: audit.Login, Entity: "session", EntityID: session.ID.String()}))
	})
	return session, err
}

// entry fills in who did it.
func entry(p *Profile, c Client, e audit.Entry) audit.Entry {
	e.Tenant, e.User, e.Actor, e.IP, e.UserAgent = p.Business.ID, p.User.ID, p.User.Email, c.IP, c.UserAgent
	return e
}

// credentials finds a person by address. Nobody is no error: the id and the hash are empty then.
func (s *Sessions) credentials(ctx context.Context, email string) (id uuid.UUID, stored string, err error) {
	email, err = NormalizeEmail(email)
	if err != nil {
		return uuid.Nil, "", nil //nolint:nilerr // an address that cannot exist is an address nobody has
	}
	err = s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		return postgres.QueryRow(tx, `select id, password_hash from accounts.user where lower(email) = $1 and is_active`, email).Scan(&id, &stored)
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return uuid.Nil, "", fmt.Errorf("find user: %w", err)
	}
	return id, stored, nil
}

// Refresh exchanges a refresh token for a new session of the same family. Errors: ErrRefreshToken, ErrNotMember.
func (s *Sessions) Refresh(ctx context.Context, token string, c Client, now time.Time) (*Session, error) {
	var session *Session
	stolen := false
	err := s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		used, err := useToken(tx, token)
		if errors.Is(err, errReused) {
			stolen = true
			return s.theft(tx, used, c) // commits: the family must end although the request fails
		}
		if err != nil {
			return err
		}
		p, err := signedIn(tx, used.user)
		if err != nil {
			return err
		}
		session, err = s.issue(tx, p, used.family, c, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	if stolen {
		slog.WarnContext(ctx, "refresh token used twice, session revoked")
		return nil, ErrRefreshToken
	}
	return session, nil
}

// theft ends the session whose token two parties hold.
func (s *Sessions) theft(tx *gorm.DB, used usedToken, c Client) error {
	if err := revokeFamily(tx, used.family); err != nil {
		return err
	}
	p, err := signedIn(tx, used.user)
	if errors.Is(err, ErrNotMember) {
		return nil // nobody whose log it could be in
	}
	if err != nil {
		return err
	}
	return audit.Record(tx, entry(p, c, audit.Entry{Action: "session.stolen", Entity: "session", EntityID: used.family.String()}))
}

// SignOut ends the session that token belongs to. A token that is unknown or has ended already is no error: the person is signed out either way.
func (s *Sessions) SignOut(ctx context.Context, token string, c Client) error {
	return s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		family, err := lockFamily(tx, token)
		if errors.Is(err, ErrRefreshToken) {
			return nil
		}
		if err != nil {
			return err
		}
		var user uuid.UUID
		err = postgres.QueryRow(tx, `select user_id from accounts.refresh_token where family_id = $1 and revoked_at is null limit 1`, family).Scan(&user)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // it has ended already
		}
		if err != nil {
			return fmt.Errorf("find whose session it is: %w", err)
		}
		if err := revokeFamily(tx, family); err != nil {
			return err
		}
		p, err := signedIn(tx, user)
		if errors.Is(err, ErrNotMember) {
			return nil
		}
		if err != nil {
			return err
		}
		return audit.Record(tx, entry(p, c, audit.Entry{Action: audit.Logout, Entity: "session", EntityID: family.String()}))
	})
}

// issue signs an access token and adds a refresh token to the family.
func (s *Sessions) issue(tx *gorm.DB, p *Profile, family uuid.UUID, c Client, now time.Time) (*Session, error) {
	access, err := s.Keys.Sign(p.Principal(family), now)
	if err != nil {
		return nil, err
	}
	refresh, err := newToken(tx, p.User.ID, family, c)
	if err != nil {
		return nil, err
	}
	return &Session{ID: family, Profile: p, Access: access, Refresh: refresh, AccessExpiresAt: now.Add(AccessLife)}, nil
}
