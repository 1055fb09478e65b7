package billing_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
)

func BenchmarkCreditBatch_1(b *testing.B)   { benchmarkCreditBatch(b, 1) }
func BenchmarkCreditBatch_256(b *testing.B) { benchmarkCreditBatch(b, 256) }

// benchmarkCreditBatch settles batches of size payments, spread over 1,000 businesses, each with its stored event, and commits each batch.
func benchmarkCreditBatch(b *testing.B, size int) {
	b.Helper()
	h := newHouse(b)
	admin := h.admin
	_, err := admin.Exec(b.Context(), `
		insert into billing.ledger_account (id, tenant_id, kind, unit)
		select gen_random_uuid(), gen_random_uuid(), 'credits', 'CRD' from generate_series(1, 1000)`)
	require.NoError(b, err)
	made := 0
	refill := func() []billing.Evidence {
		batch := &pgx.Batch{}
		batch.Queue(`
			insert into billing.credit_purchase (id, tenant_id, user_id, package, base_minor, tax_minor, amount_expected, currency, credits, bonus, reference, provider, method)
			select ('01900000-0000-7000-8000-' || lpad(to_hex($1 + n), 12, '0'))::uuid, tenant_id, gen_random_uuid(), 'value', 8000, 1600, 9600, 'GHS', 8000, 2000,
			       'AI-' || lpad(($1 + n)::text, 12, '0'), 'paystack', 'card'
			  from (select tenant_id, row_number() over () - 1 as k from billing.ledger_account where kind = 'credits') a
			  join generate_series(0, $2 - 1) n on n % 1000 = a.k`, made, 64*size)
		batch.Queue(`
			insert into billing.webhook_event (id, provider, dedupe_key, event_type, reference, body, trusted, status, amount_minor, currency, provider_txn_id)
			select ('01910000-0000-7000-8000-' || lpad(to_hex($1 + n), 12, '0'))::uuid, 'paystack', 'charge.success:' || $1 + n || ':success', 'charge.success',
			       'AI-' || lpad(($1 + n)::text, 12, '0'), convert_to(repeat('x', 700), 'utf8'), true, 'succeeded', 9600, 'GHS', ($1 + n)::text
			  from generate_series(0, $2 - 1) n`, made, 64*size)
		require.NoError(b, admin.SendBatch(b.Context(), batch).Close())
		evidence := make([]billing.Evidence, 64*size)
		for i := range evidence {
			n := made + i
			evidence[i] = billing.Evidence{
				Event: uuid.MustParse(fmt.Sprintf("01910000-0000-7000-8000-%012x", n)), Provider: "paystack", Reference: fmt.Sprintf("AI-%012d", n),
				Status: payments.StatusSucceeded, Amount: money.FromMinor(9600, money.GHS), TransactionID: fmt.Sprint(n),
			}
		}
		made += len(evidence)
		return evidence
	}
	var left []billing.Evidence
	for b.Loop() {
		if len(left) == 0 {
			b.StopTimer()
			left = refill()
			b.StartTimer()
		}
		out, err := h.credit(b.Context(), left[:size]...)
		if err != nil {
			b.Fatal(err)
		}
		for _, o := range out {
			if o.Kind != billing.Credited {
				b.Fatalf("%+v", o)
			}
		}
		left = left[size:]
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "payments/s")
	b.StopTimer()
	requireBooksBalance(b, h.operator)
}
