package flutterwave_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"makola/pkg/money"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/flutterwave"
)

const (
	apiKey    payments.SecretKey = "FLWSECK_TEST-hidden"
	newSecret payments.SecretKey = "a new secret hash"
	oldSecret payments.SecretKey = "the-old-secret-hash"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// settings are valid ones, for a server at that address.
func settings(url string) flutterwave.Config {
	return flutterwave.Config{
		BaseURL: url, SecretKey: apiKey, WebhookSecrets: []payments.SecretKey{"a-new-secret-hash", oldSecret}, WebhookMode: flutterwave.ModeSignature,
		Outbound: outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true, Logger: slog.New(slog.DiscardHandler)},
	}
}

// against returns a client of a server with that handler, and the count of requests it got.
func against(t *testing.T, handler http.HandlerFunc, change ...func(*flutterwave.Config)) (*flutterwave.Client, *atomic.Int32) {
	t.Helper()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	cfg := settings(server.URL + "/v3/")
	for _, fn := range change {
		fn(&cfg)
	}
	c, err := flutterwave.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &requests
}

func answers(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func validInit() payments.InitRequest {
	return payments.InitRequest{
		Reference: "AI-1", Email: "ama@example.com", Amount: money.FromMinor(9650, money.GHS), CallbackURL: "https://shop.example/r", Channels: []string{"card", "mobile_money"},
	}
}

func TestInitializeSendsMajorUnits(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		want := `{"tx_ref":"AI-1","amount":96.50,"currency":"GHS","redirect_url":"https://shop.example/r","payment_options":"card,mobilemoneyghana",` +
			`"session_duration":1440,"customer":{"email":"ama@example.com"}}`
		if string(body) != want || r.Header.Get("Authorization") != "Bearer "+string(apiKey) || r.Method != http.MethodPost || r.URL.Path != "/v3/payments" {
			t.Errorf("%s %s %s", r.Method, r.URL.Path, body)
		}
		answers(http.StatusOK, `{"status":"success","message":"Hosted Link","data":{"link":"https://checkout.example/v3/hosted/pay/x"}}`)(w, r)
	})
	got, err := c.Initialize(t.Context(), validInit())
	want := payments.Checkout{Reference: "AI-1", URL: "https://checkout.example/v3/hosted/pay/x"}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

// Flutterwave insists on a page to return to; a purchase need not name one.
func TestABrowserReturnsToUsWhenThePurchaseNamesNoPage(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"redirect_url":"https://makola.example/"`) {
			t.Errorf("%s", body)
		}
		answers(http.StatusOK, `{"status":"success","message":"Hosted Link","data":{"link":"https://checkout.example/v3/hosted/pay/x"}}`)(w, r)
	}, func(cfg *flutterwave.Config) { cfg.ReturnURL = "https://makola.example/" })
	req := validInit()
	req.CallbackURL = ""
	if _, err := c.Initialize(t.Context(), req); err != nil {
		t.Error(err)
	}
}

func TestWhatTheRulesForbidIsNotSent(t *testing.T) {
	t.Parallel()
	c, requests := against(t, answers(http.StatusOK, `{}`))
	for name, change := range map[string]func(*payments.InitRequest){
		"empty reference":  func(r *payments.InitRequest) { r.Reference = "" },
		"no page to go to": func(r *payments.InitRequest) { r.CallbackURL = "" },
		"space":            func(r *payments.InitRequest) { r.Reference = "AI 1" },
		"long reference":   func(r *payments.InitRequest) { r.Reference = strings.Repeat("A", 101) },
		"nothing to pay":   func(r *payments.InitRequest) { r.Amount.Minor = 0 },
		"yen":              func(r *payments.InitRequest) { r.Amount.Currency = money.JPY },
		"no address":       func(r *payments.InitRequest) { r.Email = "ama" },
	} {
		req := validInit()
		change(&req)
		if _, err := c.Initialize(t.Context(), req); !errors.Is(err, payments.ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, req := range map[string]payments.RefundRequest{
		"no transaction id": {Reference: "AI-1", Amount: money.FromMinor(1, money.GHS)},
		"a path as the id":  {Reference: "AI-1", ProviderTransactionID: "../1", Amount: money.FromMinor(1, money.GHS)},
		"nothing":           {Reference: "AI-1", ProviderTransactionID: "1", Amount: money.FromMinor(0, money.GHS)},
	} {
		if _, err := c.Refund(t.Context(), req); !errors.Is(err, payments.ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Verify(t.Context(), "AI\n1"); !errors.Is(err, payments.ErrUnknownReference) {
		t.Errorf("verify: %v", err)
	}
	if requests.Load() != 0 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestVerifyByReference(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/v3/transactions/verify_by_reference?tx_ref=AI-01JD8ZK3V7" {
			t.Errorf("%s", r.URL)
		}
		_, _ = w.Write(fixture(t, "verify_success.json"))
	})
	got, err := c.Verify(t.Context(), "AI-01JD8ZK3V7")
	want := payments.Verification{
		Provider: "flutterwave", Reference: "AI-01JD8ZK3V7", Status: payments.StatusSucceeded, ProviderStatus: "successful", Amount: money.FromMinor(9650, money.GHS),
		ProviderTransactionID: "285959875", Channel: "mobile_money", PaidAt: time.Date(2026, 3, 2, 9, 15, 21, 0, time.UTC),
	}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAnswersBecomeTypedErrors(t *testing.T) {
	t.Parallel()
	declined := func(err error) bool { _, ok := errors.AsType[*payments.DeclinedError](err); return ok }
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	after := func(d time.Duration) func(error) bool {
		return func(err error) bool {
			u, ok := errors.AsType[*payments.UnavailableError](err)
			return ok && u.RetryAfter == d
		}
	}
	data := func(members string) string { return `{"status":"success","message":"","data":{` + members + `}}` }
	for _, tc := range []struct {
		name     string
		handler  http.HandlerFunc
		want     func(error) bool
		requests int32
	}{
		{"unknown reference", answers(404, `{"status":"error","message":"No transaction was found for this id","data":null}`), is(payments.ErrUnknownReference), 1},
		{"duplicate reference", answers(400, `{"status":"error","message":"Merchant transaction reference already exists","data":null}`), is(payments.ErrDuplicateReference), 1},
		{"key withdrawn", answers(401, `{"status":"error","message":"Invalid authorization key","data":null}`), declined, 1},
		{"error with HTTP 200", answers(200, `{"status":"error","message":"No"}`), declined, 1},
		{"too many requests", answers(429, `{}`, "Retry-After", "7"), after(7 * time.Second), 1},
		{"outage with a time to come back", answers(503, `{}`, "Retry-After", "30"), after(30 * time.Second), 1},
		{"outage", answers(502, `<html>`), after(0), 3},
		{"redirect", answers(302, ``, "Location", "https://elsewhere.example/"), is(payments.ErrMalformed), 1},
		{"not JSON", answers(200, `<html>`), is(payments.ErrMalformed), 1},
		{"no data", answers(200, `{"status":"success"}`), is(payments.ErrMalformed), 1},
		{"another reference", answers(200, data(`"id":1,"status":"successful","tx_ref":"AI-2","amount":1,"currency":"GHS"`)), is(payments.ErrMalformed), 1},
		{"half a pesewa", answers(200, data(`"id":1,"status":"successful","tx_ref":"AI-1","amount":1.005,"currency":"GHS"`)), is(payments.ErrMalformed), 1},
		{"half a franc", answers(200, data(`"id":1,"status":"successful","tx_ref":"AI-1","amount":1.5,"currency":"XOF"`)), is(payments.ErrMalformed), 1},
		{"an endless answer", answers(200, strings.Repeat("x", 2<<20)), is(payments.ErrUnavailable), 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, requests := against(t, tc.handler)
			_, err := c.Verify(t.Context(), "AI-1")
			if !tc.want(err) || requests.Load() != tc.requests {
				t.Errorf("%d requests, %v", requests.Load(), err)
			}
			if err != nil && (strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "hidden")) {
				t.Errorf("the error shows too much: %v", err)
			}
		})
	}
}

func TestRefundSendsMajorUnitsAndIsNeverRepeated(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/v3/transactions/285959875/refund" || string(body) != `{"amount":20.50,"comments":"two of ten"}` {
			t.Errorf("%s %s %s", r.Method, r.URL.Path, body)
		}
		_, _ = w.Write(fixture(t, "refund.json"))
	})
	req := payments.RefundRequest{Reference: "AI-1", ProviderTransactionID: "285959875", Amount: money.FromMinor(2050, money.GHS), Reason: "two of ten"}
	got, err := c.Refund(t.Context(), req)
	want := payments.Refund{Provider: "flutterwave", ID: "75923", State: payments.ReturnDone, ProviderStatus: "completed", Amount: money.FromMinor(2050, money.GHS)}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	down, requests := against(t, answers(http.StatusBadGateway, `{}`))
	if _, err := down.Refund(t.Context(), req); !errors.Is(err, payments.ErrUnavailable) || requests.Load() != 1 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

func TestListKeepsToThePeriodThoughFlutterwaveCountsDays(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/v3/transactions" || q.Get("from") != "2026-03-01" || q.Get("to") != "2026-03-02" {
			t.Errorf("%s", r.URL)
		}
		_, _ = w.Write(fixture(t, "list_page"+q.Get("page")+".json"))
	})
	req := payments.ListRequest{From: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	var got []string
	for range 10 {
		page, err := c.List(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Payments {
			got = append(got, p.Reference+" "+string(p.Status)+" "+p.Amount.Display())
		}
		if req.Cursor = page.Next; req.Cursor == "" {
			break
		}
	}
	if strings.Join(got, "|") != "AI-4 succeeded GHS 96.50|AI-2 failed GHS 36.00" {
		t.Errorf("%q", got)
	}
	midnight := payments.ListRequest{From: req.From, To: req.From}
	if _, err := c.List(t.Context(), midnight); !errors.Is(err, payments.ErrInvalidRequest) {
		t.Errorf("%v", err)
	}
}

// What we send is what we read back, in every currency; and no amount is ever read with digits that the currency does not have.
func TestAmountsSurviveTheJourneyInMajorUnits(t *testing.T) {
	t.Parallel()
	currencies := []money.Currency{money.GHS, money.NGN, money.USD, money.EUR, money.GBP, money.KES, money.ZAR, money.XOF, money.XAF, money.RWF, money.UGX, money.TZS, money.EGP}
	var sent atomic.Value
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			var in struct {
				Amount   json.RawMessage `json:"amount"`
				Currency string          `json:"currency"`
			}
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				t.Error(err)
			}
			sent.Store(`{"status":"success","data":{"id":1,"tx_ref":"AI-1","status":"successful","amount":` + string(in.Amount) + `,"currency":"` + in.Currency + `"}}`)
			_, _ = io.WriteString(w, `{"status":"success","data":{"link":"https://checkout.example/"}}`)
			return
		}
		_, _ = io.WriteString(w, sent.Load().(string))
	})
	rapid.Check(t, func(rt *rapid.T) {
		req := validInit()
		req.Amount = money.FromMinor(rapid.Int64Min(1).Draw(rt, "minor"), rapid.SampledFrom(currencies).Draw(rt, "currency"))
		if _, err := c.Initialize(t.Context(), req); err != nil {
			rt.Fatal(err)
		}
		got, err := c.Verify(t.Context(), "AI-1")
		if err != nil || got.Amount != req.Amount {
			rt.Fatalf("%v became %v: %v", req.Amount, got.Amount, err)
		}
	})
}

func TestTheObserverIsToldOfEveryCallAndOfNothingElse(t *testing.T) {
	t.Parallel()
	var calls []payments.Call
	status := http.StatusBadGateway
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		answers(status, `{"status":"error","message":"No transaction was found for this id"}`)(w, r)
	}, func(cfg *flutterwave.Config) {
		cfg.Observe = func(_ context.Context, call payments.Call) { calls = append(calls, call) } // in this goroutine
	})
	for range 2 { // Three attempts, then two more, and the breaker opens.
		if _, err := c.Verify(t.Context(), "AI-1"); !errors.Is(err, payments.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if len(calls) != 5 || c.BreakerState() != "open" {
		t.Fatalf("%d calls, breaker %s", len(calls), c.BreakerState())
	}
	for _, call := range calls {
		if call.Provider != "flutterwave" || call.Err == nil || call.Err.Error() != "HTTP 502" {
			t.Errorf("%+v", call)
		}
	}
	_, err := c.Initialize(t.Context(), validInit())
	if u, ok := errors.AsType[*payments.UnavailableError](err); !ok || u.RetryAfter <= 0 || len(calls) != 5 {
		t.Errorf("what the breaker refuses is no call: %d calls, %v", len(calls), err)
	}

	calls, status = nil, http.StatusNotFound
	fine, _ := against(t, answers(status, `{"status":"error","message":"No transaction was found for this id"}`), func(cfg *flutterwave.Config) {
		cfg.Observe = func(_ context.Context, call payments.Call) { calls = append(calls, call) }
	})
	if _, err := fine.Verify(t.Context(), "AI-1"); !errors.Is(err, payments.ErrUnknownReference) || len(calls) != 1 || calls[0].Err != nil {
		t.Errorf("a refusal is an answer: %+v, %v", calls, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fine.Verify(gone, "AI-1"); !errors.Is(err, context.Canceled) || len(calls) != 1 {
		t.Errorf("a caller that left says nothing about the provider: %+v, %v", calls, err)
	}
}

func TestLogsAndErrorsShowNoSecretAndNoAddress(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c, _ := against(t, answers(400, `{"status":"error","message":"Customer ama@example.com with FLWSECK_TEST-hidden is blocked"}`), func(cfg *flutterwave.Config) {
		cfg.Outbound.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	_, err := c.Initialize(t.Context(), validInit())
	for _, text := range []string{err.Error(), log.String()} {
		if text == "" || strings.Contains(text, "hidden") || strings.Contains(text, "ama@") || strings.Contains(text, "AI-1&") {
			t.Errorf("%s", text)
		}
	}
	if !strings.Contains(err.Error(), "is blocked") {
		t.Errorf("%v", err)
	}
}
