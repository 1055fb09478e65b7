package paystack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"makola/pkg/money"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/paystack"
)

// against returns a client of a server with that handler, and the count of requests it got.
func against(t *testing.T, handler http.HandlerFunc) (*paystack.Client, *atomic.Int32) {
	t.Helper()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := paystack.New(paystack.Config{
		BaseURL: server.URL + "/", SecretKeys: []paystack.SecretKey{newKey, oldKey},
		Outbound: outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &requests
}

// answers always answers so.
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
	return payments.InitRequest{Reference: "AI-1", Email: "ama@example.com", Amount: money.FromMinor(9600, money.GHS), CallbackURL: "https://shop.example/r"}
}

func TestInitializeSendsMinorUnitsWithTheFirstKey(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("body: %v", err)
		}
		want := map[string]any{"reference": "AI-1", "email": "ama@example.com", "currency": "GHS", "callback_url": "https://shop.example/r"}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %v", k, got[k])
			}
		}
		if !strings.Contains(string(body), `"amount":9600,`) || r.Header.Get("Authorization") != "Bearer "+string(newKey) ||
			r.Method != http.MethodPost || r.URL.Path != "/transaction/initialize" {
			t.Errorf("%s %s %s", r.Method, r.URL.Path, body)
		}
		answers(http.StatusOK, `{"status":true,"message":"","data":{"authorization_url":"https://checkout.example/x","access_code":"x","reference":"AI-1"}}`)(w, r)
	})
	got, err := c.Initialize(t.Context(), validInit())
	want := payments.Checkout{Reference: "AI-1", URL: "https://checkout.example/x", AccessCode: "x"}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestInitializeRefusesWithoutCalling(t *testing.T) {
	t.Parallel()
	c, requests := against(t, answers(http.StatusOK, `{}`))
	for name, change := range map[string]func(*payments.InitRequest){
		"underscore":      func(r *payments.InitRequest) { r.Reference = "AI_1" },
		"path":            func(r *payments.InitRequest) { r.Reference = ".." },
		"empty reference": func(r *payments.InitRequest) { r.Reference = "" },
		"nothing to pay":  func(r *payments.InitRequest) { r.Amount.Minor = 0 },
		"negative":        func(r *payments.InitRequest) { r.Amount.Minor = -1 },
		"no currency":     func(r *payments.InitRequest) { r.Amount.Currency = "" },
		"XOF":             func(r *payments.InitRequest) { r.Amount.Currency = money.XOF },
		"no address":      func(r *payments.InitRequest) { r.Email = "ama" },
	} {
		req := validInit()
		change(&req)
		if _, err := c.Initialize(t.Context(), req); !errors.Is(err, payments.ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Verify(t.Context(), "../balance"); !errors.Is(err, payments.ErrUnknownReference) {
		t.Errorf("verify: %v", err)
	}
	if requests.Load() != 0 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/transaction/verify/AI-01JD8ZK3V7" {
			t.Errorf("path %s", r.URL.Path)
		}
		_, _ = w.Write(fixture(t, "verify_success.json"))
	})
	got, err := c.Verify(t.Context(), "AI-01JD8ZK3V7")
	want := payments.Verification{
		Provider: "paystack", Reference: "AI-01JD8ZK3V7", Status: payments.StatusSucceeded, ProviderStatus: "success",
		Amount: money.FromMinor(9600, money.GHS), ProviderTransactionID: "4099260516", Channel: "mobile_money",
		PaidAt: time.Date(2026, 3, 2, 9, 15, 21, 0, time.UTC),
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
			return ok && u.RetryAfter == d && errors.Is(err, payments.ErrUnavailable)
		}
	}
	data := func(members string) string { return `{"status":true,"message":"","data":{` + members + `}}` }
	for _, tc := range []struct {
		name     string
		handler  http.HandlerFunc
		want     func(error) bool
		requests int32
	}{
		{"unknown reference", answers(400, `{"status":false,"message":"Transaction reference not found.","code":"transaction_not_found"}`), is(payments.ErrUnknownReference), 1},
		{"unknown reference, as it used to be", answers(404, `{"status":false,"message":"Transaction reference not found"}`), is(payments.ErrUnknownReference), 1},
		{"duplicate reference", answers(400, `{"status":false,"message":"Duplicate Transaction Reference"}`), is(payments.ErrDuplicateReference), 1},
		{"key withdrawn", answers(401, `{"status":false,"message":"Invalid key"}`), declined, 1},
		{"status false with HTTP 200", answers(200, `{"status":false,"message":"No"}`), declined, 1},
		{"a refusal that is not JSON", answers(403, `<html>`), declined, 1},
		{"too many requests", answers(429, `{}`, "Retry-After", "7"), after(7 * time.Second), 1},
		{"outage with a time to come back", answers(503, `{}`, "Retry-After", "30"), after(30 * time.Second), 1},
		{"outage", answers(502, `<html>`), after(0), 3},
		{"redirect", answers(302, ``, "Location", "https://elsewhere.example/"), is(payments.ErrMalformed), 1},
		{"not JSON", answers(200, `<html>`), is(payments.ErrMalformed), 1},
		{"no data", answers(200, `{"status":true}`), is(payments.ErrMalformed), 1},
		{"another reference", answers(200, data(`"id":1,"status":"success","reference":"AI-2","amount":1,"currency":"GHS"`)), is(payments.ErrMalformed), 1},
		{"half a pesewa", answers(200, data(`"id":1,"status":"success","reference":"AI-1","amount":1.5,"currency":"GHS"`)), is(payments.ErrMalformed), 1},
		{"an endless answer", answers(200, strings.Repeat("x", 2<<20)), is(payments.ErrUnavailable), 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, requests := against(t, tc.handler)
			_, err := c.Verify(t.Context(), "AI-1")
			if !tc.want(err) || requests.Load() != tc.requests {
				t.Errorf("%d requests, %v", requests.Load(), err)
			}
			if err != nil && (strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), string(newKey))) {
				t.Errorf("the error shows too much: %v", err)
			}
		})
	}
}

func TestVerifyRecoversWithinItsRetries(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	c, requests := against(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(fixture(t, "verify_success.json"))
	})
	if _, err := c.Verify(t.Context(), "AI-01JD8ZK3V7"); err != nil || requests.Load() != 3 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

func TestInitializeIsNeverRepeatedAndTheBreakerOpens(t *testing.T) {
	t.Parallel()
	c, requests := against(t, answers(http.StatusInternalServerError, `{}`))
	for range 5 {
		if _, err := c.Initialize(t.Context(), validInit()); !errors.Is(err, payments.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if requests.Load() != 5 || c.BreakerState() != "open" {
		t.Fatalf("%d requests, breaker %s", requests.Load(), c.BreakerState())
	}
	_, err := c.Verify(t.Context(), "AI-1")
	u, ok := errors.AsType[*payments.UnavailableError](err)
	if !ok || u.RetryAfter <= 0 || u.RetryAfter > time.Minute || requests.Load() != 5 {
		t.Errorf("with the breaker open: %d requests, %v", requests.Load(), err)
	}
}

func TestRefusalsDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	c, _ := against(t, answers(http.StatusBadRequest, `{"status":false,"message":"No"}`))
	for range 20 {
		if _, err := c.Initialize(t.Context(), validInit()); errors.Is(err, payments.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if c.BreakerState() != "closed" {
		t.Error(c.BreakerState())
	}
}

func TestCancelledCallerIsToldSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := against(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := c.Verify(ctx, "AI-1"); !errors.Is(err, context.Canceled) || c.BreakerState() != "closed" {
		t.Errorf("%v", err)
	}
}

func TestStalledProviderIsUnavailableInTime(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"status":true,`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	c, err := paystack.New(paystack.Config{
		BaseURL: server.URL, SecretKeys: []paystack.SecretKey{newKey},
		Outbound: outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true, Timeout: 100 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := c.Initialize(t.Context(), validInit()); !errors.Is(err, payments.ErrUnavailable) || time.Since(began) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

func TestDeclinedMessageIsRedacted(t *testing.T) {
	t.Parallel()
	c, _ := against(t, answers(400, `{"status":false,"message":"Customer ama@example.com with sk_test_123 is blocked"}`))
	_, err := c.Initialize(t.Context(), validInit())
	if err == nil || strings.Contains(err.Error(), "ama@") || strings.Contains(err.Error(), "sk_test") || !strings.Contains(err.Error(), "is blocked") {
		t.Errorf("%v", err)
	}
}

func TestLoopbackIsRefusedByDefault(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	c, err := paystack.New(paystack.Config{BaseURL: server.URL, SecretKeys: []paystack.SecretKey{newKey}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Initialize(t.Context(), validInit()); !errors.Is(err, outbound.ErrForbiddenAddress) {
		t.Errorf("%v", err)
	}
}

func TestSecretKeyNeverPrints(t *testing.T) {
	t.Parallel()
	cfg := paystack.Config{SecretKeys: []paystack.SecretKey{"sk_live_secret"}}
	asJSON, err := json.Marshal(cfg.SecretKeys)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), fmt.Sprintf("%q %x", cfg.SecretKeys, cfg.SecretKeys), string(asJSON)} {
		if strings.Contains(text, "secret") {
			t.Error(text)
		}
	}
}

func TestRefundAsksForTheAmountAndIsNeverRepeated(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/refund" ||
			string(body) != `{"transaction":"1004723697","amount":2000,"currency":"GHS","merchant_note":"two of ten"}` {
			t.Errorf("%s %s %s", r.Method, r.URL.Path, body)
		}
		_, _ = w.Write(fixture(t, "refund_create.json"))
	})
	got, err := c.Refund(t.Context(), payments.RefundRequest{
		Reference: "AI-1", ProviderTransactionID: "1004723697", Amount: money.FromMinor(2000, money.GHS), Reason: "two of ten", IdempotencyKey: "refund-1",
	})
	want := payments.Refund{Provider: "paystack", ID: "3018284", State: payments.ReturnPending, ProviderStatus: "pending", Amount: money.FromMinor(2000, money.GHS)}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	down, requests := against(t, answers(http.StatusBadGateway, `{}`))
	if _, err := down.Refund(t.Context(), payments.RefundRequest{Reference: "AI-1", Amount: money.FromMinor(1, money.GHS)}); !errors.Is(err, payments.ErrUnavailable) || requests.Load() != 1 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

func TestRefundRefusesWithoutCalling(t *testing.T) {
	t.Parallel()
	c, requests := against(t, answers(http.StatusOK, `{}`))
	for _, req := range []payments.RefundRequest{
		{Reference: "", Amount: money.FromMinor(1, money.GHS)},
		{Reference: "AI-1", Amount: money.FromMinor(0, money.GHS)},
		{Reference: "AI-1", Amount: money.FromMinor(-1, money.GHS)},
		{Reference: "AI-1", Amount: money.FromMinor(1, money.XOF)},
	} {
		if _, err := c.Refund(t.Context(), req); !errors.Is(err, payments.ErrInvalidRequest) {
			t.Errorf("%+v: %v", req, err)
		}
	}
	if requests.Load() != 0 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestListPagesThroughAPeriodAndKeepsToIt(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/transaction" || q.Get("from") != "2026-03-02T00:00:00Z" || q.Get("to") != "2026-03-03T00:00:00Z" || q.Get("perPage") != "100" {
			t.Errorf("%s", r.URL)
		}
		_, _ = w.Write(fixture(t, "list_page"+q.Get("page")+".json"))
	})
	req := payments.ListRequest{From: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)}
	var references []string
	for range 10 {
		page, err := c.List(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Payments {
			references = append(references, p.Reference+" "+string(p.Status)+" "+p.Amount.Display())
		}
		if req.Cursor = page.Next; req.Cursor == "" {
			break
		}
	}
	want := []string{"AI-1 succeeded GHS 96.00", "AI-2 abandoned GHS 36.00", "AI-3 failed GHS 12.00"} // The payment of the next day is not among them.
	if strings.Join(references, "|") != strings.Join(want, "|") {
		t.Errorf("%q", references)
	}
	for _, bad := range []payments.ListRequest{{From: req.To, To: req.From}, {From: req.From, To: req.To, Cursor: "x"}, {From: req.From, To: req.To, Cursor: "0"}} {
		if _, err := c.List(t.Context(), bad); !errors.Is(err, payments.ErrInvalidRequest) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
