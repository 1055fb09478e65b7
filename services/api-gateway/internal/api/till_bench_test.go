package api_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/sales"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/api"
)

// A bench shop: eight storefronts that hold 200 products each.
const (
	benchStorefronts = 8
	benchProducts    = 200
	benchLines       = 3
	benchTills       = 8
)

type benchShop struct {
	pg         *postgrestest.Database
	admin      *pgx.Conn
	id, user   uuid.UUID
	customer   uuid.UUID
	who        sales.Actor
	storefront []uuid.UUID
}

func (s *benchShop) exec(b *testing.B, sql string, args ...any) {
	b.Helper()
	_, err := s.admin.Exec(b.Context(), sql, args...)
	require.NoError(b, err)
}

func newBenchShop(b *testing.B) *benchShop {
	b.Helper()
	pg := postgrestest.New(b)
	s := &benchShop{pg: pg, admin: pg.Admin(), id: uuid.Must(uuid.NewV7()), user: uuid.Must(uuid.NewV7()), customer: uuid.Must(uuid.NewV7())}
	s.who = sales.Actor{Entry: audit.Entry{Tenant: s.id, User: s.user, Actor: "ama@example.com"}, Scope: sales.Scope{All: true}, Approves: true}
	s.exec(b, `insert into accounts.user (id, email, name, password_hash) values ($1, 'ama@example.com', 'Ama', '!')`, s.user)
	s.exec(b, `insert into accounts.business (id, owner_id, name, email) values ($1, $2, 'Bench', 'ama@example.com')`, s.id, s.user)
	s.exec(b, `insert into sales.customer (id, tenant_id, name, currency, is_walk_in) values ($1, $2, 'Walk-In-Customer', 'GHS', true)`, s.customer, s.id)
	for i := range benchStorefronts {
		id := uuid.Must(uuid.NewV7())
		s.storefront = append(s.storefront, id)
		s.exec(b, `insert into inventory.location (id, tenant_id, kind, name, code) values ($1, $2, 'STOREFRONT', $3, $3)`, id, s.id, fmt.Sprintf("S%d", i))
	}
	s.exec(b, `select set_config('app.tenants', '{`+s.id.String()+`}', false)`)
	s.exec(b, `insert into inventory.product (id, tenant_id, name, sku) select gen_random_uuid(), $1, 'Product ' || n, 'P' || n from generate_series(1, $2::int) n`, s.id, benchProducts)
	s.exec(b, `insert into inventory.stock_batch (id, tenant_id, arrival_date, created_by) values ($1, $1, '2026-01-01', $2)`, s.id, s.user)
	s.exec(b, `insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, quantity_received, currency, unit_cost_minor, retail_price_minor)
		select gen_random_uuid(), $1, $1, l.id, p.id, 1000000, 'GHS', 600, 1000 from inventory.location l, inventory.product p`, s.id)
	s.exec(b, `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id)
		select gen_random_uuid(), tenant_id, product_id, location_id, id, quantity_received, 'INTAKE', 'stock_batch', $1 from inventory.stock_item`, s.id)
	return s
}

// carts opens n carts of three lines, ready to be checked out.
func (s *benchShop) carts(b *testing.B, n int) []uuid.UUID {
	b.Helper()
	ids, places := make([]uuid.UUID, n), make([]uuid.UUID, n)
	for i := range ids {
		ids[i], places[i] = uuid.Must(uuid.NewV7()), s.storefront[i%benchStorefronts]
	}
	s.exec(b, `insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, currency) select x.id, $1, x.place, $2, $3, 'GHS' from unnest($4::uuid[], $5::uuid[]) as x (id, place)`, s.id, s.user, s.customer, ids, places)
	s.exec(b, `with p as (select id, name, sku, row_number() over () as n from inventory.product), c as (select id, row_number() over () as n from unnest($2::uuid[]) as c (id))
		insert into sales.sale_item (id, tenant_id, sale_id, product_id, line, quantity, unit_price_minor, total_minor, product_name, product_sku)
		select gen_random_uuid(), $1, c.id, p.id, l, 1, 1000, 1000, p.name, p.sku from c, generate_series(1, $3::int) l, p where p.n = (c.n * 7 + l * 31) % $4 + 1`, s.id, ids, benchLines, benchProducts)
	s.exec(b, `insert into sales.reservation (id, tenant_id, sale_id, storefront_id, product_id, quantity, expires_at)
		select gen_random_uuid(), $1, s.id, s.storefront_id, i.product_id, i.quantity, now() + interval '1 hour' from sales.sale s join sales.sale_item i on i.sale_id = s.id where s.id = any ($2)`, s.id, ids)
	s.exec(b, `vacuum analyze sales.sale, sales.sale_item, sales.reservation, inventory.stock_level, inventory.stock_item`)
	return ids
}

// run calls fn for each of n with as many tills at once, and reports how many a second were done.
func tills(b *testing.B, n int, fn func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range benchTills {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := fn(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "checkouts/s")
}

// BenchmarkCheckout checks carts of three lines out, as the handler does, at eight tills in eight storefronts.
func BenchmarkCheckout(b *testing.B) {
	s := newBenchShop(b)
	ids := s.carts(b, b.N)
	db := s.pg.Open("makola_gateway")
	ctx := tenant.With(b.Context(), s.id)
	tills(b, b.N, func(i int) error {
		return db.InTenant(ctx, func(tx *gorm.DB) error {
			_, err := sales.Complete(tx, api.Shelf(), s.who, ids[i], sales.Checkout{Payout: sales.Payout{All: sales.Cash}}, time.Now())
			return err
		})
	})
}

// BenchmarkCheckoutFloor writes the same rows, with no rule asked, in one batch of plain pgx for each sale: what the database can do at most.
func BenchmarkCheckoutFloor(b *testing.B) {
	s := newBenchShop(b)
	ids := s.carts(b, b.N)
	pool, err := pgxpool.New(b.Context(), s.pg.URL("makola_gateway")+"&pool_max_conns=10")
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	tills(b, b.N, func(i int) error {
		ctx := b.Context()
		batch := &pgx.Batch{}
		batch.Queue(`begin`)
		batch.Queue(`select set_config('app.tenants', $1, true)`, "{"+s.id.String()+"}")
		batch.Queue(`insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id, user_id)
			select gen_random_uuid(), i.tenant_id, i.product_id, s.storefront_id, k.id, -i.quantity, 'SALE', 'sale_item', i.id, $2
			  from sales.sale s join sales.sale_item i on i.sale_id = s.id join inventory.stock_item k on k.tenant_id = i.tenant_id and k.location_id = s.storefront_id and k.product_id = i.product_id and k.on_hand > 0
			 where s.id = $1 order by i.product_id`, ids[i], s.user)
		batch.Queue(`update sales.sale_item set cost_minor = 600 where sale_id = $1`, ids[i])
		batch.Queue(`update sales.reservation set status = 'COMMITTED', ended_at = now() where sale_id = $1 and status = 'ACTIVE'`, ids[i])
		batch.Queue(`insert into sales.payment (id, tenant_id, sale_id, customer_id, amount_minor, currency, method, processed_by) values (gen_random_uuid(), $1, $2, $3, 3000, 'GHS', 'CASH', $4)`, s.id, ids[i], s.customer, s.user)
		batch.Queue(`insert into audit.entry (id, tenant_id, user_id, actor, action, entity, entity_id, changes, ip, user_agent) values (gen_random_uuid(), $1, $2, 'ama@example.com', 'SALE', 'sale', $3, '{"total": "30.00", "paid": "30.00", "due": "0.00", "currency": "GHS"}', '', '')`,
			s.id, s.user, ids[i].String())
		batch.Queue(`with c as (insert into sales.receipt_counter as c (tenant_id, storefront_id, day, last) values ($1, $3, current_date, 1) on conflict (tenant_id, storefront_id, day) do update set last = c.last + 1 returning last)
			update sales.sale set receipt_number = $4::text || c.last::text, status = 'COMPLETED', subtotal_minor = 3000, total_minor = 3000, paid_minor = 3000, payment_type = 'CASH', completed_at = now() from c where id = $2`,
			s.id, ids[i], s.storefront[i%benchStorefronts], fmt.Sprintf("S%d-", i%benchStorefronts))
		batch.Queue(`commit`)
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		return conn.SendBatch(ctx, batch).Close()
	})
}

// BenchmarkSaleList reads pages of 20 of a business with a million lines in 250,000 sales over two years, as the handlers do.
func BenchmarkSaleList(b *testing.B) {
	s := newBenchShop(b)
	s.exec(b, `insert into sales.customer (id, tenant_id, name, phone, currency, credit_limit_minor) select gen_random_uuid(), $1, 'Customer ' || n, '02' || lpad(n::text, 8, '0'), 'GHS', 100000 from generate_series(1, 5000) n`, s.id)
	s.exec(b, `with place as (select array_agg(id) as ids from inventory.location), buyer as (select array_agg(id) as ids from sales.customer)
		insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, receipt_number, status, currency, subtotal_minor, total_minor, paid_minor, due_minor, payment_type, created_at, completed_at)
		select (lpad(to_hex((extract(epoch from t) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid, $1, place.ids[1 + n % 8], $2, buyer.ids[1 + n % 5000], 'R-' || n,
		       case when n % 50 = 0 then 'PENDING' else 'COMPLETED' end, 'GHS', 4000, 4000, case when n % 50 = 0 then 0 else 4000 end, case when n % 50 = 0 then 4000 else 0 end, 'CASH', t, t
		  from generate_series(1, 250000) n cross join lateral (select now() - n * interval '4 minutes' as t) x, place, buyer`, s.id, s.user)
	s.exec(b, `with p as (select array_agg(id) as ids from inventory.product)
		insert into sales.sale_item (id, tenant_id, sale_id, product_id, line, quantity, unit_price_minor, total_minor, cost_minor, product_name, product_sku)
		select gen_random_uuid(), s.tenant_id, s.id, p.ids[1 + l * 31], l, 1, 1000, 1000, 600, 'x', 'x' from sales.sale s, generate_series(1, 4) l, p`)
	s.exec(b, `insert into sales.receivable (id, tenant_id, sale_id, customer_id, currency, original_minor, outstanding_minor, due_date)
		select gen_random_uuid(), tenant_id, id, customer_id, 'GHS', 4000, 4000, completed_at::date + 30 from sales.sale where due_minor > 0`)
	s.exec(b, `vacuum analyze sales.sale, sales.sale_item, sales.receivable, sales.customer`)
	db := s.pg.Open("makola_gateway")
	ctx := tenant.With(b.Context(), s.id)
	now := time.Now()
	var customer uuid.UUID
	require.NoError(b, s.admin.QueryRow(ctx, `select id from sales.customer where phone = '0200002500'`).Scan(&customer))
	var middle uuid.UUID
	require.NoError(b, s.admin.QueryRow(ctx, `select id from sales.sale where receipt_number = 'R-125000'`).Scan(&middle))
	pending, refunded, due, year := sales.Pending, sales.Refunded, int64(1), now.AddDate(-1, 0, 0)
	monthLater := year.AddDate(0, 1, 0)
	own := sales.Scope{IDs: s.storefront[:1]}
	list := func(f sales.SaleFilter) func(tx *gorm.DB, clock sales.Clock) error {
		f.Limit = 20
		if f.Scope.IDs == nil {
			f.Scope.All = true
		}
		return func(tx *gorm.DB, clock sales.Clock) error {
			_, err := sales.ListSales(tx, f, clock, now)
			return err
		}
	}
	for _, bench := range []struct {
		name string
		read func(tx *gorm.DB, clock sales.Clock) error
	}{
		{"newest", list(sales.SaleFilter{})},
		{"middle", list(sales.SaleFilter{Before: middle})},
		{"one storefront's", list(sales.SaleFilter{Scope: own})},
		{"a customer's", list(sales.SaleFilter{Customer: &customer})},
		{"pending", list(sales.SaleFilter{Status: &pending})},
		{"refunded, of which there are none", list(sales.SaleFilter{Status: &refunded})},
		{"of a month a year ago", list(sales.SaleFilter{From: &year, To: &monthLater})},
		{"of a month a year ago in one storefront", list(sales.SaleFilter{From: &year, To: &monthLater, Scope: own})},
		{"due", list(sales.SaleFilter{MinDue: &due})},
		{"by receipt", list(sales.SaleFilter{Receipt: "R-200000"})},
		{"one sale", func(tx *gorm.DB, _ sales.Clock) error {
			_, err := sales.SaleByID(tx, middle, sales.Scope{All: true})
			return err
		}},
		{"receivables", func(tx *gorm.DB, clock sales.Clock) error {
			_, err := sales.ListReceivables(tx, sales.ReceivableFilter{Limit: 20, Scope: sales.Scope{All: true}}, clock, now)
			return err
		}},
		{"sum of receivables", func(tx *gorm.DB, clock sales.Clock) error {
			_, err := sales.SumReceivables(tx, sales.Scope{All: true}, clock, now)
			return err
		}},
		{"customers by name", func(tx *gorm.DB, _ sales.Clock) error {
			_, err := sales.ListCustomers(tx, sales.CustomerFilter{Limit: 20, Q: "tomer 4321"})
			return err
		}},
		{"sums of a day", func(tx *gorm.DB, clock sales.Clock) error {
			_, err := sales.Summarize(tx, sales.Scope{All: true}, nil, clock, now.Add(-24*time.Hour), now)
			return err
		}},
		{"sums of a month", func(tx *gorm.DB, clock sales.Clock) error {
			_, err := sales.Summarize(tx, sales.Scope{All: true}, nil, clock, year, monthLater)
			return err
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for range b.N {
				err := db.InTenant(ctx, func(tx *gorm.DB) error {
					clock, err := sales.ClockOf(tx)
					if err != nil {
						return err
					}
					return bench.read(tx, clock)
				})
				require.NoError(b, err)
			}
		})
	}
}
