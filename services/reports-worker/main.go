// Command reports-worker renders reports and exports, and keeps their files.
//
// Consumes: reports. Writes: schemas reporting, notifications, webhooks and task. Needs: PostgreSQL, RabbitMQ, a place for files.
package main

import (
	"context"
	"fmt"

	"makola/pkg/postgres"
	"makola/pkg/service"
	"makola/pkg/storage"
	"makola/pkg/workerapp"
	notificationspb "makola/proto/makola/notifications/v1"
	reportspb "makola/proto/makola/reports/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/reports-worker/internal/tasks"
)

func main() { service.Main("reports-worker", wire) }

// gcPercent keeps a worker that writes a workbook of a million sales under 256 MiB: the library holds 32 MiB for each sheet until the end.
const gcPercent = 100

func wire(ctx context.Context, cfg Config, app *service.App) error {
	app.GCPercent(gcPercent)
	files, err := storage.Open(ctx, cfg.Storage)
	if err != nil {
		return err
	}
	app.OnStop(func() { _ = files.Close() })
	w, err := workerapp.Open(ctx, cfg.Config, app, "reports")
	if err != nil {
		return err
	}
	read, err := openRead(ctx, cfg.Read, app)
	if err != nil {
		return err
	}
	reportspb.HandleTasks(w.Worker, &tasks.Reports{Instance: app.Instance(), DB: w.DB, Read: read, Files: files, Webhooks: webhookspb.NewTasks(w.Queue), Mail: notificationspb.NewTasks(w.Queue), Bell: w.Queue, Tasks: reportspb.NewTasks(w.Queue)})
	return nil
}

// openRead prepares the database that reports are read from; nil when there is none of its own. It is not waited for, and is no condition for readiness: reports do without it.
func openRead(ctx context.Context, cfg Read, app *service.App) (*postgres.DB, error) {
	if cfg.URL == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: cfg.URL, MaxConns: cfg.MaxConns})
	if err != nil {
		return nil, fmt.Errorf("open the database of READ_DATABASE_URL: %w", err)
	}
	app.OnStop(db.Close)
	return db, nil
}
