package webhook_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"makola/pkg/postgres/postgrestest"
)

func BenchmarkWebhook_1conns(b *testing.B)  { benchmarkWebhook(b, 1, newGate) }
func BenchmarkWebhook_16conns(b *testing.B) { benchmarkWebhook(b, 16, newGate) }
func BenchmarkWebhook_64conns(b *testing.B) { benchmarkWebhook(b, 64, newGate) }

// The floor verifies the signature and commits one row, and does nothing else.
func BenchmarkFloor_1conns(b *testing.B)  { benchmarkWebhook(b, 1, newFloor) }
func BenchmarkFloor_16conns(b *testing.B) { benchmarkWebhook(b, 16, newFloor) }
func BenchmarkFloor_64conns(b *testing.B) { benchmarkWebhook(b, 64, newFloor) }

func newFloor(t testing.TB) *gate {
	t.Helper()
	db := postgrestest.New(t).Open("makola_webhook")
	provider := newProvider(t)
	g := &gate{}
	g.serve(t, func(c *gin.Context) {
		body, err := io.ReadAll(c.Request.Body)
		if err != nil {
			c.Status(http.StatusBadRequest)
			return
		}
		e, err := provider.VerifyWebhook(body, c.Request.Header)
		if err != nil {
			c.Status(http.StatusUnauthorized)
			return
		}
		if _, err := db.Pool().Exec(c.Request.Context(), "insert into billing.webhook_event (id, provider, dedupe_key, event_type, body) values ($1, $2, $3, $4, $5)",
			uuid.Must(uuid.NewV7()), e.Provider, e.DedupeKey, e.Type, body); err != nil {
			c.Status(http.StatusInternalServerError)
			return
		}
		c.Data(http.StatusOK, "application/json", []byte(`{"status":"queued"}`))
	})
	return g
}

// benchmarkWebhook posts distinct genuine webhooks over conns connections; client, server and database share the machine.
func benchmarkWebhook(b *testing.B, conns int, open func(testing.TB) *gate) {
	b.Helper()
	g := open(b)
	type request struct {
		body   []byte
		header http.Header
	}
	requests := make([]request, b.N)
	for i := range requests {
		requests[i].body, requests[i].header = charge(int64(i + 1))
	}
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	b.ResetTimer()
	var group errgroup.Group
	for range conns {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return nil
				}
				start := time.Now()
				status, answer, _, err := g.post(b.Context(), requests[i].body, requests[i].header)
				if err != nil || status != http.StatusOK {
					return fmt.Errorf("%d %s: %w", status, answer, err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	require.NoError(b, group.Wait())
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
