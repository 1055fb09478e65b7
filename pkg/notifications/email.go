package notifications

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/tenant"
	"makola/proto/contract"
	notificationspb "makola/proto/makola/notifications/v1"
)

// ErrAddress is returned for a recipient that is no mail address. The same event can never be mailed: callers make it task.Permanent.
var ErrAddress = errors.New("not a mail address")

// Email is one mail to be queued.
type Email struct {
	// Tenant is the business that the mail belongs to; uuid.Nil means the context's, or the platform when that has none.
	Tenant uuid.UUID
	// Key names the event, for example welcome:<user>. Within a tenant, one key is one mail for ever.
	Key string
	// To is the recipient's bare address: no name, no angle brackets.
	To string
	// Content is what the mail says; its type decides the template.
	Content Content
	// Attachment is a file that goes with the mail; nil is none. FromName is put before our own name in the sender, and ReplyTo is where answers go; both may be empty.
	Attachment        *Attachment
	FromName, ReplyTo string
	// Cause is the task that asks for the mail, for a caller that works for many tasks at once; a handler called for one task need not name it.
	Cause contract.Run
}

// Attachment is a file in the file storage that goes with a mail. It is read when the mail is sent and never copied into the database, so it must be kept for as long as a mail may wait.
type Attachment struct {
	// Key is where it lies, Name what it is called, and Type its media type.
	Key  string `json:"key"`
	Name string `json:"name"`
	Type string `json:"type"`
	// Size is in bytes and SHA256 in hexadecimal digits: a file that is another than the one that was meant is not sent.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// MaxAttachment is how large a file may be that goes with a mail, in bytes: as base64 it is 14 MB, and many mail servers refuse a mail of more than 20.
const MaxAttachment = 10 << 20

// Queued is what became of one Email.
type Queued struct {
	// ID is the mail's: the new one, or the one that the tenant already had under that key.
	ID uuid.UUID
	// New is set when the mail was stored just now.
	New bool
	// Err says why this mail cannot be stored, the others being none the worse: ErrAddress, no key, content that cannot be encoded.
	Err error
}

// Queue stores e and enqueues notifications.send_email for it, both in tx. When the tenant already has a mail with that key, nothing is stored or
// enqueued; id is then the first one's and queued is false. Two transactions that queue the same key at once wait for each other.
//
// Errors: ErrAddress; postgres.ErrNoTransaction; whatever the database says.
func Queue(ctx context.Context, tx *gorm.DB, tasks *notificationspb.Tasks, e Email) (id uuid.UUID, queued bool, err error) {
	all, err := QueueAll(ctx, tx, tasks, []Email{e})
	if err != nil {
		return uuid.Nil, false, err
	}
	return all[0].ID, all[0].New, all[0].Err
}

// QueueAll is Queue for many mails, with two statements at most whatever their number. The results are in the order of the mails; of two with one
// tenant and key, the first is new. tx must be bound to the tenants of all of them. A mail that cannot be stored fails alone (Queued.Err).
//
// Errors, of the whole: postgres.ErrNoTransaction; whatever the database says.
func QueueAll(ctx context.Context, tx *gorm.DB, tasks *notificationspb.Tasks, emails []Email) ([]Queued, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return nil, fmt.Errorf("queue mails: %w", err)
	}
	own, _ := tenant.From(ctx)
	queued := make([]Queued, len(emails))
	var drafts []draft
	for i, e := range emails {
		if e.Tenant == uuid.Nil {
			e.Tenant = own
		}
		data, attachment, err := e.encode()
		if err != nil {
			queued[i].Err = fmt.Errorf("queue mail %s: %w", e.Key, err)
			continue
		}
		drafts = append(drafts, draft{Email: e, id: uuid.Must(uuid.NewV7()), data: data, attachment: attachment, at: i})
	}
	if len(drafts) == 0 {
		return queued, nil
	}
	// In the order of their keys, so that two transactions that queue the same mails wait for each other instead of deadlocking.
	slices.SortStableFunc(drafts, func(a, b draft) int {
		if c := bytes.Compare(a.Tenant[:], b.Tenant[:]); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	fresh, err := insert(tx, drafts)
	if err != nil {
		return nil, fmt.Errorf("queue %d mails: %w", len(drafts), err)
	}
	var known []draft
	for _, d := range drafts {
		if !fresh[d.id] {
			known = append(known, d)
			continue
		}
		queued[d.at] = Queued{ID: d.id, New: true}
		of := ctx
		if d.Tenant != uuid.Nil {
			of = tenant.With(ctx, d.Tenant)
		}
		// The row is new in this transaction, so its task is too: no unique key is needed.
		if _, err := tasks.SendEmail(of, tx, &notificationspb.SendEmailArgs{EmailId: d.id.String()}, causedBy(d.Cause)); err != nil {
			return nil, fmt.Errorf("queue mail %s: %w", d.Key, err)
		}
	}
	if err := find(tx, known, queued); err != nil {
		return nil, err
	}
	return queued, nil
}

// encode checks e and returns its content as JSON, and so its attachment if it has one.
func (e Email) encode() (data string, attachment *string, err error) {
	if e.Key == "" {
		return "", nil, errors.New("no key")
	}
	if a, err := mail.ParseAddress(e.To); err != nil || a.Address != e.To {
		return "", nil, fmt.Errorf("recipient: %w", ErrAddress)
	}
	raw, err := json.Marshal(e.Content)
	if err != nil {
		return "", nil, fmt.Errorf("encode content: %w", err)
	}
	if e.Attachment == nil {
		return string(raw), nil, nil
	}
	if e.Attachment.Size > MaxAttachment {
		return "", nil, fmt.Errorf("attachment of %d bytes is too large", e.Attachment.Size)
	}
	file, err := json.Marshal(e.Attachment)
	if err != nil {
		return "", nil, fmt.Errorf("encode attachment: %w", err)
	}
	text := string(file)
	return string(raw), &text, nil
}

// draft is a mail about to be stored; at is its place among the results.
type draft struct {
	Email
	id         uuid.UUID
	data       string
	attachment *string
	at         int
}

// owner is the tenant as the table has it: NULL for the platform.
func (d draft) owner() pgtype.UUID { return pgtype.UUID{Bytes: d.Tenant, Valid: d.Tenant != uuid.Nil} }

// insert stores the drafts whose keys are new, in order, and returns the ids of those.
func insert(tx *gorm.DB, drafts []draft) (map[uuid.UUID]bool, error) {
	fresh := make(map[uuid.UUID]bool, len(drafts))
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var id uuid.UUID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			fresh[id] = true
		}
		return rows.Err()
	}, `insert into notifications.email (id, tenant_id, key, recipient, template, data, attachment, from_name, reply_to)
		select v.id, v.tenant, v.key, v.recipient, v.template, v.data::jsonb, v.attachment::jsonb, v.from_name, v.reply_to
		  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
		       as v (id, tenant, key, recipient, template, data, attachment, from_name, reply_to)
		on conflict (tenant_id, key) do nothing returning id`,
		column(drafts, func(d draft) uuid.UUID { return d.id }),
		column(drafts, draft.owner),
		column(drafts, func(d draft) string { return d.Key }),
		column(drafts, func(d draft) string { return d.To }),
		column(drafts, func(d draft) string { return d.Content.Template() }),
		column(drafts, func(d draft) string { return d.data }),
		column(drafts, func(d draft) *string { return d.attachment }),
		column(drafts, func(d draft) string { return d.FromName }),
		column(drafts, func(d draft) string { return d.ReplyTo }))
	return fresh, err
}

// find fills in the ids of the mails that were there before. The two halves of the query each match the index, which IS NOT DISTINCT FROM would not.
func find(tx *gorm.DB, known []draft, queued []Queued) error {
	if len(known) == 0 {
		return nil
	}
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var n int
			var id uuid.UUID
			if err := rows.Scan(&n, &id); err != nil {
				return err
			}
			queued[known[n-1].at].ID = id
		}
		return rows.Err()
	}, `with v as (select * from unnest($1::uuid[], $2::text[]) with ordinality as v (tenant, key, n))
		select v.n, e.id from v join notifications.email e on e.tenant_id = v.tenant and e.key = v.key
		union all
		select v.n, e.id from v join notifications.email e on e.tenant_id is null and e.key = v.key where v.tenant is null`,
		column(known, draft.owner), column(known, func(d draft) string { return d.Key }))
	if err != nil {
		return fmt.Errorf("find %d mails: %w", len(known), err)
	}
	for _, d := range known {
		if queued[d.at].ID == uuid.Nil {
			return fmt.Errorf("find mail %s: %w", d.Key, ErrNotFound)
		}
	}
	return nil
}

// column returns one field of every draft, for a statement that takes arrays.
func column[T any](drafts []draft, of func(draft) T) []T {
	values := make([]T, len(drafts))
	for i, d := range drafts {
		values[i] = of(d)
	}
	return values
}

// causedBy links the sending to what asked for it; the zero Run leaves that to the context.
func causedBy(run contract.Run) contract.Option {
	return func(o *contract.Options) { o.Parent, o.Root = run.ID, run.Root }
}
