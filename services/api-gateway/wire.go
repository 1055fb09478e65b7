package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/payments/providers"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/reporting"
	"makola/pkg/service"
	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
	"makola/services/api-gateway/internal/api"
	"makola/services/api-gateway/internal/live"
)

// database opens a pool, waits for the server and the schema, and makes it a condition for /readyz.
func database(ctx context.Context, app *service.App, name string, cfg postgres.Config) (*postgres.DB, error) {
	db, err := postgres.Open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	app.OnStop(db.Close)
	if err := db.WaitReady(ctx, cfg.ConnectWait); err != nil {
		return nil, fmt.Errorf("wait for the %s: %w", name, err)
	}
	app.Ready(name, db.Ping)
	return db, nil
}

// newHub makes the connection over which this gateway gets task events, with a queue of its own, and the hub that listens there.
func newHub(cfg Config, app *service.App) (*rabbit.Conn, *live.Hub) {
	cfg.AMQP.Name = "api-gateway consume"
	topology := rabbit.Standard()
	topology.Queues = append(topology.Queues, live.Queue(app.Instance()))
	conn := rabbit.New(cfg.AMQP, topology, app.Logger())
	return conn, live.NewHub(conn, app.Instance(), live.Limits{Total: cfg.HTTP.Streams}, app.Metrics())
}

// openProviders makes the clients of the configured payment providers, whose health every process shares through the database.
func openProviders(ctx context.Context, app *service.App, cfg Config, db *postgres.DB) (*providers.Set, error) {
	cfg.Payments.Flutterwave.ReturnURL = cmp.Or(cfg.Payments.Flutterwave.ReturnURL, cfg.HTTP.PublicURL)
	cfg.Payments.Stripe.ReturnURL = cmp.Or(cfg.Payments.Stripe.ReturnURL, cfg.HTTP.PublicURL)
	clients, err := providers.Open(cfg.Payments, (&billing.GatewayHealth{DB: db}).Observe)
	if err != nil {
		return nil, fmt.Errorf("prepare payment providers: %w", err)
	}
	app.OnStop(clients.Close)
	app.Logger().InfoContext(ctx, "payment providers configured", "providers", clients.String())
	return clients, nil
}

// newServer makes the handlers from what the environment says.
func newServer(cfg HTTP, sessions *accounts.Sessions, queue *task.Queue, clients *providers.Set) (*api.Server, error) {
	keys, err := accounts.ParseKeys(cfg.JWTKeys.Reveal())
	if err != nil {
		return nil, fmt.Errorf("read JWT_KEYS: %w", err)
	}
	sessions.Keys = keys
	origins, err := cfg.origins()
	if err != nil {
		return nil, fmt.Errorf("read CALLBACK_ORIGINS: %w", err)
	}
	trial, err := cfg.trialCredits()
	if err != nil {
		return nil, fmt.Errorf("read TRIAL_CREDITS: %w", err)
	}
	links, err := reporting.ParseLinkKeys(cfg.DownloadKeys.Reveal())
	if err != nil {
		return nil, fmt.Errorf("read DOWNLOAD_KEYS: %w", err)
	}
	return &api.Server{
		DB: sessions.DB, Sessions: sessions, Queue: queue, Accounts: accountspb.NewTasks(queue), Providers: clients.ByName(), ProviderNames: clients.Names(),
		RequireVerifiedEmail: cfg.RequireVerifiedEmail, TrialCredits: trial, CallbackOrigins: origins, ImportBytes: cfg.ImportBytes,
		Links: links, PublicURL: strings.TrimRight(cfg.PublicURL, "/"),
	}, nil
}
