package webhooks

import (
	"fmt"
	"time"

	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// Keep is how long events and the log of their deliveries are kept for whoever wants to look or to send one again.
const Keep = 30 * 24 * time.Hour

// DeleteAfter is when they are deleted: later, so that an event that was sent again on the last day is there as long as it is tried.
const DeleteAfter = Keep + GiveUpAfter + 24*time.Hour

// Prune deletes up to limit events that are older than before, of all businesses, with the log of their deliveries; and then endpoints that were taken away before that and of which
// no delivery is left. tx is a platform transaction of cron.
func Prune(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	n, err := postgres.Exec(tx, pruneSQL, before, limit)
	if err != nil {
		return 0, fmt.Errorf("prune events: %w", err)
	}
	if n == int64(limit) {
		return n, nil // there may be more of them first
	}
	if _, err := postgres.Exec(tx, `delete from webhooks.endpoint where state = 'DELETED' and disabled_at < $1::timestamptz - interval '4 days'`, before); err != nil {
		return 0, fmt.Errorf("prune endpoints: %w", err)
	}
	return n, nil
}

// pruneSQL deletes at most $2 events older than $1, the oldest first, by an index on that time.
const pruneSQL = `delete from webhooks.event where (tenant_id, id) in (select tenant_id, id from webhooks.event where created_at < $1 order by created_at limit $2) and created_at < $1`
