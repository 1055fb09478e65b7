// Command floor is the yardstick for the gateway's webhook: the least that can be called storing a webhook. It verifies the same signature with the same code and
// commits one row, in a transaction of its own, through a pgx pool as large as helps. It has no router, no validation, no metrics and enqueues nothing.
//
// It reads LISTEN_ADDR, DATABASE_URL and PAYSTACK_SECRET_KEYS, and answers GET /readyz.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"makola/pkg/payments/paystack"
)

// connections is the size of the pool: 16 gave the most requests a second of 4 to 32, on two cores.
const connections = 16

func main() {
	debug.SetGCPercent(400) // as the services do
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return errors.New("read DATABASE_URL: not a postgres:// URL")
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer pool.Close()
	provider, err := paystack.New(paystack.Config{BaseURL: "https://" + paystack.ProductionHost, SecretKeys: []paystack.SecretKey{paystack.SecretKey(os.Getenv("PAYSTACK_SECRET_KEYS"))}})
	if err != nil {
		return fmt.Errorf("make verifier: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /api/webhooks/paystack", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "unread", http.StatusBadRequest)
			return
		}
		event, err := provider.VerifyWebhook(body, r.Header)
		if err != nil {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		if _, err := pool.Exec(r.Context(), `insert into billing.webhook_event (id, provider, dedupe_key, event_type, reference, body, trusted)
			values ($1, $2, $3, $4, $5, $6, true)`, uuid.Must(uuid.NewV7()), event.Provider, event.DedupeKey, event.Type, event.Reference, body); err != nil {
			http.Error(w, "not stored", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"queued"}`) // a client that is gone is no matter
	})
	server := &http.Server{Addr: os.Getenv("LISTEN_ADDR"), Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
