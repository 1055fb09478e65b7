package providers_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"makola/pkg/payments"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
	"makola/pkg/payments/providers"
)

// simulated opens the clients of all providers at one simulator, and notes what they tell their observer.
func simulated(t *testing.T, keys ...string) (sim *fake.Simulator, clients map[string]payments.Provider, told *[]payments.Call) {
	t.Helper()
	sim, err := fake.New(fake.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	if keys == nil {
		keys = []string{string(paystack.SimulatorSecretKey), string(fake.DefaultFlutterwaveKey), string(fake.DefaultStripeKey)}
	}
	cfg := config(t, "PAYSTACK_SECRET_KEYS", keys[0], "FLUTTERWAVE_SECRET_KEY", keys[1], "FLUTTERWAVE_WEBHOOK_SECRETS", "a", "STRIPE_SECRET_KEY", keys[2], "STRIPE_WEBHOOK_SECRETS", "whsec_a",
		"PAYSTACK_BASE_URL", server.URL, "FLUTTERWAVE_BASE_URL", server.URL+"/flutterwave/v3", "STRIPE_BASE_URL", server.URL+"/stripe",
		"OUTBOUND_ALLOW_NETWORKS", "127.0.0.0/8", "OUTBOUND_ALLOW_PLAIN_HTTP", "true")
	told = &[]payments.Call{}
	set, err := providers.Open(cfg, func(_ context.Context, call payments.Call) { *told = append(*told, call) }) // in this goroutine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return sim, set.ByName(), told
}

func TestAProbeTellsWhetherAProviderIsThereAndTakesOurKey(t *testing.T) {
	t.Parallel()
	sim, clients, told := simulated(t)
	if len(clients) != 3 {
		t.Fatalf("%d clients", len(clients))
	}
	for name, p := range clients {
		if err := p.Probe(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(*told) != 3 || slices.ContainsFunc(*told, func(c payments.Call) bool { return c.Err != nil }) {
		t.Errorf("told %v", *told)
	}

	// Each failure is one call, and no breaker of this process keeps the next probe from asking.
	if _, err := sim.Inject(fake.Fault{Operation: fake.OpProbe, Kind: fake.Kind500}); err != nil {
		t.Fatal(err)
	}
	*told = nil
	for name, p := range clients {
		for range 8 {
			if err := p.Probe(t.Context()); !errors.Is(err, payments.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if len(*told) != 24 || slices.ContainsFunc(*told, func(c payments.Call) bool { return c.Err == nil }) {
		t.Errorf("told %d times", len(*told))
	}
	sim.ClearFaults()
	for name, p := range clients {
		if err := p.Probe(t.Context()); err != nil {
			t.Errorf("%s after it recovered: %v", name, err)
		}
	}

	// Who says that we ask too often is there.
	if _, err := sim.Inject(fake.Fault{Operation: fake.OpProbe, Kind: fake.Kind429, Times: 3}); err != nil {
		t.Fatal(err)
	}
	*told = nil
	for name, p := range clients {
		if err := p.Probe(t.Context()); err == nil || errors.Is(err, payments.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if slices.ContainsFunc(*told, func(c payments.Call) bool { return c.Err != nil }) {
		t.Errorf("told %v", *told)
	}
}

func TestAProbeWithAKeyThatIsNotAcceptedIsAnswered(t *testing.T) {
	t.Parallel()
	_, clients, told := simulated(t, "sk_test_other", "FLWSECK_TEST-other", "sk_test_other")
	for name, p := range clients {
		declined, ok := errors.AsType[*payments.DeclinedError](p.Probe(t.Context()))
		if !ok || declined.HTTPStatus != http.StatusUnauthorized {
			t.Errorf("%s: %v", name, declined)
		}
	}
	if slices.ContainsFunc(*told, func(c payments.Call) bool { return c.Err != nil }) {
		t.Errorf("told %v", *told)
	}
}

func TestAProbeOfSomethingElseIsNoProof(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`<html>Sign in to the network</html>`, `{}`, `{"status": true, "data": {}}`, `{"status": "success", "data": 7}`, `[]`, ``} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(server.Close)
		cfg := config(t, slices.Concat(stripeKeys, flutterwaveKeys, paystackKeys, []string{
			"PAYSTACK_BASE_URL", server.URL, "FLUTTERWAVE_BASE_URL", server.URL, "STRIPE_BASE_URL", server.URL,
			"OUTBOUND_ALLOW_NETWORKS", "127.0.0.0/8", "OUTBOUND_ALLOW_PLAIN_HTTP", "true",
		})...)
		set, err := providers.Open(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(set.Close)
		for name, p := range set.ByName() {
			if err := p.Probe(t.Context()); err == nil || errors.Is(err, payments.ErrUnavailable) {
				t.Errorf("%s took %q for an answer: %v", name, body, err)
			}
		}
	}
}
