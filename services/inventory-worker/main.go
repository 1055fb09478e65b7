// Command inventory-worker runs the tasks on stock and on sales: alerts, digests, sweeps, imports and the nightly checks.
//
// Consumes: inventory, sales. Writes: schemas inventory, sales, imports, notifications, webhooks, audit and task. Needs: PostgreSQL, RabbitMQ; the folder of STORAGE_URL for imports.
package main

import (
	"context"

	"makola/pkg/service"
	"makola/pkg/storage"
	"makola/pkg/workerapp"
	inventorypb "makola/proto/makola/inventory/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	salespb "makola/proto/makola/sales/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/inventory-worker/internal/tasks"
)

func main() { service.Main("inventory-worker", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	w, err := workerapp.Open(ctx, cfg.Config, app, "inventory", "sales")
	if err != nil {
		return err
	}
	files, err := storage.Open(ctx, cfg.Storage)
	if err != nil {
		return err
	}
	app.OnStop(func() { _ = files.Close() })
	uploads := &tasks.Imports{DB: w.DB, Files: files, Bell: w.Queue}
	inventorypb.HandleTasks(w.Worker, &tasks.Inventory{Instance: app.Instance(), Tasks: inventorypb.NewTasks(w.Queue), Mail: notificationspb.NewTasks(w.Queue), Webhooks: webhookspb.NewTasks(w.Queue), Bell: w.Queue, Imports: uploads})
	salespb.HandleTasks(w.Worker, &tasks.Sales{Tasks: salespb.NewTasks(w.Queue), Imports: uploads})
	return nil
}
