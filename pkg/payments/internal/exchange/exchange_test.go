package exchange

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"makola/pkg/payments"
)

func TestRetryAfterIsReadInBothFormsAndBelievedWithinReason(t *testing.T) {
	t.Parallel()
	const date = "Mon, 02 Mar 2026 09:15:21 GMT"
	for _, tc := range []struct {
		name, text string
		want       time.Duration
	}{
		{"seconds", "7", 7 * time.Second},
		{"a date, by the provider's clock", "Mon, 02 Mar 2026 09:17:21 GMT", 2 * time.Minute},
		{"a date that is past", "Mon, 02 Mar 2026 09:15:00 GMT", 0},
		{"nothing", "", 0},
		{"zero", "0", 0},
		{"negative", "-5", 0},
		{"a day is too long to believe", "86400", time.Hour},
		{"so is a date next year", "Tue, 02 Mar 2027 09:15:21 GMT", time.Hour},
		{"beyond 64 bits", "99999999999999999999", 0},
		{"words", "soon", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := RetryAfter(http.Header{"Retry-After": {tc.text}, "Date": {date}}); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
	at := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	if got := RetryAfter(http.Header{"Retry-After": {at}}); got <= 0 || got > time.Minute {
		t.Errorf("without the provider's clock: %v", got)
	}
}

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
