package fault

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/payments/fake"
)

// TestF19 delivers the webhook of a purchase whose own commit has not come: the insert waits in an open transaction until the worker has looked for it in vain. Then it commits,
// and the credits arrive by the next attempt.
func TestF19WebhookBeforeOurOwnCommit(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	ama := m.register("ama")
	before := m.creditsOf(ama)
	template, costs := ama.buy()
	tx, err := m.look.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }() // after Commit it does nothing
	reference := "AI-" + uuid.NewString()
	_, err = tx.Exec(t.Context(), `insert into billing.credit_purchase (id, tenant_id, user_id, package, base_minor, tax_lines, tax_minor, amount_expected, currency, credits, bonus, reference, provider, method)
		select gen_random_uuid(), tenant_id, user_id, package, base_minor, tax_lines, tax_minor, amount_expected, currency, credits, bonus, $2, provider, method
		  from billing.credit_purchase where reference = $1`, template, reference)
	require.NoError(t, err)
	m.deliver(3, fake.Charge{TransactionID: 4713, Reference: reference, Amount: costs})
	m.await("the worker has looked in vain", func() bool {
		return m.count("select count(*) from task.task where name = 'ai_features.process_payment_webhook' and attempt > 1") == 1
	})
	require.Equal(t, before, m.creditsOf(ama))
	require.NoError(t, tx.Commit(t.Context()))
	m.await("the next attempt credits it", func() bool { return m.creditsOf(ama) == before+3000 })
	m.close()
	require.Equal(t, 1, m.count("select count(*) from billing.ledger_transfer where kind = 'purchase' and tenant_id = $1", ama.id))
	require.Zero(t, m.count("select count(*) from billing.payment_review"))
}
