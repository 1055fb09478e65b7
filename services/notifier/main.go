// Command notifier words and sends the mails, runs the tasks on users, and tells the programs of businesses what happened.
//
// Consumes: accounts, notifications, webhooks. Writes: schemas notifications, webhooks and task. Needs: PostgreSQL, RabbitMQ, a mail server, and for attachments the place for files; the internet for webhooks.
package main

import (
	"context"
	"fmt"
	_ "time/tzdata" // receipts show the business's own time, also where the system has no time zones

	"makola/pkg/mail"
	"makola/pkg/notifications"
	"makola/pkg/reporting"
	"makola/pkg/service"
	"makola/pkg/storage"
	"makola/pkg/webhooks"
	"makola/pkg/workerapp"
	accountspb "makola/proto/makola/accounts/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/notifier/internal/tasks"
	"makola/services/notifier/internal/templates"
)

func main() { service.Main("notifier", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	words, err := templates.New(cfg.Links.AppURL)
	if err != nil {
		return fmt.Errorf("prepare templates: %w", err)
	}
	sender, err := mail.New(cfg.Mail)
	if err != nil {
		return fmt.Errorf("prepare mail: %w", err)
	}
	domain, err := tasks.MessageIDDomain(cfg.Mail.From)
	if err != nil {
		return err
	}
	unsubscribe, err := notifications.ParseUnsubscribeKeys(cfg.Links.UnsubscribeKeys.Reveal())
	if err != nil {
		return fmt.Errorf("read UNSUBSCRIBE_KEYS: %w", err)
	}
	downloads, err := reporting.ParseLinkKeys(cfg.Links.DownloadKeys.Reveal())
	if err != nil {
		return fmt.Errorf("read DOWNLOAD_KEYS: %w", err)
	}
	files, err := storage.Open(ctx, cfg.Storage)
	if err != nil {
		return err
	}
	app.OnStop(func() { _ = files.Close() })
	keys, err := webhooks.ParseKeys(cfg.Webhooks.SecretKeys.Reveal())
	if err != nil {
		return fmt.Errorf("read WEBHOOK_SECRET_KEYS: %w", err)
	}
	w, err := workerapp.Open(ctx, cfg.Config, app, "accounts", "notifications", "webhooks")
	if err != nil {
		return err
	}
	accountspb.HandleTasks(w.Worker, &tasks.Accounts{Tasks: accountspb.NewTasks(w.Queue), Notify: notificationspb.NewTasks(w.Queue)})
	notificationspb.HandleTasks(w.Worker, &tasks.Notifications{DB: w.DB, Words: words, Sender: sender, From: cfg.Mail.From, Files: files, Domain: domain, Unsubscribe: unsubscribe, PublicURL: cfg.Links.PublicURL, Downloads: downloads})
	hooks := webhooks.NewSender(cfg.Webhooks.outbound(), cfg.Consume.Long)
	app.OnStop(hooks.Close)
	webhookspb.HandleTasks(w.Worker, &tasks.Webhooks{DB: w.DB, Keys: keys, Sender: hooks, Tasks: webhookspb.NewTasks(w.Queue), Mail: notificationspb.NewTasks(w.Queue), Bell: w.Queue})
	return nil
}
