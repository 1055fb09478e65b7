package notifications

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/tenant"
	notificationspb "makola/proto/makola/notifications/v1"
)

// ErrAddress is returned for a recipient that is no mail address. The same event can never be mailed: callers make it task.Permanent.
var ErrAddress = errors.New("not a mail address")

// Email is one mail to be queued.
type Email struct {
	// Key names the event, for example welcome:<user>. Within a tenant, one key is one mail for ever.
	Key string
	// To is the recipient's bare address: no name, no angle brackets.
	To string
	// Content is what the mail says; its type decides the template.
	Content Content
}

// Queue stores e for the context's tenant and enqueues notifications.send_email for it, both in tx. When the tenant already has a mail with
// that key, nothing is stored or enqueued; id is then the first one's and queued is false. Two transactions that queue the same key at once
// wait for each other.
//
// Errors: ErrAddress; postgres.ErrNoTransaction; whatever the database says.
func Queue(ctx context.Context, tx *gorm.DB, tasks *notificationspb.Tasks, e Email) (id uuid.UUID, queued bool, err error) {
	if e.Key == "" {
		return uuid.Nil, false, errors.New("queue mail: no key")
	}
	if a, err := mail.ParseAddress(e.To); err != nil || a.Address != e.To {
		return uuid.Nil, false, fmt.Errorf("queue mail %s: recipient: %w", e.Key, ErrAddress)
	}
	data, err := json.Marshal(e.Content)
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("queue mail %s: encode content: %w", e.Key, err)
	}
	var owner *uuid.UUID
	if t, ok := tenant.From(ctx); ok {
		owner = &t
	}
	id = uuid.Must(uuid.NewV7())
	inserted, err := postgres.Exec(tx, `insert into notifications.email (id, tenant_id, key, recipient, template, data) values ($1, $2, $3, $4, $5, $6::jsonb)
		on conflict (tenant_id, key) do nothing`, id, owner, e.Key, e.To, e.Content.Template(), string(data))
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("queue mail %s: %w", e.Key, err)
	}
	if inserted == 0 {
		err := postgres.QueryRow(tx, `select id from notifications.email where tenant_id is not distinct from $1 and key = $2`, owner, e.Key).Scan(&id)
		if err != nil {
			return uuid.Nil, false, fmt.Errorf("find mail %s: %w", e.Key, err)
		}
		return id, false, nil
	}
	// The row is new in this transaction, so its task is too: no unique key is needed.
	if _, err := tasks.SendEmail(ctx, tx, &notificationspb.SendEmailArgs{EmailId: id.String()}); err != nil {
		return uuid.Nil, false, fmt.Errorf("queue mail %s: %w", e.Key, err)
	}
	return id, true, nil
}
