package billing_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"makola/pkg/billing"
)

// breakers is what a scrape reads, by provider.
func breakers(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	states := map[string]float64{}
	for _, family := range families {
		require.Equal(t, "makola_payment_provider_breaker", family.GetName())
		for _, m := range family.GetMetric() {
			require.Len(t, m.GetLabel(), 1)
			require.Equal(t, "provider", m.GetLabel()[0].GetName())
			states[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	return states
}

func TestEveryProcessShowsTheBreakerThatAllShare(t *testing.T) {
	t.Parallel()
	g := watch(t)
	gateway, worker := prometheus.NewPedanticRegistry(), prometheus.NewPedanticRegistry()
	names := []string{"paystack", "flutterwave"}
	watches := []*billing.GatewayWatch{billing.NewGatewayWatch(g.db, names, gateway), billing.NewGatewayWatch(g.other.DB, names, worker)}
	shows := func(state float64) {
		t.Helper()
		for i, registry := range []*prometheus.Registry{gateway, worker} {
			require.NoError(t, watches[i].Look(t.Context()))
			require.Equal(t, map[string]float64{"paystack": state, "flutterwave": 0}, breakers(t, registry))
		}
	}
	require.Empty(t, breakers(t, gateway), "nothing is claimed before the first look")
	shows(0)
	for range billing.OpenAfter {
		g.gateway.Observe(t.Context(), failed())
	}
	shows(2)
	g.later(t, billing.ProbeAfter+time.Second)
	require.NoError(t, g.admit(t, "paystack"))
	shows(1)
	g.other.Observe(t.Context(), answered())
	shows(0)
	_, err := g.admin.Exec(t.Context(), "insert into billing.gateway_health (provider, consecutive_failures) values ('retired', 1)")
	require.NoError(t, err)
	shows(0) // of a provider that is not configured nothing is shown
}

func TestABreakerIsShownAsLastSeenWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	g := watch(t)
	registry := prometheus.NewPedanticRegistry()
	w := billing.NewGatewayWatch(g.db, []string{"paystack", "flutterwave"}, registry)
	for range billing.OpenAfter {
		g.other.Observe(t.Context(), failed())
	}
	require.NoError(t, w.Look(t.Context()))
	_, err := g.admin.Exec(t.Context(), "alter table billing.gateway_health rename to away")
	require.NoError(t, err)
	require.Error(t, w.Look(t.Context()))
	require.Equal(t, map[string]float64{"paystack": 2, "flutterwave": 0}, breakers(t, registry))
}

func TestAWatchLooksByItselfAndStops(t *testing.T) {
	t.Parallel()
	g := watch(t)
	registry := prometheus.NewPedanticRegistry()
	w := billing.NewGatewayWatch(g.db, []string{"paystack", "flutterwave"}, registry)
	require.NoError(t, w.Start(t.Context()))
	require.Eventually(t, func() bool { return len(breakers(t, registry)) == 2 }, time.Minute, 10*time.Millisecond)
	require.NoError(t, w.Stop(t.Context()))
}
