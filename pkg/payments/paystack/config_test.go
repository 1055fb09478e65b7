package paystack_test

import (
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"

	"makola/pkg/payments/paystack"
)

func TestConfigFromTheEnvironment(t *testing.T) {
	t.Parallel()
	var cfg struct{ Paystack paystack.Config }
	err := env.ParseWithOptions(&cfg, env.Options{Environment: map[string]string{
		"PAYSTACK_SECRET_KEYS": "sk_live_new,sk_live_old",
	}})
	got := cfg.Paystack
	if err != nil || got.BaseURL != "https://api.paystack.co" || len(got.SecretKeys) != 2 || got.SecretKeys[1] != "sk_live_old" || !got.Configured() || !got.Live() {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		url        string
		keys       []paystack.SecretKey
		production bool
		fault      string // Part of the message; empty means valid.
	}{
		{"live key in production", "https://api.paystack.co", []paystack.SecretKey{"sk_live_a"}, true, ""},
		{"two live keys in production", "https://api.paystack.co/", []paystack.SecretKey{"sk_live_a", "sk_live_b"}, true, ""},
		{"simulator in development", "http://127.0.0.1:8090", []paystack.SecretKey{paystack.SimulatorSecretKey}, false, ""},
		{"simulator's key in production", "https://api.paystack.co", []paystack.SecretKey{paystack.SimulatorSecretKey}, true, "simulator"},
		{"test key in production", "https://api.paystack.co", []paystack.SecretKey{"sk_test_hidden"}, true, "not a live secret key"},
		{"test key second in production", "https://api.paystack.co", []paystack.SecretKey{"sk_live_a", "sk_test_hidden"}, true, "key 2"},
		{"public key in production", "https://api.paystack.co", []paystack.SecretKey{"pk_live_hidden"}, true, "not a live secret key"},
		{"other host in production", "https://api.paystack.co.evil.example", []paystack.SecretKey{"sk_live_a"}, true, "PAYSTACK_BASE_URL"},
		{"plain HTTP in production", "http://api.paystack.co", []paystack.SecretKey{"sk_live_a"}, true, "PAYSTACK_BASE_URL"},
		{"user in the URL", "https://api.paystack.co@evil.example", []paystack.SecretKey{"sk_live_a"}, false, "PAYSTACK_BASE_URL"},
		{"not a URL", "api.paystack.co", []paystack.SecretKey{"sk_live_a"}, false, "PAYSTACK_BASE_URL"},
		{"no key", "https://api.paystack.co", nil, false, "have 0"},
		{"empty key", "https://api.paystack.co", []paystack.SecretKey{""}, false, "key 1 is empty"},
		{"empty second key", "https://api.paystack.co", []paystack.SecretKey{"sk_live_a", ""}, false, "key 2 is empty"},
		{"key with a line break", "https://api.paystack.co", []paystack.SecretKey{"sk_live_hidden\n"}, false, "white space"},
		{"a live key beside a test key", "https://api.paystack.co", []paystack.SecretKey{"sk_live_hidden", "sk_test_hidden"}, false, "mixes keys"},
		{"three keys", "https://api.paystack.co", []paystack.SecretKey{"a", "b", "c"}, false, "have 3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := paystack.Config{BaseURL: tc.url, SecretKeys: tc.keys}.Validate(tc.production)
			if tc.fault == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.fault) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%v", err)
			}
		})
	}
	err := paystack.Config{BaseURL: "x"}.Validate(true)
	for _, name := range []string{"PAYSTACK_BASE_URL", "PAYSTACK_SECRET_KEYS"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is missing in %v", name, err)
		}
	}
	if _, err := paystack.New(paystack.Config{BaseURL: "https://api.paystack.co", SecretKeys: []paystack.SecretKey{""}}); err == nil {
		t.Error("a client was made with an empty secret")
	}
}
