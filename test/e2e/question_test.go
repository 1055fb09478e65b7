package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/chat/fake"
	"makola/test/stack"
)

// answered waits until an answer is there, and returns it.
func (s *shop) answered(accepted answer) (a answer) {
	s.h.t.Helper()
	stack.Eventually(s.h.t, "the answer is there", func() bool {
		a = s.get(text(accepted.at("answer_url")))
		return a.at("status") == "ANSWERED" || a.at("status") == "FAILED"
	})
	return a
}

// TestAQuestionFromTheShopFloorToItsCharge spends credits on what they were bought for.
func TestAQuestionFromTheShopFloorToItsCharge(t *testing.T) {
	t.Parallel()
	h := open(t, append(standIns, services...)...)
	ama := h.register()
	storefront := ama.make("storefronts", map[string]any{"name": "Makola Road"})
	product := ama.make("products", map[string]any{"name": "Milo 500g", "sku": "MILO"})
	ama.must(http.StatusCreated, http.MethodPost, "stock-batches", map[string]any{"items": []any{
		map[string]any{"product_id": product, "location_id": storefront, "quantity": 6, "unit_cost": "10.00", "retail_price": "15.00"},
	}})
	ama.sell(storefront, line{product, 2})

	body := map[string]any{"question": "Which products are low in stock?"}
	key := uuid.NewString()
	accepted := ama.do(http.MethodPost, "/api/v1/ai/query", body, "Idempotency-Key", key)
	require.Equal(t, http.StatusAccepted, accepted.Status, accepted.Text)
	require.Equal(t, accepted.Body, ama.do(http.MethodPost, "/api/v1/ai/query", body, "Idempotency-Key", key).Body)
	a := ama.answered(accepted)
	require.Equal(t, "ANSWERED", a.at("status"), a.Text)
	tables := a.list("tables")
	require.Equal(t, []any{[]any{"Milo 500g", "Makola Road", "4", "10"}}, tables[0]["rows"])
	require.Contains(t, a.at("words"), "Left 4")

	d := ama.answered(ama.must(http.StatusAccepted, http.MethodPost, "ai/products/description", map[string]any{"product_id": product}))
	require.Contains(t, d.at("words"), "Milo 500g")
	stack.Eventually(t, "both uses are in the ledger", func() bool { return h.count(`select count(*) from billing.ledger_transfer where kind = 'usage'`) == 2 })
	require.Equal(t, "49.40", ama.balance())
	require.EqualValues(t, "0.60", ama.get("/api/v1/ai/usage/stats").at("total", "credits"))
	stack.Eventually(t, "billing-worker shows its calls of the model", func() bool {
		return strings.Contains(call(t, http.MethodGet, "http://"+h.processes["billing-worker"].Admin+"/metrics", nil).Text, `makola_ai_call_seconds_count{outcome="answered"} 3`)
	})
	h.requireBooks()
}

// TestAQuestionWhoseWorkerIsKilledIsAnsweredAndChargedOnce kills the worker while the model thinks.
func TestAQuestionWhoseWorkerIsKilledIsAnsweredAndChargedOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	thinking, release := make(chan struct{}, 1), make(chan struct{}) // the second is closed when the test is over
	var asked atomic.Int32
	model := httptest.NewServer(&fake.Server{Answer: func(_ http.ResponseWriter, r *http.Request, _ fake.Request) bool {
		if asked.Add(1) != 2 { // the first attempt's words never come
			return false
		}
		thinking <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	}})
	t.Cleanup(model.Close)
	t.Cleanup(func() { close(release) })
	start := func() *stack.Process { return h.Start("billing-worker", "AI_URL="+model.URL) }
	first := start()
	stack.Ready(t, h.Start("api-gateway"), first)
	ama := h.register()
	accepted := ama.must(http.StatusAccepted, http.MethodPost, "ai/query", map[string]any{"question": "How much do customers owe?"})
	<-thinking
	first.Kill()
	require.Equal(t, "49.50", ama.balance(), "the credits stay set aside")
	stack.Ready(t, start())
	a := ama.answered(accepted)
	require.Equal(t, "ANSWERED", a.at("status"), a.Text)
	stack.Eventually(t, "the use is in the ledger", func() bool { return h.count(`select count(*) from billing.ledger_transfer where kind = 'usage'`) == 1 })
	require.Equal(t, "49.50", ama.balance())
	require.Equal(t, 1, h.count(`select count(*) from billing.usage_transaction where success`))
	require.Zero(t, h.count(`select count(*) from assist.platform_month where reserved <> 0`))
	require.EqualValues(t, 4, asked.Load(), "the second attempt asked anew")
}
