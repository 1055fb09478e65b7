package fault

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/payments/fake"
)

// TestF15 delivers one webhook 100 times at once, and kills the billing worker just before and just after it commits the credit.
// Every delivery is answered by 200, one event and one task are stored, and the credits arrive once.
func TestF15SameWebhookAHundredTimesAtOnce(t *testing.T) {
	t.Parallel()
	m := newMarket(t, "batch.before_commit:1", "batch.after_commit:1")
	ama := m.register("ama")
	before := m.creditsOf(ama)
	reference, costs := ama.buy()
	m.deliver(100, fake.Charge{TransactionID: 4711, Reference: reference, Amount: costs})
	m.await("the purchase is completed", func() bool {
		return m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'completed'", reference) == 1
	})
	m.await("the worker has died twice", func() bool { return m.worker.deaths() >= 2 })
	m.deliver(20, fake.Charge{TransactionID: 4711, Reference: reference, Amount: costs}) // the provider did not hear us
	m.close()
	require.Equal(t, 1, m.count("select count(*) from billing.webhook_event where reference = $1", reference))
	require.Equal(t, 1, m.count("select count(*) from task.task where name = 'ai_features.process_payment_webhook'"))
	require.Equal(t, 1, m.count("select count(*) from billing.ledger_transfer where kind = 'purchase' and tenant_id = $1", ama.id))
	require.Equal(t, 3000, m.creditsOf(ama)-before, "30 credits, once")
}
