package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/payments/paystack"
	"makola/pkg/service"
)

func environ(extra ...string) []string {
	return append([]string{
		"DATABASE_URL=postgres://x", "WEBHOOK_DATABASE_URL=postgres://y", "AMQP_URL=amqp://x",
		"JWT_KEYS=a:0123456789abcdef0123456789abcdef", "PAYSTACK_SECRET_KEYS=sk_test_abc",
	}, extra...)
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	var cfg Config
	require.NoError(t, service.Load(&cfg, environ("CALLBACK_ORIGINS=https://shop.example.com,http://localhost:5173/")))
	require.Equal(t, "postgres://y", cfg.Webhook.URL)
	require.Equal(t, ":8080", cfg.HTTP.ListenAddr)
	origins, err := cfg.HTTP.origins()
	require.NoError(t, err)
	require.Len(t, origins, 3)
	require.Equal(t, "localhost:8080", origins[0].Host)
	trial, err := cfg.HTTP.trialCredits()
	require.NoError(t, err)
	require.Equal(t, "50.00", trial.String())
}

func TestConfigNamesEveryFaultAtOnceAndNoSecret(t *testing.T) {
	t.Parallel()
	var cfg Config
	err := service.Load(&cfg, []string{
		"JWT_KEYS=a:short", "PUBLIC_URL=ftp://x", "CALLBACK_ORIGINS=https://a.example/path", "TRUSTED_PROXIES=everybody", "TRIAL_CREDITS=-1", "RATE_SIGN_IN_PER_MINUTE=0",
		"CORS_ORIGINS=https://shop.example.com/", "STREAMS_MAX=0", "DRAIN_WAIT=1m",
		"PAYSTACK_BASE_URL=nowhere",
	})
	for _, variable := range []string{
		"DATABASE_URL", "WEBHOOK_DATABASE_URL", "AMQP_URL", "JWT_KEYS", "PUBLIC_URL", "CALLBACK_ORIGINS", "TRUSTED_PROXIES", "TRIAL_CREDITS", "RATE_SIGN_IN_PER_MINUTE",
		"CORS_ORIGINS", "STREAMS_MAX", "DRAIN_WAIT",
	} {
		require.ErrorContains(t, err, variable)
	}
	require.NotContains(t, err.Error(), "short")
}

func TestProductionRefusesTheSimulator(t *testing.T) {
	t.Parallel()
	var cfg Config
	err := service.Load(&cfg, environ("MAKOLA_ENV=production", "PAYSTACK_SECRET_KEYS="+string(paystack.SimulatorSecretKey), "PAYSTACK_BASE_URL=http://127.0.0.1:1", "OUTBOUND_ALLOW_PLAIN_HTTP=true"))
	for _, part := range []string{"PAYSTACK_BASE_URL", "PAYSTACK_SECRET_KEYS", "OUTBOUND_ALLOW_PLAIN_HTTP", "PUBLIC_URL"} {
		require.ErrorContains(t, err, part)
	}
}

func TestOriginsOfPagesAreExact(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"*", "https://*.example.com", "https://shop.example.com/x", "https://Shop.example.com", "shop.example.com", "null", "https://a@shop.example.com", "https://shop.example.com?x"} {
		var cfg Config
		require.ErrorContains(t, service.Load(&cfg, environ("CORS_ORIGINS="+bad)), "CORS_ORIGINS", bad)
	}
	var cfg Config
	require.NoError(t, service.Load(&cfg, environ()))
	require.Empty(t, cfg.HTTP.CORSOrigins, "off by default")
	require.NoError(t, service.Load(&cfg, environ("CORS_ORIGINS=https://shop.example.com,http://localhost:5173")))
	require.Len(t, cfg.HTTP.CORSOrigins, 2)
}
