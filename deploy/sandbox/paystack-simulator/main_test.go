package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	chatfake "makola/pkg/chat/fake"
	"makola/pkg/payments/fake"
)

func TestProductionIsRefused(t *testing.T) {
	for _, name := range []string{"production", "Production", " production "} {
		t.Setenv("MAKOLA_ENV", name)
		if err := run(t.Context()); err == nil || !strings.Contains(err.Error(), "production") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestLiveKeyIsRefusedAndNotShown(t *testing.T) {
	for name, key := range map[string]string{
		"PAYSTACK_SECRET_KEY": "sk_live_hidden", "FLUTTERWAVE_SECRET_KEY": "FLWSECK-hidden", "STRIPE_SECRET_KEY": "rk_live_hidden",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, key)
			if err := run(t.Context()); err == nil || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestUnknownWebhookModeIsRefused(t *testing.T) {
	t.Setenv("FLUTTERWAVE_WEBHOOK_MODE", "verif-hash")
	if err := run(t.Context()); err == nil || !strings.Contains(err.Error(), "mode") {
		t.Errorf("%v", err)
	}
}

func TestEverySettingReachesTheSimulator(t *testing.T) {
	for name, value := range map[string]string{
		"WEBHOOK_RETRY_DELAYS": "10ms,1s", "FLUTTERWAVE_SECRET_KEY": "FLWSECK_TEST-a", "FLUTTERWAVE_WEBHOOK_SECRET": "b", "FLUTTERWAVE_WEBHOOK_MODE": "hash",
		"FLUTTERWAVE_WEBHOOK_URL": "http://127.0.0.1:1/f", "STRIPE_SECRET_KEY": "sk_test_c", "STRIPE_WEBHOOK_SECRET": "whsec_d", "STRIPE_WEBHOOK_URL": "http://127.0.0.1:1/s",
	} {
		t.Setenv(name, value)
	}
	var cfg Config
	if err := env.Parse(&cfg); err != nil {
		t.Fatal(err)
	}
	got := cfg.simulator()
	want := fake.Config{
		RetryDelays: []time.Duration{10 * time.Millisecond, time.Second},
		Flutterwave: fake.FlutterwaveConfig{SecretKey: "FLWSECK_TEST-a", WebhookURL: "http://127.0.0.1:1/f", WebhookSecret: "b", WebhookMode: fake.FlutterwaveHash},
		Stripe:      fake.StripeConfig{SecretKey: "sk_test_c", WebhookURL: "http://127.0.0.1:1/s", WebhookSecret: "whsec_d"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestStopsCleanlyOnItsSignal(t *testing.T) {
	t.Setenv("LISTEN_ADDR", "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx); err != nil {
		t.Errorf("%v", err)
	}
}

func TestTheModelStandsBesideTheProviders(t *testing.T) {
	server := httptest.NewServer(Config{}.handler(http.NotFoundHandler()))
	t.Cleanup(server.Close)
	for key, want := range map[string]int{chatfake.DefaultKey: http.StatusOK, "sk-another": http.StatusUnauthorized} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/ai/v1/chat/completions", strings.NewReader(`{"model": "simulator", "messages": [{"role": "user", "content": "Hello"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d", key, resp.StatusCode)
		}
	}
}
