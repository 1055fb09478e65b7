// Command api-gateway is the one way in: it serves the API, takes in the webhooks of payment providers, and turns both into rows and tasks.
//
// Consumes: its own queue of task events. Writes: schemas accounts, assist, billing, cron (pauses and requests), gateway, imports, inventory, sales, webhooks and task, and the folder of STORAGE_URL. Needs: PostgreSQL, the payment providers; RabbitMQ only to publish at once what it enqueues.
package main

import (
	"context"
	"fmt"
	_ "time/tzdata" // a business names its time zone, also where the system has none

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/notifications"
	"makola/pkg/rabbit"
	"makola/pkg/service"
	"makola/pkg/storage"
	"makola/pkg/task"
	"makola/pkg/webhooks"
	aifeatures "makola/proto/makola/ai_features/v1"
	inventorypb "makola/proto/makola/inventory/v1"
	reportspb "makola/proto/makola/reports/v1"
	salespb "makola/proto/makola/sales/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/api-gateway/internal/api"
	"makola/services/api-gateway/internal/edge"
	"makola/services/api-gateway/internal/webhook"
)

func main() { service.Main("api-gateway", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	db, err := database(ctx, app, "database", cfg.PG)
	if err != nil {
		return err
	}
	events, err := database(ctx, app, "webhook database", cfg.Webhook)
	if err != nil {
		return err
	}
	clients, err := openProviders(ctx, app, cfg, db)
	if err != nil {
		return err
	}

	cfg.AMQP.Name = "api-gateway publish"
	conn := rabbit.New(cfg.AMQP, rabbit.Standard(), app.Logger())
	queue := task.NewQueue(db, conn, task.QueueConfig{Metrics: app.Metrics()})
	news, hub := newHub(cfg, app)
	// The webhook's role can insert tasks and not relay them, so the other queue is rung after each commit.
	outbox := task.NewQueue(events, nil, task.QueueConfig{})
	committer := webhook.NewCommitter(events, aifeatures.NewTasks(outbox), queue.Wake, app.Metrics())
	committer.Subscriptions = subscriptionspb.NewTasks(outbox)
	s, err := newServer(cfg.HTTP, &accounts.Sessions{DB: db, Hasher: accounts.NewHasher()}, queue, clients)
	if err != nil {
		return err
	}
	s.Credits, s.Subscriptions, s.Inventory, s.Sales = aifeatures.NewTasks(queue), subscriptionspb.NewTasks(queue), inventorypb.NewTasks(queue), salespb.NewTasks(queue)
	s.Reports, s.Schedule, s.Webhooks = reportspb.NewTasks(queue), queue, webhookspb.NewTasks(queue)
	if cfg.AI.Enabled {
		s.Answers = &api.Answers{Limits: cfg.AI.Limits, Prices: cfg.AI.Prices}
	}
	secrets, err := webhooks.ParseKeys(cfg.HTTP.WebhookSecretKeys.Reveal())
	if err != nil {
		return fmt.Errorf("read WEBHOOK_SECRET_KEYS: %w", err)
	}
	s.Endpoints = &webhooks.Endpoints{Keys: secrets, Outbound: cfg.Payments.Outbound}
	links, err := notifications.ParseUnsubscribeKeys(cfg.HTTP.UnsubscribeKeys.Reveal())
	if err != nil {
		return fmt.Errorf("read UNSUBSCRIBE_KEYS: %w", err)
	}
	if s.Files, err = storage.Open(ctx, cfg.Storage); err != nil {
		return err
	}
	app.OnStop(func() { _ = s.Files.Close() })
	handler, err := api.NewRouter(s, api.Options{ //nolint:contextcheck // handlers take each request's context
		TrustedProxies: cfg.HTTP.TrustedProxies, SignInPerMinute: cfg.HTTP.SignInPerMinute, RequestsPerSecond: cfg.HTTP.RequestsPerSecond,
		CORSOrigins: cfg.HTTP.CORSOrigins, Share: edge.NewShare(db), Hub: hub, Unsubscribe: links,
		Webhooks: webhook.Handlers(clients.ByName(), committer), Metrics: app.Metrics(),
	})
	if err != nil {
		return fmt.Errorf("build router: %w", err)
	}
	server := edge.NewServer(cfg.HTTP.ListenAddr, handler, app.Fail)
	server.DrainWait = cfg.HTTP.DrainWait
	server.OnDrain(hub.Drain)
	app.Add(billing.NewGatewayWatch(db, clients.Names(), app.Metrics()), conn, queue, news, hub, committer, server)
	return nil // readiness does not ask for the broker: rows wait for it
}
