package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/service"
)

func TestThePlatformsAddressIsOptionalAndOneAddress(t *testing.T) {
	t.Parallel()
	environ := []string{"DATABASE_URL=postgres://x", "AMQP_URL=amqps://x", "PAYSTACK_SECRET_KEYS=sk_test_makola_simulator", "PAYSTACK_BASE_URL=http://127.0.0.1:8090",
		"OUTBOUND_ALLOW_NETWORKS=127.0.0.0/8", "OUTBOUND_ALLOW_PLAIN_HTTP=true"}
	for _, ok := range []string{"", "payments@example.com"} {
		var cfg Config
		require.NoError(t, service.Load(&cfg, append(environ, "PLATFORM_EMAIL="+ok)), "%q", ok)
		require.Equal(t, ok, cfg.PlatformEmail)
	}
	for _, wrong := range []string{"payments", "a@example.com, b@example.com", "Esi <esi@example.com>", "a@"} {
		require.ErrorContains(t, service.Load(new(Config), append(environ, "PLATFORM_EMAIL="+wrong)), "PLATFORM_EMAIL", "%q", wrong)
	}
}

func TestProductionRefusesTheSimulatorAndTestKeys(t *testing.T) {
	t.Parallel()
	environ := []string{"DATABASE_URL=postgres://x", "AMQP_URL=amqps://x", "PAYSTACK_SECRET_KEYS=sk_test_makola_simulator", "PAYSTACK_BASE_URL=http://127.0.0.1:8090",
		"OUTBOUND_ALLOW_NETWORKS=127.0.0.0/8", "OUTBOUND_ALLOW_PLAIN_HTTP=true"}
	var cfg Config
	require.NoError(t, service.Load(&cfg, environ), "development may use them")
	err := service.Load(&cfg, append(environ, "MAKOLA_ENV=production"))
	require.ErrorContains(t, err, "PAYSTACK_BASE_URL")
	require.ErrorContains(t, err, "PAYSTACK_SECRET_KEYS")
	require.ErrorContains(t, err, "OUTBOUND_ALLOW_PLAIN_HTTP")
	require.ErrorContains(t, service.Load(new(Config), environ[:2]), "PAYSTACK_SECRET_KEYS", "an empty secret is refused")
}
