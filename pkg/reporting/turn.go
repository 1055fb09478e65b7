package reporting

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/task"
)

// longest is how long a task may make a report: its time limit.
const longest = 20 * time.Minute

// WaitingForTurn is what a report waits for while others of its business are being made.
var WaitingForTurn = fmt.Sprintf("%d reports of this business are being made; this one waits for its turn", MaxRunning)

// Turn gives a report its turn, and reports whether it got it: when fewer than MaxRunning of its business have theirs, and none that was asked for earlier waits. A report has
// its turn while its task runs; a worker that died gives it back with its task. tx must be bound to the business, and the report's task must be running.
func Turn(tx *gorm.DB, r *Report) (bool, error) {
	business, err := owner(tx)
	if err != nil {
		return false, fmt.Errorf("wait for a turn: %w", err)
	}
	// One after another within a business, so that two that begin at the same moment see each other.
	if _, err := exec(tx, "wait for other reports", `select pg_advisory_xact_lock(hashtextextended('reporting.turn ' || $1::text, 0))`, business.String()); err != nil {
		return false, err
	}
	ahead := 0
	err = query(tx, "look for reports that are being made", `
		select count(*) from reporting.report r left join task.task t on t.id = r.task_id
		 where r.tenant_id = $1 and r.state = 'PENDING' and r.id <> $2
		   and (t.state = 'running' and r.turn_at >= t.started_at or r.id < $2 and t.state in ('pending', 'published') and t.error_kind = 'throttled'
		        or t.id is null and r.turn_at > clock_timestamp() - $3::interval)`, // the last are tasks from elsewhere, which belong to nobody
		func(rows pgx.Rows) error { return rows.Scan(&ahead) }, business, r.ID, longest)
	if err != nil || ahead >= MaxRunning {
		return false, err
	}
	_, err = exec(tx, "take a turn", `update reporting.report set turn_at = clock_timestamp() where tenant_id = $1 and id = $2`, business, r.ID)
	return err == nil, err
}

// PassTurn lets the report that waits longest try again at once. tx must be bound to the business; call it where a report ends.
func PassTurn(tx *gorm.DB) error {
	business, err := owner(tx)
	if err != nil {
		return fmt.Errorf("pass the turn: %w", err)
	}
	var next []uuid.UUID
	err = query(tx, "look for reports that wait", `
		select t.id from reporting.report r join task.task t on t.id = r.task_id
		 where r.tenant_id = $1 and r.state = 'PENDING' and t.state = 'pending' and t.error_kind = 'throttled' order by r.id limit 1`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			next = append(next, id)
			return err
		}, business)
	if err != nil || len(next) == 0 {
		return err
	}
	if err := task.Hasten(tx, next); err != nil {
		return fmt.Errorf("pass the turn: %w", err)
	}
	return nil
}
