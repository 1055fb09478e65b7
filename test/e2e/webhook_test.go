package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

// listener is a business's own program: it checks each request by the convention's library, and remembers what it was told.
type listener struct {
	*httptest.Server
	mu      sync.Mutex
	secrets []string // each must have signed
	told    []map[string]any
	ids     map[string]int
	forged  int
	answer  int
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{ids: map[string]int{}, answer: http.StatusNoContent}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		defer l.mu.Unlock()
		var event map[string]any
		good := json.Unmarshal(body, &event) == nil && event["id"] == r.Header.Get("webhook-id")
		for _, secret := range l.secrets {
			hook, err := standardwebhooks.NewWebhook(secret)
			good = good && err == nil && hook.Verify(body, r.Header) == nil
		}
		if !good {
			l.forged++
		}
		if l.ids[r.Header.Get("webhook-id")]++; l.ids[r.Header.Get("webhook-id")] == 1 {
			l.told = append(l.told, event)
		}
		w.WriteHeader(l.answer)
	}))
	t.Cleanup(l.Close)
	return l
}

// set changes how it checks and answers.
func (l *listener) set(answer int, secrets ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer, l.secrets = answer, secrets
}

// of are the data of the events of that type, without repetitions.
func (l *listener) of(kind string) (data []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.told {
		if e["type"] == kind {
			d, _ := e["data"].(map[string]any)
			data = append(data, d)
		}
	}
	return data
}

// TestABusinesssOwnProgramIsToldWhatHappens has a program listen to a shop: to a test, a sale, what it made run low, bought credits, a report; through a change of its secret; until it
// says that it is gone.
func TestABusinesssOwnProgramIsToldWhatHappens(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	files := "STORAGE_URL=file://" + t.TempDir()
	var all []*stack.Process
	for _, name := range []string{"paystack-simulator", "mail-viewer", "api-gateway", "billing-worker", "reports-worker", "notifier"} {
		h.processes[name] = h.Start(name, files)
		all = append(all, h.processes[name])
	}
	stack.Ready(t, all...)
	ama := h.register()
	l := listen(t)
	told := func(kind string, n int) []map[string]any {
		t.Helper()
		stack.Eventually(t, "the program is told of "+kind, func() bool { return len(l.of(kind)) >= n })
		require.Len(t, l.of(kind), n)
		return l.of(kind)
	}

	kinds := []string{"sale.completed", "credits.purchased", "stock.low", "report.ready", "subscription.changed"}
	ama.must(http.StatusUnprocessableEntity, http.MethodPost, "webhook-endpoints", map[string]any{"url": "http://169.254.169.254/latest", "kinds": kinds})
	made := ama.must(http.StatusCreated, http.MethodPost, "webhook-endpoints", map[string]any{"url": l.URL + "/makola", "kinds": kinds})
	secret, endpoint := text(made.at("secret")), text(made.at("endpoint", "id"))
	l.set(http.StatusNoContent, secret)
	test := ama.must(http.StatusAccepted, http.MethodPost, "webhook-endpoints/"+endpoint+"/test", nil)
	require.Equal(t, endpoint, told("webhook.test", 1)[0]["endpoint_id"])
	stack.Eventually(t, "the log says so", func() bool {
		return ama.get("/api/v1/webhook-deliveries/"+text(test.at("delivery", "id"))).at("delivery", "state") == "DELIVERED"
	})

	shopfront := ama.make("storefronts", map[string]any{"name": "Makola Road", "code": "MAIN"})
	soap := ama.make("products", map[string]any{"name": "Key Soap", "sku": "SOAP", "reorder_level": 5})
	ama.make("stock-batches", map[string]any{"items": []any{map[string]any{"product_id": soap, "location_id": shopfront, "quantity": 20, "unit_cost": "2.00", "retail_price": "3.00"}}})
	ama.sell(shopfront, line{soap, 2})
	sale := told("sale.completed", 1)[0]
	require.Equal(t, []any{"6.00", "COMPLETED", "SOAP"}, []any{sale["total"], sale["status"], sale["items"].([]any)[0].(map[string]any)["sku"]})
	require.Empty(t, l.of("stock.low"))

	// A new secret: for a day both sign.
	rotated := ama.must(http.StatusOK, http.MethodPost, "webhook-endpoints/"+endpoint+"/rotate-secret", nil)
	l.set(http.StatusNoContent, secret, text(rotated.at("secret")))
	ama.sell(shopfront, line{soap, 14})
	told("sale.completed", 2)
	low := told("stock.low", 1)[0]["items"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"LOW_STOCK", "Key Soap", 4.0}, []any{low["type"], low["name"], low["on_hand"]})

	reference, page := ama.buy("value")
	h.press(page, "pay")
	ama.eventually(reference, "completed")
	credits := told("credits.purchased", 1)[0]
	require.Equal(t, []any{reference, "100.00"}, []any{credits["reference"], credits["credits"]})
	report := text(ama.must(http.StatusAccepted, http.MethodPost, "reports/customers", map[string]any{}).at("report_id"))
	require.Equal(t, report, told("report.ready", 1)[0]["report_id"])

	// Gone for good.
	l.set(http.StatusGone, text(rotated.at("secret")))
	ama.sell(shopfront, line{soap, 1})
	mail := h.letter(ama.Email, "were switched off")
	require.NotContains(t, mail.Text, "/makola")
	ama.get("/api/v1/webhook-endpoints/"+endpoint).is(t, "state", "DISABLED", "disabled_reason", "GONE")
	before := h.count(`select count(*) from webhooks.event`)
	ama.sell(shopfront, line{soap, 1})
	require.Equal(t, before, h.count(`select count(*) from webhooks.event`), "nobody listens any more")

	// What was missed is sent again.
	missed := ama.list("webhook-deliveries?state=FAILED")
	require.Len(t, missed, 1)
	l.set(http.StatusNoContent, text(rotated.at("secret")))
	ama.must(http.StatusOK, http.MethodPatch, "webhook-endpoints/"+endpoint, map[string]any{"enabled": true})
	replay := ama.must(http.StatusAccepted, http.MethodPost, "webhook-deliveries/"+text(missed[0]["id"])+"/replay", nil)
	stack.Eventually(t, "it is delivered", func() bool {
		return ama.get("/api/v1/webhook-deliveries/"+text(replay.at("delivery", "id"))).at("delivery", "state") == "DELIVERED"
	})
	h.done(`queue = 'webhooks'`)
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Zero(t, l.forged)
	require.Equal(t, 2, l.ids[text(missed[0]["event_id"])], "under the same webhook-id")
}
