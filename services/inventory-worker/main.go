// Command inventory-worker runs the tasks on stock and on sales.
//
// Consumes: inventory, sales. Writes: schema task. Needs: PostgreSQL, RabbitMQ.
package main

import (
	"context"

	"makola/pkg/service"
	"makola/pkg/workerapp"
	inventorypb "makola/proto/makola/inventory/v1"
	"makola/services/inventory-worker/internal/tasks"
)

func main() { service.Main("inventory-worker", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	w, err := workerapp.Open(ctx, cfg.Config, app, "inventory", "sales")
	if err != nil {
		return err
	}
	inventorypb.HandleTasks(w.Worker, &tasks.Inventory{Instance: app.Instance()})
	return nil
}
