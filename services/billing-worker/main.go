// Command billing-worker settles payments, keeps the ledger of AI credits and subscriptions, and answers what credits pay for.
//
// Consumes: ai_features, subscriptions. Writes: schemas assist, billing, notifications, webhooks and task. Needs: PostgreSQL, RabbitMQ, the payment providers' APIs, and a language model's for questions and descriptions.
package main

import (
	"context"

	"makola/pkg/assist"
	"makola/pkg/billing"
	"makola/pkg/chat"
	"makola/pkg/payments/providers"
	"makola/pkg/service"
	"makola/pkg/workerapp"
	aifeatures "makola/proto/makola/ai_features/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/billing-worker/internal/tasks"
)

func main() { service.Main("billing-worker", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	w, err := workerapp.Open(ctx, cfg.Config, app, "ai_features", "subscriptions")
	if err != nil {
		return err
	}
	clients, err := providers.Open(cfg.Payments, (&billing.GatewayHealth{DB: w.DB}).Observe)
	if err != nil {
		return err
	}
	app.OnStop(clients.Close)
	app.Logger().InfoContext(ctx, "payment providers configured", "providers", clients.String())
	app.Add(billing.NewGatewayWatch(w.DB, clients.Names(), app.Metrics()))
	model := &assist.Model{DB: w.DB, Prices: cfg.Prices}
	if cfg.AI.Metrics = app.Metrics(); cfg.AI.Enabled() {
		if model.Chat, err = chat.New(cfg.AI); err != nil {
			return err
		}
		app.OnStop(model.Chat.Close)
	}
	aifeatures.HandleTasks(w.Worker, &tasks.AIFeatures{
		DB:        w.DB,
		Providers: clients.ByName(),
		Policy:    cfg.Payments.Verify,
		Tasks:     aifeatures.NewTasks(w.Queue),
		Mail:      notificationspb.NewTasks(w.Queue),

		Subscriptions: subscriptionspb.NewTasks(w.Queue),
		Webhooks:      webhookspb.NewTasks(w.Queue),
		Bell:          w.Queue,
		PlatformEmail: cfg.PlatformEmail,

		Assist: model, Lanes: tasks.NewLanes(cfg.Consume.Long),
	})
	subscriptionspb.HandleTasks(w.Worker, &tasks.Subscriptions{
		DB:        w.DB,
		Providers: clients.ByName(),
		Policy:    cfg.Payments.Verify,
		Tasks:     subscriptionspb.NewTasks(w.Queue),
		Mail:      notificationspb.NewTasks(w.Queue),
		Credits:   aifeatures.NewTasks(w.Queue),
		Webhooks:  webhookspb.NewTasks(w.Queue),
		Bell:      w.Queue,

		PlatformEmail: cfg.PlatformEmail,
	})
	return nil
}
