package stripe_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"makola/pkg/money"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/stripe"
)

const (
	apiKey    payments.SecretKey = "sk_test_hidden"
	newSecret payments.SecretKey = "whsec_new"
	oldSecret payments.SecretKey = "whsec_old"
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
func settings(url string) stripe.Config {
	return stripe.Config{
		BaseURL: url, SecretKey: apiKey, WebhookSecrets: []payments.SecretKey{newSecret, oldSecret}, ReturnURL: "https://makola.example/",
		Outbound: outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true, Logger: slog.New(slog.DiscardHandler)},
	}
}

// against returns a client of a server with that handler, and the count of requests it got.
func against(t *testing.T, handler http.HandlerFunc, change ...func(*stripe.Config)) (*stripe.Client, *atomic.Int32) {
	t.Helper()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	cfg := settings(server.URL + "/stripe/")
	for _, fn := range change {
		fn(&cfg)
	}
	c, err := stripe.New(cfg)
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

func fault(kind, code, message string) string {
	return `{"error":{"type":"` + kind + `","code":"` + code + `","message":"` + message + `"}}`
}

func validInit() payments.InitRequest {
	return payments.InitRequest{
		Reference: "AI-1", Email: "ama@example.com", Amount: money.FromMinor(9600, money.GHS), CallbackURL: "https://shop.example/r?x=1", Channels: []string{"card"},
		Metadata: map[string]string{"package": "value"},
	}
}

func TestInitializeSendsOneSessionUnderOneKey(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		for name, want := range map[string]string{
			"mode": "payment", "client_reference_id": "AI-1", "customer_email": "ama@example.com", "success_url": "https://shop.example/r?reference=AI-1&x=1",
			"cancel_url": "https://shop.example/r?reference=AI-1&x=1", "metadata[reference]": "AI-1", "metadata[package]": "value",
			"payment_intent_data[metadata][reference]": "AI-1", "line_items[0][quantity]": "1", "line_items[0][price_data][unit_amount]": "9600",
			"line_items[0][price_data][currency]": "ghs", "payment_method_types[0]": "card",
		} {
			if got := r.PostForm.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		if r.Method != http.MethodPost || r.URL.Path != "/stripe/v1/checkout/sessions" || r.Header.Get("Idempotency-Key") != "checkout-AI-1" ||
			r.Header.Get("Authorization") != "Bearer "+string(apiKey) || r.Header.Get("X-Stripe-Client-Telemetry") != "" {
			t.Errorf("%s %s %v", r.Method, r.URL.Path, r.Header)
		}
		_, _ = w.Write(fixture(t, "session_created.json"))
	})
	got, err := c.Initialize(t.Context(), validInit())
	want := payments.Checkout{Reference: "AI-1", URL: "https://checkout.stripe.com/c/pay/cs_test_a1B2c3", AccessCode: "cs_test_a1B2c3"}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestInitializeGoesBackToTheConfiguredPageWhenNoneIsNamed(t *testing.T) {
	t.Parallel()
	c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.PostFormValue("success_url"); got != "https://makola.example/?reference=AI-1" {
			t.Errorf("%s", got)
		}
		_, _ = w.Write(fixture(t, "session_created.json"))
	})
	req := validInit()
	req.CallbackURL = ""
	if _, err := c.Initialize(t.Context(), req); err != nil {
		t.Error(err)
	}
}

func TestWhatTheRulesForbidIsNotSent(t *testing.T) {
	t.Parallel()
	c, requests := against(t, answers(http.StatusOK, `{}`), func(cfg *stripe.Config) { cfg.ReturnURL = "" })
	for name, change := range map[string]func(*payments.InitRequest){
		"empty reference":     func(r *payments.InitRequest) { r.Reference = "" },
		"path":                func(r *payments.InitRequest) { r.Reference = "../x" },
		"nothing to pay":      func(r *payments.InitRequest) { r.Amount.Minor = 0 },
		"Ugandan shillings":   func(r *payments.InitRequest) { r.Amount.Currency = money.UGX },
		"no address":          func(r *payments.InitRequest) { r.Email = "ama" },
		"no page to go to":    func(r *payments.InitRequest) { r.CallbackURL = "" },
		"a page without host": func(r *payments.InitRequest) { r.CallbackURL = "/relative" },
	} {
		req := validInit()
		change(&req)
		if _, err := c.Initialize(t.Context(), req); !errors.Is(err, payments.ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, req := range map[string]payments.RefundRequest{
		"no payment intent":  {Reference: "AI-1", Amount: money.FromMinor(1, money.GHS), IdempotencyKey: "k"},
		"no idempotency key": {Reference: "AI-1", ProviderTransactionID: "pi_1", Amount: money.FromMinor(1, money.GHS)},
		"nothing":            {Reference: "AI-1", ProviderTransactionID: "pi_1", Amount: money.FromMinor(0, money.GHS), IdempotencyKey: "k"},
	} {
		if _, err := c.Refund(t.Context(), req); !errors.Is(err, payments.ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Verify(t.Context(), "../balance", payments.Opening{AccessCode: "cs_1"}); !errors.Is(err, payments.ErrUnknownReference) {
		t.Errorf("%v", err)
	}
	for _, opened := range [][]payments.Opening{nil, {{}}, {{AccessCode: "../balance"}}} {
		if _, err := c.Verify(t.Context(), "AI-1", opened...); !errors.Is(err, payments.ErrInvalidRequest) {
			t.Errorf("%v: %v", opened, err)
		}
	}
	if requests.Load() != 0 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestVerifyReadsSessionIntentAndCharge(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]payments.Verification{
		"session_created.json": {Status: payments.StatusPending, ProviderStatus: "open/unpaid"},
		"session_paid.json": {
			Status: payments.StatusSucceeded, ProviderStatus: "complete/paid", ProviderTransactionID: "pi_3MtwBw", PaidAt: time.Unix(1772442920, 0).UTC(), Channel: "card",
		},
		"session_refunded.json": {Status: payments.StatusReversed, ProviderStatus: "complete/paid", ProviderTransactionID: "pi_3MtwBw", Channel: "card"},
		"session_given_up.json": {Status: payments.StatusFailed, ProviderStatus: "complete/unpaid", ProviderTransactionID: "pi_3MtwBw"},
		"session_expired.json":  {Status: payments.StatusFailed, ProviderStatus: "expired/unpaid"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			c, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/stripe/v1/checkout/sessions/cs_test_a1B2c3" || r.URL.Query().Get("expand[0]") != "payment_intent.latest_charge" {
					t.Errorf("%s", r.URL)
				}
				_, _ = w.Write(fixture(t, file))
			})
			want.Provider, want.Reference, want.Amount = "stripe", "AI-1", money.FromMinor(9600, money.GHS)
			got, err := c.Verify(t.Context(), "AI-1", payments.Opening{AccessCode: "cs_test_a1B2c3", At: time.Now()})
			if err != nil || got != want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// pages serves list_page1.json and, after its last session, list_page2.json, and checks the period.
func pages(t *testing.T, from, to int64) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/stripe/v1/checkout/sessions" || q.Get("created[gte]") != strconv.FormatInt(from, 10) || q.Get("created[lt]") != strconv.FormatInt(to, 10) || q.Get("limit") != "100" {
			t.Errorf("%s", r.URL)
		}
		switch q.Get("starting_after") {
		case "":
			_, _ = w.Write(fixture(t, "list_page1.json"))
		case "cs_test_2":
			_, _ = w.Write(fixture(t, "list_page2.json"))
		default:
			t.Errorf("%s", r.URL)
		}
	}
}

func TestVerifyFindsALostSessionByItsTimeAndPrefersThePaidOne(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	c, requests := against(t, pages(t, at.Add(-time.Minute).Unix(), at.Add(25*time.Hour).Unix()))
	got, err := c.Verify(t.Context(), "AI-1", payments.Opening{At: at})
	if err != nil || got.Status != payments.StatusSucceeded || got.Reference != "AI-1" || requests.Load() != 2 {
		t.Errorf("%d requests, %+v, %v", requests.Load(), got, err)
	}
	if _, err := c.Verify(t.Context(), "AI-9", payments.Opening{At: at}); !errors.Is(err, payments.ErrUnknownReference) {
		t.Errorf("%v", err)
	}
}

func TestListPagesThroughAPeriodAndLeavesOutWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	req := payments.ListRequest{From: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)}
	c, _ := against(t, pages(t, req.From.Unix(), req.To.Unix()))
	var got []string
	for range 10 {
		page, err := c.List(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Payments {
			got = append(got, p.Reference+" "+string(p.Status))
		}
		if req.Cursor = page.Next; req.Cursor == "" {
			break
		}
	}
	if strings.Join(got, "|") != "AI-4 succeeded|AI-2 pending|AI-1 failed|AI-1 succeeded" {
		t.Errorf("%q", got)
	}
	for _, bad := range []payments.ListRequest{{From: req.To, To: req.From}, {From: req.From, To: req.To, Cursor: "cs_1&limit=1"}} {
		if _, err := c.List(t.Context(), bad); !errors.Is(err, payments.ErrInvalidRequest) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestAListThatDoesNotMoveOnEnds(t *testing.T) {
	t.Parallel()
	c, requests := against(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(fixture(t, "list_page1.json")) })
	if _, err := c.Verify(t.Context(), "AI-9", payments.Opening{At: time.Now()}); !errors.Is(err, payments.ErrMalformed) || requests.Load() != 2 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

func TestRefundCarriesItsKeySoItMayBeRepeated(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	c, requests := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stripe/v1/refunds" || r.Header.Get("Idempotency-Key") != "refund-k1" || r.PostFormValue("payment_intent") != "pi_3MtwBw" ||
			r.PostFormValue("amount") != "2000" || r.PostFormValue("metadata[reference]") != "AI-1" || r.PostFormValue("metadata[reason]") != "two of ten" {
			t.Errorf("%s %v", r.URL.Path, r.PostForm)
		}
		if n.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(fixture(t, "refund.json"))
	})
	got, err := c.Refund(t.Context(), payments.RefundRequest{
		Reference: "AI-1", ProviderTransactionID: "pi_3MtwBw", Amount: money.FromMinor(2000, money.GHS), Reason: "two of ten", IdempotencyKey: "k1",
	})
	want := payments.Refund{Provider: "stripe", ID: "re_1Nispe", State: payments.ReturnPending, ProviderStatus: "pending", Amount: money.FromMinor(2000, money.GHS)}
	if err != nil || got != want || requests.Load() != 2 {
		t.Errorf("%d requests, %+v, %v", requests.Load(), got, err)
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
	for _, tc := range []struct {
		name     string
		handler  http.HandlerFunc
		want     func(error) bool
		requests int32
	}{
		{"unknown session", answers(404, fault("invalid_request_error", "resource_missing", "No such checkout.session")), is(payments.ErrUnknownReference), 1},
		{"another request under the same key", answers(400, fault("idempotency_error", "", "Keys for idempotent requests")), is(payments.ErrDuplicateReference), 1},
		{"key withdrawn", answers(401, fault("invalid_request_error", "", "Invalid API Key provided: sk_test_hidden")), declined, 1},
		{"card declined", answers(402, fault("card_error", "card_declined", "Your card was declined")), declined, 1},
		{"too many requests", answers(429, fault("invalid_request_error", "rate_limit", "slow"), "Retry-After", "7"), after(7 * time.Second), 1},
		{"outage with a time to come back", answers(503, `<html>`, "Retry-After", "30"), after(30 * time.Second), 1},
		{"outage", answers(502, `<html>`), after(0), 3},
		{"outage in Stripe's words", answers(500, fault("api_error", "", "sorry")), after(0), 3},
		{"redirect", answers(302, ``, "Location", "https://elsewhere.example/"), is(payments.ErrMalformed), 1},
		{"not JSON", answers(200, `<html>`), is(payments.ErrMalformed), 1},
		{"a refusal that is not JSON", answers(403, `<html>`), is(payments.ErrMalformed), 1},
		{"another reference", answers(200, `{"id":"cs_1","client_reference_id":"AI-2","payment_status":"paid","amount_total":1,"currency":"ghs"}`), is(payments.ErrMalformed), 1},
		{"half a pesewa", answers(200, `{"id":"cs_1","client_reference_id":"AI-1","payment_status":"paid","amount_total":1.5,"currency":"ghs"}`), is(payments.ErrMalformed), 1},
		{"an endless answer", answers(200, strings.Repeat("x", 2<<20)), is(payments.ErrUnavailable), 3},
		{"an answer cut off", answers(200, `{"id":"cs_1",`, "Content-Length", "100"), is(payments.ErrUnavailable), 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, requests := against(t, tc.handler)
			_, err := c.Verify(t.Context(), "AI-1", payments.Opening{AccessCode: "cs_1"})
			if !tc.want(err) || requests.Load() != tc.requests {
				t.Errorf("%d requests, %v", requests.Load(), err)
			}
			if err != nil && (strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "hidden")) {
				t.Errorf("the error shows too much: %v", err)
			}
		})
	}
}

func TestStalledStripeIsUnavailableInTimeAndTheBreakerOpens(t *testing.T) {
	t.Parallel()
	var calls []payments.Call
	c, requests := against(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"id":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(cfg *stripe.Config) {
		// A request that needs longer to arrive is not counted there, and ends alike.
		cfg.Outbound.Timeout = 200 * time.Millisecond
		cfg.Observe = func(_ context.Context, call payments.Call) { calls = append(calls, call) } // in this goroutine
	})
	began := time.Now()
	for range 2 {
		if _, err := c.Initialize(t.Context(), validInit()); !errors.Is(err, payments.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if time.Since(began) > 30*time.Second || requests.Load() > 5 || len(calls) != 5 || c.BreakerState() != "open" {
		t.Errorf("after %v: %d requests, %d calls, breaker %s", time.Since(began), requests.Load(), len(calls), c.BreakerState())
	}
	for _, call := range calls {
		if call.Provider != "stripe" || call.Err == nil || strings.Contains(call.Err.Error(), "127.0.0.1") {
			t.Errorf("%+v", call)
		}
	}
}

func TestCancelledCallerIsToldSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := against(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := c.Verify(ctx, "AI-1", payments.Opening{AccessCode: "cs_1"}); !errors.Is(err, context.Canceled) || c.BreakerState() != "closed" {
		t.Errorf("%v", err)
	}
}

func TestLogsAndErrorsShowNoSecretAndNoAddress(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c, _ := against(t, answers(400, fault("invalid_request_error", "", "Customer ama@example.com with sk_test_hidden is blocked")), func(cfg *stripe.Config) {
		cfg.Outbound.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	_, err := c.Initialize(t.Context(), validInit())
	for _, text := range []string{err.Error(), log.String()} {
		if text == "" || strings.Contains(text, "hidden") || strings.Contains(text, "ama@") || strings.Contains(text, url.QueryEscape("ama@example.com")) {
			t.Errorf("%s", text)
		}
	}
	if !strings.Contains(err.Error(), "is blocked") {
		t.Errorf("%v", err)
	}
}
