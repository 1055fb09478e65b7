package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// Changed is called in the transaction that changes a person's password, so that the notice to them commits with it.
type Changed func(ctx context.Context, tx *gorm.DB, user uuid.UUID) error

// ChangePassword replaces the password of somebody who knows it, and ends their other sessions.
// Errors: ErrWrongPassword, ErrPasswordLength, ErrBusy.
func (s *Sessions) ChangePassword(ctx context.Context, who Principal, old, fresh string, c Client, changed Changed) error {
	var stored string
	err := s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		return postgres.QueryRow(tx, `select password_hash from accounts.user where id = $1 and is_active`, who.User).Scan(&stored)
	})
	if err != nil {
		return fmt.Errorf("read password hash: %w", err)
	}
	// No transaction is open from here: hashing takes its time.
	ok, _, err := s.Hasher.Verify(ctx, stored, old)
	if err != nil {
		return err
	}
	if !ok {
		return ErrWrongPassword
	}
	hash, err := s.Hasher.Hash(ctx, fresh)
	if err != nil {
		return newPassword(err)
	}
	return s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		// Signing in locks the same row: whoever signs in with the old password at this moment is either too late or among the sessions that end.
		n, err := postgres.Exec(tx, `update accounts.user set password_hash = $3, updated_at = now() where id = $1 and password_hash = $2 and is_active`, who.User, stored, hash)
		if err != nil {
			return fmt.Errorf("change password: %w", err)
		}
		if n == 0 {
			return ErrWrongPassword // it was changed in the meantime
		}
		if _, err := endSessions(tx, who.User, who.Session); err != nil {
			return err
		}
		if err := audit.Record(tx, who.entry(c, audit.Entry{Action: "password.changed", Entity: "user", EntityID: who.User.String()})); err != nil {
			return err
		}
		return changed(ctx, tx, who.User)
	})
}

// ResetPassword spends a token from a reset mail and replaces the password of its person. All their sessions end. The address is theirs: the token came by mail.
// Errors: ErrToken, ErrTokenSpent, ErrPasswordLength, ErrBusy.
func (s *Sessions) ResetPassword(ctx context.Context, token, fresh string, c Client, changed Changed) error {
	// Looked at first, so that worthless tokens cost no hash, and spent afterwards: no transaction may be open while a password is hashed.
	if err := s.DB.InSystem(ctx, func(tx *gorm.DB) error { return look(tx, "accounts.password_reset_token", resetPrefix, token) }); err != nil {
		return err
	}
	hash, err := s.Hasher.Hash(ctx, fresh)
	if err != nil {
		return newPassword(err)
	}
	return s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		user, err := spend(tx, "accounts.password_reset_token", resetPrefix, token)
		if err != nil {
			return err
		}
		e := audit.Entry{User: user, Action: "password.reset", Entity: "user", EntityID: user.String(), IP: c.IP, UserAgent: c.UserAgent}
		err = postgres.QueryRow(tx, `update accounts.user set password_hash = $2, email_verified = true, updated_at = now() where id = $1 and is_active returning email`, user, hash).Scan(&e.Actor)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrTokenSpent
		case err != nil:
			return fmt.Errorf("reset password: %w", err)
		}
		if _, err := postgres.Exec(tx, `update accounts.password_reset_token set consumed_at = now() where user_id = $1 and consumed_at is null`, user); err != nil {
			return fmt.Errorf("spend the other reset tokens: %w", err)
		}
		if _, err := endSessions(tx, user, uuid.Nil); err != nil {
			return err
		}
		if err := signInSucceeded(tx, e.Actor); err != nil {
			return err
		}
		if e.Tenant, err = businessOf(tx, user); err != nil {
			return err
		}
		if err := audit.Record(tx, e); err != nil {
			return err
		}
		return changed(ctx, tx, user)
	})
}

// newPassword names the field as the bodies of these two do.
func newPassword(err error) error {
	if errors.Is(err, ErrPasswordLength) {
		return ErrNewPasswordLength
	}
	return err
}
