// Command paystack-simulator stands in for Paystack, and for Flutterwave and Stripe besides, on a developer's machine and in Compose: real HTTP, real
// signatures, no money, and misbehaviour on command. At /ai/v1 it stands in for a language model, too.
//
// It is a development service and refuses to start when MAKOLA_ENV is production. Its state is in memory: a restart forgets every
// payment. See docs/simulator.md for how to use it, and package makola/pkg/payments/fake for what it answers.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/caarlos0/env/v11"

	chatfake "makola/pkg/chat/fake"
	"makola/pkg/payments/fake"
)

// Config is read from the environment.
type Config struct {
	// Environment is the stage the process runs in. The simulator refuses "production".
	Environment string `env:"MAKOLA_ENV" envDefault:"development"`
	// ListenAddr is where the API and the checkout page are served. Containers set 0.0.0.0, so that others reach them.
	ListenAddr string `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8095"`
	// PublicURL is how browsers reach the checkout page. Empty takes the host that each API caller used, which is right on one machine
	// and wrong in Compose, where services and browsers know the simulator by different names.
	PublicURL string `env:"PUBLIC_URL"`
	// RetryDelays are the pauses before the second and later attempts to deliver a webhook, comma separated. Empty means half a minute in six steps. Shorten
	// them to see a gateway give up.
	RetryDelays []time.Duration `env:"WEBHOOK_RETRY_DELAYS"`

	// SecretKey is Paystack's: it authenticates callers and signs webhooks. Empty means the simulator's published key, which development services use too.
	// Change it to rehearse a rotation; live keys are refused.
	SecretKey fake.Secret `env:"PAYSTACK_SECRET_KEY"`
	// WebhookURL is the gateway's endpoint for Paystack's webhooks. Empty sends none, as if all were lost. So do the two below.
	WebhookURL string `env:"WEBHOOK_URL"`

	// FlutterwaveKey authenticates callers, FlutterwaveSecret proves webhooks. Empty means the published ones.
	FlutterwaveKey        fake.Secret          `env:"FLUTTERWAVE_SECRET_KEY"`
	FlutterwaveSecret     fake.Secret          `env:"FLUTTERWAVE_WEBHOOK_SECRET"`
	FlutterwaveMode       fake.FlutterwaveMode `env:"FLUTTERWAVE_WEBHOOK_MODE"` // signature or hash; must be what the services expect. Empty means signature.
	FlutterwaveWebhookURL string               `env:"FLUTTERWAVE_WEBHOOK_URL"`

	// StripeKey authenticates callers, StripeSecret signs webhooks. Empty means the published ones.
	StripeKey        fake.Secret `env:"STRIPE_SECRET_KEY"`
	StripeSecret     fake.Secret `env:"STRIPE_WEBHOOK_SECRET"`
	StripeWebhookURL string      `env:"STRIPE_WEBHOOK_URL"`

	// AIKey authenticates callers of the stand-in for a language model, at /ai/v1. Empty means the published one.
	AIKey fake.Secret `env:"AI_KEY"`
}

// handler is the payment providers, and beside them the stand-in for a language model.
func (c Config) handler(payments http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", payments)
	mux.Handle("/ai/v1/", &chatfake.Server{Key: cmp.Or(string(c.AIKey), chatfake.DefaultKey)})
	return mux
}

// simulator is what package fake is to be told.
func (c Config) simulator() fake.Config {
	return fake.Config{
		SecretKey: c.SecretKey, WebhookURL: c.WebhookURL, PublicURL: c.PublicURL, RetryDelays: c.RetryDelays,
		Flutterwave: fake.FlutterwaveConfig{
			SecretKey: c.FlutterwaveKey, WebhookURL: c.FlutterwaveWebhookURL, WebhookSecret: c.FlutterwaveSecret, WebhookMode: c.FlutterwaveMode,
		},
		Stripe: fake.StripeConfig{SecretKey: c.StripeKey, WebhookURL: c.StripeWebhookURL, WebhookSecret: c.StripeSecret},
	}
}

// shutdownGrace is how long requests may finish after a signal.
const shutdownGrace = 5 * time.Second

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		slog.Error("payment simulator stopped", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var cfg Config
	if err := env.Parse(&cfg); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if strings.EqualFold(strings.TrimSpace(cfg.Environment), "production") {
		return errors.New("MAKOLA_ENV is production: the simulator pays with money that does not exist")
	}
	sim, err := fake.New(cfg.simulator())
	if err != nil {
		return fmt.Errorf("configure simulator: %w", err)
	}
	defer sim.Close()
	listener, err := new(net.ListenConfig).Listen(context.WithoutCancel(ctx), "tcp", cfg.ListenAddr) // A signal this early ends as a clean stop below.
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler:           cfg.handler(sim),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: time.Minute,
		WriteTimeout: 75 * time.Second, // An answer that was told to be slow takes up to a minute.
	}
	failed := make(chan error, 1) // Written once, by the goroutine below; never closed.
	go func() { failed <- server.Serve(listener) }()
	slog.InfoContext(ctx, "payment simulator listening", "addr", listener.Addr().String(), "webhook_url", cfg.WebhookURL,
		"flutterwave_webhook_url", cfg.FlutterwaveWebhookURL, "stripe_webhook_url", cfg.StripeWebhookURL)
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	sim.Close() // Ends answers that are being slow.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}
