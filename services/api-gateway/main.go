// Command api-gateway is the one way in: it serves the API, takes in the webhooks of payment providers, and turns both into rows and tasks.
//
// Consumes: nothing. Writes: schemas accounts, billing, gateway and task. Needs: PostgreSQL, Paystack; RabbitMQ only to publish at once what it enqueues.
package main

import (
	"context"
	"fmt"

	"makola/pkg/accounts"
	"makola/pkg/payments/paystack"
	"makola/pkg/rabbit"
	"makola/pkg/service"
	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
	aifeatures "makola/proto/makola/ai_features/v1"
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
	provider, err := paystack.New(cfg.Paystack)
	if err != nil {
		return fmt.Errorf("prepare Paystack: %w", err)
	}
	app.OnStop(provider.Close)

	cfg.AMQP.Name = "api-gateway publish"
	conn := rabbit.New(cfg.AMQP, rabbit.Standard(), app.Logger())
	queue := task.NewQueue(db, conn, task.QueueConfig{Metrics: app.Metrics()})
	// The webhook's role can insert tasks and not relay them, so the other queue is rung after each commit.
	committer := webhook.NewCommitter(events, aifeatures.NewTasks(task.NewQueue(events, nil, task.QueueConfig{})), queue.Wake, app.Metrics())
	s, err := newServer(cfg.HTTP, &accounts.Sessions{DB: db, Hasher: accounts.NewHasher()}, accountspb.NewTasks(queue), provider)
	if err != nil {
		return err
	}
	s.Credits = aifeatures.NewTasks(queue)
	handler, err := api.NewRouter(s, api.Options{ //nolint:contextcheck // handlers take each request's context
		TrustedProxies: cfg.HTTP.TrustedProxies, SignInPerMinute: cfg.HTTP.SignInPerMinute, RequestsPerSecond: cfg.HTTP.RequestsPerSecond,
		Paystack: webhook.NewHandler(paystack.Name, provider, committer).Handle, Metrics: app.Metrics(),
	})
	if err != nil {
		return fmt.Errorf("build router: %w", err)
	}
	app.Add(conn, queue, committer, edge.NewServer(cfg.HTTP.ListenAddr, handler, app.Fail))
	return nil // readiness does not ask for the broker: rows wait for it
}
