package load

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments/fake"
	"makola/test/stack"
)

// shops is how many businesses the payments are spread over.
const shops = 50

// reference is that of the n-th purchase; a payment for it is genuine in every respect.
func reference(n int) string { return fmt.Sprintf("%sLOAD%012d", billing.ReferencePrefix, n) }

// webhooks returns the signed webhooks of payments from to to-1 as whole HTTP requests.
func webhooks(addr string, from, to int) [][]byte {
	paid := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	out := make([][]byte, 0, to-from)
	for n := from; n < to; n++ {
		body, header := fake.SignedWebhook(stack.PaystackKey, fake.Charge{TransactionID: int64(n + 1), Reference: reference(n), Amount: money.FromMinor(9600, money.GHS), PaidAt: paid})
		var request bytes.Buffer
		fmt.Fprintf(&request, "POST /api/webhooks/paystack HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", addr, len(body))
		_ = header.Write(&request) // a buffer takes everything
		request.WriteString("\r\n")
		request.Write(body)
		out = append(out, request.Bytes())
	}
	return out
}

// sell inserts n pending purchases of the value package, spread over the shops, as the gateway would have left them: each shop with its owner, its books and its trial.
func sell(t testing.TB, admin *pgx.Conn, n int) {
	t.Helper()
	batch := &pgx.Batch{}
	batch.Queue(`insert into accounts.user (id, email, name, password_hash)
		select ('0190a000-0000-7000-8000-' || lpad(to_hex(k), 12, '0'))::uuid, 'owner' || k || '@example.com', 'Owner ' || k, '!' from generate_series(1, $1) k`, shops)
	batch.Queue(`insert into accounts.business (id, owner_id, name, email)
		select ('0190b000-0000-7000-8000-' || lpad(to_hex(k), 12, '0'))::uuid, ('0190a000-0000-7000-8000-' || lpad(to_hex(k), 12, '0'))::uuid, 'Shop ' || k, 'shop' || k || '@example.com'
		  from generate_series(1, $1) k`, shops)
	batch.Queue(`insert into accounts.membership (tenant_id, user_id, role) select id, owner_id, 'OWNER' from accounts.business`)
	batch.Queue(`insert into billing.subscription (tenant_id, status, is_trial, trial_end, period_start, period_end)
		select id, 'TRIAL', true, now() + interval '14 days', now(), now() + interval '14 days' from accounts.business`)
	batch.Queue(`insert into billing.ledger_account (id, tenant_id, kind, unit) select gen_random_uuid(), id, 'credits', 'CRD' from accounts.business`)
	batch.Queue(`insert into billing.credit_purchase (id, tenant_id, user_id, package, base_minor, tax_minor, amount_expected, currency, credits, bonus, reference, provider, method)
		select ('0190c000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, b.id, b.owner_id, 'value', 8000, 1600, 9600, 'GHS', 8000, 2000, $3 || 'LOAD' || lpad(n::text, 12, '0'), 'paystack', 'card'
		  from generate_series(0, $1 - 1) n
		  join (select id, owner_id, row_number() over (order by id) - 1 as k from accounts.business) b on b.k = n % $2`, n, shops, billing.ReferencePrefix)
	batch.Queue(`analyze billing.credit_purchase`)
	if err := admin.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatalf("insert purchases: %v", err)
	}
}

// credited waits until n purchases are completed and returns how long that took from began.
func credited(t testing.TB, admin *pgx.Conn, n int, began time.Time) time.Duration {
	t.Helper()
	stack.Within(t, limit, fmt.Sprintf("%d payments are credited", n), func() bool {
		var waiting bool // by way of an index, so that looking costs nothing
		if err := admin.QueryRow(t.Context(), "select exists (select from billing.credit_purchase where status = 'pending')").Scan(&waiting); err != nil {
			t.Fatalf("look for pending purchases: %v", err)
		}
		return !waiting
	})
	took := time.Since(began)
	var done int
	if err := admin.QueryRow(t.Context(), "select count(*) from billing.credit_purchase where status = 'completed'").Scan(&done); err != nil || done != n {
		t.Fatalf("%d of %d payments are completed: %v", done, n, err)
	}
	return took
}

// journeys returns how long each payment took from its webhook's arrival to the end of the task that credited it, by the database's clock.
func journeys(t testing.TB, admin *pgx.Conn) latencies {
	t.Helper()
	rows, err := admin.Query(t.Context(), `
		select (extract(epoch from t.finished_at - e.received_at) * 1000000)::bigint
		  from task.task t join billing.webhook_event e on e.id = (t.args->>'event_id')::uuid
		 where t.name = 'ai_features.process_payment_webhook' and t.state = 'succeeded'`)
	if err != nil {
		t.Fatalf("read journeys: %v", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (time.Duration, error) {
		var µs int64
		err := row.Scan(&µs)
		return time.Duration(µs) * time.Microsecond, err
	})
	if err != nil {
		t.Fatalf("read journeys: %v", err)
	}
	return all
}

// checkBooks fails the test unless the ledger agrees with itself and every payment was credited once.
func checkBooks(t testing.TB, s *stack.Stack, admin *pgx.Conn, n int) {
	t.Helper()
	if err := s.DB.Open("makola_operator").InSystem(t.Context(), func(tx *gorm.DB) error {
		faults, err := billing.VerifyLedger(tx)
		if len(faults) > 0 {
			t.Errorf("the books are wrong in %d places, the first: %s", len(faults), faults[0])
		}
		return err
	}); err != nil {
		t.Errorf("verify ledger: %v", err)
	}
	var credits int64
	if err := admin.QueryRow(t.Context(), "select coalesce(sum(balance), 0)::bigint from billing.ledger_account where kind = 'credits'").Scan(&credits); err != nil || credits != int64(n)*10000 {
		t.Errorf("the shops hold %d, want %d: %v", credits, n*10000, err)
	}
}

// BenchmarkPayments measures payments from webhook to ledger, as payments per second and as the time from a webhook's arrival to its credit: gateway and billing-worker run, and every
// payment has a purchase that waits for it. Before and after, the same number of payments goes over the floor (paymentFloor), and the better of the two counts.
func BenchmarkPayments(b *testing.B) {
	for _, conns := range []int{16, 64} {
		b.Run(fmt.Sprintf("%d_connections", conns), func(b *testing.B) { benchmarkPayments(b, conns, 20_000) })
	}
}

func benchmarkPayments(b *testing.B, conns, n int) {
	b.Helper()
	floor, floorWay, commits := floorOfPayments(b, conns, n)
	s := stack.New(b)
	admin := s.DB.Admin()
	sell(b, admin, n)
	gateway, worker := s.Start("api-gateway"), s.Start("billing-worker")
	stack.Ready(b, gateway, worker)
	requests := webhooks(s.Gateway, 0, n)
	before, began := gateway.CPU()+worker.CPU(), time.Now()
	posting, answers := flood(b, s.Gateway, conns, requests)
	all := credited(b, admin, n, began)
	cost := (gateway.CPU() + worker.CPU() - before) / time.Duration(n)
	way := journeys(b, admin)
	checkBooks(b, s, admin, n)
	gateway.Stop()
	worker.Stop()
	if again, w, c := floorOfPayments(b, conns, n); again < floor {
		floor, floorWay, commits = again, w, c
	}
	rate, least := perSecond(n, all), perSecond(n, floor)
	b.ReportMetric(float64(rate), "payments/s")
	b.ReportMetric(float64(perSecond(n, posting)), "webhooks/s")
	b.ReportMetric(float64(least), "floor/s")
	b.ReportMetric(float64(rate)/float64(max(least, 1)), "of-floor")
	what := fmt.Sprintf("payments, webhook to ledger, %d connections", conns)
	note(what, "%d payments/s; webhook to credited p50 %s, p99 %s; %d µs of processor each in gateway and worker; %s of the floor", rate, ms(way.at(500)), ms(way.at(990)), cost.Microseconds(), share(rate, least))
	note(what+": floor", "%d payments/s; posted to credited p50 %s, p99 %s; %d commits", least, ms(floorWay.at(500)), ms(floorWay.at(990)), commits)
	note(what+": the webhooks meanwhile", "%d/s; p50 %s, p99 %s", perSecond(n, posting), ms(answers.at(500)), ms(answers.at(990)))
}
