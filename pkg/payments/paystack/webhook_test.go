package paystack_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/paystack"
)

const (
	newKey paystack.SecretKey = "sk_test_new"
	oldKey paystack.SecretKey = "sk_test_old"
)

func newClient(t testing.TB, keys ...paystack.SecretKey) *paystack.Client {
	t.Helper()
	c, err := paystack.New(paystack.Config{BaseURL: "https://api.paystack.co", SecretKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func signed(key paystack.SecretKey, body []byte) http.Header {
	h := http.Header{}
	h.Set(paystack.SignatureHeader, paystack.Sign(key, body))
	return h
}

// The value comes from: printf '{"event":"charge.success"}' | openssl dgst -sha512 -hmac sk_test_vector
func TestSignAgreesWithOpenSSL(t *testing.T) {
	t.Parallel()
	const want = "517ea843284ab0a4e93327d8d494c77a2e3017ce22b5d650a3012a141d7ae62fb6b9282e6026dcd66590d30664c7b06034273fdcc3d793de5e847b73c7e56146"
	if got := paystack.Sign("sk_test_vector", []byte(`{"event":"charge.success"}`)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	body := fixture(t, "charge_success.json")
	right := paystack.Sign(newKey, body)
	flipped := bytes.Replace(body, []byte("9600"), []byte("9601"), 1)
	for _, tc := range []struct {
		name   string
		body   []byte
		header string
		ok     bool
	}{
		{"signed with the first key", body, right, true},
		{"signed with the second key", body, paystack.Sign(oldKey, body), true},
		{"capital letters", body, strings.ToUpper(right), true},
		{"signed with another key", body, paystack.Sign("sk_test_foreign", body), false},
		{"signed with the empty key", body, paystack.Sign("", body), false},
		{"one byte of the body flipped", flipped, right, false},
		{"body re-serialised", bytes.ReplaceAll(body, []byte(" "), nil), right, false},
		{"one digit of the signature flipped", body, strings.Replace(right, right[:1], string("0123456789abcdef0"[strings.Index("0123456789abcdef", right[:1])+1]), 1), false},
		{"cut short", body, right[:126], false},
		{"too long", body, right + "00", false},
		{"not hex", body, strings.Repeat("z", 128), false},
		{"missing", body, "", false},
		{"empty body", nil, right, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			if tc.header != "" {
				header.Set("x-paystack-signature", tc.header)
			}
			_, err := newClient(t, newKey, oldKey).VerifyWebhook(tc.body, header)
			if (err == nil) != tc.ok || (!tc.ok && !errors.Is(err, payments.ErrSignature)) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestEventsOfPaystack(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]payments.Event{
		"charge_success.json": {
			Provider: "paystack", Type: "charge.success", DedupeKey: "charge.success:4099260516:success", Reference: "AI-01JD8ZK3V7",
			Kind: payments.KindCharge, Status: payments.StatusSucceeded, Amount: money.FromMinor(9600, money.GHS), ProviderTransactionID: "4099260516",
			PaidAt: time.Date(2026, 3, 2, 9, 15, 21, 0, time.UTC), Evidence: payments.BodyBound,
		},
		"refund_processed.json": {
			Provider: "paystack", Type: "refund.processed", Reference: "AI-01JD8ZK3V7", Status: payments.StatusUnknown,
			Kind: payments.KindRefund, Return: payments.ReturnDone, CaseID: "132013318360",
			DedupeKey: "refund.processed:sha256-:processed", Amount: money.FromMinor(9600, money.GHS), Evidence: payments.BodyBound,
		},
		"charge_dispute_create.json": {
			Provider: "paystack", Type: "charge.dispute.create", DedupeKey: "charge.dispute.create:358950:awaiting-merchant-feedback",
			Kind: payments.KindDispute, Return: payments.ReturnPending, CaseID: "358950", Amount: money.FromMinor(9600, money.GHS),
			Reference: "AI-01JD8ZK3V7", Status: payments.StatusUnknown, ProviderTransactionID: "4099260516", Evidence: payments.BodyBound,
		},
		"customeridentification_success.json": {
			Provider: "paystack", Type: "customeridentification.success", Status: payments.StatusUnknown,
			DedupeKey: "customeridentification.success:sha256-:", Evidence: payments.BodyBound,
		},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			body := fixture(t, file)
			got, err := newClient(t, newKey).VerifyWebhook(body, signed(newKey, body))
			if err != nil {
				t.Fatal(err)
			}
			if i := strings.Index(got.DedupeKey, "sha256-"); i >= 0 { // The hash itself is not the point here.
				if len(got.DedupeKey) < i+7+64 {
					t.Errorf("dedupe key %s", got.DedupeKey)
				}
				got.DedupeKey, want.DedupeKey = "", ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEventShapes(t *testing.T) {
	t.Parallel()
	charge := func(data string) string { return `{"event":"charge.success","data":{` + data + `}}` }
	for _, tc := range []struct {
		name, body string
		err        error
		want       payments.Event // Only the fields that matter for the case.
	}{
		{"amount with zeros behind the point", charge(`"id":1,"status":"success","reference":"R","amount":9600.00,"currency":"GHS"`), nil,
			payments.Event{Reference: "R", Amount: money.FromMinor(9600, money.GHS), Status: payments.StatusSucceeded}},
		{"id beyond 53 bits stays exact", charge(`"id":9007199254740993,"status":"success","reference":"R","amount":1,"currency":"GHS"`), nil,
			payments.Event{Reference: "R", Amount: money.FromMinor(1, money.GHS), Status: payments.StatusSucceeded, ProviderTransactionID: "9007199254740993"}},
		{"not successful in spite of its name", charge(`"id":1,"status":"failed","reference":"R","amount":1,"currency":"GHS"`), nil,
			payments.Event{Reference: "R", Amount: money.FromMinor(1, money.GHS), Status: payments.StatusFailed}},
		{"currency we do not take equals no amount", charge(`"id":1,"status":"success","reference":"R","amount":1,"currency":"XOF"`), nil,
			payments.Event{Reference: "R", Status: payments.StatusSucceeded}},
		{"half a pesewa", charge(`"id":1,"status":"success","reference":"R","amount":9600.5,"currency":"GHS"`), payments.ErrMalformed, payments.Event{}},
		{"negative", charge(`"id":1,"status":"success","reference":"R","amount":-1,"currency":"GHS"`), payments.ErrMalformed, payments.Event{}},
		{"amount beyond 64 bits", charge(`"id":1,"status":"success","reference":"R","amount":1e30,"currency":"GHS"`), payments.ErrMalformed, payments.Event{}},
		{"no amount", charge(`"id":1,"status":"success","reference":"R","currency":"GHS"`), payments.ErrMalformed, payments.Event{}},
		{"no reference", charge(`"id":1,"status":"success","amount":1,"currency":"GHS"`), payments.ErrMalformed, payments.Event{}},
		{"reference of another type", charge(`"id":1,"status":"success","reference":7,"amount":1,"currency":"GHS"`), payments.ErrMalformed, payments.Event{}},
		{"NUL in the reference", charge(`"id":1,"status":"success","reference":"R\u0000","amount":1,"currency":"GHS"`), payments.ErrMalformed, payments.Event{}},
		{"no id", charge(`"status":"success","reference":"R","amount":1,"currency":"GHS"`), payments.ErrMalformed, payments.Event{}},
		{"no event", `{"data":{}}`, payments.ErrMalformed, payments.Event{}},
		{"NUL in the event", `{"event":"a\u0000b"}`, payments.ErrMalformed, payments.Event{}},
		{"cut off", `{"event":"charge.succ`, payments.ErrMalformed, payments.Event{}},
		{"two values", `{"event":"x"}{"event":"y"}`, payments.ErrMalformed, payments.Event{}},
		{"array", `[]`, payments.ErrMalformed, payments.Event{}},
		{"null", `null`, payments.ErrMalformed, payments.Event{}},
		{"unknown event without data", `{"event":"new.thing"}`, nil, payments.Event{Status: payments.StatusUnknown}},
		{"unknown event with other types inside", `{"event":"new.thing","data":{"id":"abc","reference":5,"amount":{},"transaction":3}}`, nil,
			payments.Event{Status: payments.StatusUnknown, ProviderTransactionID: "abc"}},
		{"unknown event with a list as data", `{"event":"new.thing","data":[1]}`, nil, payments.Event{Status: payments.StatusUnknown}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := newClient(t, newKey).VerifyWebhook([]byte(tc.body), signed(newKey, []byte(tc.body)))
			if !errors.Is(err, tc.err) || (tc.err == nil) != (err == nil) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if tc.err != nil {
				return
			}
			if got.Reference != tc.want.Reference || got.Amount != tc.want.Amount || got.Status != tc.want.Status ||
				(tc.want.ProviderTransactionID != "" && got.ProviderTransactionID != tc.want.ProviderTransactionID) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestDedupeKeySeparatesWhatDiffers(t *testing.T) {
	t.Parallel()
	c := newClient(t, newKey)
	key := func(body string) string {
		e, err := c.VerifyWebhook([]byte(body), signed(newKey, []byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		return e.DedupeKey
	}
	bodies := []string{
		`{"event":"refund.pending","data":{"id":1,"status":"a"}}`,
		`{"event":"refund.pending","data":{"id":1,"status":"b"}}`,
		`{"event":"refund.pending","data":{"id":2,"status":"a"}}`,
		`{"event":"refund.failed","data":{"id":1,"status":"a"}}`,
		`{"event":"refund.pending","data":{"id":"1:a","status":""}}`,
		`{"event":"refund.pending","data":{"id":"1","status":"a:"}}`,
		`{"event":"refund.pending","data":{"status":"a","n":1}}`,
		`{"event":"refund.pending","data":{"status":"a","n":2}}`,
		`{"event":"refund.pending","data":{"id":"` + strings.Repeat("x", 500) + `","status":"a"}}`,
		`{"event":"` + strings.Repeat("e", 200) + `","data":{"id":"` + strings.Repeat("x", 199) + `","status":"` + strings.Repeat("x", 5000) + `"}}`,
	}
	seen := map[string]string{}
	for _, body := range bodies {
		k := key(body)
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s have the same key %s", body, other, k)
		}
		if len(k) > 255 {
			t.Errorf("key of %d bytes", len(k))
		}
		seen[k] = body
	}
	if key(bodies[0]) != key(`{"data":{"status":"a","id":1,"retry":true},"event":"refund.pending"}`) {
		t.Error("the same fact, sent again, has another key")
	}
}

func FuzzVerifyWebhook(f *testing.F) {
	for _, name := range []string{"charge_success.json", "refund_processed.json", "charge_dispute_create.json", "customeridentification_success.json"} {
		f.Add(fixture(f, name), "")
	}
	f.Add([]byte(`{"event":"charge.success","data":{"id":1,"status":"success","reference":"R","amount":1e2,"currency":"GHS"}}`), strings.Repeat("0", 128))
	f.Add([]byte(`{"event":"x","data":[]}`), "zz")
	c := newClient(f, newKey)
	f.Fuzz(func(t *testing.T, body []byte, signature string) {
		forged := http.Header{}
		forged.Set(paystack.SignatureHeader, signature)
		if _, err := c.VerifyWebhook(body, forged); err == nil && !strings.EqualFold(signature, paystack.Sign(newKey, body)) {
			t.Fatal("a forged signature was accepted")
		}
		e, err := c.VerifyWebhook(body, signed(newKey, body))
		if err != nil {
			if !errors.Is(err, payments.ErrMalformed) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		if e.Type == "" || e.DedupeKey == "" || len(e.DedupeKey) > 255 || strings.ContainsRune(e.DedupeKey+e.Reference+e.Type+e.ProviderTransactionID, 0) {
			t.Fatalf("%+v", e)
		}
		if e.Amount.Minor < 0 || (e.Type == paystack.EventChargeSuccess && (e.Reference == "" || e.ProviderTransactionID == "")) {
			t.Fatalf("%+v", e)
		}
	})
}

func BenchmarkVerifyWebhook(b *testing.B) {
	body := fixture(b, "charge_success.json")
	header := signed(oldKey, body)
	for name, keys := range map[string][]paystack.SecretKey{"oneKey": {oldKey}, "twoKeys": {newKey, oldKey}} {
		b.Run(name, func(b *testing.B) {
			c := newClient(b, keys...)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.VerifyWebhook(body, header); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestRefundsAndDisputesTellHowFarTheyHaveCome(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		kind       payments.Kind
		want       payments.ReturnState
	}{
		{"refund asked for", `{"event":"refund.pending","data":{"status":"pending"}}`, payments.KindRefund, payments.ReturnPending},
		{"refund waits for the payer", `{"event":"refund.processing","data":{"status":"needs-attention"}}`, payments.KindRefund, payments.ReturnPending},
		{"refund processed", `{"event":"refund.processed","data":{"status":"processed"}}`, payments.KindRefund, payments.ReturnDone},
		{"refund failed", `{"event":"refund.failed","data":{"status":"failed"}}`, payments.KindRefund, payments.ReturnDenied},
		{"refund in a new state", `{"event":"refund.new","data":{"status":"dreaming"}}`, payments.KindRefund, ""},
		{"dispute waits for us", `{"event":"charge.dispute.remind","data":{"id":1,"status":"awaiting-merchant-feedback"}}`, payments.KindDispute, payments.ReturnPending},
		{"dispute won", `{"event":"charge.dispute.resolve","data":{"id":1,"status":"resolved","resolution":"declined"}}`, payments.KindDispute, payments.ReturnDenied},
		{"dispute accepted", `{"event":"charge.dispute.resolve","data":{"id":1,"status":"resolved","resolution":"merchant-accepted"}}`, payments.KindDispute, payments.ReturnDone},
		{"dispute lost by silence", `{"event":"charge.dispute.resolve","data":{"id":1,"status":"resolved","resolution":"auto-accepted"}}`, payments.KindDispute, payments.ReturnDone},
		{"dispute resolved in a new way", `{"event":"charge.dispute.resolve","data":{"id":1,"status":"resolved","resolution":"draw"}}`, payments.KindDispute, ""},
		{"something else", `{"event":"transfer.success","data":{"status":"processed"}}`, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := newClient(t, newKey).VerifyWebhook([]byte(tc.body), signed(newKey, []byte(tc.body)))
			if err != nil || got.Kind != tc.kind || got.Return != tc.want || got.Charge() || got.Status != payments.StatusUnknown {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
