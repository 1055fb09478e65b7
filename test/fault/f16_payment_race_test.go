package fault

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"makola/pkg/payments/fake"
)

// TestF16 lets the webhook, the verify endpoint and the reconciler hear of one payment at the same moment, while the billing worker is killed around its commits. The credits
// arrive once, and one receipt is asked for.
func TestF16WebhookVerifyAndReconcilerRaceOnOnePayment(t *testing.T) {
	t.Parallel()
	m := newMarket(t, "batch.after_commit:1", "batch.before_commit:1")
	ama, kofi := m.register("ama"), m.register("kofi")
	before := m.creditsOf(ama)
	reference, costs := ama.buy()
	require.Equal(t, http.StatusNotFound, m.post("/api/v1/ai/credits/verify", kofi.token, map[string]any{"reference": reference}, nil), "another's payment asks nobody")
	require.Zero(t, m.count("select count(*) from task.task where name = 'ai_features.verify_payment'"))
	m.pay(reference, fake.Lose)

	var g errgroup.Group
	g.Go(func() error {
		m.deliver(10, fake.Charge{TransactionID: 4712, Reference: reference, Amount: costs})
		return nil
	})
	g.Go(func() error { m.reconcile(); return nil })
	for range 5 {
		g.Go(func() error {
			code := m.post("/api/v1/ai/credits/verify", ama.token, map[string]any{"reference": reference}, nil)
			if code != http.StatusOK && code != http.StatusAccepted {
				t.Errorf("verify answered %d", code)
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	m.await("the purchase is completed", func() bool {
		return m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'completed'", reference) == 1
	})
	m.close()
	require.Equal(t, 3000, m.creditsOf(ama)-before, "30 credits, once")
	require.Equal(t, 1, m.count("select count(*) from billing.ledger_transfer where kind = 'purchase' and tenant_id = $1", ama.id))
	require.Equal(t, 1, m.count("select count(*) from task.task where name = 'ai_features.send_credit_purchase_notification'"))
}
