package reporting

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/storage"
	"makola/pkg/task"
)

// Keep is how long a report's file is kept.
const Keep = 30 * 24 * time.Hour

// lately is how long a finished report answers a task that asks for the same again.
const lately = 10 * time.Minute

// Begin returns the report that a task is to make. A task that came from elsewhere has no row yet: it gets one, or, when the same was finished a moment ago, that one, whose
// status is then Completed. tx must be bound to the business.
func Begin(tx *gorm.DB, id uuid.UUID, o Order) (*Report, error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("begin report: %w", err)
	}
	r, err := ByTask(tx, id)
	if !errors.Is(err, ErrNotFound) {
		return r, err
	}
	if o.Storefronts, err = storefrontsOf(tx, o.User); err != nil {
		return nil, err
	}
	same := uuid.Nil
	err = query(tx, "look for the same report", `select id from reporting.report where tenant_id = $1 and fingerprint = $2 and state = 'COMPLETED' and schedule_id is null and deleted_at is null and finished_at > now() - $3::interval
		order by id desc limit 1`, func(rows pgx.Rows) error { return rows.Scan(&same) }, business, o.fingerprint(), lately)
	if err != nil {
		return nil, err
	}
	if same != uuid.Nil {
		return get(tx, same)
	}
	o.Trigger = API
	return insert(tx, business, id, o)
}

// storefrontsOf are those that a member sees; nil is all, and so it is for nobody in particular. Errors: a permanent one for somebody who is no member.
func storefrontsOf(tx *gorm.DB, user uuid.UUID) (ids []uuid.UUID, err error) {
	if user == uuid.Nil {
		return nil, nil
	}
	member := false
	err = query(tx, "look for the member", `select role, storefronts from accounts.v_recipient where user_id = $1`, func(rows pgx.Rows) error {
		var role string
		if err := rows.Scan(&role, &ids); err != nil {
			return err
		}
		member = true
		if role == "OWNER" || role == "ADMIN" {
			ids = nil
		} else if ids == nil {
			ids = []uuid.UUID{}
		}
		return nil
	}, user)
	if err == nil && !member {
		err = task.Permanent(fault("user_id", "unknown", "is no member of the business"))
	}
	return ids, err
}

// Complete records the file of a report that was being made. Errors: ErrOver when it was given up meanwhile, or another worker has finished it.
func Complete(tx *gorm.DB, id uuid.UUID, m Made, key string, w storage.Written, took time.Duration) error {
	n, err := exec(tx, "complete report", `
		update reporting.report set state = 'COMPLETED', error = '', error_code = null, finished_at = clock_timestamp(), took_ms = $2, record_count = $3, sales_count = $4, payments_count = $5, file_name = $6, file_key = $7,
		       file_size = $8, file_sha256 = $9, expires_at = clock_timestamp() + $10::interval
		 where id = $1 and state in ('PENDING', 'FAILED')`,
		id, took.Milliseconds(), m.Records, m.Sales, m.Payments, m.FileName, key, w.Size, w.SHA256, Keep)
	if err == nil && n == 0 {
		err = ErrOver
	}
	return err
}

// Failure is why a report will not be made, for programs.
type Failure string

// The failures.
const (
	FailedInvalid     Failure = "INVALID"       // what was asked for cannot be
	FailedCreatorGone Failure = "CREATOR_GONE"  // see ErrCreatorGone
	FailedNoSchedule  Failure = "SCHEDULE_GONE" // see ErrScheduleGone
	FailedStorage     Failure = "STORAGE"       // the place for files is none, or has no room
	FailedTooLarge    Failure = "TOO_LARGE"     // the file would be larger than any may be
	FailedTimeout     Failure = "TIMEOUT"       // it took too long
	FailedInterrupted Failure = "INTERRUPTED"   // its worker died, again and again
	FailedInternal    Failure = "INTERNAL"      // anything else
)

// Failures returns all failures.
func Failures() []Failure {
	return []Failure{FailedInvalid, FailedCreatorGone, FailedNoSchedule, FailedStorage, FailedTooLarge, FailedTimeout, FailedInterrupted, FailedInternal}
}

// Fail records that a report will not be made. It reports whether that is news. A task that an operator replays may complete it still.
func Fail(tx *gorm.DB, id uuid.UUID, code Failure, reason string) (bool, error) {
	n, err := exec(tx, "record the failure of a report", `update reporting.report set state = 'FAILED', error = left($2, 500), error_code = $3, finished_at = clock_timestamp() where id = $1 and state = 'PENDING'`, id, reason, code)
	return n > 0, err
}

// Delete takes a report away: one that is being made is cancelled, and the file of one that is done is given up. It returns the key of that file, which the caller deletes
// after the commit; a file that stays is swept when it is old. stopped is the task of a report that will not start, so that the caller can announce it. admin may delete those of others. by names the person. Errors: ErrNotFound, ErrNotYours.
func Delete(tx *gorm.DB, who Reader, admin bool, id uuid.UUID, by string) (key string, stopped *uuid.UUID, err error) {
	business, err := owner(tx)
	if err != nil {
		return "", nil, fmt.Errorf("delete report: %w", err)
	}
	// The report first, then its task: the order in which a worker takes them when it completes.
	if _, err := exec(tx, "lock report", `select from reporting.report where tenant_id = $1 and id = $2 for update`, business, id); err != nil {
		return "", nil, err
	}
	r, err := Get(tx, who, id)
	switch {
	case err != nil:
		return "", nil, err
	case !admin && r.User != who.User:
		return "", nil, ErrNotYours
	}
	if r.Status == Pending || r.Status == Processing {
		result, err := task.Cancel(tx, r.Task, by)
		if err != nil {
			return "", nil, fmt.Errorf("delete report: %w", err)
		}
		if result == task.CancelDone {
			stopped = &r.Task
		}
	}
	if r.File != nil {
		key = r.File.Key
	}
	_, err = exec(tx, "delete report", `
		update reporting.report set deleted_at = clock_timestamp(), file_key = null, finished_at = coalesce(finished_at, clock_timestamp()),
		       state = case state when 'PENDING' then 'CANCELLED' when 'COMPLETED' then 'EXPIRED' else state end
		 where tenant_id = $1 and id = $2`, business, id)
	return key, stopped, err
}

// Outdated is a report whose file has had its time.
type Outdated struct {
	ID, Tenant uuid.UUID
	Key        string
}

// ExpiryBatch is how many files one sweep of Expiring finds at most.
const ExpiryBatch = 1000

// Expiring returns reports of all businesses whose files are to go: those that say so, and those that are older than keep. tx must be a platform transaction.
func Expiring(tx *gorm.DB, keep time.Duration) (list []Outdated, err error) {
	err = query(tx, "find reports that expire", `
		select id, tenant_id, file_key from reporting.report where state = 'COMPLETED' and (expires_at <= now() or finished_at < now() - $1::interval) order by expires_at limit $2`,
		func(rows pgx.Rows) error {
			var o Outdated
			err := rows.Scan(&o.ID, &o.Tenant, &o.Key)
			list = append(list, o)
			return err
		}, keep, ExpiryBatch)
	return list, err
}

// MaxSettled is how many reports one sweep settles at most, a few statements each; the next one takes the rest.
const MaxSettled = 100

// Unsettled returns reports of all businesses whose tasks have ended without them, such as one whose worker was killed three times. tx must be a platform transaction.
func Unsettled(tx *gorm.DB) (list []Outdated, err error) {
	err = query(tx, "find reports whose tasks have ended", `
		select id, tenant_id from reporting.v_report where state = 'PENDING' and status not in ('PENDING', 'PROCESSING') order by id limit $1`,
		func(rows pgx.Rows) error {
			var o Outdated
			err := rows.Scan(&o.ID, &o.Tenant)
			list = append(list, o)
			return err
		}, MaxSettled)
	return list, err
}

// RecordMails remembers which mails tell of a report's file; what becomes of them is said by their own rows.
func RecordMails(tx *gorm.DB, id uuid.UUID, mails []uuid.UUID) error {
	_, err := exec(tx, "record the mails of a report", `update reporting.report set mail_ids = $2 where id = $1`, id, mails)
	return err
}

// Expire records that files are gone. tx must be bound to the reports' businesses. It returns how many reports that is news for.
func Expire(tx *gorm.DB, list []Outdated) (int64, error) {
	return exec(tx, "expire reports", `update reporting.report set state = 'EXPIRED', file_key = null where id = any($1) and state = 'COMPLETED'`, ids(list))
}

// Settle writes into a report what its task says of it, and returns it; nil when that is no news, as for all but the first of those who try at once.
func Settle(tx *gorm.DB, id uuid.UUID) (*Report, error) {
	n, err := exec(tx, "settle report", `
		update reporting.report r set state = v.status, error = left(v.reason, 500), error_code = v.failure, finished_at = clock_timestamp()
		  from reporting.v_report v where v.id = r.id and r.id = $1 and r.state = 'PENDING' and v.status in ('FAILED', 'CANCELLED')`, id)
	if err != nil || n == 0 {
		return nil, err
	}
	return get(tx, id)
}

func ids(list []Outdated) []uuid.UUID {
	all := make([]uuid.UUID, len(list))
	for i, o := range list {
		all[i] = o.ID
	}
	return all
}

// Businesses are those of the reports, each once.
func Businesses(list []Outdated) []uuid.UUID {
	var all []uuid.UUID
	for _, o := range list {
		if !slices.Contains(all, o.Tenant) {
			all = append(all, o.Tenant)
		}
	}
	return all
}
