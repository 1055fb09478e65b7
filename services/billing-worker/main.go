// Command billing-worker settles payments and keeps the ledger of AI credits.
//
// Consumes: ai_features. Writes: schemas billing, notifications and task. Needs: PostgreSQL, RabbitMQ, the payment provider's API.
package main

import (
	"context"

	"makola/pkg/payments"
	"makola/pkg/payments/paystack"
	"makola/pkg/service"
	"makola/pkg/workerapp"
	aifeatures "makola/proto/makola/ai_features/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	"makola/services/billing-worker/internal/tasks"
)

func main() { service.Main("billing-worker", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	client, err := paystack.New(cfg.Paystack)
	if err != nil {
		return err
	}
	app.OnStop(client.Close)
	w, err := workerapp.Open(ctx, cfg.Config, app, "ai_features")
	if err != nil {
		return err
	}
	aifeatures.HandleTasks(w.Worker, &tasks.AIFeatures{
		DB:        w.DB,
		Providers: map[string]payments.Provider{"paystack": client},
		Policy:    cfg.Paystack.Verify,
		Tasks:     aifeatures.NewTasks(w.Queue),
		Mail:      notificationspb.NewTasks(w.Queue),
	})
	return nil
}
