package fake_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"makola/pkg/payments/fake"
)

// FuzzBodies sends foreign bytes to everything that reads a body: each is granted or refused in JSON, and what is refused leaves no transaction and no fault.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{"email":"a@b.c","amount":9600,"reference":"AI-1","metadata":{"a":1}}`,
		`{"tx_ref":"AI-1","amount":96.5,"currency":"GHS","redirect_url":"https://a.example","customer":{"email":"a@b.c"},"meta":[1]}`,
		`{"operation":"webhook","kind":"slow","delay_ms":10}`, `{"reference":"AI-1","mode":"pay"}`, `{"transaction":1}`, `{}`, `[`, `{"amount":1e400}`,
		stripeForm, "mode=payment&line_items[0][quantity", "expand[]=a&expand[]=b", "a[][]=1&[b]=2", "amount=1&charge=ch_9223372036854775808", "%zz",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, target := range []struct {
			path, kind string
			key        fake.Secret
		}{
			{"/transaction/initialize", "application/json", fake.DefaultSecretKey},
			{"/refund", "application/json", fake.DefaultSecretKey},
			{"/flutterwave/v3/payments", "application/json", fake.DefaultFlutterwaveKey},
			{"/v1/checkout/sessions", "application/x-www-form-urlencoded", fake.DefaultStripeKey},
			{"/v1/refunds", "application/x-www-form-urlencoded", fake.DefaultStripeKey},
			{"/_simulator/faults", "application/json", ""},
			{"/_control/pay", "application/json", ""},
		} {
			sim, err := fake.New(fake.Config{})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target.path, strings.NewReader(body))
			r.Header.Set("Content-Type", target.kind)
			r.Header.Set("Authorization", "Bearer "+string(target.key))
			w := httptest.NewRecorder()
			sim.ServeHTTP(w, r)
			granted := w.Code == http.StatusOK || w.Code == http.StatusCreated
			if !json.Valid(w.Body.Bytes()) || w.Code >= http.StatusInternalServerError {
				t.Errorf("%s: %d %s", target.path, w.Code, w.Body)
			}
			all := httptest.NewRecorder()
			sim.ServeHTTP(all, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/_simulator/transactions", nil))
			var list struct{ Data []any }
			if err := json.Unmarshal(all.Body.Bytes(), &list); err != nil || (!granted && len(list.Data)+len(sim.Faults()) > 0) {
				t.Errorf("%s refused with %d and left %d transactions, %d faults: %v", target.path, w.Code, len(list.Data), len(sim.Faults()), err)
			}
			sim.Close()
		}
	})
}

// FuzzQueries does the same for what reads a query.
func FuzzQueries(f *testing.F) {
	for _, seed := range []string{
		"perPage=3&page=2&from=2026-01-01", "limit=2&created[gte]=1&expand[]=data.payment_intent", "starting_after=cs_test_1", "expand[=1", "created[x]=1", "page=-1", "a=1;b=2",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		sim, err := fake.New(fake.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer sim.Close()
		for path, key := range map[string]fake.Secret{
			"/transaction": fake.DefaultSecretKey, "/refund": fake.DefaultSecretKey, "/flutterwave/v3/transactions": fake.DefaultFlutterwaveKey,
			"/v1/checkout/sessions": fake.DefaultStripeKey, "/v1/refunds": fake.DefaultStripeKey,
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.URL = &url.URL{Path: path, RawQuery: query}
			r.Header.Set("Authorization", "Bearer "+string(key))
			w := httptest.NewRecorder()
			sim.ServeHTTP(w, r)
			if !json.Valid(w.Body.Bytes()) || (w.Code != http.StatusOK && w.Code != http.StatusBadRequest) {
				t.Errorf("%s?%s: %d %s", path, query, w.Code, w.Body)
			}
		}
	})
}
