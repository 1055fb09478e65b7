// Package housekeeping deletes what nobody needs any more: ended tasks, worker processes of the past, old runs of the schedule, what the gateway remembers of requests,
// tokens that have ended, invitations that came to nothing, notices and mails that are half a year old, and events that webhooks told of a month ago.
// Failed tasks are kept: they wait for a person's decision.
package housekeeping

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/service"
	"makola/pkg/task"
	"makola/pkg/webhooks"
)

// Config says how long rows are kept. A shorter time saves disk, a longer one answers older questions.
type Config struct {
	Tasks   time.Duration `env:"KEEP_TASKS" envDefault:"720h" doc:"How long succeeded and cancelled tasks are kept after their end, and with them their idempotency keys. Failed ones are kept until somebody decides about them."`
	Workers time.Duration `env:"KEEP_WORKERS" envDefault:"168h" doc:"How long the record of a worker process is kept after its end or its last sign of life."`
	Runs    time.Duration `env:"KEEP_RUNS" envDefault:"2160h" doc:"How long the schedule's runs are kept. The newest run of each job is always kept."`
	Every   time.Duration `env:"HOUSEKEEPING_EVERY" envDefault:"10m" doc:"How often to look for rows to delete. Shorten it only where tasks are kept for minutes."`
}

const (
	// batch keeps a transaction short: 1,000 rows are deleted in some 20 ms.
	batch = 1000
	// mostBatches bounds one turn, so that a first turn on a big table does not go on for hours.
	mostBatches = 500
	// turnTimeout bounds one turn altogether.
	turnTimeout = 5 * time.Minute
	// minKeep keeps an hour at least: a slower sweep or a retry may still want to look at what just ended.
	minKeep = time.Hour
	// keepRequests is how long an Idempotency-Key is honoured, and an hour more: the gateway itself looks at the day.
	keepRequests = 25 * time.Hour
	// keepBuckets is how long a rate limit's bucket may be quiet; it is full again after a minute.
	keepBuckets = 10 * time.Minute
	// keepNotices is how long a notice is shown: who has not looked for half a year does not miss one.
	keepNotices = 180 * 24 * time.Hour
	// keepEmails is how long a mail is kept that was sent or refused, with the address that it went to.
	keepEmails = 180 * 24 * time.Hour
	// keepTokens is how long a token is kept after its end, so that whoever comes late is told that it has ended and not that it never was.
	keepTokens = 7 * 24 * time.Hour
	// keepInvitations is how long an invitation that expired or was revoked is listed and can be sent again. It holds the address of somebody who never came.
	keepInvitations = 90 * 24 * time.Hour
)

// Validate checks the values that the types cannot.
func (c Config) Validate() []error {
	var faults []error
	for _, v := range []struct {
		variable string
		value    time.Duration
	}{{"KEEP_TASKS", c.Tasks}, {"KEEP_WORKERS", c.Workers}, {"KEEP_RUNS", c.Runs}} {
		if v.value < minKeep {
			faults = append(faults, service.Invalid(v.variable, fmt.Sprintf("is %s", v.value), "keep rows for 1h at least"))
		}
	}
	if c.Every < time.Second {
		faults = append(faults, service.Invalid("HOUSEKEEPING_EVERY", fmt.Sprintf("is %s", c.Every), "choose 1s or more"))
	}
	return faults
}

// Housekeeper deletes old rows in short transactions, again and again. Any number of them may work on one database.
type Housekeeper struct {
	db     *postgres.DB
	cfg    Config
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// New makes a housekeeper.
func New(db *postgres.DB, cfg Config) *Housekeeper { return &Housekeeper{db: db, cfg: cfg} }

// Start begins to clean. The context bounds the start only.
func (h *Housekeeper) Start(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.cancel = cancel
	h.work.Go(func() {
		tick := time.NewTicker(h.cfg.Every)
		defer tick.Stop()
		for {
			if _, err := h.Turn(run); err != nil && run.Err() == nil {
				slog.WarnContext(run, "housekeeping did not succeed; the next turn goes on", "error", err)
			}
			select {
			case <-run.Done():
				return
			case <-tick.C:
			}
		}
	})
	return nil
}

// Stop ends the turn at hand; what it has not committed is rolled back.
func (h *Housekeeper) Stop(context.Context) error {
	h.cancel()
	h.work.Wait()
	return nil
}

// Deleted counts what one turn deleted.
type Deleted struct{ Tasks, Workers, Runs, Requests, Buckets, Notices, Emails, Tokens, Invitations, Webhooks int64 }

// Turn deletes everything that is old by the database's clock, up to some hundred thousand rows of each kind.
func (h *Housekeeper) Turn(ctx context.Context) (d Deleted, err error) {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	var now time.Time
	if err := h.db.Pool().QueryRow(ctx, `select clock_timestamp()`).Scan(&now); err != nil {
		return d, fmt.Errorf("read the database's clock: %w", err)
	}
	if d.Tasks, err = h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return task.Prune(tx, now.Add(-h.cfg.Tasks), batch) }); err != nil {
		return d, err
	}
	if d.Workers, err = h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return pruneWorkers(tx, now.Add(-h.cfg.Workers)) }); err != nil {
		return d, err
	}
	if d.Runs, err = h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return pruneRuns(tx, now.Add(-h.cfg.Runs)) }); err != nil {
		return d, err
	}
	asked, err := h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return pruneAsked(tx, now.Add(-h.cfg.Runs)) })
	if d.Runs += asked; err != nil {
		return d, err
	}
	if d.Requests, err = h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return pruneRequests(tx, now.Add(-keepRequests)) }); err != nil {
		return d, err
	}
	if d.Buckets, err = h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return pruneBuckets(tx, now.Add(-keepBuckets)) }); err != nil {
		return d, err
	}
	if d.Notices, err = h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return notifications.PruneNotices(tx, now.Add(-keepNotices), batch) }); err != nil {
		return d, err
	}
	if d.Emails, err = h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return notifications.PruneEmails(tx, now.Add(-keepEmails), batch) }); err != nil {
		return d, err
	}
	for _, statement := range tokenStatements() {
		n, err := h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return pruneTokens(tx, statement, now.Add(-keepTokens)) })
		if d.Tokens += n; err != nil {
			return d, err
		}
	}
	if d.Invitations, err = h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return pruneInvitations(tx, now.Add(-keepInvitations)) }); err != nil {
		return d, err
	}
	if d.Webhooks, err = h.repeat(ctx, func(tx *gorm.DB) (int64, error) { return webhooks.Prune(tx, now.Add(-webhooks.DeleteAfter), batch) }); err != nil {
		return d, err
	}
	if d != (Deleted{}) {
		slog.InfoContext(ctx, "old rows deleted", "tasks", d.Tasks, "workers", d.Workers, "runs", d.Runs, "requests", d.Requests, "buckets", d.Buckets, "notices", d.Notices, "mails", d.Emails, "tokens", d.Tokens,
			"invitations", d.Invitations, "webhook_events", d.Webhooks)
	}
	return d, nil
}

// repeat deletes batch after batch, each in its own transaction, until one is not full.
func (h *Housekeeper) repeat(ctx context.Context, remove func(tx *gorm.DB) (int64, error)) (total int64, err error) {
	for range mostBatches {
		var n int64
		err := h.db.InSystem(ctx, func(tx *gorm.DB) (err error) {
			n, err = remove(tx)
			return err
		})
		if err != nil {
			return total, err
		}
		if total += n; n < batch {
			break
		}
	}
	return total, nil
}

func pruneWorkers(tx *gorm.DB, before time.Time) (int64, error) {
	n, err := postgres.Exec(tx, `delete from task.worker where id in (select id from task.worker where coalesce(stopped_at, heartbeat_at) < $1 order by id limit $2)`, before, batch)
	if err != nil {
		return 0, fmt.Errorf("prune workers: %w", err)
	}
	return n, nil
}

// pruneRuns keeps each job's newest slot, from which the next one is counted, and its newest run, which tells an overlap.
func pruneRuns(tx *gorm.DB, before time.Time) (int64, error) {
	n, err := postgres.Exec(tx, `delete from cron.run where (job, slot) in (select job, slot from cron.run old where slot < $1
		and exists (select from cron.run newer where newer.job = old.job and newer.slot > old.slot)
		and (old.task_id is null or exists (select from cron.run newer where newer.job = old.job and newer.slot > old.slot and newer.task_id is not null))
		order by slot limit $2)`, before, batch)
	if err != nil {
		return 0, fmt.Errorf("prune runs: %w", err)
	}
	return n, nil
}

// pruneAsked is pruneRuns for the runs that people asked for.
func pruneAsked(tx *gorm.DB, before time.Time) (int64, error) {
	n, err := postgres.Exec(tx, `delete from cron.request where task_id in (select task_id from cron.request old where requested_at < $1
		and exists (select from cron.request newer where newer.job = old.job and newer.requested_at > old.requested_at)
		order by requested_at limit $2)`, before, batch)
	if err != nil {
		return 0, fmt.Errorf("prune the runs that people asked for: %w", err)
	}
	return n, nil
}

// The statements that delete at most $2 rows older than $1, oldest first, each by an index on that time.
const (
	requestsSQL = `delete from gateway.idempotent_request where (tenant_id, user_id, operation, key) in
		(select tenant_id, user_id, operation, key from gateway.idempotent_request where created_at < $1 order by created_at limit $2) and created_at < $1`
	// A bucket that is used meanwhile stays.
	bucketsSQL = `delete from gateway.rate_bucket where (policy, key) in (select policy, key from gateway.rate_bucket where at < $1 order by at limit $2) and at < $1`
	// One that is sent again meanwhile is pending, which is neither.
	invitationsSQL = `delete from accounts.invitation where id in
		(select id from accounts.invitation where status in ('EXPIRED','REVOKED') and ended_at < $1 order by ended_at limit $2) and status in ('EXPIRED','REVOKED') and ended_at < $1`
)

// pruneRequests forgets Idempotency-Keys whose day is over.
func pruneRequests(tx *gorm.DB, before time.Time) (int64, error) {
	n, err := postgres.Exec(tx, requestsSQL, before, batch)
	if err != nil {
		return 0, fmt.Errorf("prune idempotent requests: %w", err)
	}
	return n, nil
}

func pruneBuckets(tx *gorm.DB, before time.Time) (int64, error) {
	n, err := postgres.Exec(tx, bucketsSQL, before, batch)
	if err != nil {
		return 0, fmt.Errorf("prune rate buckets: %w", err)
	}
	return n, nil
}

func pruneInvitations(tx *gorm.DB, before time.Time) (int64, error) {
	n, err := postgres.Exec(tx, invitationsSQL, before, batch)
	if err != nil {
		return 0, fmt.Errorf("prune invitations: %w", err)
	}
	return n, nil
}

// tokenStatements delete at most $2 tokens that ended before $1, oldest first, by the indexes on expires_at. Refresh tokens go by families: while one of a family is good, those that it
// has replaced are what tells that a stolen one is used, and when the session began.
func tokenStatements() []string {
	return []string{
		`delete from accounts.email_verification_token where id in (select id from accounts.email_verification_token where expires_at < $1 order by expires_at limit $2)`,
		`delete from accounts.password_reset_token where id in (select id from accounts.password_reset_token where expires_at < $1 order by expires_at limit $2)`,
		`delete from accounts.refresh_token where id in (select old.id from accounts.refresh_token old where old.expires_at < $1
			and not exists (select from accounts.refresh_token good where good.family_id = old.family_id and good.revoked_at is null and good.expires_at >= $1)
			order by old.expires_at limit $2)`,
	}
}

func pruneTokens(tx *gorm.DB, statement string, before time.Time) (int64, error) {
	n, err := postgres.Exec(tx, statement, before, batch)
	if err != nil {
		return 0, fmt.Errorf("prune tokens: %w", err)
	}
	return n, nil
}
