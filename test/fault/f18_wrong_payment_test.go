package fault

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/money"
	"makola/pkg/payments/fake"
)

// TestF18 delivers genuine webhooks that tell of the wrong amount, the wrong currency, and another tenant's payment, ten times each, while
// the billing worker is killed around its commits. None credits anything; the first two wait for a person, once each.
func TestF18WrongAmountCurrencyAndTenant(t *testing.T) {
	t.Parallel()
	m := newMarket(t, "batch.after_commit:2", "batch.before_commit:1")
	ama, kofi := m.register("ama"), m.register("kofi")
	before := m.creditsOf(ama)
	require.Equal(t, before, m.creditsOf(kofi))

	paid, costs := ama.buy()
	m.deliver(1, fake.Charge{TransactionID: 1, Reference: paid, Amount: costs})
	m.await("the right payment is credited", func() bool { return m.creditsOf(ama) == before+3000 })

	tooLittle, costs := ama.buy()
	m.deliver(10, fake.Charge{TransactionID: 2, Reference: tooLittle, Amount: money.FromMinor(costs.Minor-1, money.GHS)})
	dollars, costs := ama.buy()
	m.deliver(10, fake.Charge{TransactionID: 3, Reference: dollars, Amount: money.FromMinor(costs.Minor, money.USD)})
	// Ama's own transaction, told for Kofi's purchase: the provider has one transaction of that number, and it is booked.
	borrowed, costs := kofi.buy()
	m.deliver(10, fake.Charge{TransactionID: 1, Reference: borrowed, Amount: costs})
	// A payment of Kofi's purchase that claims to be Ama's: the reference decides whose it is, and nobody else is credited.
	claimed, costs := kofi.buy()
	m.deliver(10, fake.Charge{TransactionID: 4, Reference: claimed, Amount: costs, Metadata: json.RawMessage(`{"tenant_id": "` + ama.id.String() + `"}`)})
	m.await("Kofi's payment is credited", func() bool { return m.creditsOf(kofi) == before+3000 })

	for reference, reason := range map[string]string{tooLittle: "amount_mismatch", dollars: "currency_mismatch"} {
		m.await(reason, func() bool {
			return m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'review' and review_reason = $2", reference, reason) == 1
		})
	}
	m.close()
	require.Equal(t, before+3000, m.creditsOf(ama))
	require.Equal(t, before+3000, m.creditsOf(kofi))
	require.Equal(t, 2, m.count("select count(*) from billing.payment_review"), "one case for a person each")
	require.Equal(t, 2, m.count("select count(*) from billing.ledger_transfer where kind = 'purchase'"))
	require.Equal(t, 1, m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'pending'", borrowed))
	require.GreaterOrEqual(t, m.worker.deaths(), 2)
}
