package reporting

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Status is how a report stands.
type Status string

// The statuses.
const (
	Pending    Status = "PENDING"
	Processing Status = "PROCESSING"
	Completed  Status = "COMPLETED"
	Emailed    Status = "EMAILED" // completed, and every mail that tells of it was taken by a mail server
	Failed     Status = "FAILED"
	Cancelled  Status = "CANCELLED"
	Expired    Status = "EXPIRED"
)

// Report is one report that was asked for.
type Report struct {
	ID uuid.UUID
	Order
	Task   uuid.UUID
	Status Status
	// Reason says why it failed, and Failure so for programs.
	Reason  string
	Failure Failure
	// Schedule is the one whose run it is; the zero id is none. Retries is how many runs that failed stand before it.
	Schedule uuid.UUID
	Retries  int
	// Mails is what became of the mails that tell of it; empty when there are none.
	Mails MailState
	// Recipients are whom it was mailed to, in the order of their addresses, and what became of each mail.
	Recipients []MailedTo
	// WaitingFor says why it does not begin yet; empty for one that does not wait.
	WaitingFor string
	// Done and Total are rows, while it is being made; both zero before the first.
	Done, Total int64
	// File is what there is to download, or was; nil before.
	File                              *File
	RecordCount, SalesCount, Payments int64
	CreatedAt                         time.Time
	FinishedAt, ExpiresAt             *time.Time
}

// MailState is what became of the mails that tell of a report.
type MailState string

// The states of mails: some wait; a mail server took all, or some; it took none, or the business's settings kept all of them back.
const (
	MailQueued     MailState = "QUEUED"
	MailSent       MailState = "SENT"
	MailPartlySent MailState = "PARTLY_SENT"
	MailRefused    MailState = "REFUSED"
	MailSuppressed MailState = "SUPPRESSED"
)

// MailedTo is one mail that tells of a report.
type MailedTo struct {
	Address string `json:"address"`
	// State is what became of it; Reason is the mail server's own words for a refused one, and why a suppressed one was not sent.
	State  MailState `json:"state"`
	Reason string    `json:"reason"`
}

// HasFile reports whether there is a file to be had.
func (r *Report) HasFile() bool { return r.Status == Completed || r.Status == Emailed }

// Percent is how much of it is written, from 0 to 100.
func (r *Report) Percent() int {
	switch {
	case r.HasFile() || r.Status == Expired:
		return 100
	case r.Status != Processing || r.Total <= 0:
		return 0
	}
	return int(min(99, max(0, r.Done*100/r.Total)))
}

// Open reports whether it is still to be made. One that failed may be made anew.
func (r *Report) Open() bool {
	return r.Status == Pending || r.Status == Processing || r.Status == Failed
}

// File is a report's file.
type File struct {
	Name   string
	Size   int64
	SHA256 string // In hexadecimal digits.
	// Key is where it lies; empty once it is gone.
	Key string
}

// DownloadPath is where the file of a report can be had, below the gateway's address, by who is signed in and may have it.
func DownloadPath(id uuid.UUID) string { return "/api/v1/reports/" + id.String() + "/download" }

// Reader is who reads reports: All sees every report of the business, others see those that they asked for.
type Reader struct {
	User uuid.UUID
	All  bool
}

// sees is the condition for a reader's reports; $2 is the reader when they see their own alone.
const sees = ` r.tenant_id = $1 and r.deleted_at is null and ($2::uuid is null or r.created_by = $2) `

func (who Reader) only() *uuid.UUID {
	if who.All {
		return nil
	}
	return &who.User
}

const reportColumns = `r.id, r.kind, r.format, r.trigger, r.period_start, r.period_end, r.storefronts, r.include_zero_stock, r.created_by, r.mail, r.task_id, r.status, r.reason, r.done, r.total,
	r.file_name, coalesce(r.file_size, 0), coalesce(r.file_sha256, ''), coalesce(r.file_key, ''), coalesce(r.record_count, 0), coalesce(r.sales_count, 0), coalesce(r.payments_count, 0),
	r.created_at, r.finished_at, r.expires_at, coalesce(r.failure, ''), coalesce(r.mail_state, ''), r.schedule_id, r.retries,
	case when r.mail_ids is not null then (select json_agg(json_build_object('address', e.recipient, 'state', upper(e.state), 'reason', e.reason) order by e.recipient)
	  from notifications.v_export_mail e where e.tenant_id = r.tenant_id and e.id = any (r.mail_ids)) end,
	coalesce((select t.error from task.task t where t.id = r.task_id and r.status = 'PENDING' and t.error_kind = 'throttled'), '')`

func scanReport(rows pgx.Rows) (*Report, error) {
	r := &Report{}
	var from, to *time.Time
	var user, schedule *uuid.UUID
	var file File
	var name *string
	err := rows.Scan(&r.ID, &r.Kind, &r.Format, &r.Trigger, &from, &to, &r.Storefronts, &r.IncludeZeroStock, &user, &r.Mail, &r.Task, &r.Status, &r.Reason, &r.Done, &r.Total,
		&name, &file.Size, &file.SHA256, &file.Key, &r.RecordCount, &r.SalesCount, &r.Payments, &r.CreatedAt, &r.FinishedAt, &r.ExpiresAt,
		&r.Failure, &r.Mails, &schedule, &r.Retries, &r.Recipients, &r.WaitingFor)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if from != nil && to != nil {
		r.Period = Period{From: *from, To: *to}
	}
	if user != nil {
		r.User = *user
	}
	if name != nil {
		file.Name, r.File = *name, &file
	}
	set(&r.Schedule, schedule)
	if r.Status != Failed {
		r.Reason, r.Failure = "", ""
	}
	return r, nil
}

// Filter narrows List. Zero fields do not filter.
type Filter struct {
	Kind   Kind
	Status Status
	// Schedule chooses the runs of one.
	Schedule uuid.UUID
	// Before is a cursor: only reports older than this one.
	Before uuid.UUID
	Limit  int
}

// List returns the reports that the reader may see, newest first.
func List(tx *gorm.DB, who Reader, f Filter) (list []*Report, err error) {
	id, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("list reports: %w", err)
	}
	err = query(tx, "list reports", `select `+reportColumns+` from reporting.v_report r where`+sees+`and ($3 = '' or r.kind = $3) and ($4 = '' or r.status = $4) and ($5::uuid is null or r.id < $5)
		and ($7::uuid is null or r.schedule_id = $7) order by r.id desc limit $6`, func(rows pgx.Rows) error {
		r, err := scanReport(rows)
		list = append(list, r)
		return err
	}, id, who.only(), string(f.Kind), string(f.Status), optionalID(f.Before), min(max(f.Limit, 1), 100), optionalID(f.Schedule))
	return list, err
}

// Get returns one report that the reader may see. Errors: ErrNotFound.
func Get(tx *gorm.DB, who Reader, id uuid.UUID) (*Report, error) {
	return find(tx, "r.id = $3 and"+sees, who, id)
}

// get is Get for whoever may see all.
func get(tx *gorm.DB, id uuid.UUID) (*Report, error) { return Get(tx, Reader{All: true}, id) }

// ByTask returns the report that a task makes. Errors: ErrNotFound.
func ByTask(tx *gorm.DB, task uuid.UUID) (*Report, error) {
	return find(tx, "r.task_id = $3 and r.tenant_id = $1 and $2::uuid is null", Reader{All: true}, task)
}

func find(tx *gorm.DB, where string, who Reader, id uuid.UUID) (r *Report, err error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("look for report: %w", err)
	}
	err = query(tx, "look for report", `select `+reportColumns+` from reporting.v_report r where `+where, func(rows pgx.Rows) (err error) {
		r, err = scanReport(rows)
		return err
	}, business, who.only(), id)
	if err == nil && r == nil {
		err = ErrNotFound
	}
	return r, err
}

// Download returns the file of a report that the reader may have. Errors: ErrNotFound, ErrNotReady, ErrNoFile, ErrExpired.
func Download(tx *gorm.DB, who Reader, id uuid.UUID, now time.Time) (*Report, error) {
	r, err := Get(tx, who, id)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Status == Pending || r.Status == Processing:
		return nil, ErrNotReady
	case r.Status == Failed || r.Status == Cancelled:
		return nil, ErrNoFile
	case r.Status == Expired || r.File == nil || r.ExpiresAt == nil || !now.Before(*r.ExpiresAt):
		return nil, ErrExpired
	}
	return r, nil
}

// usualWait is how long a report takes of which nothing is known yet.
const usualWait = 2 * time.Second

// Wait is how long reports like this one took lately in this business, as often as others are ahead that take turns with it: when it is worth asking for the first time. From one
// second to a minute.
func Wait(tx *gorm.DB, o Order) (time.Duration, error) {
	id, err := owner(tx)
	if err != nil {
		return 0, fmt.Errorf("reckon the wait: %w", err)
	}
	wait := usualWait
	err = query(tx, "reckon the wait", `select coalesce(avg(took_ms), $4)::bigint * (select greatest(1, (count(*) + $5 - 1) / $5) from reporting.report where tenant_id = $1 and state = 'PENDING') from (
		select took_ms from reporting.report where tenant_id = $1 and kind = $2 and format = $3 and took_ms is not null order by id desc limit 5) l`,
		func(rows pgx.Rows) error {
			var ms int64
			err := rows.Scan(&ms)
			wait = time.Duration(ms) * time.Millisecond
			return err
		}, id, o.Kind, o.Format, usualWait.Milliseconds(), MaxRunning)
	return min(max(wait, time.Second), time.Minute), err
}
