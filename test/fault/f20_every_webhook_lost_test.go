package fault

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/payments/fake"
)

// TestF20 loses every webhook: customers pay, and the provider tells nobody. The reconciler asks about each payment, while the billing worker is killed around its commits, and each is
// credited once or, paid wrongly, parked for a person. What nobody paid stays pending.
func TestF20EveryWebhookLost(t *testing.T) {
	t.Parallel()
	m := newMarket(t, "long.before_commit:2", "batch.before_commit:1", "batch.after_commit:1")
	ama := m.register("ama")
	before := m.creditsOf(ama)
	const payments = 20
	for range payments {
		reference, _ := ama.buy()
		m.pay(reference, fake.Lose)
	}
	wrong, _ := ama.buy()
	m.exec("update billing.credit_purchase set amount_expected = amount_expected - 1, base_minor = base_minor - 1 where reference = $1", wrong)
	m.pay(wrong, fake.Lose)
	unpaid, _ := ama.buy()
	require.Zero(t, m.count("select count(*) from billing.webhook_event"))
	m.reconcile()
	m.await("every payment is credited", func() bool { return m.creditsOf(ama) == before+payments*3000 })
	m.await("the wrong one is in review", func() bool {
		return m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'review'", wrong) == 1
	})
	m.close()
	require.Zero(t, m.count("select count(*) from billing.webhook_event where event_type <> 'verify'"), "nobody told us: we asked")
	require.Equal(t, 1, m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'pending'", unpaid))
	require.Equal(t, payments, m.count("select count(*) from billing.ledger_transfer where kind = 'purchase'"))
}
