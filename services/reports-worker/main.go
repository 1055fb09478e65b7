// Command reports-worker renders reports and exports, and keeps their files.
//
// Consumes: reports. Writes: schemas reporting, notifications, webhooks and task. Needs: PostgreSQL, RabbitMQ, a place for files.
package main

import (
	"context"

	"makola/pkg/service"
	"makola/pkg/storage"
	"makola/pkg/workerapp"
	notificationspb "makola/proto/makola/notifications/v1"
	reportspb "makola/proto/makola/reports/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/reports-worker/internal/tasks"
)

func main() { service.Main("reports-worker", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	files, err := storage.Open(ctx, cfg.Storage)
	if err != nil {
		return err
	}
	app.OnStop(func() { _ = files.Close() })
	w, err := workerapp.Open(ctx, cfg.Config, app, "reports")
	if err != nil {
		return err
	}
	reportspb.HandleTasks(w.Worker, &tasks.Reports{Instance: app.Instance(), DB: w.DB, Files: files, Webhooks: webhookspb.NewTasks(w.Queue), Mail: notificationspb.NewTasks(w.Queue), Bell: w.Queue})
	return nil
}
