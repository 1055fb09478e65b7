package edge

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"makola/pkg/postgres"
)

const (
	// shareTime bounds one question to the database about a limit: a request must not wait for its own counting.
	shareTime = 250 * time.Millisecond
	// exactTime is that bound where the sum must be exact. Who signs in waits longer than this for the hash of a password.
	exactTime = 2 * time.Second
	// sharePause is how long nobody asks after a question failed; meanwhile each process limits by its own buckets. Exact limits ask all the same: without the
	// database nobody can sign in anyway.
	sharePause = time.Second
)

// errShareAway says that the shared buckets are not asked at the moment.
var errShareAway = errors.New("shared limits are not asked for a second")

// Share is the buckets that all gateways have in common: rows of gateway.rate_bucket. Safe for concurrent use.
type Share struct {
	// Patience is how long one question to the database may take; zero means a quarter of a second, and two seconds where the sum must be exact. Set it before the
	// first request.
	Patience time.Duration

	db     *postgres.DB
	resume atomic.Int64 // Unix nanoseconds before which the database is not asked
}

// NewShare returns the buckets kept in db.
func NewShare(db *postgres.DB) *Share { return &Share{db: db} }

// spendSQL refills a bucket by the time that has passed and takes $4 tokens: all of them, into debt if it must ($6), or none at all. The row's lock makes
// replicas take turns.
const spendSQL = `insert into gateway.rate_bucket as b (policy, key, tokens) values ($1, $2, $3::float8 - $4::float8)
	on conflict (policy, key) do update set (at, tokens, taken) = (select clock_timestamp(),
		case when $6 then greatest(r.refilled - $4, -$3) when r.refilled >= $4 then r.refilled - $4 else r.refilled end, $6 or r.refilled >= $4
		from (select least($3, b.tokens + greatest(0, extract(epoch from clock_timestamp() - b.at)) * $5::float8) as refilled) r)
	returning tokens, taken`

// spend takes n tokens of a bucket of size burst that fills within window. With debt the bucket may go below zero and taken is always true.
func (s *Share) spend(ctx context.Context, policy, key string, n, burst int, window time.Duration, debt bool) (tokens float64, taken bool, err error) {
	patience := exactTime
	if debt {
		if patience = shareTime; time.Now().UnixNano() < s.resume.Load() {
			return 0, false, errShareAway
		}
	}
	if s.Patience > 0 {
		patience = s.Patience
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	sum := sha256.Sum256([]byte(key)) // whom we count is nobody's business who reads the table
	err = s.db.Pool().QueryRow(ctx, spendSQL, policy, sum[:16], float64(burst), float64(n), float64(burst)/window.Seconds(), debt).Scan(&tokens, &taken)
	if err != nil {
		s.resume.Store(time.Now().Add(sharePause).UnixNano())
		slog.WarnContext(ctx, "shared rate limits cannot be counted; each gateway counts for itself", "error", err)
		return 0, false, fmt.Errorf("count %s: %w", policy, err)
	}
	return tokens, taken, nil
}
