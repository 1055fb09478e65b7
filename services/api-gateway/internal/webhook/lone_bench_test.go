package webhook_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// BenchmarkLone shows what the sharing of commits costs a lone webhook: over one connection, the handler as it is takes turns with one that does the same work without
// gathering, in a transaction of its own within the request. of-unshared is the median of the first divided by that of the second: 1 means that sharing costs nothing.
func BenchmarkLone(b *testing.B) {
	shared, unshared := newGate(b), newUnshared(b)
	n := max(b.N, 2000)
	took := map[*gate][]time.Duration{}
	for i := range n + 200 {
		body, header := charge(int64(i + 1))
		for _, g := range []*gate{shared, unshared} {
			start := time.Now()
			status, answer, _, err := g.post(b.Context(), body, header)
			if err != nil || status != http.StatusOK {
				b.Fatalf("%d %s: %v", status, answer, err)
			}
			if i >= 200 { // the first warm connections, statements and caches
				took[g] = append(took[g], time.Since(start))
			}
		}
	}
	at := func(g *gate, thousandth int) float64 {
		slices.Sort(took[g])
		return float64(took[g][n*thousandth/1000].Microseconds()) / 1000
	}
	b.ReportMetric(at(shared, 500), "p50-ms")
	b.ReportMetric(at(shared, 990), "p99-ms")
	b.ReportMetric(at(unshared, 500), "unshared-p50-ms")
	b.ReportMetric(at(unshared, 990), "unshared-p99-ms")
	b.ReportMetric(at(shared, 500)/at(unshared, 500), "of-unshared")
	fmt.Printf("\n| a lone webhook, shared commits | p50 %.2f ms, p99 %.2f ms; without sharing p50 %.2f ms, p99 %.2f ms; %.2f of that |\n",
		at(shared, 500), at(shared, 990), at(unshared, 500), at(unshared, 990), at(shared, 500)/at(unshared, 500))
}

// newUnshared is newGate without gathering.
func newUnshared(t testing.TB) *gate {
	t.Helper()
	g := newGate(t)
	provider := newProvider(t)
	tasks := aifeatures.NewTasks(task.NewQueue(g.db, nil, task.QueueConfig{}))
	g.serve(t, func(c *gin.Context) {
		body, err := io.ReadAll(c.Request.Body)
		require.NoError(t, err)
		e, err := provider.VerifyWebhook(body, c.Request.Header)
		require.NoError(t, err)
		tx, err := g.db.Begin(c.Request.Context(), postgres.Scope{System: true, Timeout: 2 * time.Second})
		require.NoError(t, err)
		defer tx.Rollback()
		id := uuid.Must(uuid.NewV7())
		fresh, err := billing.RecordEvents(tx.DB, []billing.Event{{
			ID: id, Provider: "paystack", DedupeKey: e.DedupeKey, Type: e.Type, Reference: e.Reference, Body: body, Trusted: e.Evidence == payments.BodyBound,
			Status: e.Status, Amount: e.Amount, TransactionID: e.ProviderTransactionID, PaidAt: e.PaidAt,
		}})
		require.NoError(t, err)
		require.True(t, fresh[id])
		_, err = tasks.ProcessPaymentWebhook(c.Request.Context(), tx.DB, &aifeatures.ProcessPaymentWebhookArgs{
			PaymentReference: e.Reference, PaymentProvider: &e.Provider, EventId: id.String(), AmountMinor: e.Amount.Minor, Currency: string(e.Amount.Currency),
			Status: string(e.Status), ProviderTransactionId: e.ProviderTransactionID, AmountPaid: e.Amount.Decimal(), PaidAt: e.PaidAt.UTC().Format(time.RFC3339),
		})
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		c.Data(http.StatusOK, "application/json", []byte(`{"status":"queued"}`))
	})
	return g
}
