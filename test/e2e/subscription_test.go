package e2e

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

// subscribe starts a payment for one month and returns its reference and the page to pay on.
func (s *shop) subscribe(storefronts int) (reference, page string) {
	s.h.t.Helper()
	a := s.do(http.MethodPost, "/api/v1/subscription/payments", map[string]any{"storefronts": storefronts}, "Idempotency-Key", uuid.NewString())
	require.Equal(s.h.t, http.StatusCreated, a.Status, a.Text)
	return text(a.at("reference")), text(a.at("authorization_url"))
}

// TestOneProviderAddressServesBothProducts pays for a month and for credits at the same time: the provider knows one address of ours for either.
func TestOneProviderAddressServesBothProducts(t *testing.T) {
	t.Parallel()
	h := open(t, "paystack-simulator", "mail-viewer", "api-gateway", "billing-worker", "notifier")
	ama := h.register()
	require.Equal(t, "TRIAL", ama.get("/api/v1/subscription").at("status"))
	month, monthPage := ama.subscribe(2)
	credits, creditsPage := ama.buy("starter")
	h.press(creditsPage, "twice")
	h.press(monthPage, "twice")
	ama.eventually(credits, "completed")
	stack.Eventually(t, "the month is paid", func() bool {
		return ama.get("/api/v1/subscription/payments/"+month).at("status") == "SUCCESSFUL"
	})
	sub := ama.get("/api/v1/subscription")
	require.Equal(t, "ACTIVE", sub.at("status"))
	require.EqualValues(t, 2, sub.at("storefronts"))
	require.Equal(t, sub.at("period_end"), ama.get("/api/v1/subscription/payments/"+month).at("period_end"))
	require.Equal(t, "80.00", ama.balance())
	require.Contains(t, h.letter(ama.Email, month).Text, "180.00")
	h.letter(ama.Email, credits)
	stack.Eventually(t, "every task is finished", func() bool { return h.count("select count(*) from task.task where state not in ('succeeded')") == 0 })
	require.Equal(t, 1, len(h.letters(ama.Email, month)), "one receipt")
	require.Equal(t, 1, h.count("select count(*) from billing.ledger_transfer where tenant_id = $1 and kind = 'subscription'", ama.ID), "paid twice on one page, one month")
	require.Equal(t, sub.at("period_end"), ama.get("/api/v1/subscription").at("period_end"))
	h.requireBooks()
	payers := func() (deeds []string) {
		items, _ := ama.get("/api/v1/audit-logs?action=PAYMENT").at("items").([]any)
		for _, i := range items {
			entry, _ := i.(map[string]any)
			deeds = append(deeds, text(entry["actor"])+" "+text(entry["entity"]))
		}
		return deeds
	}
	require.ElementsMatch(t, []string{ama.Email + " subscription_payment", ama.Email + " credit_purchase"}, payers())

	wrong, _ := ama.subscribe(1)
	h.play(wrong, "wrong_amount")
	stack.Eventually(t, "the payment is in review", func() bool {
		return ama.get("/api/v1/subscription/payments/"+wrong).at("status") == "REVIEW"
	})
	require.Equal(t, sub.at("period_end"), ama.get("/api/v1/subscription").at("period_end"), "and gives nothing")
	require.Len(t, payers(), 2)
	h.letter(ama.Email, wrong)
	h.requireBooks()
}
