package providers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"

	"makola/pkg/money"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/paystack"
	"makola/pkg/payments/providers"
)

func config(t *testing.T, pairs ...string) providers.Config {
	t.Helper()
	environ := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		environ[pairs[i]] = pairs[i+1]
	}
	var cfg providers.Config
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: environ}); err != nil {
		t.Fatal(err)
	}
	return cfg
}

var (
	paystackKeys    = []string{"PAYSTACK_SECRET_KEYS", "sk_test_a"}
	flutterwaveKeys = []string{"FLUTTERWAVE_SECRET_KEY", "FLWSECK_TEST-a", "FLUTTERWAVE_WEBHOOK_SECRETS", "a,b"}
	stripeKeys      = []string{"STRIPE_SECRET_KEY", "sk_test_a", "STRIPE_WEBHOOK_SECRETS", "whsec_a,whsec_b"}
)

func TestAProviderIsConfiguredByHavingKeys(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		pairs []string
		names string // The default first.
	}{
		{"Paystack alone, as ever", paystackKeys, "paystack"},
		{"all three, and Paystack is the default", slices.Concat(stripeKeys, flutterwaveKeys, paystackKeys), "paystack,flutterwave,stripe"},
		{"without Paystack the next is the default", slices.Concat(stripeKeys, flutterwaveKeys), "flutterwave,stripe"},
		{"Stripe alone", stripeKeys, "stripe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, tc.pairs...)
			if err := cfg.Validate(false); err != nil {
				t.Fatal(err)
			}
			set, err := providers.Open(cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(set.Close)
			if got := strings.Join(set.Names(), ","); got != tc.names || len(set.ByName()) != len(set.Names()) {
				t.Errorf("%s", got)
			}
			for name, p := range set.ByName() {
				if p.Name() != name {
					t.Errorf("%s is called %s", name, p.Name())
				}
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg), "_test_a") {
				t.Error("the configuration shows a key")
			}
		})
	}
}

func TestFaultsOfWhatIsConfiguredAreAllListed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		pairs      []string
		production bool
		want       []string
		unwanted   string
	}{
		{"nothing is configured", nil, false, []string{"PAYSTACK_SECRET_KEYS: want 1"}, "STRIPE"},
		{"half of Flutterwave", []string{"FLUTTERWAVE_SECRET_KEY", "FLWSECK_TEST-a"}, false, []string{"FLUTTERWAVE_WEBHOOK_SECRETS"}, "PAYSTACK"},
		{"half of Stripe", []string{"STRIPE_WEBHOOK_SECRETS", "whsec_a"}, false, []string{"STRIPE_SECRET_KEY"}, "PAYSTACK"},
		{
			"test keys of all three in production", slices.Concat(stripeKeys, flutterwaveKeys, paystackKeys, []string{"OUTBOUND_ALLOW_PLAIN_HTTP", "true"}), true,
			[]string{"PAYSTACK_SECRET_KEYS", "FLUTTERWAVE_SECRET_KEY", "STRIPE_SECRET_KEY", "OUTBOUND_ALLOW_PLAIN_HTTP"}, "OUTBOUND_TIMEOUT",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := config(t, tc.pairs...).Validate(tc.production)
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s is missing in %v", want, err)
				}
			}
			if err != nil && strings.Contains(err.Error(), tc.unwanted) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := providers.Open(providers.Config{}, nil); err == nil {
		t.Error("a set was opened with nothing in it")
	}
	if err := (providers.Config{Paystack: paystack.Config{BaseURL: "https://api.paystack.co", SecretKeys: []paystack.SecretKey{"a"}}, Verify: "sometimes"}).Validate(false); err == nil ||
		!strings.Contains(err.Error(), "PAYMENTS_VERIFY") {
		t.Errorf("%v", err)
	}
}

func TestPolicyAndConnectionsAreReadOnceForAll(t *testing.T) {
	t.Parallel()
	cfg := config(t, append(slices.Clone(paystackKeys), "PAYMENTS_VERIFY", "always", "OUTBOUND_ALLOW_NETWORKS", "127.0.0.0/8,::1/128")...)
	if cfg.Verify != payments.VerifyAlways || len(cfg.Outbound.AllowNetworks) != 2 {
		t.Errorf("%+v", cfg)
	}
	var zero outbound.Config
	if len(cfg.Paystack.Outbound.AllowNetworks) != len(zero.AllowNetworks) {
		t.Error("the provider read them too")
	}
}

func TestTheLogSaysWhichModeEachProviderIsIn(t *testing.T) {
	t.Parallel()
	set, err := providers.Open(config(t, append(slices.Clone(paystackKeys), "STRIPE_SECRET_KEY", "sk_live_x", "STRIPE_WEBHOOK_SECRETS", "whsec_a")...), nil)
	if err != nil {
		t.Fatal(err)
	}
	if set.String() != "paystack (test), stripe (live)" {
		t.Error(set.String())
	}
}

func TestTheObserverIsToldByEveryProvider(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(server.Close)
	cfg := config(t, slices.Concat(stripeKeys, flutterwaveKeys, paystackKeys, []string{
		"PAYSTACK_BASE_URL", server.URL, "FLUTTERWAVE_BASE_URL", server.URL, "STRIPE_BASE_URL", server.URL,
		"OUTBOUND_ALLOW_NETWORKS", "127.0.0.0/8", "OUTBOUND_ALLOW_PLAIN_HTTP", "true",
	})...)
	told := map[string]error{}
	set, err := providers.Open(cfg, func(_ context.Context, call payments.Call) { told[call.Provider] = call.Err }) // in this goroutine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	for name, p := range set.ByName() {
		_, err := p.Initialize(t.Context(), payments.InitRequest{
			Reference: "AI-1", Email: "ama@example.com", Amount: money.FromMinor(9600, money.GHS), CallbackURL: "https://shop.example/",
		})
		if !errors.Is(err, payments.ErrUnavailable) || told[name] == nil || told[name].Error() != "HTTP 503" {
			t.Errorf("%s: %v, told %v", name, err, told[name])
		}
	}
}
