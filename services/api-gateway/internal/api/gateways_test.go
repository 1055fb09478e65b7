package api_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
)

func TestThePlatformSeesHowThePaymentProvidersFare(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	const path = "/api/v1/ops/payment-gateways"
	g.do("GET", path, ama.access, nil).is(t, 403, "permission_missing")
	yaa := uuid.New()
	g.exec(`insert into accounts.user (id, email, name, password_hash, platform_role) values ($1, 'yaa@makola.example', 'Yaa', '!', 'SUPER_ADMIN')`, yaa)
	token, err := g.server.Sessions.Keys.Sign(accounts.Principal{User: yaa}, time.Now())
	require.NoError(t, err)
	items := func() []any { return g.do("GET", path, token, nil).is(t, 200, "").body["items"].([]any) }
	for _, i := range items() {
		require.Equal(t, "CLOSED", i.(map[string]any)["state"])
		require.Nil(t, i.(map[string]any)["last_probe"])
	}

	g.exec(`insert into billing.gateway_health (provider, state, consecutive_failures, opened_at, last_error) values ('retired', 'OPEN', 5, now(), 'HTTP 502')`)
	g.exec(`insert into billing.gateway_probe (id, provider, result, latency_ms, state) values (gen_random_uuid(), 'retired', 'ok', 120, 'OPEN')`)
	all := items()
	retired := all[len(all)-1].(map[string]any)
	require.Equal(t, []any{"retired", false, "OPEN", 5.0, "HTTP 502", 1.0, 0.0, 120.0}, []any{retired["provider"], retired["configured"], retired["state"], retired["consecutive_failures"],
		retired["last_error"], retired["probes_24h"], retired["unanswered_24h"], retired["mean_latency_ms_24h"]})
	require.Equal(t, "ok", retired["last_probe"].(map[string]any)["result"])
	require.Nil(t, retired["outages"].([]any)[0].(map[string]any)["closed_at"])
	require.Equal(t, true, all[0].(map[string]any)["configured"])
}
