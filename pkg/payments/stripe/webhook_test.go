package stripe_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/stripe"
)

func reader(t testing.TB, change ...func(*stripe.Config)) *stripe.Client {
	t.Helper()
	cfg := settings("https://api.stripe.com")
	for _, fn := range change {
		fn(&cfg)
	}
	c, err := stripe.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func signed(secret payments.SecretKey, body []byte) http.Header {
	return header(stripe.Sign(secret, body, time.Now()))
}

func header(text string) http.Header { return http.Header{stripe.SignatureHeader: {text}} }

// The value comes from: printf '1772442921.{"object":"event"}' | openssl dgst -sha256 -hmac whsec_vector
func TestSignAgreesWithOpenSSL(t *testing.T) {
	t.Parallel()
	const want = "t=1772442921,v1=acef09107ce3eb65a4dcfa833504623989a66991a76f8533c83e9d91b5f9f261"
	if got := stripe.Sign("whsec_vector", []byte(`{"object":"event"}`), time.Unix(1772442921, 0)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	body := fixture(t, "checkout_session_completed.json")
	now := time.Now()
	sign := func(secret payments.SecretKey, at time.Time) string { return stripe.Sign(secret, body, at) }
	right := sign(newSecret, now)
	stamp, signature, _ := strings.Cut(right, ",")
	foreign := strings.TrimPrefix(sign("whsec_foreign", now), stamp+",")
	digits := strings.TrimPrefix(signature, "v1=")
	flipped := stamp + ",v1=" + string("0123456789abcdef0"[strings.Index("0123456789abcdef", digits[:1])+1]) + digits[1:]
	for _, tc := range []struct {
		name   string
		body   []byte
		header string
		ok     bool
	}{
		{"signed with the first secret", body, right, true},
		{"signed with the second secret", body, sign(oldSecret, now), true},
		{"the second of two v1 fits", body, stamp + "," + foreign + "," + signature, true},
		{"the first of two v1 fits", body, stamp + "," + signature + "," + foreign, true},
		{"with a v0 beside it", body, right + ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39", true},
		{"240 seconds old", body, sign(newSecret, now.Add(-240*time.Second)), true},
		{"302 seconds old", body, sign(newSecret, now.Add(-302*time.Second)), false},
		{"280 seconds ahead", body, sign(newSecret, now.Add(280*time.Second)), true},
		{"400 seconds ahead", body, sign(newSecret, now.Add(400*time.Second)), false},
		{"signed with another secret", body, sign("whsec_foreign", now), false},
		{"signed with the empty secret", body, sign("", now), false},
		{"only v0", body, stamp + "," + strings.Replace(signature, "v1=", "v0=", 1), false},
		{"another time", body, strings.Replace(right, stamp, "t="+stamp[len(stamp)-9:], 1), false},
		{"two times", body, "t=1," + right + ",t=1", false},
		{"one byte of the body flipped", bytes.Replace(body, []byte("9600"), []byte("9601"), 1), right, false},
		{"body re-serialised", bytes.ReplaceAll(body, []byte(" "), nil), right, false},
		{"one digit of the signature flipped", body, flipped, false},
		{"cut short", body, right[:len(right)-2], false},
		{"no time", body, signature, false},
		{"not a header", body, "whsec_new", false},
		{"missing", body, "", false},
		{"empty body", nil, right, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := reader(t).VerifyWebhook(tc.body, header(tc.header))
			if (err == nil) != tc.ok || (!tc.ok && !errors.Is(err, payments.ErrSignature)) {
				t.Fatalf("%v", err)
			}
			if tc.ok && got.Evidence != payments.BodyBound {
				t.Errorf("evidence %s", got.Evidence)
			}
		})
	}
}

func TestEventsOfStripe(t *testing.T) {
	t.Parallel()
	at := time.Unix(1772442921, 0).UTC()
	ghs := func(minor int64) money.Amount { return money.FromMinor(minor, money.GHS) }
	for file, want := range map[string]payments.Event{
		"checkout_session_completed.json": {
			Type: "checkout.session.completed", Kind: payments.KindCharge, DedupeKey: "evt_1", Reference: "AI-1", Status: payments.StatusSucceeded, Amount: ghs(9600),
			ProviderTransactionID: "pi_3MtwBw", PaidAt: at,
		},
		"checkout_session_completed_unpaid.json": {
			Type: "checkout.session.completed", Kind: payments.KindCharge, DedupeKey: "evt_2", Reference: "AI-1", Status: payments.StatusPending, Amount: ghs(9600),
			ProviderTransactionID: "pi_3MtwBw",
		},
		"checkout_session_async_payment_succeeded.json": {
			Type: "checkout.session.async_payment_succeeded", Kind: payments.KindCharge, DedupeKey: "evt_3", Reference: "AI-1", Status: payments.StatusSucceeded,
			Amount: ghs(9600), ProviderTransactionID: "pi_3MtwBw", PaidAt: at,
		},
		"checkout_session_async_payment_failed.json": {
			Type: "checkout.session.async_payment_failed", Kind: payments.KindCharge, DedupeKey: "evt_4", Reference: "AI-1", Status: payments.StatusFailed,
			Amount: ghs(9600), ProviderTransactionID: "pi_3MtwBw",
		},
		"checkout_session_of_somebody_else.json": {Type: "checkout.session.completed", DedupeKey: "evt_5", Status: payments.StatusUnknown},
		"charge_refunded.json": {
			Type: "charge.refunded", Kind: payments.KindRefund, DedupeKey: "evt_6", Reference: "AI-1", Status: payments.StatusUnknown, Return: payments.ReturnDone,
			Amount: ghs(2000), ReturnedTotal: ghs(3000), ProviderTransactionID: "pi_3MtwBw",
		},
		"charge_dispute_created.json": {
			Type: "charge.dispute.created", Kind: payments.KindDispute, DedupeKey: "evt_7", Status: payments.StatusUnknown, Return: payments.ReturnPending,
			Amount: ghs(9600), ProviderTransactionID: "pi_3MtwBw", CaseID: "dp_1MtJUT",
		},
		"charge_dispute_closed.json": {
			Type: "charge.dispute.closed", Kind: payments.KindDispute, DedupeKey: "evt_8", Status: payments.StatusUnknown, Return: payments.ReturnDone,
			Amount: ghs(9600), ProviderTransactionID: "pi_3MtwBw", CaseID: "dp_1MtJUT",
		},
		"refund_failed.json": {
			Type: "refund.failed", Kind: payments.KindRefund, DedupeKey: "evt_9", Reference: "AI-1", Status: payments.StatusUnknown, Return: payments.ReturnDenied,
			Amount: ghs(2000), ProviderTransactionID: "pi_3MtwBw", CaseID: "re_1Nispe",
		},
		"customer_created.json": {Type: "customer.created", DedupeKey: "evt_10", Status: payments.StatusUnknown},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			want.Provider, want.Evidence = "stripe", payments.BodyBound
			body := fixture(t, file)
			got, err := reader(t).VerifyWebhook(body, signed(newSecret, body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if got.Charge() != (want.Kind == payments.KindCharge) {
				t.Error("only a charge passes for one")
			}
		})
	}
}

func TestEventShapes(t *testing.T) {
	t.Parallel()
	event := func(kind, object string) string {
		return `{"id":"evt_1","object":"event","created":1772442921,"livemode":false,"type":"` + kind + `","data":{"object":` + object + `}}`
	}
	session := func(members string) string {
		return event("checkout.session.completed", `{"id":"cs_1","object":"checkout.session",`+members+`}`)
	}
	for _, tc := range []struct {
		name, body string
		err        error
		amount     money.Amount
		status     payments.Status
	}{
		{"the payment intent as an object", session(`"client_reference_id":"R","payment_status":"paid","amount_total":1,"currency":"usd","payment_intent":{"id":"pi_1"}`), nil,
			money.FromMinor(1, money.USD), payments.StatusSucceeded},
		{"francs have no hundredths", session(`"client_reference_id":"R","payment_status":"paid","amount_total":2500,"currency":"xof","payment_intent":"pi_1"`), nil,
			money.FromMinor(2500, money.XOF), payments.StatusSucceeded},
		{"a currency we do not take equals no amount", session(`"client_reference_id":"R","payment_status":"paid","amount_total":1,"currency":"ugx","payment_intent":"pi_1"`), nil,
			money.Amount{}, payments.StatusSucceeded},
		{"nothing to pay", session(`"client_reference_id":"R","payment_status":"no_payment_required","amount_total":0,"currency":"ghs"`), nil,
			money.FromMinor(0, money.GHS), payments.StatusUnknown},
		{"paid without a payment intent", session(`"client_reference_id":"R","payment_status":"paid","amount_total":1,"currency":"ghs"`), payments.ErrMalformed, money.Amount{}, ""},
		{"half a pesewa", session(`"client_reference_id":"R","payment_status":"paid","amount_total":1.5,"currency":"ghs","payment_intent":"pi_1"`), payments.ErrMalformed, money.Amount{}, ""},
		{"negative", session(`"client_reference_id":"R","payment_status":"paid","amount_total":-1,"currency":"ghs","payment_intent":"pi_1"`), payments.ErrMalformed, money.Amount{}, ""},
		{"beyond 64 bits", session(`"client_reference_id":"R","payment_status":"paid","amount_total":9223372036854775808,"currency":"ghs"`), payments.ErrMalformed, money.Amount{}, ""},
		{"no payment status", session(`"client_reference_id":"R","amount_total":1,"currency":"ghs"`), payments.ErrMalformed, money.Amount{}, ""},
		{"session of another type", event("checkout.session.completed", `[1]`), payments.ErrMalformed, money.Amount{}, ""},
		{"no id", `{"object":"event","type":"x","data":{"object":{}}}`, payments.ErrMalformed, money.Amount{}, ""},
		{"NUL in the type", event(`a\u0000b`, `{}`), payments.ErrMalformed, money.Amount{}, ""},
		{"no data", `{"id":"evt_1","object":"event","type":"customer.created"}`, payments.ErrMalformed, money.Amount{}, ""},
		{"not an event", `{"id":"evt_1","object":"v2.core.event"}`, payments.ErrMalformed, money.Amount{}, ""},
		{"cut off", `{"id":"evt_1","object":"ev`, payments.ErrMalformed, money.Amount{}, ""},
		{"null", `null`, payments.ErrMalformed, money.Amount{}, ""},
		{"an event we do not know, with anything inside", event("new.thing", `{"amount":{},"x":[1]}`), nil, money.Amount{}, payments.StatusUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := reader(t).VerifyWebhook([]byte(tc.body), signed(newSecret, []byte(tc.body)))
			if !errors.Is(err, tc.err) || (tc.err == nil) != (err == nil) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if tc.err == nil && (got.Amount != tc.amount || got.Status != tc.status) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestTestPaymentsDoNotPassForRealOnes(t *testing.T) {
	t.Parallel()
	test := fixture(t, "checkout_session_completed.json")
	real := bytes.Replace(test, []byte(`"created": 1772442921, "livemode": false`), []byte(`"created": 1772442921, "livemode": true`), 1)
	production := func(c *stripe.Config) { c.SecretKey = "sk_live_x" }
	if _, err := reader(t, production).VerifyWebhook(test, signed(newSecret, test)); !errors.Is(err, payments.ErrWrongMode) {
		t.Errorf("%v", err)
	}
	if _, err := reader(t).VerifyWebhook(real, signed(newSecret, real)); !errors.Is(err, payments.ErrWrongMode) {
		t.Errorf("%v", err)
	}
	if _, err := reader(t, production).VerifyWebhook(real, signed(newSecret, real)); err != nil {
		t.Errorf("%v", err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	live := func(c *stripe.Config) {
		c.SecretKey = "rk_live_restricted"
		c.Outbound.AllowNetworks, c.Outbound.AllowPlainHTTP = nil, false
	}
	for _, tc := range []struct {
		name       string
		change     func(*stripe.Config)
		production bool
		fault      string // Part of the message; empty means valid.
	}{
		{"development", func(*stripe.Config) {}, false, ""},
		{"production", live, true, ""},
		{"test key in production", func(c *stripe.Config) { live(c); c.SecretKey = apiKey }, true, "not a live secret key"},
		{"publishable key in production", func(c *stripe.Config) { live(c); c.SecretKey = "pk_live_hidden" }, true, "not a live secret key"},
		{"simulator's key in production", func(c *stripe.Config) { live(c); c.SecretKey = stripe.SimulatorSecretKey }, true, "STRIPE_SECRET_KEY: key 1 belongs to the simulator"},
		{"simulator's webhook secret in production", func(c *stripe.Config) {
			live(c)
			c.WebhookSecrets = []payments.SecretKey{stripe.SimulatorWebhookSecret}
		}, true, "STRIPE_WEBHOOK_SECRETS: key 1 belongs to the simulator"},
		{"other host in production", func(c *stripe.Config) { live(c); c.BaseURL = "https://api.stripe.com.evil.example" }, true, "STRIPE_BASE_URL"},
		{"simulator in production", func(c *stripe.Config) { live(c); c.BaseURL = "http://127.0.0.1:8095/stripe" }, true, "STRIPE_BASE_URL"},
		{"no key", func(c *stripe.Config) { c.SecretKey = "" }, false, "STRIPE_SECRET_KEY: key 1 is empty"},
		{"no webhook secret", func(c *stripe.Config) { c.WebhookSecrets = nil }, false, "STRIPE_WEBHOOK_SECRETS: want 1 or 2 keys, have 0"},
		{"empty second secret", func(c *stripe.Config) { c.WebhookSecrets = []payments.SecretKey{newSecret, ""} }, false, "key 2 is empty"},
		{"an API key as webhook secret", func(c *stripe.Config) { c.WebhookSecrets = []payments.SecretKey{apiKey} }, false, "not a signing secret"},
		{"three secrets", func(c *stripe.Config) { c.WebhookSecrets = []payments.SecretKey{"whsec_hidden", "whsec_b", "whsec_c"} }, false, "have 3"},
		{"no address to return to", func(c *stripe.Config) { c.ReturnURL = "shop" }, false, "STRIPE_RETURN_URL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(stripe.ProductionURL)
			tc.change(&cfg)
			err := cfg.Validate(tc.production)
			if tc.fault == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.fault) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%v", err)
			}
			if _, refused := stripe.New(cfg); !tc.production && refused == nil {
				t.Error("a client was made all the same")
			}
		})
	}
}

func FuzzVerifyWebhook(f *testing.F) {
	for _, name := range []string{
		"checkout_session_completed.json", "checkout_session_async_payment_failed.json", "charge_refunded.json", "charge_dispute_closed.json", "refund_failed.json", "customer_created.json",
	} {
		f.Add(fixture(f, name), "t=1772442921,v1=00")
	}
	f.Add([]byte(`{"id":"evt_1","object":"event","type":"charge.refunded","data":{"object":{"amount_refunded":1,"currency":"ghs"},"previous_attributes":{"amount_refunded":2}}}`), "t=,v1=")
	f.Add([]byte(`{"object":"event","data":null}`), "t=9223372036854775807,v1=00,t=x")
	c := reader(f)
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		if _, err := c.VerifyWebhook(body, header(text)); !errors.Is(err, payments.ErrSignature) {
			t.Fatalf("a forged signature passed: %v", err) // Nobody guesses an HMAC over the present time.
		}
		e, err := c.VerifyWebhook(body, signed(oldSecret, body))
		if err != nil {
			if !errors.Is(err, payments.ErrMalformed) && !errors.Is(err, payments.ErrWrongMode) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		if e.Type == "" || e.DedupeKey == "" || len(e.DedupeKey) > 255 || strings.ContainsRune(e.DedupeKey+e.Reference+e.Type+e.ProviderTransactionID+e.CaseID, 0) ||
			e.Amount.Minor < 0 || e.ReturnedTotal.Minor < 0 || !json.Valid(body) {
			t.Fatalf("%+v", e)
		}
		if e.Kind == payments.KindCharge && (e.Reference == "" || (e.Status == payments.StatusSucceeded && e.ProviderTransactionID == "")) {
			t.Fatalf("%+v", e)
		}
	})
}
