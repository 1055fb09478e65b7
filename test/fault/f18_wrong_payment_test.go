package fault

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/money"
	"makola/pkg/payments/fake"
)

// TestF18 delivers genuine webhooks that tell of the wrong amount, the wrong currency, and another tenant's payment, ten times each, while
// the billing worker is killed around its commits. None credits anything; each waits for a person, once.
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
	// Ama's own transaction, told for Kofi's purchase: the money is booked with hers. Though the provider's id for the event is the same, it is another fact and no redelivery.
	borrowed, costs := kofi.buy()
	m.deliver(10, fake.Charge{TransactionID: 1, Reference: borrowed, Amount: costs})
	// A payment of Kofi's purchase that claims to be Ama's: the reference decides whose it is, and nobody else is credited.
	claimed, costs := kofi.buy()
	m.deliver(10, fake.Charge{TransactionID: 4, Reference: claimed, Amount: costs, Metadata: json.RawMessage(`{"tenant_id": "` + ama.id.String() + `"}`)})
	m.await("Kofi's payment is credited", func() bool { return m.creditsOf(kofi) == before+3000 })

	for reference, reason := range map[string]string{tooLittle: "amount_mismatch", dollars: "currency_mismatch", borrowed: "transaction_of_another_purchase"} {
		m.await(reason, func() bool {
			return m.count("select count(*) from billing.credit_purchase where reference = $1 and status = 'review' and review_reason = $2", reference, reason) == 1
		})
	}
	m.close()
	require.Equal(t, before+3000, m.creditsOf(ama))
	require.Equal(t, before+3000, m.creditsOf(kofi))
	require.Equal(t, 3, m.count("select count(*) from billing.payment_review"), "one case for a person each")
	require.Equal(t, 27, m.count("select count(*) from billing.webhook_duplicate where dedupe_key not in (select dedupe_key from billing.webhook_event where reference = $1)", claimed), "each redelivery is noted")
	require.Equal(t, 2, m.count("select count(*) from billing.ledger_transfer where kind = 'purchase'"))
	require.GreaterOrEqual(t, m.worker.deaths(), 2)
}
