package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/problem"
	"makola/pkg/tenant"
)

// errKeyReused reports an Idempotency-Key that was used with another body.
var errKeyReused = problem.New(problem.Invalid, "idempotency_key_reused", "This Idempotency-Key was used with another body.",
	problem.FieldError{Field: "Idempotency-Key", Code: "reused", Message: "was used with another body"})

// claim is one use of an Idempotency-Key. Keys belong to a business and an operation, and are forgotten after a day.
// The zero claim, for a request without a key, does nothing.
type claim struct {
	operation, key string
	hash           []byte
}

func newClaim(operation string, key *string, body any) (claim, error) {
	if key == nil {
		return claim{}, nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return claim{}, fmt.Errorf("hash request: %w", err)
	}
	sum := sha256.Sum256(raw)
	return claim{operation: operation, key: *key, hash: sum[:]}, nil
}

// take makes sure that nobody else uses the key until the transaction ends, and returns what an earlier request with it made: uuid.Nil for nothing.
// Errors: errKeyReused.
func (c claim) take(tx *gorm.DB) (subject uuid.UUID, err error) {
	if c.key == "" {
		return uuid.Nil, nil
	}
	owner, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return uuid.Nil, postgres.ErrNoTenant
	}
	if _, err := postgres.Exec(tx, `select pg_advisory_xact_lock(hashtextextended($1, 1))`, owner.String()+":"+c.operation+":"+c.key); err != nil {
		return uuid.Nil, fmt.Errorf("lock idempotency key: %w", err)
	}
	var hash []byte
	err = postgres.QueryRow(tx, `select request_hash, subject_id from gateway.idempotency_key
		 where tenant_id = $1 and operation = $2 and key = $3 and created_at > now() - interval '1 day'`, owner, c.operation, c.key).Scan(&hash, &subject)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return uuid.Nil, nil
	case err != nil:
		return uuid.Nil, fmt.Errorf("look up idempotency key: %w", err)
	case subtle.ConstantTimeCompare(hash, c.hash) != 1:
		return uuid.Nil, errKeyReused
	}
	return subject, nil
}

// keep records what the request made, in the transaction that makes it.
func (c claim) keep(tx *gorm.DB, subject uuid.UUID) error {
	if c.key == "" {
		return nil
	}
	owner, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return postgres.ErrNoTenant
	}
	_, err := postgres.Exec(tx, `
		insert into gateway.idempotency_key (tenant_id, operation, key, request_hash, subject_id) values ($1, $2, $3, $4, $5)
		on conflict (tenant_id, operation, key) do update set request_hash = excluded.request_hash, subject_id = excluded.subject_id, created_at = now()`,
		owner, c.operation, c.key, c.hash, subject)
	if err != nil {
		return fmt.Errorf("keep idempotency key: %w", err)
	}
	return nil
}
