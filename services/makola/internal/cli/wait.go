package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"makola/pkg/postgres"
)

// waitForServer waits until the server answers, whatever its schema. A server that answers and refuses (wrong password, no such database) is
// reported at once.
func waitForServer(ctx context.Context, db *postgres.DB, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		err := db.Ping(ctx)
		if err == nil {
			return nil
		}
		if refusal, ok := errors.AsType[*pgconn.PgError](err); ok && refusal.Code != startingUp {
			return err
		}
		if !pause(ctx, 250*time.Millisecond) {
			return fmt.Errorf("PostgreSQL did not answer within %s; check that it runs and that DATABASE_URL is right: %w", wait, err)
		}
	}
}

// startingUp is what a server answers while it recovers (cannot_connect_now).
const startingUp = "57P03"

// pause waits for d and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
