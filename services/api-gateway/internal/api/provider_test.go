package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/billing"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/stripe"
	"makola/services/api-gateway/internal/api"
)

// withStripe configures Stripe too, at a server that opens every session.
func withStripe(t *testing.T, requests *atomic.Int32) func(*api.Options, *api.Server) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"cs_test_1","object":"checkout.session","client_reference_id":"` + r.PostFormValue("client_reference_id") +
			`","payment_status":"unpaid","status":"open","url":"https://checkout.stripe.com/c/pay/cs_test_1"}`))
	}))
	t.Cleanup(server.Close)
	p, err := stripe.New(stripe.Config{
		BaseURL: server.URL, SecretKey: stripe.SimulatorSecretKey, WebhookSecrets: []payments.SecretKey{stripe.SimulatorWebhookSecret}, ReturnURL: "https://shop.example.com/",
		Outbound: outbound.Config{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPlainHTTP: true, Timeout: 30 * time.Second},
	})
	require.NoError(t, err)
	return func(_ *api.Options, s *api.Server) {
		s.Providers["stripe"] = p
		s.ProviderNames = append(s.ProviderNames, "stripe")
	}
}

func TestAPurchaseMayNameItsProvider(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	g := open(t, withStripe(t, &requests))
	s := g.register("ama")
	a := g.do("POST", purchases, s.access, map[string]any{"package": "value", "provider": "stripe"}).is(t, 201, "")
	require.Equal(t, "stripe", a.text("provider"))
	require.Equal(t, "https://checkout.stripe.com/c/pay/cs_test_1", a.text("authorization_url"))
	require.Equal(t, "cs_test_1", a.text("access_code"), "what Stripe finds the payment by")
	require.Equal(t, "paystack", g.do("POST", purchases, s.access, map[string]any{"package": "value"}).is(t, 201, "").text("provider"), "the default")
	require.EqualValues(t, 1, requests.Load())
	require.Equal(t, 1, g.count(`select count(*) from billing.credit_purchase where provider = 'stripe' and access_code = 'cs_test_1'`))
}

func TestAProviderThatIsNotConfiguredIsRefusedAndTheOthersAreNamed(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	g := open(t, withStripe(t, &requests))
	s := g.register("ama")
	a := g.do("POST", purchases, s.access, map[string]any{"package": "value", "provider": "flutterwave"}).is(t, 422, "invalid")
	fault := a.body["errors"].([]any)[0].(map[string]any)
	require.Equal(t, "provider", fault["field"])
	require.Equal(t, "not_configured", fault["code"])
	require.Contains(t, fault["message"], "paystack, stripe")
	g.do("POST", purchases, s.access, map[string]any{"package": "value", "provider": "mpesa"}).is(t, 422, "")
	require.Zero(t, g.count(`select count(*) from billing.credit_purchase`))
}

func TestNothingIsBoughtFromAProviderThatIsDown(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	g := open(t, withStripe(t, &requests))
	s := g.register("ama")
	health := &billing.GatewayHealth{DB: g.server.DB}
	for range billing.OpenAfter {
		health.Observe(t.Context(), payments.Call{Provider: "stripe", Err: http.ErrHandlerTimeout})
	}
	buy := func(provider, key string) *answer {
		return g.do("POST", purchases, s.access, map[string]any{"package": "value", "provider": provider}, "Idempotency-Key", key)
	}
	a := buy("stripe", "again").is(t, 503, "provider_down")
	wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.Greater(t, wait, 290)
	require.Zero(t, requests.Load(), "it is left alone")
	require.Zero(t, g.count(`select count(*) from billing.credit_purchase`), "nothing half done")
	buy("paystack", "other").is(t, 201, "")

	g.exec(`update billing.gateway_health set opened_at = opened_at - interval '301 seconds'`)
	buy("stripe", "again").is(t, 201, "") // the probe, under the same key as before
	require.EqualValues(t, 1, requests.Load())
	buy("stripe", "more").is(t, 503, "provider_down")
	health.Observe(t.Context(), payments.Call{Provider: "stripe"}) // as the client tells when it was made with an observer
	buy("stripe", "more").is(t, 201, "")
}
