// Command billing-worker settles payments and keeps the ledger of AI credits.
//
// Consumes: ai_features. Writes: schemas billing, notifications and task. Needs: PostgreSQL, RabbitMQ, the payment providers' APIs.
package main

import (
	"context"

	"makola/pkg/billing"
	"makola/pkg/payments/providers"
	"makola/pkg/service"
	"makola/pkg/workerapp"
	aifeatures "makola/proto/makola/ai_features/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	"makola/services/billing-worker/internal/tasks"
)

func main() { service.Main("billing-worker", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	w, err := workerapp.Open(ctx, cfg.Config, app, "ai_features")
	if err != nil {
		return err
	}
	clients, err := providers.Open(cfg.Payments, (&billing.GatewayHealth{DB: w.DB}).Observe)
	if err != nil {
		return err
	}
	app.OnStop(clients.Close)
	app.Logger().InfoContext(ctx, "payment providers configured", "providers", clients.String())
	aifeatures.HandleTasks(w.Worker, &tasks.AIFeatures{
		DB:        w.DB,
		Providers: clients.ByName(),
		Policy:    cfg.Payments.Verify,
		Tasks:     aifeatures.NewTasks(w.Queue),
		Mail:      notificationspb.NewTasks(w.Queue),
	})
	return nil
}
