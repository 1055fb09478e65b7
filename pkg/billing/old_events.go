package billing

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// How long an event is kept: its body until it has been finished for EmptyEventsAfter, its key and the hash of its body for KeepEventKeys.
const (
	EmptyEventsAfter = 90 * 24 * time.Hour
	KeepEventKeys    = 366 * 24 * time.Hour
)

// EmptyEvents forgets the bodies of at most limit events after the one with id after, oldest first, and returns how many, and the id to continue with; uuid.Nil begins, and is
// returned when none is left. Events that are not finished, and those that an open review is about, are left alone. The key stays, so one that comes again is still a duplicate. A trigger does the emptying: no role may write a body.
// tx must be a platform transaction of billing-worker.
func EmptyEvents(tx *gorm.DB, now time.Time, after uuid.UUID, limit int) (emptied int, next uuid.UUID, err error) {
	cut := now.Add(-EmptyEventsAfter)
	err = query(tx, "empty old events", `
		with old as materialized (
			select e.id from billing.webhook_event e
			 where e.id > $1 and e.id < $2 and e.emptied_at is null and e.state <> 'received' and e.finished_at < $3
			   and not exists (select from billing.v_waiting_event w where w.event_id = e.id)
			 order by e.id limit $4 for no key update skip locked
		)
		update billing.webhook_event e set emptied_at = now() from old where e.id = old.id returning e.id`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			if emptied++; id.String() > next.String() {
				next = id
			}
			return err
		}, after, postgres.FirstID(cut), cut, limit)
	if emptied < limit {
		next = uuid.Nil
	}
	return emptied, next, err
}

// DeleteEvents deletes at most limit events whose time is over, oldest first. tx must be a platform transaction of billing-worker.
func DeleteEvents(tx *gorm.DB, now time.Time, limit int) (deleted int64, err error) {
	cut := now.Add(-KeepEventKeys)
	return exec(tx, "delete old events", `
		delete from billing.webhook_event where id in (select id from billing.webhook_event where id < $1 and emptied_at is not null and received_at < $2 order by id limit $3)`,
		postgres.FirstID(cut), cut, limit)
}
