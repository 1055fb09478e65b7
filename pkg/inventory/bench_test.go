package inventory_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/postgres"
)

func BenchmarkSell_1line(b *testing.B)   { benchmarkSell(b, 1) }
func BenchmarkSell_30lines(b *testing.B) { benchmarkSell(b, 30) }

// benchmarkSell sells baskets, each product of which is in two items, by one cashier after another. The floor writes as many movements in a transaction of its own and asks
// nothing before: what any ledger has to do.
func benchmarkSell(b *testing.B, lines int) {
	b.Helper()
	s := newHouse(b).open(b)
	front := s.place(b, "STOREFRONT", "SHOP")
	products, items := make([]uuid.UUID, lines), make([]uuid.UUID, lines)
	for i := range products {
		products[i] = s.product(b, "sku "+uuid.NewString())
		items[i] = s.stock(b, front, products[i], 400_000_000, 100, "2026-12-31")
		s.stock(b, front, products[i], 400_000_000, 100, "")
	}
	s.exec(b, `analyze`)
	ids := func() []uuid.UUID {
		list := make([]uuid.UUID, lines)
		for i := range list {
			list[i] = newID(b)
		}
		return list
	}
	sell := func() error {
		basket := make([]inventory.Take, lines)
		for i, id := range ids() {
			basket[i] = inventory.Take{SaleItemID: id, ProductID: products[i], Quantity: 2}
		}
		_, err := s.sell(b.Context(), front, basket...)
		return err
	}
	floor := func() error {
		return s.in(b.Context(), func(tx *gorm.DB) error {
			_, err := postgres.Exec(tx, `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id)
				select u.id, $1, u.product, $2, u.item, -2, 'SALE', 'sale_item', u.id from unnest($3::uuid[], $4::uuid[], $5::uuid[]) as u (id, product, item)`, s.id, front, ids(), products, items)
			return err
		})
	}
	compare(b, sell, floor)
	b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
}

// compare times do, and after each time floor, so that both meet the same machine.
func compare(b *testing.B, do, floor func() error) {
	b.Helper()
	for range 10 { // plans are made, pages are read
		require.NoError(b, do())
		require.NoError(b, floor())
	}
	var took, least []time.Duration
	clock := func(list *[]time.Duration, fn func() error) {
		begin := time.Now()
		require.NoError(b, fn())
		*list = append(*list, time.Since(begin))
	}
	for b.Loop() {
		clock(&took, do)
		b.StopTimer()
		clock(&least, floor)
		b.StartTimer()
	}
	at := func(list []time.Duration, share float64) float64 {
		slices.Sort(list)
		return float64(list[int(share*float64(len(list)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(at(took, 0.5), "p50-ms")
	b.ReportMetric(at(took, 0.99), "p99-ms")
	b.ReportMetric(at(least, 0.5), "floor-p50-ms")
}

// BenchmarkProducts reads pages of 20 out of 100,000 products, half of which are at a storefront. The floor reads 20 products of the business by their ids.
func BenchmarkProducts(b *testing.B) {
	s := newHouse(b).open(b)
	front := s.place(b, "STOREFRONT", "SHOP")
	s.exec(b, `insert into inventory.product (id, tenant_id, name, sku, barcode) select md5('p' || i)::uuid, $1, 'Product ' || md5(i::text), 'SKU-' || i, '600' || i from generate_series(1, 100000) i`, s.id)
	s.exec(b, `insert into inventory.stock_level (tenant_id, location_id, product_id, currency, retail_price_minor, on_hand)
		select $1, $2, md5('p' || i)::uuid, 'GHS', 100, case when i % 1000 = 0 then 5 else 500 end from generate_series(2, 100000, 2) i`, s.id, front)
	s.exec(b, `vacuum analyze inventory.product`)
	s.exec(b, `vacuum analyze inventory.stock_level`)
	var some []uuid.UUID
	floor := func() error {
		return s.in(b.Context(), func(tx *gorm.DB) error {
			_, err := postgres.Exec(tx, `select * from inventory.product where tenant_id = $1 and id = any($2)`, s.id, some)
			return err
		})
	}
	list := func(f inventory.ProductFilter, want int) func() error {
		return func() error {
			return s.in(b.Context(), func(tx *gorm.DB) error {
				page, _, err := inventory.Products(tx, rules(), f, uuid.Nil, 20)
				require.Len(b, page, want)
				some = some[:0]
				for _, p := range page {
					some = append(some, p.ID)
				}
				return err
			})
		}
	}
	for name, do := range map[string]func() error{
		"page": list(inventory.ProductFilter{}, 20), "page of a place": list(inventory.ProductFilter{Location: front}, 20), "search": list(inventory.ProductFilter{Query: "sku-4242"}, 11),
		"search of two letters": list(inventory.ProductFilter{Query: "ab"}, 20), "barcode": list(inventory.ProductFilter{Barcode: "6004242"}, 1),
		"low, one in 1000": list(inventory.ProductFilter{Status: inventory.LowStock}, 20), "low at a place": list(inventory.ProductFilter{Status: inventory.LowStock, Location: front}, 20),
		"out of stock, every other": list(inventory.ProductFilter{Status: inventory.OutOfStock}, 20),
	} {
		b.Run(name, func(b *testing.B) { compare(b, do, floor) })
	}
}

// BenchmarkMovements reads pages of 20 out of 1,000,000 movements of 1,000 products. The floor reads the same lines without what was there before and after.
func BenchmarkMovements(b *testing.B) {
	s := newHouse(b).open(b)
	front := s.place(b, "STOREFRONT", "SHOP")
	s.exec(b, `insert into inventory.product (id, tenant_id, name, sku) select md5('p' || i)::uuid, $1, 'Product ' || i, 'SKU-' || i from generate_series(0, 999) i`, s.id)
	s.exec(b, `insert into inventory.stock_batch (id, tenant_id, arrival_date, created_by) values (md5('b')::uuid, $1, '2026-01-01', $2)`, s.id, s.user)
	s.exec(b, `set session_replication_role = replica`) // the ledger's trigger would do a million movements' work; what it would have written is written below
	s.exec(b, `insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, quantity_received, on_hand, currency, unit_cost_minor, retail_price_minor)
		select md5('i' || i)::uuid, $1, md5('b')::uuid, $2, md5('p' || i)::uuid, 1, 1000, 'GHS', 1, 1 from generate_series(0, 999) i`, s.id, front)
	s.exec(b, `insert into inventory.stock_level (tenant_id, location_id, product_id, currency, retail_price_minor, on_hand) select $1, $2, md5('p' || i)::uuid, 'GHS', 1, 1000 from generate_series(0, 999) i`, s.id, front)
	s.exec(b, `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id, at)
		select md5('m' || i)::uuid, $1, md5('p' || i % 1000)::uuid, $2, md5('i' || i % 1000)::uuid, 1, 'INTAKE', 'stock_batch', md5('b')::uuid, now() - (1000000 - i) * interval '10 seconds' from generate_series(1, 1000000) i`, s.id, front)
	s.exec(b, `set session_replication_role = origin`)
	s.exec(b, `vacuum analyze inventory.movement`)
	s.exec(b, `analyze`)
	product := uuid.UUID{}
	require.NoError(b, s.admin.QueryRow(b.Context(), `select md5('p7')::uuid`).Scan(&product))
	id := func(n int) (id uuid.UUID) {
		require.NoError(b, s.admin.QueryRow(b.Context(), `select md5('m' || $1::int)::uuid`, n).Scan(&id))
		return id
	}
	for name, tc := range map[string]struct {
		filter inventory.MovementFilter
		after  uuid.UUID
	}{
		"newest": {}, "half a million back": {after: id(500_000)}, "newest of a product": {filter: inventory.MovementFilter{Product: product}},
		"oldest of a product": {filter: inventory.MovementFilter{Product: product}, after: id(30_007)}, "of a place": {filter: inventory.MovementFilter{Location: front}},
	} {
		b.Run(name, func(b *testing.B) {
			var seen []uuid.UUID
			compare(b, func() error {
				return s.in(b.Context(), func(tx *gorm.DB) error {
					page, _, err := inventory.Movements(tx, tc.filter, tc.after, 20)
					require.Len(b, page, 20)
					seen = seen[:0]
					for _, m := range page {
						require.Equal(b, m.Before+1, m.After)
						seen = append(seen, m.ID)
					}
					return err
				})
			}, func() error {
				return s.in(b.Context(), func(tx *gorm.DB) error {
					_, err := postgres.Exec(tx, `select * from inventory.movement where tenant_id = $1 and id = any($2) order by at desc, id desc`, s.id, seen)
					return err
				})
			})
		})
	}
}
