package notifications

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/problem"
)

// ErrNoticeNotFound reports a notice that does not exist, or that the reader may not see.
var ErrNoticeNotFound = problem.New(problem.NotFound, "notice_not_found", "There is no such notification.")

// MostUnread bounds the count of unread notices: beyond it the exact number tells nobody anything, and counting would cost more with every one.
const MostUnread = 1000

// MostMissed is how many notices a stream is sent at once, the newest; older ones are in the list.
const MostMissed = 100

// Reader is whose notices are read.
type Reader struct {
	Tenant, User uuid.UUID
	// Permissions are what the reader may do.
	Permissions []string
}

// Received is a notice as one person has it.
type Received struct {
	ID          uuid.UUID
	Kind        Kind
	Priority    Priority
	Title, Body string
	Link        string
	Data        []byte
	CreatedAt   time.Time
	// ReadAt is nil while it is unread.
	ReadAt *time.Time
}

// InboxFilter selects from a person's notices. Zero fields select everything.
type InboxFilter struct {
	// Before is the place in the list: only notices older than the one with this id. Limit is the most to return.
	Before uuid.UUID
	Limit  int
	// Unread leaves out what was read.
	Unread   bool
	Kind     Kind
	Priority Priority
}

// visible is what a reader sees of notices n, with what they did, s: $1 is the tenant, $2 the person, $3 their permissions. What was dismissed is gone.
const visible = ` notifications.notice n left join notifications.notice_state s on s.tenant_id = n.tenant_id and s.notice_id = n.id and s.user_id = $2
	where n.tenant_id = $1 and (n.user_id is null or n.user_id = $2) and (n.permission = '' or n.permission = any ($3::text[])) and s.dismissed_at is null`

const receivedColumns = `n.id, n.kind, n.priority, n.title, n.body, n.link, n.data, n.created_at, s.read_at`

// countUnread counts up to MostUnread.
var countUnread = `(select count(*) from (select from` + visible + ` and s.read_at is null limit ` + strconv.Itoa(MostUnread) + `) unread)`

// Inbox pages through a person's notices, newest first, and counts the unread ones, up to MostUnread. tx must be bound to the reader's tenant.
func Inbox(tx *gorm.DB, r Reader, f InboxFilter) (list []Received, unread int, err error) {
	if err := postgres.QueryRow(tx, `select `+countUnread, r.Tenant, r.User, r.Permissions).Scan(&unread); err != nil {
		return nil, 0, fmt.Errorf("count unread notices: %w", err)
	}
	var before *uuid.UUID
	if f.Before != uuid.Nil {
		before = &f.Before
	}
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var n Received
			if err := rows.Scan(&n.ID, &n.Kind, &n.Priority, &n.Title, &n.Body, &n.Link, &n.Data, &n.CreatedAt, &n.ReadAt); err != nil {
				return err
			}
			list = append(list, n)
		}
		return rows.Err()
	}, `select `+receivedColumns+` from`+visible+`
		and ($4::uuid is null or n.id < $4) and (not $5 or s.read_at is null) and ($6 = '' or n.kind = $6) and ($7 = '' or n.priority = $7)
		order by n.id desc limit $8`, r.Tenant, r.User, r.Permissions, before, f.Unread, string(f.Kind), string(f.Priority), f.Limit)
	if err != nil {
		return nil, 0, fmt.Errorf("list notices: %w", err)
	}
	return list, unread, nil
}

// MarkRead notes that the reader has read a notice; changed is false when they had before. Errors: ErrNoticeNotFound.
func MarkRead(tx *gorm.DB, r Reader, id uuid.UUID) (changed bool, err error) {
	return markNotice(tx, r, id, "read_at")
}

// Dismiss takes a notice out of the reader's sight, for good; nobody else's. changed is false when it was before. Errors: ErrNoticeNotFound.
func Dismiss(tx *gorm.DB, r Reader, id uuid.UUID) (changed bool, err error) {
	return markNotice(tx, r, id, "dismissed_at")
}

func markNotice(tx *gorm.DB, r Reader, id uuid.UUID, column string) (changed bool, err error) {
	// Not by visible: what was dismissed may be dismissed, and read, again.
	n, err := postgres.Exec(tx, `insert into notifications.notice_state (tenant_id, notice_id, user_id, `+column+`)
		select n.tenant_id, n.id, $2, now() from notifications.notice n
		 where n.tenant_id = $1 and n.id = $4 and (n.user_id is null or n.user_id = $2) and (n.permission = '' or n.permission = any ($3::text[]))
		    on conflict (tenant_id, notice_id, user_id) do update set `+column+` = excluded.`+column+` where notice_state.`+column+` is null`, r.Tenant, r.User, r.Permissions, id)
	if err != nil {
		return false, fmt.Errorf("mark notice %s: %w", id, err)
	}
	if n == 1 {
		return true, nil
	}
	var exists bool
	err = postgres.QueryRow(tx, `select exists (select from notifications.notice_state where tenant_id = $1 and notice_id = $3 and user_id = $2 and `+column+` is not null)
		and exists (select from notifications.notice n where n.tenant_id = $1 and n.id = $3 and (n.permission = '' or n.permission = any ($4::text[])))`, r.Tenant, r.User, id, r.Permissions).Scan(&exists)
	switch {
	case err != nil:
		return false, fmt.Errorf("mark notice %s: %w", id, err)
	case !exists:
		return false, ErrNoticeNotFound
	}
	return false, nil
}

// MarkAllRead notes that the reader has read everything they can see, and returns how many notices were unread.
func MarkAllRead(tx *gorm.DB, r Reader) (int64, error) {
	n, err := postgres.Exec(tx, `insert into notifications.notice_state (tenant_id, notice_id, user_id, read_at)
		select n.tenant_id, n.id, $2, now() from`+visible+` and s.read_at is null
		 order by n.id
		    on conflict (tenant_id, notice_id, user_id) do update set read_at = excluded.read_at where notice_state.read_at is null`, r.Tenant, r.User, r.Permissions)
	if err != nil {
		return 0, fmt.Errorf("mark all notices read: %w", err)
	}
	return n, nil
}

// News is what a person has not been sent yet.
type News struct {
	// Notices came since the mark that was asked with, the oldest first; of more than MostMissed the newest.
	Notices []Received
	// Unread counts all unread notices, up to MostUnread.
	Unread int
	// Mark is what to ask with the next time, at whichever replica.
	Mark string
}

// LatestNews returns what has become visible to the reader since mark, in one statement. Without a mark, or with one that ValidMark refuses, it returns none but the
// present count and mark.
//
// A mark is a snapshot of PostgreSQL, so that a notice whose transaction was slow is not missed: its id and its time are older than those of notices that were sent
// before it, and its transaction is not in the snapshot.
func LatestNews(tx *gorm.DB, r Reader, mark string) (News, error) {
	var since *string
	if ValidMark(mark) {
		since = &mark
	}
	var news News
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var id *uuid.UUID
			var kind, priority, title, body, link *string
			var data []byte
			var created, read *time.Time
			if err := rows.Scan(&news.Mark, &news.Unread, &id, &kind, &priority, &title, &body, &link, &data, &created, &read); err != nil {
				return err
			}
			if id != nil {
				news.Notices = append(news.Notices, Received{ID: *id, Kind: Kind(*kind), Priority: Priority(*priority), Title: *title, Body: *body, Link: *link, Data: data, CreatedAt: *created, ReadAt: read})
			}
		}
		return rows.Err()
		// Transactions of the future are those of another cluster, from which the database was restored: they are no news.
	}, `select pg_current_snapshot()::text, `+countUnread+`, f.*
		  from (select) one
		  left join lateral (select * from (select `+receivedColumns+` from`+visible+`
		           and $4::text is not null and n.xact >= pg_snapshot_xmin($4::pg_snapshot) and not pg_visible_in_snapshot(n.xact, $4::pg_snapshot)
		           and n.xact < pg_snapshot_xmax(pg_current_snapshot())
		         order by n.id desc limit `+strconv.Itoa(MostMissed)+`) newest order by id) f on true`, r.Tenant, r.User, r.Permissions, since)
	if err != nil {
		return News{}, fmt.Errorf("read latest notices: %w", err)
	}
	return news, nil
}

// MaxMark is the longest mark: some two hundred transactions at work.
const MaxMark = 4096

var markPattern = regexp.MustCompile(`^[1-9][0-9]{0,18}:[1-9][0-9]{0,18}:([1-9][0-9]{0,18}(,[1-9][0-9]{0,18})*)?$`)

// ValidMark reports whether PostgreSQL would read mark as a snapshot: xmin:xmax:running, with the running ones in order and in between.
func ValidMark(mark string) bool {
	if len(mark) > MaxMark || !markPattern.MatchString(mark) {
		return false
	}
	parts := strings.Split(mark, ":")
	number := func(text string) uint64 {
		n, _ := strconv.ParseUint(text, 10, 64) // 19 digits fit
		return n
	}
	low, high := number(parts[0]), number(parts[1])
	if low > high {
		return false
	}
	last := uint64(0)
	for text := range strings.SplitSeq(parts[2], ",") {
		n := number(text)
		if text != "" && (n < low || n >= high || n <= last) {
			return false
		}
		last = n
	}
	return true
}

// PruneEmails deletes up to limit mails that are older than before and came to an end, of all tenants, with their keys: what a mail told of is over by then. Those that wait, and those whose
// task failed, are kept. tx is a platform transaction of cron.
func PruneEmails(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	n, err := postgres.Exec(tx, `delete from notifications.email where id in
		(select id from notifications.email where id < $1 and state in ('sent', 'refused', 'suppressed') order by id limit $2)`, postgres.FirstID(before), limit)
	if err != nil {
		return 0, fmt.Errorf("prune mails: %w", err)
	}
	return n, nil
}

// PruneNotices deletes up to limit notices that are older than before, of all tenants, and with them what people did with them. tx is a platform transaction of cron.
func PruneNotices(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	n, err := postgres.Exec(tx, `delete from notifications.notice where (tenant_id, id) in
		(select tenant_id, id from notifications.notice where created_at < $1 order by created_at limit $2) and created_at < $1`, before, limit)
	if err != nil {
		return 0, fmt.Errorf("prune notices: %w", err)
	}
	return n, nil
}
