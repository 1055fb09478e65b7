package accounts

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// How long the tokens live that are sent by mail.
const (
	VerificationLife = 48 * time.Hour
	ResetLife        = 2 * time.Hour
	InvitationLife   = 7 * 24 * time.Hour
)

// Prefixes tell the tokens apart, for people and for scanners that look for leaked ones.
const (
	verificationPrefix = "mev_"
	resetPrefix        = "mpr_"
	invitationPrefix   = "miv_"
)

// maxPerHour is how many mails with a token of one kind a person is sent in an hour, whoever asks.
const maxPerHour = 5

// MintVerification makes the token id, which confirms user's address, and returns it; empty when it was made before, or when the person was sent several within the hour.
// Like MintReset and MintInvitation it runs in the transaction that stores the mail: only the hash stays, so a token cannot be mailed a second time.
func MintVerification(tx *gorm.DB, id, user uuid.UUID) (string, error) {
	token := makeToken(verificationPrefix)
	n, err := postgres.Exec(tx, `
		insert into accounts.email_verification_token (id, user_id, token_hash, expires_at) select $1, $2, $3, now() + $4 * interval '1 second'
		 where (select count(*) from accounts.email_verification_token where user_id = $2 and created_at > now() - interval '1 hour') < $5
		on conflict (id) do nothing`, id, user, hashToken(token), seconds(VerificationLife), maxPerHour)
	return minted(token, n, err)
}

// MintReset makes the token id, which lets user choose a new password. It is empty when it was made before, or when the person was sent several within the hour.
func MintReset(tx *gorm.DB, id, user uuid.UUID) (string, error) {
	token := makeToken(resetPrefix)
	n, err := postgres.Exec(tx, `
		insert into accounts.password_reset_token (id, user_id, token_hash, expires_at) select $1, $2, $3, now() + $4 * interval '1 second'
		 where (select count(*) from accounts.password_reset_token where user_id = $2 and created_at > now() - interval '1 hour') < $5
		on conflict (id) do nothing`, id, user, hashToken(token), seconds(ResetLife), maxPerHour)
	return minted(token, n, err)
}

// MintInvitation makes the token of an invitation's mail number n; that of an earlier mail stops working. It is empty when that mail, or a later one, was worded
// before, and when the invitation has ended.
func MintInvitation(tx *gorm.DB, id uuid.UUID, n int) (string, error) {
	token := makeToken(invitationPrefix)
	changed, err := postgres.Exec(tx, `update accounts.invitation set token_hash = $3, mailed = $2 where id = $1 and mailed < $2 and status = 'PENDING' and expires_at > now()`,
		id, n, hashToken(token))
	return minted(token, changed, err)
}

func minted(token string, changed int64, err error) (string, error) {
	switch {
	case err != nil:
		return "", fmt.Errorf("make token: %w", err)
	case changed == 0:
		return "", nil
	default:
		return token, nil
	}
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// VerifyEmail spends a token and marks its person's address as theirs. tx is a platform transaction. Errors: ErrToken, ErrTokenSpent.
func VerifyEmail(tx *gorm.DB, token string, c Client) (*User, error) {
	user, err := spend(tx, "accounts.email_verification_token", verificationPrefix, token)
	if err != nil {
		return nil, err
	}
	var u User
	err = postgres.QueryRow(tx, `update accounts.user set email_verified = true, updated_at = now() where id = $1 and is_active
		returning id, email, name, language, email_verified, created_at`, user).Scan(&u.ID, &u.Email, &u.Name, &u.Language, &u.EmailVerified, &u.CreatedAt)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrTokenSpent
	case err != nil:
		return nil, fmt.Errorf("mark address as verified: %w", err)
	}
	u.CreatedAt = u.CreatedAt.UTC()
	e := audit.Entry{User: u.ID, Actor: u.Email, Action: "email.verified", Entity: "user", EntityID: u.ID.String(), IP: c.IP, UserAgent: c.UserAgent}
	if e.Tenant, err = businessOf(tx, u.ID); err != nil {
		return nil, err
	}
	return &u, audit.Record(tx, e)
}

// businessOf returns the business whose log a person's doings belong in; uuid.Nil, the platform's, for somebody of none. tx is a platform transaction.
func businessOf(tx *gorm.DB, user uuid.UUID) (uuid.UUID, error) {
	var business uuid.UUID
	err := postgres.QueryRow(tx, `select tenant_id from accounts.membership where user_id = $1`, user).Scan(&business)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return uuid.Nil, fmt.Errorf("find membership: %w", err)
	}
	return business, nil
}

// spend uses up a token of the table, once: of any number of requests at the same moment one gets the person. Errors: ErrToken, ErrTokenSpent.
func spend(tx *gorm.DB, table, prefix, token string) (user uuid.UUID, err error) {
	if !strings.HasPrefix(token, prefix) {
		return uuid.Nil, ErrToken
	}
	err = postgres.QueryRow(tx, `update `+table+` set consumed_at = now() where token_hash = $1 and consumed_at is null and expires_at > now() returning user_id`,
		hashToken(token)).Scan(&user)
	if err == nil {
		return user, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return uuid.Nil, fmt.Errorf("spend token: %w", err)
	}
	if err := look(tx, table, prefix, token); err != nil {
		return uuid.Nil, err
	}
	return uuid.Nil, ErrTokenSpent
}

// look reports what is wrong with a token of the table, without spending it. Errors: ErrToken, ErrTokenSpent.
func look(tx *gorm.DB, table, prefix, token string) error {
	if !strings.HasPrefix(token, prefix) {
		return ErrToken
	}
	var live bool
	err := postgres.QueryRow(tx, `select consumed_at is null and expires_at > now() from `+table+` where token_hash = $1`, hashToken(token)).Scan(&live)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrToken
	case err != nil:
		return fmt.Errorf("look at token: %w", err)
	case !live:
		return ErrTokenSpent
	}
	return nil
}

// MayResendVerification refuses a person who was sent several verification mails within the hour. Errors: ErrVerificationTooOften.
func MayResendVerification(tx *gorm.DB, user uuid.UUID) error {
	var sent int
	err := postgres.QueryRow(tx, `select count(*) from accounts.email_verification_token where user_id = $1 and created_at > now() - interval '1 hour'`, user).Scan(&sent)
	if err != nil {
		return fmt.Errorf("count verification mails: %w", err)
	}
	if sent >= maxPerHour {
		return ErrVerificationTooOften
	}
	return nil
}
