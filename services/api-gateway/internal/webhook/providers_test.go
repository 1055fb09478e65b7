package webhook_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"makola/pkg/payments"
	"makola/pkg/payments/flutterwave"
	"makola/pkg/payments/paystack"
	"makola/pkg/payments/providers"
	"makola/pkg/payments/stripe"
	"makola/services/api-gateway/internal/webhook"
)

// sender is one provider as it meets our webhook address.
type sender struct {
	name    string
	body    []byte
	sign    func(body []byte) http.Header
	trusted bool
}

func senders() []sender {
	one := func(name, value string) http.Header { h := http.Header{}; h.Set(name, value); return h }
	flutterwaveBody := []byte(`{"event":"charge.completed","data":{"id":7,"tx_ref":"AI-7","amount":96.00,"currency":"GHS","status":"successful","created_at":"2026-03-02T09:15:21Z"}}`)
	return []sender{
		{"paystack", []byte(`{"event":"charge.success","data":{"id":7,"status":"success","reference":"AI-7","amount":9600,"currency":"GHS"}}`),
			func(b []byte) http.Header { return one(paystack.SignatureHeader, paystack.Sign(key, b)) }, true},
		{"flutterwave", flutterwaveBody,
			func(b []byte) http.Header {
				return one(flutterwave.SignatureHeader, flutterwave.Sign(flutterwave.SimulatorWebhookSecret, b))
			}, true},
		{"flutterwave, unsigned", flutterwaveBody,
			func([]byte) http.Header {
				return one(flutterwave.HashHeader, string(flutterwave.SimulatorWebhookSecret))
			}, false},
		{"stripe", []byte(`{"id":"evt_7","object":"event","created":1772442921,"livemode":false,"type":"checkout.session.completed","data":{"object":{"id":"cs_test_7",` +
			`"client_reference_id":"AI-7","payment_status":"paid","status":"complete","amount_total":9600,"currency":"ghs","payment_intent":"pi_7"}}}`),
			func(b []byte) http.Header {
				return one(stripe.SignatureHeader, stripe.Sign(stripe.SimulatorWebhookSecret, b, time.Now()))
			}, true},
	}
}

// all opens all three providers with the simulator's secrets.
func all(t *testing.T, mode flutterwave.WebhookMode) map[string]payments.Provider {
	t.Helper()
	set, err := providers.Open(providers.Config{
		Paystack: paystack.Config{BaseURL: "https://api.paystack.co", SecretKeys: []payments.SecretKey{key}},
		Flutterwave: flutterwave.Config{BaseURL: flutterwave.ProductionURL, SecretKey: flutterwave.SimulatorSecretKey,
			WebhookSecrets: []payments.SecretKey{flutterwave.SimulatorWebhookSecret}, WebhookMode: mode},
		Stripe: stripe.Config{BaseURL: stripe.ProductionURL, SecretKey: stripe.SimulatorSecretKey, WebhookSecrets: []payments.SecretKey{stripe.SimulatorWebhookSecret}},
	}, nil)
	require.NoError(t, err)
	t.Cleanup(set.Close)
	return set.ByName()
}

// serveAll gives each provider an address of its own, and returns the address's beginning.
func (g *gate) serveAll(t *testing.T, mode flutterwave.WebhookMode) string {
	t.Helper()
	r := gin.New()
	for name, handle := range webhook.Handlers(all(t, mode), g.committer) {
		r.POST("/hook/"+name, handle)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return server.URL + "/hook/"
}

func TestEveryProviderProvesItsEventsAndTheyAreStoredAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, s := range senders() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			name, mode := s.name, flutterwave.ModeSignature
			if !s.trusted {
				name, mode = "flutterwave", flutterwave.ModeHash
			}
			g.url = g.serveAll(t, mode) + name
			for _, want := range []string{`{"status":"queued"}`, `{"status":"duplicate"}`} {
				status, answer, _, err := g.post(t.Context(), s.body, s.sign(s.body))
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, status, answer)
				require.Equal(t, want, answer)
			}
			var provider, reference, status, currency, body string
			var trusted bool
			var amount int64
			require.NoError(t, g.admin.QueryRow(t.Context(), `
				select e.provider, e.reference, e.status, e.amount_minor, e.currency, e.trusted, convert_from(e.body, 'utf8')
				  from billing.webhook_event e join task.task t on t.args ->> 'event_id' = e.id::text and t.args ->> 'payment_provider' = e.provider`).
				Scan(&provider, &reference, &status, &amount, &currency, &trusted, &body))
			require.Equal(t, []any{name, "AI-7", "succeeded", int64(9600), "GHS", s.trusted, string(s.body)},
				[]any{provider, reference, status, amount, currency, trusted, body})
		})
	}
}

//nolint:tparallel // the cases share one gate and are counted together
func TestNobodyPassesForAnotherProvider(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	base := g.serveAll(t, flutterwave.ModeSignature)
	for _, s := range senders() {
		flipped := bytes.Replace(s.body, []byte("AI-7"), []byte("AI-8"), 1)
		for _, address := range []string{"paystack", "flutterwave", "stripe"} {
			t.Run(fmt.Sprintf("%s at %s", s.name, address), func(t *testing.T) {
				if address != s.name { // With its own proof, at the wrong door.
					g.url = base + address
					status, answer, _, err := g.post(t.Context(), s.body, s.sign(s.body))
					require.NoError(t, err)
					require.Equal(t, http.StatusUnauthorized, status, answer)
				}
				g.url = base + address
				status, answer, _, err := g.post(t.Context(), flipped, s.sign(s.body))
				require.NoError(t, err)
				require.Equal(t, http.StatusUnauthorized, status, answer)
			})
		}
	}
	require.Zero(t, g.count(t, "billing.webhook_event"))
	require.Zero(t, g.count(t, "task.task"))
}

func TestRefundsAndDisputesAreKeptAndNothingIsCreditedForThem(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	base := g.serveAll(t, flutterwave.ModeSignature)
	sign := map[string]func([]byte) http.Header{}
	for _, s := range senders() {
		if s.trusted {
			sign[s.name] = s.sign
		}
	}
	for _, e := range []struct{ provider, body string }{
		{"paystack", `{"event":"refund.processed","data":{"status":"processed","transaction_reference":"AI-7","amount":"9600","currency":"GHS"}}`},
		{"paystack", `{"event":"charge.dispute.create","data":{"id":1,"status":"awaiting-merchant-feedback","transaction":{"id":7,"reference":"AI-7"}}}`},
		{"stripe", `{"id":"evt_8","object":"event","livemode":false,"type":"charge.refunded","data":{"object":{"id":"ch_7","amount_refunded":9600,"currency":"ghs","payment_intent":"pi_7"}}}`},
		{"stripe", `{"id":"evt_9","object":"event","livemode":false,"type":"charge.dispute.closed","data":{"object":{"id":"dp_7","amount":9600,"currency":"ghs","status":"won"}}}`},
	} {
		g.url = base + e.provider
		status, answer, _, err := g.post(t.Context(), []byte(e.body), sign[e.provider]([]byte(e.body)))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, answer)
	}
	require.Equal(t, 4, g.count(t, "billing.webhook_event where status = 'unknown'"))
	require.Zero(t, g.count(t, "task.task where args ->> 'status' = 'succeeded'"))
}

func TestAnEventOfTheOtherModeIsNotTakenIn(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.url = g.serveAll(t, flutterwave.ModeSignature) + "stripe"
	s := senders()[3]
	body := bytes.Replace(s.body, []byte(`"livemode":false`), []byte(`"livemode":true`), 1)
	status, answer, _, err := g.post(t.Context(), body, s.sign(body))
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status, answer)
	require.Zero(t, g.count(t, "billing.webhook_event"))
}
