package exchange

import (
	"errors"
	"strings"
	"testing"

	"makola/pkg/payments"
)

func TestRedactLeavesNoAddressAndNoKey(t *testing.T) {
	t.Parallel()
	got := Redact("Customer ama@example.com: key sk_live_1, (rk_test_2), pk_3, whsec_4 and FLWSECK_TEST-5 are\nwrong" + strings.Repeat(" x", 500))
	for _, secret := range []string{"@", "_1", "_2", "_3", "_4", "-5"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q in %s", secret, got)
		}
	}
	if !strings.HasPrefix(got, "Customer *** key *** *** *** *** and *** are wrong x") || len(got) > 200 {
		t.Errorf("%s", got)
	}
	if Redact("risk_score is high") != "risk_score is high" {
		t.Error("an ordinary word was taken for a key")
	}
}

func TestProductionTakesOnlyTheProvidersOwnAddress(t *testing.T) {
	t.Parallel()
	const own = "https://api.example.com/v3"
	for text, ok := range map[string]bool{
		own: true, own + "/": true, "https://api.example.com": false, "https://api.example.com:444/v3": false, "http://api.example.com/v3": false,
		"https://api.example.com/v3?x": false, "https://api.example.com/v3#x": false, "https://x@api.example.com/v3": false, "": false, "api.example.com/v3": false,
	} {
		if err := CheckBaseURL(text, own, true); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := CheckBaseURL("http://127.0.0.1:8095/flutterwave/v3", own, false); err != nil {
		t.Errorf("development: %v", err)
	}
}

func TestNameJoinsNothingIntoNothing(t *testing.T) {
	t.Parallel()
	if err := Name("X"); err != nil {
		t.Error(err)
	}
	if err := Name("X", nil); err != nil {
		t.Error(err)
	}
	if err := Name("X", errors.New("a"), errors.New("b")); err == nil || err.Error() != "X: a\nX: b" {
		t.Error(err)
	}
}

func TestLiveAndTestKeysAreToldApart(t *testing.T) {
	t.Parallel()
	k := Keys{Live: []string{"sk_live_", "rk_live_"}, Simulator: "sk_test_simulator"}
	for key, live := range map[payments.SecretKey]bool{"sk_live_x": true, "rk_live_x": true, "sk_test_x": false, "x_sk_live_": false, "": false} {
		if k.IsLive(key) != live {
			t.Errorf("%q", string(key))
		}
	}
	if faults := k.Check([]payments.SecretKey{"sk_live_a", "sk_test_b"}, false); len(faults) != 1 {
		t.Errorf("mixed in development: %v", faults)
	}
	if faults := k.Check([]payments.SecretKey{"sk_live_a", "sk_test_b"}, true); len(faults) != 1 {
		t.Errorf("mixed in production: %v", faults)
	}
}
