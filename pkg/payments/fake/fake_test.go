package fake_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"makola/pkg/money"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
)

// receiver is a webhook endpoint that verifies what it gets and answers with the next status of answers, then 200.
type receiver struct {
	*httptest.Server

	client *paystack.Client

	mu      sync.Mutex
	answers []int
	events  []payments.Event
	bad     []error
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		var event payments.Event
		if event, err = r.client.VerifyWebhook(body, req.Header); err == nil {
			r.events = append(r.events, event)
		}
	}
	if err != nil {
		r.bad = append(r.bad, err)
	}
	if len(r.answers) > 0 {
		w.WriteHeader(r.answers[0])
		r.answers = r.answers[1:]
	}
}

func (r *receiver) received(t *testing.T) []payments.Event {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bad) > 0 {
		t.Fatalf("bad webhooks: %v", r.bad)
	}
	return append([]payments.Event(nil), r.events...)
}

// world is a simulator, a client of it and the receiver of its webhooks.
type world struct {
	sim    *fake.Simulator
	client *paystack.Client
	hook   *receiver
	url    string
}

func newWorld(t *testing.T, retries []time.Duration, answers ...int) *world {
	t.Helper()
	hook := &receiver{answers: answers}
	hook.Server = httptest.NewServer(hook)
	t.Cleanup(hook.Close)
	sim, err := fake.New(fake.Config{WebhookURL: hook.URL + "/api/webhooks/paystack", RetryDelays: retries})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	client, err := paystack.New(paystack.Config{
		BaseURL: server.URL, SecretKeys: []paystack.SecretKey{fake.DefaultSecretKey},
		Outbound: outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	hook.mu.Lock()
	hook.client = client
	hook.mu.Unlock()
	return &world{sim: sim, client: client, hook: hook, url: server.URL}
}

// open initializes a payment of GHS 96.00.
func (w *world) open(t *testing.T, reference, callback string) payments.Checkout {
	t.Helper()
	checkout, err := w.client.Initialize(t.Context(), payments.InitRequest{
		Reference: reference, Email: "ama@example.com", Amount: money.FromMinor(9600, money.GHS), CallbackURL: callback,
		Metadata: map[string]string{"shop": "demo"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return checkout
}

// eventually waits until done, for a minute at most.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	asked := money.FromMinor(9600, money.GHS)
	for _, tc := range []struct {
		mode     fake.Mode
		webhooks int
		status   payments.Status
		amount   money.Amount
	}{
		{fake.Pay, 1, payments.StatusSucceeded, asked},
		{fake.Fail, 0, payments.StatusFailed, asked},
		{fake.Twice, 2, payments.StatusSucceeded, asked},
		{fake.Lose, 0, payments.StatusSucceeded, asked},
		{fake.WrongAmount, 1, payments.StatusSucceeded, money.FromMinor(9599, money.GHS)},
		{fake.WrongCurrency, 1, payments.StatusSucceeded, money.FromMinor(9600, money.NGN)},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, []time.Duration{})
			w.open(t, "AI-1", "")
			before, err := w.client.Verify(t.Context(), "AI-1")
			if err != nil || before.Status != payments.StatusAbandoned || !before.PaidAt.IsZero() {
				t.Fatalf("before paying: %+v, %v", before, err)
			}
			if _, err := w.sim.Pay("AI-1", tc.mode); err != nil {
				t.Fatal(err)
			}
			eventually(t, "webhooks delivered", func() bool { return len(w.sim.Deliveries()) == tc.webhooks })
			after, err := w.client.Verify(t.Context(), "AI-1")
			if err != nil || after.Status != tc.status || after.Amount != tc.amount {
				t.Fatalf("after: %+v, %v", after, err)
			}
			for _, e := range w.hook.received(t) {
				if e.Reference != "AI-1" || e.Status != tc.status || e.Amount != tc.amount || e.ProviderTransactionID != after.ProviderTransactionID {
					t.Errorf("webhook %+v, verify %+v", e, after)
				}
			}
			w.sim.Close()
			if got := len(w.hook.received(t)); got != tc.webhooks {
				t.Errorf("%d webhooks, want %d", got, tc.webhooks)
			}
		})
	}
}

func TestLateSuccessAfterFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.open(t, "AI-1", "")
	for _, mode := range []fake.Mode{fake.Fail, fake.Pay} {
		if _, err := w.sim.Pay("AI-1", mode); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
	}
	eventually(t, "webhook", func() bool { return len(w.hook.received(t)) == 1 })
}

func TestConcurrentPaymentsOfOneReferencePayOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.open(t, "AI-1", "")
	var wg sync.WaitGroup
	var mu sync.Mutex
	paid := 0
	for range 16 {
		wg.Go(func() {
			if _, err := w.sim.Pay("AI-1", fake.Pay); err == nil {
				mu.Lock()
				defer mu.Unlock()
				paid++
			}
		})
	}
	wg.Wait()
	if paid != 1 {
		t.Errorf("paid %d times", paid)
	}
}

func TestDeliveryIsRetriedUntil200AndThenNoMore(t *testing.T) {
	t.Parallel()
	pause := time.Millisecond
	t.Run("succeeds at the third attempt", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, []time.Duration{pause, pause, pause}, http.StatusServiceUnavailable, http.StatusAccepted)
		w.open(t, "AI-1", "")
		if _, err := w.sim.Pay("AI-1", fake.Pay); err != nil {
			t.Fatal(err)
		}
		eventually(t, "delivered", func() bool {
			d := w.sim.Deliveries()
			return len(d) == 3 && d[2].Delivered && d[2].Attempt == 3 && !d[1].Delivered && d[0].HTTPStatus == http.StatusServiceUnavailable
		})
		events := w.hook.received(t)
		if events[0].DedupeKey != events[2].DedupeKey {
			t.Error("redeliveries have different dedupe keys")
		}
	})
	t.Run("gives up", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, []time.Duration{pause}, 500, 500, 500)
		w.open(t, "AI-1", "")
		if _, err := w.sim.Pay("AI-1", fake.Pay); err != nil {
			t.Fatal(err)
		}
		eventually(t, "two attempts", func() bool { return len(w.sim.Deliveries()) == 2 })
		w.sim.Close()
		if got := len(w.hook.received(t)); got != 2 {
			t.Errorf("%d attempts", got)
		}
	})
}

func TestCloseDoesNotWaitForPendingRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []time.Duration{time.Hour}, 500)
	w.open(t, "AI-1", "")
	if _, err := w.sim.Pay("AI-1", fake.Pay); err != nil {
		t.Fatal(err)
	}
	eventually(t, "first attempt", func() bool { return len(w.sim.Deliveries()) == 1 })
	w.sim.Close()
}

func do(t *testing.T, method, target, contentType, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestCheckoutPage(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	w := newWorld(t, nil)
	checkout := w.open(t, "AI-1", "https://shop.example/return?from=checkout")
	if checkout.URL != w.url+"/checkout/"+checkout.AccessCode {
		t.Fatalf("page at %s", checkout.URL)
	}
	resp, text := do(t, http.MethodGet, checkout.URL, "", "")
	for _, want := range []string{"GHS 96.00", "AI-1", "ama@example.com", `value="pay"`, `value="fail"`, `value="twice"`, `value="lose"`} {
		if !strings.Contains(text, want) {
			t.Errorf("page lacks %q", want)
		}
	}
	if resp.StatusCode != http.StatusOK || strings.Contains(text, "://cdn") || resp.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("status %d, headers %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := do(t, http.MethodPost, checkout.URL, form, "mode=steal"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("unknown mode: %d", resp.StatusCode)
	}
	resp, _ = do(t, http.MethodPost, checkout.URL, form, "mode=pay")
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusSeeOther || back.Host != "shop.example" ||
		back.Query().Get("reference") != "AI-1" || back.Query().Get("trxref") != "AI-1" || back.Query().Get("from") != "checkout" {
		t.Errorf("return: %d %v %v", resp.StatusCode, back, err)
	}
	if resp, text := do(t, http.MethodPost, checkout.URL, form, "mode=pay"); resp.StatusCode != http.StatusConflict || !strings.Contains(text, "Nothing was charged again") {
		t.Errorf("second payment: %d", resp.StatusCode)
	}
	if _, text := do(t, http.MethodGet, checkout.URL, "", ""); strings.Contains(text, `value="pay"`) || !strings.Contains(text, "Return to the shop") {
		t.Error("a paid page still offers to pay")
	}
	if resp, _ := do(t, http.MethodGet, w.url+"/checkout/nonsense", "", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("unknown page: %d", resp.StatusCode)
	}
	if resp, _ := do(t, http.MethodGet, w.url+"/assets/simulator.css", "", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("style: %d", resp.StatusCode)
	}
	eventually(t, "one webhook", func() bool { return len(w.hook.received(t)) == 1 })
}

func TestPageEscapesForeignText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	checkout, err := w.client.Initialize(t.Context(), payments.InitRequest{
		Reference: "AI-1", Email: `"<script>alert(1)</script>"@example.com`, Amount: money.FromMinor(100, money.GHS),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, text := do(t, http.MethodGet, checkout.URL, "", ""); strings.Contains(text, "<script>") {
		t.Error("script in the page")
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.open(t, "AI-1", "")
	for _, tc := range []struct {
		body   string
		status int
	}{
		{`{"reference":"AI-2","mode":"pay"}`, http.StatusNotFound},
		{`{"reference":"AI-1","mode":"steal"}`, http.StatusBadRequest},
		{`{"reference":"AI-1","how":"pay"}`, http.StatusBadRequest},
		{`{`, http.StatusBadRequest},
		{`{"reference":"AI-1","mode":"twice"}`, http.StatusOK},
		{`{"reference":"AI-1","mode":"pay"}`, http.StatusConflict},
	} {
		if resp, text := do(t, http.MethodPost, w.url+"/_control/pay", "application/json", tc.body); resp.StatusCode != tc.status {
			t.Errorf("%s: %d %s", tc.body, resp.StatusCode, text)
		}
	}
	eventually(t, "deliveries listed", func() bool {
		_, text := do(t, http.MethodGet, w.url+"/_control/deliveries", "", "")
		var out struct{ Data []fake.Delivery }
		return json.Unmarshal([]byte(text), &out) == nil && len(out.Data) == 2 && out.Data[0].Delivered && out.Data[1].Delivered
	})
}

func TestAPIRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.open(t, "AI-1", "")
	call := func(key, method, path, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	key := string(fake.DefaultSecretKey)
	for _, tc := range []struct {
		name, key, method, path, body string
		status                        int
	}{
		{"no key", "", "GET", "/transaction", "", 401},
		{"wrong key", "sk_test_other", "GET", "/transaction/verify/AI-1", "", 401},
		{"right key", key, "GET", "/transaction", "", 200},
		{"unknown reference", key, "GET", "/transaction/verify/AI-2", "", 400},
		{"amount as text, as Paystack allows", key, "POST", "/transaction/initialize", `{"email":"a@b.c","amount":"9600","currency":"GHS"}`, 200},
		{"fraction of a pesewa", key, "POST", "/transaction/initialize", `{"email":"a@b.c","amount":96.5}`, 400},
		{"nothing to pay", key, "POST", "/transaction/initialize", `{"email":"a@b.c","amount":0}`, 400},
		{"unknown currency", key, "POST", "/transaction/initialize", `{"email":"a@b.c","amount":1,"currency":"XXX"}`, 403},
		{"script as callback", key, "POST", "/transaction/initialize", `{"email":"a@b.c","amount":1,"callback_url":"javascript:alert(1)"}`, 400},
		{"underscore in the reference", key, "POST", "/transaction/initialize", `{"email":"a@b.c","amount":1,"reference":"AI_1"}`, 400},
		{"no such route", key, "GET", "/nothing", "", 404},
	} {
		if got := call(tc.key, tc.method, tc.path, tc.body); got != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.status)
		}
	}
}

func TestNewRefusesALiveKey(t *testing.T) {
	t.Parallel()
	for _, cfg := range []fake.Config{{SecretKey: "sk_live_something"}, {WebhookURL: "file:///etc/passwd"}, {PublicURL: "localhost:8090"}} {
		if _, err := fake.New(cfg); err == nil || strings.Contains(err.Error(), "something") {
			t.Errorf("%v: %v", cfg.WebhookURL+cfg.PublicURL, err)
		}
	}
}
