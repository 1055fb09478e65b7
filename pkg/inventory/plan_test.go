package inventory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tabular"
	"makola/pkg/tenant"
)

// What a list or a look-up costs is counted in the rows that PostgreSQL reads for it, which no busy machine changes. There are 4,000 products, each at a storefront, with a
// movement each; every limit is far below that, and what went wrong once is far above. Plans are those that are kept for all businesses, for they know the least.
func TestAListReadsWhatItShowsAndNotTheWholeBusiness(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	h := &house{gateway: pg.Open("makola_gateway"), admin: pg.Admin()}
	s, other := h.open(t), h.open(t)
	front, empty := s.place(t, "STOREFRONT", "SHOP"), s.place(t, "STOREFRONT", "BARE")
	s.exec(t, `set session_replication_role = replica`) // the ledger's trigger would do the movements' work; what it would have written is written below
	for _, b := range []*shop{s, other} {
		place := front
		if b == other {
			place = other.place(t, "STOREFRONT", "SHOP")
		}
		mark := b.id.String()
		s.exec(t, `insert into inventory.product (id, tenant_id, name, sku) select md5($2 || i)::uuid, $1, 'Product ' || lpad(i::text, 4, '0'), 'SKU-' || i from generate_series(1, 4000) i`, b.id, mark)
		s.exec(t, `insert into inventory.stock_level (tenant_id, location_id, product_id, currency, retail_price_minor, on_hand)
			select $1, $3, md5($2 || i)::uuid, 'GHS', 1, case when i % 400 = 0 then 5 when i % 3 = 0 then 0 else 500 end from generate_series(1, 4000) i`, b.id, mark, place)
		s.exec(t, `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id, at)
			select md5('m' || $2 || i)::uuid, $1, md5($2 || i)::uuid, $3, md5('i' || $2 || i)::uuid, case when i = 7 then 1 else -1 end, case when i = 7 then 'REFUND' else 'SALE' end, 'test', $1,
			       now() - (4000 - i) * interval '1 minute' from generate_series(1, 4000) i`, b.id, mark, place)
	}
	s.exec(t, `update inventory.product set reorder_level = 1000000 where tenant_id = $1 and sku in ('SKU-5', 'SKU-6')`, s.id)
	s.exec(t, `set session_replication_role = origin`)
	s.exec(t, `analyze`)
	var late uuid.UUID
	require.NoError(t, s.admin.QueryRow(t.Context(), `select id from inventory.product where tenant_id = $1 and sku = 'SKU-3900'`, s.id).Scan(&late))

	products := func(f inventory.ProductFilter, after uuid.UUID, want int) func(tx *gorm.DB) error {
		return func(tx *gorm.DB) error {
			list, _, err := inventory.Products(tx, rules(), f, after, 20)
			require.Len(t, list, want)
			return err
		}
	}
	movements := func(f inventory.MovementFilter, want int) func(tx *gorm.DB) error {
		return func(tx *gorm.DB) error {
			list, _, err := inventory.Movements(tx, f, uuid.Nil, 20)
			require.Len(t, list, want)
			return err
		}
	}
	for name, tc := range map[string]struct {
		role string
		do   func(tx *gorm.DB) error
		most int64
	}{
		"a page":                   {"makola_gateway", products(inventory.ProductFilter{}, uuid.Nil, 20), 200},
		"a late page":              {"makola_gateway", products(inventory.ProductFilter{}, late, 20), 300},
		"a late page of a place":   {"makola_gateway", products(inventory.ProductFilter{Location: front}, late, 20), 300},
		"low":                      {"makola_gateway", products(inventory.ProductFilter{Status: inventory.LowStock}, uuid.Nil, 11), 300},
		"low at a place":           {"makola_gateway", products(inventory.ProductFilter{Status: inventory.LowStock, Location: front}, uuid.Nil, 11), 300},
		"low where nothing is":     {"makola_gateway", products(inventory.ProductFilter{Status: inventory.LowStock, Location: empty}, uuid.Nil, 0), 100},
		"out of stock at a place":  {"makola_gateway", products(inventory.ProductFilter{Status: inventory.OutOfStock, Location: front}, uuid.Nil, 20), 500},
		"of a rare kind":           {"makola_gateway", movements(inventory.MovementFilter{Kind: inventory.Refund}, 1), 100},
		"of a rare kind, a place":  {"makola_gateway", movements(inventory.MovementFilter{Kind: inventory.Refund, Location: empty}, 0), 100},
		"of a kind there is not":   {"makola_gateway", movements(inventory.MovementFilter{Kind: inventory.TransferIn}, 0), 100},
		"an import's products":     {"makola_inventory", importProducts(t, 50, false), 300},
		"products that it changes": {"makola_inventory", importProducts(t, 50, true), 700},
	} {
		db := pg.Open(tc.role)
		require.NoError(t, db.InTenant(tenant.With(t.Context(), s.id), func(tx *gorm.DB) error {
			_, err := postgres.Exec(tx, `set local plan_cache_mode = force_generic_plan`)
			require.NoError(t, err)
			before := rowsRead(t, tx)
			require.NoError(t, tc.do(tx), name)
			read := rowsRead(t, tx) - before
			require.LessOrEqual(t, read, tc.most, "%s: rows read", name)
			return nil
		}))
	}
}

// rowsRead is how many rows of the stock's tables this connection has read; only what it grows by means something.
func rowsRead(t *testing.T, tx *gorm.DB) (n int64) {
	t.Helper()
	require.NoError(t, postgres.QueryRow(tx, `select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables where schemaname = 'inventory'`).Scan(&n))
	return n
}

// importProducts checks so many products that are there already, and writes them when they are to be changed.
func importProducts(t *testing.T, n int, change bool) func(tx *gorm.DB) error {
	t.Helper()
	var file strings.Builder
	file.WriteString("name,sku,category\n")
	for i := range n {
		fmt.Fprintf(&file, "Changed %d,sku-%d,Rice\n", i, 1+i)
	}
	return func(tx *gorm.DB) error {
		sink := &inventory.ProductImport{Update: change}
		table, err := tabular.Open(strings.NewReader(file.String()), int64(file.Len()), "f.csv", tabular.Options{})
		require.NoError(t, err)
		_, err = table.Match(sink.Fields()...)
		require.NoError(t, err)
		var rows []inventory.ProductRow
		for row, err := range table.Rows() {
			require.NoError(t, err)
			r, faults := sink.Read(row)
			require.Empty(t, faults)
			rows = append(rows, r)
		}
		require.NoError(t, table.Close())
		faults, err := sink.Check(tx, rows)
		require.NoError(t, err)
		if !change {
			require.Len(t, faults, n, "each is there already, in another case")
			return nil
		}
		require.Empty(t, faults)
		_, updated, err := sink.Write(tx, rows)
		require.EqualValues(t, n, updated)
		return err
	}
}
