package reporting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"makola/pkg/postgres"
)

const (
	// catchUp is how long a report waits for a replica that is behind. One that follows is behind by milliseconds.
	catchUp = 10 * time.Second
	// catchUpEvery is how often it looks.
	catchUpEvery = 100 * time.Millisecond
)

// Databases are where reports are read from.
type Databases struct {
	// Primary is the service's own way in.
	Primary *postgres.DB
	// Read is where reports are rather read from, when not nil: a replica of the primary, or the primary itself, with a role that can only read.
	Read *postgres.DB
}

// Current returns a database that has everything that the primary had committed when it was asked: Read, as soon as it has caught up, and the primary when that takes too
// long or Read does not answer. So a report never misses a sale that was made before it was asked for. Errors: those of the primary.
func (d Databases) Current(ctx context.Context) (*postgres.DB, error) {
	if d.Read == nil {
		return d.Primary, nil
	}
	var at string
	if err := d.Primary.Pool().QueryRow(ctx, `select pg_current_wal_lsn()::text`).Scan(&at); err != nil {
		return nil, fmt.Errorf("ask the primary for its place: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	for answered := false; ; answered = true {
		var there bool
		err := d.Read.Pool().QueryRow(ctx, `select case when pg_is_in_recovery() then coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false) else true end`, at).Scan(&there)
		switch {
		case err != nil && answered && errors.Is(ctx.Err(), context.DeadlineExceeded): // the time was over in the middle of asking again
			slog.WarnContext(ctx, "replica is behind; the report is read from the primary", "waited", catchUp.String())
			return d.Primary, nil
		case err != nil:
			slog.WarnContext(ctx, "replica does not answer; the report is read from the primary", "error", err)
			return d.Primary, nil
		case there:
			return d.Read, nil
		}
		select {
		case <-ctx.Done():
			slog.WarnContext(ctx, "replica is behind; the report is read from the primary", "waited", catchUp.String())
			return d.Primary, nil
		case <-time.After(catchUpEvery):
		}
	}
}
