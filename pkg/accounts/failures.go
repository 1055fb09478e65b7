package accounts

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// failuresPerEntry is how many wrong passwords in a row make an audit entry, and how many more the next one. People mistype; five times is worth a look.
const failuresPerEntry = 5

// failureWindow is how long wrong passwords count together, in minutes.
const failureWindow = 15

// signInFailed counts a wrong password for an address. user is uuid.Nil for an address that nobody has: it costs the same.
func (s *Sessions) signInFailed(ctx context.Context, user uuid.UUID, email string, c Client) error {
	return s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		var failures int
		err := postgres.QueryRow(tx, `
			insert into accounts.sign_in_failure as f (address_hash, failures, since) values ($1, 1, now())
			on conflict (address_hash) do update set
			       failures = case when f.since < now() - $2 * interval '1 minute' then 1 else f.failures + 1 end,
			       since    = case when f.since < now() - $2 * interval '1 minute' then now() else f.since end
			returning failures`, addressHash(email, user != uuid.Nil), failureWindow).Scan(&failures)
		if err != nil {
			return fmt.Errorf("count failed sign-in: %w", err)
		}
		if user == uuid.Nil || failures%failuresPerEntry != 0 {
			return nil
		}
		e := audit.Entry{User: user, Action: "login.failed", Entity: "session", Changes: map[string]int{"failures": failures}, IP: c.IP, UserAgent: c.UserAgent}
		var business *uuid.UUID
		err = postgres.QueryRow(tx, `select u.email, m.tenant_id from accounts.user u left join accounts.membership m on m.user_id = u.id where u.id = $1`, user).
			Scan(&e.Actor, &business)
		if err != nil {
			return fmt.Errorf("find whose sign-in failed: %w", err)
		}
		if business != nil {
			e.Tenant = *business
		}
		return audit.Record(tx, e)
	})
}

// signInSucceeded begins the count anew.
func signInSucceeded(tx *gorm.DB, email string) error {
	if _, err := postgres.Exec(tx, `update accounts.sign_in_failure set failures = 0 where address_hash = $1`, addressHash(email, true)); err != nil {
		return fmt.Errorf("forget failed sign-ins: %w", err)
	}
	return nil
}

// addressHash is the key of an address's count. Addresses that nobody has share 256 of them.
func addressHash(email string, known bool) []byte {
	normal, err := NormalizeEmail(email)
	if err != nil {
		normal = email
	}
	sum := sha256.Sum256([]byte(normal))
	if !known {
		return sum[:1]
	}
	return sum[:]
}
