package flutterwave_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/flutterwave"
)

const first payments.SecretKey = "a-new-secret-hash"

func reader(t testing.TB, mode flutterwave.WebhookMode) *flutterwave.Client {
	t.Helper()
	cfg := settings("https://api.flutterwave.com/v3")
	cfg.WebhookMode = mode
	c, err := flutterwave.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func signed(secret payments.SecretKey, body []byte) http.Header {
	return http.Header{flutterwave.SignatureHeader: {flutterwave.Sign(secret, body)}}
}

// The value comes from: printf '{"event":"charge.completed"}' | openssl dgst -sha256 -hmac vector -binary | base64
func TestSignAgreesWithOpenSSL(t *testing.T) {
	t.Parallel()
	const want = "HRByb77UBwSDyc+dheM7m11NcCwMUzz2O1N36VjhmQ0="
	if got := flutterwave.Sign("vector", []byte(`{"event":"charge.completed"}`)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestSignatureMode(t *testing.T) {
	t.Parallel()
	body := fixture(t, "charge_completed.json")
	right := flutterwave.Sign(first, body)
	raw, err := base64.StdEncoding.DecodeString(right)
	if err != nil {
		t.Fatal(err)
	}
	raw[0] ^= 1
	for _, tc := range []struct {
		name   string
		body   []byte
		header http.Header
		ok     bool
	}{
		{"signed with the first secret", body, signed(first, body), true},
		{"signed with the second secret", body, signed(oldSecret, body), true},
		{"signed with another secret", body, signed("foreign", body), false},
		{"signed with the empty secret", body, signed("", body), false},
		{"one byte of the body flipped", bytes.Replace(body, []byte("96.5"), []byte("96.4"), 1), signed(first, body), false},
		{"body re-serialised", bytes.ReplaceAll(body, []byte(" "), nil), signed(first, body), false},
		{"one bit of the signature flipped", body, http.Header{flutterwave.SignatureHeader: {base64.StdEncoding.EncodeToString(raw)}}, false},
		{"cut short", body, http.Header{flutterwave.SignatureHeader: {right[:20]}}, false},
		{"in hexadecimal", body, http.Header{flutterwave.SignatureHeader: {strings.Repeat("ab", 32)}}, false},
		{"the bare secret is no signature", body, http.Header{flutterwave.SignatureHeader: {string(first)}, flutterwave.HashHeader: {string(first)}}, false},
		{"missing", body, http.Header{}, false},
		{"empty body", nil, signed(first, body), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := reader(t, flutterwave.ModeSignature).VerifyWebhook(tc.body, tc.header)
			if (err == nil) != tc.ok || (!tc.ok && !errors.Is(err, payments.ErrSignature)) {
				t.Fatalf("%v", err)
			}
			if tc.ok && got.Evidence != payments.BodyBound {
				t.Errorf("evidence %s", got.Evidence)
			}
		})
	}
}

func TestHashModeIsOnlyAHint(t *testing.T) {
	t.Parallel()
	body := fixture(t, "charge_completed.json")
	hash := func(text string) http.Header { return http.Header{flutterwave.HashHeader: {text}} }
	for _, tc := range []struct {
		name   string
		body   []byte
		header http.Header
		ok     bool
	}{
		{"the first secret", body, hash(string(first)), true},
		{"the second secret", body, hash(string(oldSecret)), true},
		{"in the header of older set-ups", body, http.Header{flutterwave.SignatureHeader: {string(first)}}, true},
		{"whatever the body: it is not bound", bytes.Replace(body, []byte("96.5"), []byte("1e3"), 1), hash(string(first)), true},
		{"one byte flipped", body, hash("b-new-secret-hash"), false},
		{"a prefix", body, hash("a-new"), false},
		{"both secrets", body, hash(string(first) + "," + string(oldSecret)), false},
		{"empty", body, hash(""), false},
		{"missing", body, http.Header{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := reader(t, flutterwave.ModeHash).VerifyWebhook(tc.body, tc.header)
			if (err == nil) != tc.ok || (!tc.ok && !errors.Is(err, payments.ErrSignature)) {
				t.Fatalf("%v", err)
			}
			if tc.ok && (got.Evidence != payments.Hint || !payments.VerifyEvidence.MustAsk(got)) {
				t.Errorf("evidence %s", got.Evidence)
			}
		})
	}
}

func TestEventsOfFlutterwave(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 15, 21, 0, time.UTC)
	for file, want := range map[string]payments.Event{
		"charge_completed.json": {
			Provider: "flutterwave", Type: "charge.completed", Kind: payments.KindCharge, DedupeKey: "charge.completed:285959875:successful", Reference: "AI-01JD8ZK3V7",
			Status: payments.StatusSucceeded, Amount: money.FromMinor(9650, money.GHS), ProviderTransactionID: "285959875", PaidAt: at, Evidence: payments.BodyBound,
		},
		"charge_completed_failed.json": {
			Provider: "flutterwave", Type: "charge.completed", Kind: payments.KindCharge, DedupeKey: "charge.completed:408136545:failed", Reference: "AI-01JD8ZK3V7",
			Status: payments.StatusFailed, Amount: money.FromMinor(9600, money.GHS), ProviderTransactionID: "408136545", Evidence: payments.BodyBound,
		},
		"transfer_completed.json": {
			Provider: "flutterwave", Type: "transfer.completed", DedupeKey: "transfer.completed:33286:SUCCESSFUL", Status: payments.StatusUnknown,
			ProviderTransactionID: "33286", Evidence: payments.BodyBound,
		},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			body := fixture(t, file)
			got, err := reader(t, flutterwave.ModeSignature).VerifyWebhook(body, signed(first, body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEventShapes(t *testing.T) {
	t.Parallel()
	charge := func(data string) string { return `{"event":"charge.completed","data":{` + data + `}}` }
	for _, tc := range []struct {
		name, body string
		err        error
		amount     money.Amount
		status     payments.Status
	}{
		{"whole cedis", charge(`"id":1,"status":"successful","tx_ref":"R","amount":2500,"currency":"GHS"`), nil, money.FromMinor(250000, money.GHS), payments.StatusSucceeded},
		{"in scientific notation", charge(`"id":1,"status":"successful","tx_ref":"R","amount":2.5e3,"currency":"GHS"`), nil, money.FromMinor(250000, money.GHS), payments.StatusSucceeded},
		{"as text", charge(`"id":1,"status":"successful","tx_ref":"R","amount":"96.50","currency":"GHS"`), nil, money.FromMinor(9650, money.GHS), payments.StatusSucceeded},
		{"francs have no hundredths", charge(`"id":1,"status":"successful","tx_ref":"R","amount":2500,"currency":"XOF"`), nil, money.FromMinor(2500, money.XOF), payments.StatusSucceeded},
		{"a new status", charge(`"id":1,"status":"thinking","tx_ref":"R","amount":1,"currency":"GHS"`), nil, money.FromMinor(100, money.GHS), payments.StatusUnknown},
		{"a currency we do not take equals no amount", charge(`"id":1,"status":"successful","tx_ref":"R","amount":1,"currency":"JPY"`), nil, money.Amount{}, payments.StatusSucceeded},
		{"a tenth of a pesewa", charge(`"id":1,"status":"successful","tx_ref":"R","amount":96.501,"currency":"GHS"`), payments.ErrMalformed, money.Amount{}, ""},
		{"what a float would have made of it", charge(`"id":1,"status":"successful","tx_ref":"R","amount":96.50000000000001,"currency":"GHS"`), payments.ErrMalformed, money.Amount{}, ""},
		{"negative", charge(`"id":1,"status":"successful","tx_ref":"R","amount":-1,"currency":"GHS"`), payments.ErrMalformed, money.Amount{}, ""},
		{"beyond 64 bits", charge(`"id":1,"status":"successful","tx_ref":"R","amount":1e30,"currency":"GHS"`), payments.ErrMalformed, money.Amount{}, ""},
		{"no amount", charge(`"id":1,"status":"successful","tx_ref":"R","currency":"GHS"`), payments.ErrMalformed, money.Amount{}, ""},
		{"no reference", charge(`"id":1,"status":"successful","amount":1,"currency":"GHS"`), payments.ErrMalformed, money.Amount{}, ""},
		{"NUL in the reference", charge(`"id":1,"status":"successful","tx_ref":"R\u0000","amount":1,"currency":"GHS"`), payments.ErrMalformed, money.Amount{}, ""},
		{"no id", charge(`"status":"successful","tx_ref":"R","amount":1,"currency":"GHS"`), payments.ErrMalformed, money.Amount{}, ""},
		{"no event", `{"data":{}}`, payments.ErrMalformed, money.Amount{}, ""},
		{"cut off", `{"event":"charge.comp`, payments.ErrMalformed, money.Amount{}, ""},
		{"two values", `{"event":"x"}{"event":"y"}`, payments.ErrMalformed, money.Amount{}, ""},
		{"null", `null`, payments.ErrMalformed, money.Amount{}, ""},
		{"another event with other types inside", `{"event":"new.thing","data":{"id":[1],"tx_ref":5,"amount":{}}}`, nil, money.Amount{}, payments.StatusUnknown},
		{"another event with a list as data", `{"event":"new.thing","data":[1]}`, nil, money.Amount{}, payments.StatusUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := reader(t, flutterwave.ModeSignature).VerifyWebhook([]byte(tc.body), signed(first, []byte(tc.body)))
			if !errors.Is(err, tc.err) || (tc.err == nil) != (err == nil) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if tc.err == nil && (got.Amount != tc.amount || got.Status != tc.status) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAnEventsOwnIDIsItsKey(t *testing.T) {
	t.Parallel()
	c := reader(t, flutterwave.ModeSignature)
	key := func(body string) string {
		e, err := c.VerifyWebhook([]byte(body), signed(first, []byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		return e.DedupeKey
	}
	with := key(`{"id":"wbk_1","event":"x","data":{"id":1,"status":"a"}}`)
	if with != "id:wbk_1:a" || with == key(`{"id":"wbk_2","event":"x","data":{"id":1,"status":"a"}}`) || with == key(`{"id":"wbk_1","event":"x","data":{"id":1,"status":"b"}}`) {
		t.Errorf("%s", with)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		change     func(*flutterwave.Config)
		production bool
		fault      string // Part of the message; empty means valid.
	}{
		{"development", func(*flutterwave.Config) {}, false, ""},
		{"production", live, true, ""},
		{"test key in production", func(c *flutterwave.Config) { live(c); c.SecretKey = "FLWSECK_TEST-hidden" }, true, "not a live secret key"},
		{"simulator's key in production", func(c *flutterwave.Config) { live(c); c.SecretKey = flutterwave.SimulatorSecretKey }, true, "belongs to the simulator"},
		{"simulator's webhook secret in production", func(c *flutterwave.Config) {
			live(c)
			c.WebhookSecrets = []payments.SecretKey{flutterwave.SimulatorWebhookSecret}
		}, true, "FLUTTERWAVE_WEBHOOK_SECRETS: key 1 belongs to the simulator"},
		{"other host in production", func(c *flutterwave.Config) { live(c); c.BaseURL = "https://api.flutterwave.com.evil.example/v3" }, true, "FLUTTERWAVE_BASE_URL"},
		{"plain HTTP in production", func(c *flutterwave.Config) { live(c); c.BaseURL = "http://api.flutterwave.com/v3" }, true, "FLUTTERWAVE_BASE_URL"},
		{"no key", func(c *flutterwave.Config) { c.SecretKey = "" }, false, "FLUTTERWAVE_SECRET_KEY: key 1 is empty"},
		{"no webhook secret", func(c *flutterwave.Config) { c.WebhookSecrets = nil }, false, "FLUTTERWAVE_WEBHOOK_SECRETS: want 1 or 2 keys, have 0"},
		{"empty webhook secret", func(c *flutterwave.Config) { c.WebhookSecrets = []payments.SecretKey{""} }, false, "FLUTTERWAVE_WEBHOOK_SECRETS: key 1 is empty"},
		{"empty second secret", func(c *flutterwave.Config) { c.WebhookSecrets = []payments.SecretKey{"hidden", ""} }, false, "key 2 is empty"},
		{"three secrets", func(c *flutterwave.Config) { c.WebhookSecrets = []payments.SecretKey{"hidden", "b", "c"} }, false, "have 3"},
		{"white space", func(c *flutterwave.Config) { c.WebhookSecrets = []payments.SecretKey{newSecret} }, false, "white space"},
		{"unknown mode", func(c *flutterwave.Config) { c.WebhookMode = "trust" }, false, "FLUTTERWAVE_WEBHOOK_MODE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(flutterwave.ProductionURL)
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
			if _, refused := flutterwave.New(cfg); !tc.production && refused == nil {
				t.Error("a client was made all the same")
			}
		})
	}
}

func live(c *flutterwave.Config) {
	c.SecretKey = "FLWSECK-0123"
	c.Outbound.AllowNetworks, c.Outbound.AllowPlainHTTP = nil, false
}

func FuzzVerifyWebhook(f *testing.F) {
	for _, name := range []string{"charge_completed.json", "charge_completed_failed.json", "transfer_completed.json"} {
		f.Add(fixture(f, name), "")
	}
	f.Add([]byte(`{"event":"charge.completed","data":{"id":1,"status":"successful","tx_ref":"R","amount":1e2,"currency":"GHS"}}`), strings.Repeat("A", 44))
	f.Add([]byte(`{"event":"x","data":[]}`), string(oldSecret))
	bound, hint := reader(f, flutterwave.ModeSignature), reader(f, flutterwave.ModeHash)
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		forged := http.Header{flutterwave.SignatureHeader: {text}, flutterwave.HashHeader: {text}}
		if _, err := bound.VerifyWebhook(body, forged); !errors.Is(err, payments.ErrSignature) && text != flutterwave.Sign(first, body) && text != flutterwave.Sign(oldSecret, body) {
			t.Fatalf("a forged signature passed: %v", err)
		}
		if _, err := hint.VerifyWebhook(body, forged); !errors.Is(err, payments.ErrSignature) && text != string(first) && text != string(oldSecret) {
			t.Fatalf("a forged hash passed: %v", err)
		}
		e, err := bound.VerifyWebhook(body, signed(oldSecret, body))
		if err != nil {
			if !errors.Is(err, payments.ErrMalformed) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		if e.Type == "" || e.DedupeKey == "" || len(e.DedupeKey) > 255 || strings.ContainsRune(e.DedupeKey+e.Reference+e.Type+e.ProviderTransactionID, 0) || e.Amount.Minor < 0 {
			t.Fatalf("%+v", e)
		}
		if e.Kind == payments.KindCharge && (e.Reference == "" || e.ProviderTransactionID == "") {
			t.Fatalf("%+v", e)
		}
	})
}
