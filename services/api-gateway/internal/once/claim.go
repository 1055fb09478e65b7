package once

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/problem"
)

// Hold is how long a claim is its holder's alone. A request takes 40 s at most, so whoever still holds one after a minute has died.
const Hold = time.Minute

var (
	errReused = problem.New(problem.Invalid, "idempotency_key_reused", "This Idempotency-Key was used with another request.",
		problem.FieldError{Field: Header, Code: "reused", Message: "was used with another request"})
	errMany = problem.New(problem.Invalid, "", "", problem.FieldError{Field: Header, Code: "duplicate", Message: "is there twice"})
	errHeld = problem.Later(problem.Conflict, "request_in_progress", "A request with this Idempotency-Key is being worked on. Ask again shortly.", time.Second)
)

// Claim is one use of a key. The nil Claim, of a request without a key, makes and keeps nothing.
type Claim struct {
	tenant, user   uuid.UUID
	operation, key string
	hash           []byte
	holder         uuid.UUID
	made           uuid.UUID
}

type claimKey struct{}

// From returns the claim under which a request is worked on, nil when it has none.
func From(ctx context.Context) *Claim {
	c, _ := ctx.Value(claimKey{}).(*Claim)
	return c
}

// Made returns the row that this key has made already; uuid.Nil when it has made nothing, and the handler begins.
func (c *Claim) Made() uuid.UUID {
	if c == nil {
		return uuid.Nil
	}
	return c.made
}

// Keep records what the request makes, in the transaction that makes it. An error must end that transaction: the claim was lost to another request.
func (c *Claim) Keep(tx *gorm.DB, subject uuid.UUID) error {
	if c == nil {
		return nil
	}
	n, err := postgres.Exec(tx, `update gateway.idempotent_request set subject_id = $6
		where tenant_id = $1 and user_id = $2 and operation = $3 and key = $4 and holder = $5 and status is null`,
		c.tenant, c.user, c.operation, c.key, c.holder, subject)
	if err != nil {
		return fmt.Errorf("keep what an Idempotency-Key made: %w", err)
	}
	if n == 0 {
		return errHeld
	}
	c.made = subject
	return nil
}

// kept is an answer as it was given.
type kept struct {
	status  int
	headers map[string]string
	body    []byte
}

// claimSQL takes a key that nobody has used within a day, or whose holder left no answer. One statement, so that of two who ask at once one waits and then finds it taken.
const claimSQL = `insert into gateway.idempotent_request as r (tenant_id, user_id, operation, key, request_hash, holder, held_until)
	values ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7 * interval '1 ms')
	on conflict (tenant_id, user_id, operation, key) do update set request_hash = excluded.request_hash, holder = excluded.holder, held_until = excluded.held_until,
		subject_id = case when r.created_at > now() - interval '1 day' then r.subject_id end,
		created_at = case when r.created_at > now() - interval '1 day' then r.created_at else now() end, status = null, headers = null, body = null
	where r.created_at <= now() - interval '1 day' or r.status is null and r.held_until <= clock_timestamp() and r.request_hash = excluded.request_hash
	returning subject_id`

// take makes c the holder of its key, or returns the answer that was kept. Errors: errReused, errHeld.
func (c *Claim) take(tx *gorm.DB) (*kept, error) {
	var made uuid.NullUUID
	err := postgres.QueryRow(tx, claimSQL, c.tenant, c.user, c.operation, c.key, c.hash, c.holder, Hold.Milliseconds()).Scan(&made)
	switch {
	case err == nil:
		c.made = made.UUID
		return nil, nil
	case !errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("claim Idempotency-Key: %w", err)
	}
	var (
		hash, headers, body []byte
		status              sql.NullInt64
	)
	err = postgres.QueryRow(tx, `select request_hash, status, headers, body from gateway.idempotent_request
		where tenant_id = $1 and user_id = $2 and operation = $3 and key = $4`, c.tenant, c.user, c.operation, c.key).Scan(&hash, &status, &headers, &body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("look up Idempotency-Key: %w", err)
	case subtle.ConstantTimeCompare(hash, c.hash) != 1:
		return nil, errReused
	case !status.Valid:
		return nil, errHeld
	}
	k := &kept{status: int(status.Int64), body: body}
	if err := json.Unmarshal(headers, &k.headers); err != nil {
		return nil, fmt.Errorf("read the headers of a kept answer: %w", err)
	}
	return k, nil
}

// finish keeps the answer.
func (c *Claim) finish(tx *gorm.DB, k *kept) error {
	headers, err := json.Marshal(k.headers)
	if err != nil {
		return fmt.Errorf("encode headers: %w", err)
	}
	_, err = postgres.Exec(tx, `update gateway.idempotent_request set status = $6, headers = $7::jsonb, body = $8
		where tenant_id = $1 and user_id = $2 and operation = $3 and key = $4 and holder = $5 and status is null`,
		c.tenant, c.user, c.operation, c.key, c.holder, k.status, string(headers), k.body)
	if err != nil {
		return fmt.Errorf("keep the answer to an Idempotency-Key: %w", err)
	}
	return nil
}

// release lets the next request go on at once.
func (c *Claim) release(tx *gorm.DB) error {
	_, err := postgres.Exec(tx, `update gateway.idempotent_request set held_until = clock_timestamp()
		where tenant_id = $1 and user_id = $2 and operation = $3 and key = $4 and holder = $5 and status is null`,
		c.tenant, c.user, c.operation, c.key, c.holder)
	if err != nil {
		return fmt.Errorf("release Idempotency-Key: %w", err)
	}
	return nil
}
