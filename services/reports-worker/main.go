// Command reports-worker renders reports and exports.
//
// Consumes: reports. Writes: schema task. Needs: PostgreSQL, RabbitMQ.
package main

import (
	"context"

	"makola/pkg/service"
	"makola/pkg/workerapp"
	reportspb "makola/proto/makola/reports/v1"
	"makola/services/reports-worker/internal/tasks"
)

func main() { service.Main("reports-worker", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	w, err := workerapp.Open(ctx, cfg.Config, app, "reports")
	if err != nil {
		return err
	}
	reportspb.HandleTasks(w.Worker, &tasks.Reports{Instance: app.Instance()})
	return nil
}
