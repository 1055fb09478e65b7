package tasks

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
	"makola/proto/contract"
	notificationspb "makola/proto/makola/notifications/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// managesSettings is who is told of endpoints in the application, a codename of the permission matrix.
const managesSettings = "can_manage_settings"

// Webhooks runs the tasks of the queue webhooks. It is safe for concurrent use.
type Webhooks struct {
	DB *postgres.DB
	// Keys open the secrets of endpoints, and Sender makes the requests.
	Keys   *webhooks.Keys
	Sender *webhooks.Sender
	// Tasks enqueues the next attempts, and Mail the mails to owners.
	Tasks *webhookspb.Tasks
	Mail  *notificationspb.Tasks
	// Bell rings for whoever watches the notices of a business. Nil rings for nobody.
	Bell *task.Queue
}

var _ webhookspb.TasksHandler = (*Webhooks)(nil)

// DeliverEvent makes one attempt at a delivery.
// LONG: no transaction is open while the endpoint is asked. What came of it, and the task of the next attempt, are written together with this task's end.
func (w *Webhooks) DeliverEvent(ctx context.Context, _ contract.Run, args *webhookspb.DeliverEventArgs) (contract.Commit[*webhookspb.DeliverEventResult], error) {
	id, err := parseID("delivery_id", args.GetDeliveryId())
	if err != nil {
		return nil, err
	}
	if args.GetAttempt() < 1 {
		return nil, task.Permanent(errors.New("attempt is less than 1"))
	}
	shop, ok := tenant.From(ctx)
	if !ok {
		return nil, task.Permanent(errors.New("a delivery is a business's; delivery_id was given to a task of none"))
	}
	var b webhooks.Beginning
	err = w.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		b, err = webhooks.Begin(tx, w.Keys, id, int(args.GetAttempt()))
		return err
	})
	switch {
	case errors.Is(err, webhooks.ErrDeliveryNotFound):
		return nil, task.Permanent(err)
	case err != nil:
		return nil, err
	case b.Over != "":
		return func(*gorm.DB) (*webhookspb.DeliverEventResult, error) {
			return &webhookspb.DeliverEventResult{Outcome: string(b.Over)}, nil
		}, nil
	case b.Wait > 0:
		return nil, task.Throttled(b.Wait)
	}
	leave, wait := w.Sender.Enter(shop, b.Endpoint)
	if leave == nil {
		return nil, task.Throttled(wait)
	}
	defer leave()
	now := time.Now()
	answer, err := w.Sender.Send(ctx, b.Attempt, now)
	if err != nil {
		return nil, err
	}
	return func(tx *gorm.DB) (*webhookspb.DeliverEventResult, error) {
		c, err := b.Conclude(ctx, tx, w.Tasks, answer, now)
		if err != nil {
			return nil, err
		}
		return &webhookspb.DeliverEventResult{Outcome: string(c.Outcome), Status: int32(answer.Status)}, w.tellDisabled(ctx, tx, c.Disabled)
	}, nil
}

// tellDisabled tells the owner, and whoever manages settings, that an endpoint was disabled.
func (w *Webhooks) tellDisabled(ctx context.Context, tx *gorm.DB, e *webhooks.Endpoint) error {
	if e == nil {
		return nil
	}
	shop, _ := tenant.From(ctx)
	host := ""
	if u, err := url.Parse(e.URL); err == nil {
		host = u.Host
	}
	c := notifications.WebhookDisabled{Host: host, Description: e.Description, Gone: e.Reason == webhooks.Gone}
	if e.FailingSince != nil {
		c.Since = *e.FailingSince
	}
	since := e.DisabledAt.UTC().Format(time.RFC3339)
	n := notifications.Notice{
		Tenant: shop, Permission: managesSettings, Kind: notifications.KindWebhookDisabled, Priority: notifications.High, Key: "webhook-disabled:" + e.ID.String() + ":" + since,
		Link: "/settings/webhooks", Title: "A webhook endpoint was switched off", Body: "Nothing got through to " + host + " for three days. Nothing is sent there any more until somebody switches it on.",
		Data: map[string]any{"endpoint_id": e.ID, "reason": e.Reason},
	}
	if c.Gone {
		n.Body = host + " answered that it is gone for good. Nothing is sent there any more."
	}
	if _, err := notifications.Post(tx, w.Bell, []notifications.Notice{n}); err != nil {
		return err
	}
	var to string
	err := postgres.QueryRow(tx, `select u.email, u.name, b.name, b.timezone from accounts.business b join accounts.user u on u.id = b.owner_id and u.is_active and u.anonymized_at is null where b.id = $1`, shop).
		Scan(&to, &c.Name, &c.Business, &c.Timezone)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("read the owner of %s: %w", shop, err)
	}
	_, _, err = notifications.Queue(ctx, tx, w.Mail, notifications.Email{Tenant: shop, Key: n.Key, To: to, Content: c})
	if errors.Is(err, notifications.ErrAddress) {
		slog.WarnContext(ctx, "the owner cannot be written to", "mail", n.Key)
		return nil
	}
	return err
}
