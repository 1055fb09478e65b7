// Command paystack-simulator stands in for Paystack on a developer's machine and in Compose: real HTTP, real signatures, no money.
//
// It is a development service and refuses to start when MAKOLA_ENV is production. Its state is in memory: a restart forgets every
// payment. See package makola/pkg/payments/fake for what it answers.
package main

import (
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

	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
)

// Config is read from the environment.
type Config struct {
	// Environment is the stage the process runs in. The simulator refuses "production".
	Environment string `env:"MAKOLA_ENV" envDefault:"development"`
	// ListenAddr is where the API and the checkout page are served. Containers set 0.0.0.0, so that others reach them.
	ListenAddr string `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8095"`
	// SecretKey authenticates callers and signs webhooks. Empty means the simulator's published key, which development services use too.
	// Change it to rehearse a rotation; live keys are refused.
	SecretKey paystack.SecretKey `env:"PAYSTACK_SECRET_KEY"`
	// WebhookURL is the gateway's webhook endpoint. Empty sends no webhooks, as if all were lost.
	WebhookURL string `env:"WEBHOOK_URL"`
	// PublicURL is how browsers reach the checkout page. Empty takes the host that each API caller used, which is right on one machine
	// and wrong in Compose, where services and browsers know the simulator by different names.
	PublicURL string `env:"PUBLIC_URL"`
}

// shutdownGrace is how long requests may finish after a signal.
const shutdownGrace = 5 * time.Second

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		slog.Error("paystack simulator stopped", "error", err)
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
	sim, err := fake.New(fake.Config{SecretKey: cfg.SecretKey, WebhookURL: cfg.WebhookURL, PublicURL: cfg.PublicURL})
	if err != nil {
		return fmt.Errorf("configure simulator: %w", err)
	}
	defer sim.Close()
	listener, err := new(net.ListenConfig).Listen(context.WithoutCancel(ctx), "tcp", cfg.ListenAddr) // A signal this early ends as a clean stop below.
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler:           sim,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: time.Minute,
	}
	failed := make(chan error, 1) // Written once, by the goroutine below; never closed.
	go func() { failed <- server.Serve(listener) }()
	slog.InfoContext(ctx, "paystack simulator listening", "addr", listener.Addr().String(), "webhook_url", cfg.WebhookURL)
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}
