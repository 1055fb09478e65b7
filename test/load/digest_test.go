package load

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/tenant"
	"makola/test/stack"
)

// crowd is how many businesses a sweep goes over; every tenth has something to be told.
const crowd = 10_000

// gather makes the businesses, each with its owner, and a product that is out of stock at every tenth.
func gather(b *testing.B, admin *pgx.Conn) {
	b.Helper()
	batch := &pgx.Batch{}
	batch.Queue(`insert into accounts.user (id, email, name, password_hash)
		select ('0190a000-0000-7000-8000-' || lpad(to_hex(k), 12, '0'))::uuid, 'owner' || k || '@example.com', 'Owner ' || k, '!' from generate_series(1, $1::int) k`, crowd)
	batch.Queue(`insert into accounts.business (id, owner_id, name, email)
		select ('0190b000-0000-7000-8000-' || lpad(to_hex(k), 12, '0'))::uuid, ('0190a000-0000-7000-8000-' || lpad(to_hex(k), 12, '0'))::uuid, 'Shop ' || k, 'shop' || k || '@example.com'
		  from generate_series(1, $1::int) k`, crowd)
	batch.Queue(`insert into accounts.membership (tenant_id, user_id, role) select id, owner_id, 'OWNER' from accounts.business`)
	batch.Queue(`insert into inventory.location (id, tenant_id, kind, name, code) select gen_random_uuid(), id, 'STOREFRONT', 'Main', 'MAIN' from accounts.business`)
	batch.Queue(`insert into inventory.product (id, tenant_id, name, sku) select gen_random_uuid(), id, 'Soap', 'SOAP' from (select id, row_number() over (order by id) as n from accounts.business) x where n % 10 = 0`)
	batch.Queue(`insert into inventory.stock_level (tenant_id, location_id, product_id, currency, retail_price_minor)
		select p.tenant_id, l.id, p.id, 'GHS', 300 from inventory.product p join inventory.location l using (tenant_id)`)
	batch.Queue(`insert into inventory.stock_alert (id, tenant_id, product_id, location_id, type, current_quantity, threshold)
		select gen_random_uuid(), tenant_id, product_id, location_id, 'OUT_OF_STOCK', 0, 10 from inventory.stock_level`)
	batch.Queue(`analyze`)
	if err := admin.SendBatch(b.Context(), batch).Close(); err != nil {
		b.Fatalf("make businesses: %v", err)
	}
}

// otherJobs are all of cron's but the one that is measured.
const otherJobs = `insert into cron.run (job, slot, skipped) select j, now() + interval '10 years', 'not measured' from unnest(array['check-stock-alerts', 'release-expired-stock-reservations',
	'cleanup-expired-ai-transactions', 'check-low-ai-credits', 'cleanup-expired-subscriptions', 'cleanup-expired-stock-reservations', 'check-expiring-products', 'send-stock-movement-report',
	'cleanup-inactive-users', 'generate-user-activity-report', 'check-payment-gateway-health', 'expire-invitations', 'reconcile-payments', 'reconcile-subscription-payments', 'compare-payments', 'expire-credits', 'verify-ledger', 'verify-stock', 'verify-receivables']) j`

// BenchmarkDigests measures send_low_stock_alert over 10,000 businesses, from the slot's commit in cron to the last business told, by the database's clock: cron, inventory-worker,
// PostgreSQL and RabbitMQ. The mails wait for notifier, which does not run. The floor is what the engine drains of tasks that do nothing, one by one as these.
func BenchmarkDigests(b *testing.B) {
	floor := drainShort(b)
	s := stack.New(b)
	admin := s.DB.Admin()
	gather(b, admin)
	if _, err := admin.Exec(b.Context(), otherJobs); err != nil {
		b.Fatalf("put the other jobs off: %v", err)
	}
	worker := s.Start("inventory-worker")
	stack.Ready(b, worker)
	before, _ := worker.Memory()
	cron := s.Start("cron")
	stack.Ready(b, cron)
	const name = "inventory.send_low_stock_alert"
	stack.Within(b, limit, "every business is told", func() bool {
		var done bool // one row at a time, so that looking costs little
		if err := admin.QueryRow(b.Context(), `select exists (select from task.task where name = $1 and state = 'succeeded' and parent_id is null)
			and not exists (select from task.task where name = $1 and state in ('pending', 'published', 'running'))`, name).Scan(&done); err != nil {
			b.Fatalf("look for unfinished tasks: %v", err)
		}
		return done
	})
	var took, fan int64
	var told, mails int
	if err := admin.QueryRow(b.Context(), `select (extract(epoch from max(t.finished_at) - min(r.created_at)) * 1000000)::bigint, (extract(epoch from min(t.finished_at) filter (where t.parent_id is null) - min(r.created_at)) * 1000000)::bigint,
		count(*) filter (where t.parent_id is not null and t.state = 'succeeded'), (select count(*) from notifications.email)
		from task.task t, (select created_at from cron.run where job = 'send-low-stock-alerts' and task_id is not null) r where t.name = $1`, name).Scan(&took, &fan, &told, &mails); err != nil {
		b.Fatalf("read how long it took: %v", err)
	}
	if told != crowd || mails != crowd/10 {
		b.Fatalf("%d businesses were told by %d mails, want %d and %d", told, mails, crowd, crowd/10)
	}
	rate := perSecond(crowd, time.Duration(took)*time.Microsecond)
	_, peak := worker.Memory()
	b.ReportMetric(float64(rate), "businesses/s")
	b.ReportMetric(float64(rate)/float64(floor), "of-floor")
	note(fmt.Sprintf("low stock digests, %d businesses, slot to last", crowd), "%d businesses/s; all enqueued after %s; %s of no-op SHORT tasks drained alone", rate, ms(time.Duration(fan)*time.Microsecond), share(rate, floor))
	note("memory of inventory-worker meanwhile", "%s before, %s at most", mib(before), mib(peak))
}

// drainShort is how many SHORT tasks that do nothing the engine finishes in a second when all are enqueued already.
func drainShort(b *testing.B) int {
	b.Helper()
	f := newFactory(b)
	f.produce(b, 32, modes[0].enqueue)
	began := time.Now()
	f.start(b)
	f.drained(b)
	return perSecond(noops, time.Since(began))
}

// BenchmarkAlerts measures the look for crossings in one business of 100,000 products, a hundredth of them low: the sweep that opens all alerts, the sweep that finds nothing new,
// and what a sale of 30 lines does. The floor only counts what is at or below its threshold.
func BenchmarkAlerts(b *testing.B) {
	const products = 100_000
	s := stack.New(b)
	admin := s.DB.Admin()
	shop, owner := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	batch := &pgx.Batch{}
	batch.Queue(`insert into accounts.user (id, email, name, password_hash) values ($1, 'ama@example.com', 'Ama', '!')`, owner)
	batch.Queue(`insert into accounts.business (id, owner_id, name, email) values ($1, $2, 'Shop', 'shop@example.com')`, shop, owner)
	batch.Queue(`insert into inventory.location (id, tenant_id, kind, name, code) values ($1, $1, 'STOREFRONT', 'Main', 'MAIN')`, shop)
	batch.Queue(`insert into inventory.product (id, tenant_id, name, sku) select gen_random_uuid(), $1, 'Product ' || n, 'P' || n from generate_series(1, $2::int) n`, shop, products)
	batch.Queue(`insert into inventory.stock_level (tenant_id, location_id, product_id, currency, retail_price_minor, on_hand)
		select tenant_id, tenant_id, id, 'GHS', 300, case when row_number() over (order by id) % 100 = 0 then 3 else 50 end from inventory.product`)
	if err := admin.SendBatch(b.Context(), batch).Close(); err != nil {
		b.Fatalf("make products: %v", err)
	}
	if _, err := admin.Exec(b.Context(), "vacuum analyze"); err != nil {
		b.Fatalf("analyze: %v", err)
	}
	db := s.DB.Open("makola_inventory")
	in := func(fn func(tx *gorm.DB) error) time.Duration {
		began := time.Now()
		if err := db.InTenant(tenant.With(b.Context(), shop), fn); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	var pairs []inventory.Pair
	rows, err := admin.Query(b.Context(), `select product_id, location_id from inventory.stock_level order by product_id limit 30`)
	if err != nil {
		b.Fatal(err)
	}
	if pairs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[inventory.Pair]); err != nil {
		b.Fatal(err)
	}
	refresh := func(places []inventory.Pair, want int) func(tx *gorm.DB) error {
		return func(tx *gorm.DB) error {
			opened, _, err := inventory.RefreshAlerts(tx, places)
			if err == nil && opened != want {
				err = fmt.Errorf("%d alerts were opened, want %d", opened, want)
			}
			return err
		}
	}
	first := in(refresh(nil, products/100))
	const times = 20
	var floors, sweeps, sales latencies
	for range times {
		floors = append(floors, in(func(tx *gorm.DB) error {
			var n int
			return tx.Raw(`select count(*) from inventory.stock_level l join inventory.product p on p.tenant_id = l.tenant_id and p.id = l.product_id
				where l.tenant_id = ? and l.on_hand <= coalesce(l.reorder_level, p.reorder_level, 10)`, shop).Scan(&n).Error
		}))
		sweeps = append(sweeps, in(refresh(nil, 0)))
		sales = append(sales, in(refresh(pairs, 0)))
	}
	floor, sweep := floors.at(500), sweeps.at(500)
	b.ReportMetric(float64(sweep.Microseconds())/1000, "sweep-ms")
	b.ReportMetric(float64(sweep)/float64(floor), "of-floor")
	note("alerts, 100,000 products, 1,000 low: the first sweep", "%s", ms(first))
	note("alerts, 100,000 products: a sweep that finds nothing new", "p50 %s; %s of counting what is low", ms(sweep), share(int(sweep.Microseconds()), int(floor.Microseconds())))
	note("alerts, 100,000 products: a sale of 30 lines", "p50 %s", ms(sales.at(500)))
}
