package notifications

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// Errors of the sending side.
var (
	// ErrNotFound is returned for a mail that does not exist, or belongs to another tenant.
	ErrNotFound = errors.New("mail not found")
	// ErrAlreadySent is returned by a change that a sent mail no longer admits.
	ErrAlreadySent = errors.New("mail already sent")
)

// State is where a mail is in its life.
type State string

// The states of a mail. A queued or refused mail may be sent; sent is the end, and so is suppressed: the business did not want it, or its recipient.
const (
	StateQueued  State = "queued"
	StateSent    State = "sent"
	StateRefused State = "refused"

	StateSuppressed State = "suppressed"
)

// Mail is one stored mail.
type Mail struct {
	ID uuid.UUID
	// To is the recipient's bare address.
	To string
	// Template and Data are the content; see Decode.
	Template string
	Data     []byte
	State    State
	// MessageID is the Message-ID header under which it was sent, angle brackets included; empty before.
	MessageID string
	// Rendered is the text that is sent; nil until SaveRendered.
	Rendered *Rendered
	// Attachment is the file that goes with it; nil is none. FromName and ReplyTo may be empty.
	Attachment        *Attachment
	FromName, ReplyTo string
}

// Rendered is a mail's text as it is sent, by every attempt alike.
type Rendered struct {
	Subject, Text, HTML string
}

// Load reads one mail that tx may see. ErrNotFound also stands for another tenant's mail.
func Load(tx *gorm.DB, id uuid.UUID) (*Mail, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return nil, fmt.Errorf("load mail %s: %w", id, err)
	}
	m := &Mail{ID: id}
	var r Rendered
	var rendered bool
	var attachment []byte
	err := postgres.QueryRow(tx, `select recipient, template, data, state, coalesce(subject, ''), coalesce(body_text, ''), coalesce(body_html, ''), coalesce(message_id, ''), rendered_at is not null,
		        attachment, from_name, reply_to
		from notifications.email where id = $1`, id).Scan(&m.To, &m.Template, &m.Data, &m.State, &r.Subject, &r.Text, &r.HTML, &m.MessageID, &rendered, &attachment, &m.FromName, &m.ReplyTo)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	case err != nil:
		return nil, fmt.Errorf("load mail %s: %w", id, err)
	}
	if rendered {
		m.Rendered = &r
	}
	if attachment != nil {
		m.Attachment = &Attachment{}
		if err := json.Unmarshal(attachment, m.Attachment); err != nil {
			return nil, fmt.Errorf("load mail %s: read attachment: %w", id, err)
		}
	}
	return m, nil
}

// SaveRendered stores the text of a mail before it is sent, and returns the text to send: r, or what an earlier attempt stored.
// Errors: ErrNotFound.
func SaveRendered(tx *gorm.DB, id uuid.UUID, r Rendered) (*Rendered, error) {
	saved, err := postgres.Exec(tx, `update notifications.email set subject = $2, body_text = $3, body_html = $4, rendered_at = now()
		where id = $1 and state in ('queued', 'refused') and rendered_at is null`, id, r.Subject, r.Text, r.HTML)
	if err != nil {
		return nil, fmt.Errorf("save text of mail %s: %w", id, err)
	}
	m, err := Load(tx, id)
	if err != nil {
		return nil, err
	}
	if m.Rendered == nil {
		return nil, fmt.Errorf("save text of mail %s: state %s admits none (%d rows changed)", id, m.State, saved)
	}
	return m.Rendered, nil
}

// forget empties a mail that carries a token; $3 are the secret templates.
const forget = `data = case when template = any($3) then '{}' else data end,
		body_text = case when template = any($3) then null else body_text end, body_html = case when template = any($3) then null else body_html end`

// MarkSent records that the mail server took the mail under messageID, and forgets what it said if that was secret. Errors: ErrAlreadySent; ErrNotFound.
func MarkSent(tx *gorm.DB, id uuid.UUID, messageID string) error {
	moved, err := postgres.Exec(tx, `update notifications.email set state = 'sent', sent_at = now(), message_id = $2, error = null, `+forget+`
		where id = $1 and state in ('queued', 'refused')`, id, messageID, secretTemplates())
	return checkMoved(tx, "mark sent", id, moved, err)
}

// MarkRefused records the mail server's final no and its reason, and forgets what the mail said if that was secret. A refused mail may be refused again. Errors: ErrAlreadySent; ErrNotFound.
func MarkRefused(tx *gorm.DB, id uuid.UUID, reason string) error {
	moved, err := postgres.Exec(tx, `update notifications.email set state = 'refused', error = $2, rendered_at = case when template = any($3) then null else rendered_at end, `+forget+`
		where id = $1 and state in ('queued', 'refused')`, id, reason, secretTemplates())
	return checkMoved(tx, "mark refused", id, moved, err)
}

// MarkSuppressed records that the mail is not sent, and why: the business has turned off such mails, or the recipient gets no more of them. Errors: ErrAlreadySent; ErrNotFound.
func MarkSuppressed(tx *gorm.DB, id uuid.UUID, why string) error {
	moved, err := postgres.Exec(tx, `update notifications.email set state = 'suppressed', error = $2 where id = $1 and state in ('queued', 'refused', 'suppressed')`, id, why)
	return checkMoved(tx, "mark suppressed", id, moved, err)
}

func checkMoved(tx *gorm.DB, what string, id uuid.UUID, moved int64, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s mail %s: %w", what, id, err)
	case moved == 1:
		return nil
	}
	m, err := Load(tx, id)
	if err != nil {
		return err
	}
	if m.State == StateSent {
		return fmt.Errorf("%s %s: %w", what, id, ErrAlreadySent)
	}
	return fmt.Errorf("%s mail %s: not possible in state %s", what, id, m.State)
}
