package accounts

import (
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

const (
	// RefreshLife is how long a refresh token waits to be used. Each use starts it anew.
	RefreshLife = 30 * 24 * time.Hour
	// RetryGrace is how long after its use a refresh token may be used once more: a client whose answer was lost on the way asks again within seconds.
	RetryGrace = 10 * time.Second
	// refreshPrefix tells a refresh token from other secrets, for people and for scanners that look for leaked ones.
	refreshPrefix = "mrt_"
	// maxUserAgent bounds what is kept of a client's own description.
	maxUserAgent = 200
)

// errReused reports a refresh token that was used up before. Whoever sees it revokes the family.
var errReused = errors.New("refresh token used again")

// usedToken is a refresh token that was just spent.
type usedToken struct {
	user, family uuid.UUID
}

// newToken inserts a refresh token and returns it. It is the only time that the token itself is known.
func newToken(tx *gorm.DB, user, family uuid.UUID, c Client) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("issue refresh token: make id: %w", err)
	}
	token := makeToken(refreshPrefix)
	agent := strings.ToValidUTF8(c.UserAgent[:min(len(c.UserAgent), maxUserAgent)], "")
	_, err = postgres.Exec(tx, `
		insert into accounts.refresh_token (id, family_id, user_id, token_hash, expires_at, ip, user_agent)
		values ($1, $2, $3, $4, now() + $5 * interval '1 second', $6, $7)`,
		id, family, user, hashToken(token), int64(RefreshLife/time.Second), c.IP, strings.ReplaceAll(agent, "\x00", ""))
	if err != nil {
		return "", fmt.Errorf("issue refresh token: %w", err)
	}
	return token, nil
}

// lockFamily finds a token's family and keeps everybody else from rotating or revoking it until the transaction ends. Without the lock a token that
// is being issued while the family is revoked would survive. Errors: ErrRefreshToken.
func lockFamily(tx *gorm.DB, token string) (uuid.UUID, error) {
	if !strings.HasPrefix(token, refreshPrefix) {
		return uuid.Nil, ErrRefreshToken
	}
	var family uuid.UUID
	err := postgres.QueryRow(tx, `select family_id from accounts.refresh_token where token_hash = $1`, hashToken(token)).Scan(&family)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return uuid.Nil, ErrRefreshToken
	case err != nil:
		return uuid.Nil, fmt.Errorf("find refresh token: %w", err)
	}
	return family, lockSession(tx, family)
}

func lockSession(tx *gorm.DB, family uuid.UUID) error {
	if _, err := postgres.Exec(tx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, "session:"+family.String()); err != nil {
		return fmt.Errorf("lock session: %w", err)
	}
	return nil
}

// useToken spends a refresh token. Errors: ErrRefreshToken; errReused, with the family to revoke.
func useToken(tx *gorm.DB, token string) (usedToken, error) {
	family, err := lockFamily(tx, token)
	if err != nil {
		return usedToken{}, err
	}
	used := usedToken{family: family}
	err = postgres.QueryRow(tx, `
		update accounts.refresh_token set
		       retried_at = case when rotated_at is null then null else now() end,
		       rotated_at = coalesce(rotated_at, now())
		 where token_hash = $1 and revoked_at is null and expires_at > now()
		   and (rotated_at is null or (retried_at is null and rotated_at > now() - $2 * interval '1 second'))
		returning user_id`, hashToken(token), int64(RetryGrace/time.Second)).Scan(&used.user)
	if err == nil {
		return used, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return usedToken{}, fmt.Errorf("use refresh token: %w", err)
	}
	var reused bool
	err = postgres.QueryRow(tx, `select rotated_at is not null and revoked_at is null, user_id from accounts.refresh_token where token_hash = $1`, hashToken(token)).Scan(&reused, &used.user)
	if err != nil {
		return usedToken{}, fmt.Errorf("look at refresh token: %w", err)
	}
	if reused {
		return used, errReused
	}
	return usedToken{}, ErrRefreshToken
}

// revokeFamily ends every token of a family.
func revokeFamily(tx *gorm.DB, family uuid.UUID) error {
	if _, err := postgres.Exec(tx, `update accounts.refresh_token set revoked_at = now() where family_id = $1 and revoked_at is null`, family); err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	return nil
}

// makeToken returns a secret that nobody can guess, behind a prefix that says what it is for.
func makeToken(prefix string) string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails, see crypto/rand
	return prefix + base64.RawURLEncoding.EncodeToString(secret)
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
