package fake_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"makola/pkg/payments/fake"
)

// posted is one webhook as it arrived.
type posted struct {
	path   string // "/paystack", "/flutterwave" or "/stripe"
	header http.Header
	body   []byte
}

// name is the event's name, wherever this provider writes it.
func (p posted) name(t *testing.T) string {
	t.Helper()
	var in struct{ Event, Type string }
	if err := json.Unmarshal(p.body, &in); err != nil {
		t.Fatalf("webhook %s: %v", p.body, err)
	}
	return in.Event + in.Type
}

// data is what the event is about.
func (p posted) data(t *testing.T) map[string]any {
	t.Helper()
	var in struct{ Data map[string]any }
	dec := json.NewDecoder(bytes.NewReader(p.body))
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		t.Fatalf("webhook %s: %v", p.body, err)
	}
	if object, ok := in.Data["object"].(map[string]any); ok && p.path == "/stripe" {
		return object
	}
	return in.Data
}

// lab is a simulator, asked over HTTP, and the receiver of its webhooks. It answers them 200, or with the next status of answers.
type lab struct {
	sim *fake.Simulator
	url string

	mu      sync.Mutex
	answers []int
	inbox   []posted
}

func newLab(t *testing.T, change ...func(*fake.Config)) *lab {
	t.Helper()
	l := &lab{}
	hook := httptest.NewServer(http.HandlerFunc(l.receive))
	t.Cleanup(hook.Close)
	cfg := fake.Config{WebhookURL: hook.URL + "/paystack", RetryDelays: []time.Duration{}}
	cfg.Flutterwave.WebhookURL, cfg.Stripe.WebhookURL = hook.URL+"/flutterwave", hook.URL+"/stripe"
	for _, f := range change {
		f(&cfg)
	}
	sim, err := fake.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	l.sim, l.url = sim, server.URL
	return l
}

func (l *lab) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.inbox = append(l.inbox, posted{r.URL.Path, r.Header.Clone(), body})
	}
	if len(l.answers) > 0 {
		w.WriteHeader(l.answers[0])
		l.answers = l.answers[1:]
	}
}

func (l *lab) received() []posted {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]posted(nil), l.inbox...)
}

// names waits for n webhooks and returns their names in order of arrival.
func (l *lab) names(t *testing.T, n int) (out []string) {
	t.Helper()
	eventually(t, "enough webhooks", func() bool { return len(l.received()) >= n })
	for _, p := range l.received() {
		out = append(out, p.name(t))
	}
	return out
}

// settled closes the simulator, so that no more webhooks can come, and returns the names of those that came.
func (l *lab) settled(t *testing.T, n int) []string {
	t.Helper()
	l.names(t, n)
	l.sim.Close()
	return l.names(t, n)
}

// keys are the bearer tokens that the providers want.
var keys = map[string]fake.Secret{"flutterwave": fake.DefaultFlutterwaveKey, "stripe": fake.DefaultStripeKey}

// result is an answer of the API.
type result struct {
	status int
	header http.Header
	body   map[string]any
}

// at follows names and indexes into the body.
func (r result) at(path ...any) any {
	var v any = r.body
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			list, _ := v.([]any)
			if s >= len(list) {
				return nil
			}
			v = list[s]
		}
	}
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	return v
}

// len is the length of the list at path.
func (r result) len(path ...any) int {
	list, _ := r.at(path...).([]any)
	return len(list)
}

// call asks the API with the right key. A body that begins with { is JSON, any other a form.
func (l *lab) call(t *testing.T, method, path, body string) result {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, l.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	key, ok := keys[strings.SplitN(path, "/", 3)[1]]
	if !ok {
		key = fake.DefaultSecretKey
	}
	req.Header.Set("Authorization", "Bearer "+string(key))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		if body[0] != '{' {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	return send(t, req)
}

func send(t *testing.T, req *http.Request) result {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out := result{status: resp.StatusCode, header: resp.Header}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&out.body); err != nil {
		t.Fatalf("%s %s: %d %s", req.Method, req.URL.Path, resp.StatusCode, raw)
	}
	return out
}

// Requests that open a payment of 96.00 cedis.
const (
	stripeForm = "mode=payment&success_url=https://shop.example/paid?session={CHECKOUT_SESSION_ID}&cancel_url=https://shop.example/cart" +
		"&line_items[0][quantity]=1&line_items[0][price_data][currency]=ghs&line_items[0][price_data][unit_amount]=9600" +
		"&line_items[0][price_data][product_data][name]=Credits&metadata[shop]=demo"
)

// open opens a payment of GHS 96.00 at the provider and returns its access code.
func (l *lab) open(t *testing.T, p fake.Provider, reference string) string {
	t.Helper()
	var got result
	switch p {
	case fake.Paystack:
		got = l.call(t, "POST", "/transaction/initialize", `{"email":"ama@example.com","amount":9600,"currency":"GHS","reference":"`+reference+`","callback_url":"https://shop.example/return"}`)
	case fake.Flutterwave:
		got = l.call(t, "POST", "/flutterwave/v3/payments", `{"tx_ref":"`+reference+
			`","amount":96,"currency":"GHS","redirect_url":"https://shop.example/return","customer":{"email":"ama@example.com"},"meta":{"shop":"demo"}}`)
	case fake.Stripe:
		got = l.call(t, "POST", "/stripe/v1/checkout/sessions", stripeForm+"&customer_email=ama@example.com&client_reference_id="+reference+
			"&payment_intent_data[metadata][reference]="+reference)
	}
	if got.status != http.StatusOK {
		t.Fatalf("open at %s: %d %v", p, got.status, got.body)
	}
	tx, err := l.sim.Transaction(reference)
	if err != nil {
		t.Fatal(err)
	}
	return tx.AccessCode
}

// pay acts on a payment as the customer.
func (l *lab) pay(t *testing.T, reference string, mode fake.Mode) fake.Transaction {
	t.Helper()
	tx, err := l.sim.Pay(reference, mode)
	if err != nil {
		t.Fatalf("%s %s: %v", mode, reference, err)
	}
	return tx
}

// everyProvider is read only.
var everyProvider = []fake.Provider{fake.Paystack, fake.Flutterwave, fake.Stripe}

// verify asks what became of a payment: the status in the provider's word, the amount as it writes it, the currency.
func (l *lab) verify(t *testing.T, p fake.Provider, reference, access string) (result, [3]any) {
	t.Helper()
	switch p {
	case fake.Flutterwave:
		r := l.call(t, "GET", "/flutterwave/v3/transactions/verify_by_reference?tx_ref="+reference, "")
		return r, [3]any{r.at("data", "status"), r.at("data", "amount"), r.at("data", "currency")}
	case fake.Stripe:
		r := l.call(t, "GET", "/stripe/v1/checkout/sessions/"+access, "")
		return r, [3]any{r.at("payment_status"), r.at("amount_total"), r.at("currency")}
	default:
		r := l.call(t, "GET", "/transaction/verify/"+reference, "")
		return r, [3]any{r.at("data", "status"), r.at("data", "amount"), r.at("data", "currency")}
	}
}
