package fault

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/payments/fake"
)

// TestF17 tells of failures after successes and of refunds before successes, while the billing worker is killed around its commits. States only move forward, and money that was given back
// leaves neither credits nor a sale.
func TestF17FailedAfterSuccessAndRefundBeforeSuccess(t *testing.T) {
	t.Parallel()
	m := newMarket(t, "batch.before_commit:2", "batch.after_commit:2")
	ama := m.register("ama")
	before := m.creditsOf(ama)

	kept, costs := ama.buy()
	m.deliver(1, fake.Charge{TransactionID: 1, Reference: kept, Amount: costs})
	m.await("the payment is credited", func() bool { return m.creditsOf(ama) == before+3000 })
	m.deliver(3, fake.Charge{TransactionID: 1, Reference: kept, Amount: costs, Status: "failed"})

	early, costs := ama.buy()
	m.giveBack(early, costs)
	m.await("the refund is known", func() bool {
		return m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'refunded'", early) == 1
	})
	m.deliver(3, fake.Charge{TransactionID: 2, Reference: early, Amount: costs})

	late, costs := ama.buy()
	m.deliver(1, fake.Charge{TransactionID: 3, Reference: late, Amount: costs})
	m.await("the other payment is credited", func() bool { return m.creditsOf(ama) == before+6000 })
	m.giveBack(late, costs)
	m.await("its refund has taken it back", func() bool { return m.creditsOf(ama) == before+3000 })
	m.close()

	require.Equal(t, before+3000, m.creditsOf(ama))
	require.Equal(t, 1, m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'completed'", kept))
	require.Equal(t, 1, m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'refunded' and completed_at is null", early), "it was never credited")
	require.Equal(t, 1, m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'refunded' and completed_at is not null", late))
	require.Equal(t, 1, m.count("select count(*) from billing.webhook_event where reference = $1 and state = 'ignored'", kept), "the failure is recorded and ignored")
	require.Equal(t, int(costs.Minor), -m.count("select balance from billing.ledger_account where kind = 'credit_sales' and unit = 'GHS'"), "one sale is left")
	require.Zero(t, m.count("select count(*) from billing.payment_review"), "nobody has to look")
	require.GreaterOrEqual(t, m.worker.deaths(), 2)
}
