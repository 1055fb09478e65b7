package inventory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// house is one database as the gateway sees it.
type house struct {
	gateway *postgres.DB
	admin   *pgx.Conn // for one goroutine at a time
}

func newHouse(t testing.TB) *house {
	t.Helper()
	pg := postgrestest.New(t)
	return &house{gateway: pg.Open("makola_gateway"), admin: pg.Admin()}
}

// shop is one business with its owner.
type shop struct {
	*house
	id, user uuid.UUID
}

func (h *house) open(t testing.TB) *shop {
	t.Helper()
	s := &shop{h, newID(t), newID(t)}
	h.exec(t, `insert into accounts.user (id, email, name, password_hash, account_type, email_verified) values ($1::uuid, $1::uuid::text || '@example.com', 'Ama', '!', 'OWNER', true)`, s.user)
	h.exec(t, `insert into accounts.business (id, owner_id, name, email) values ($1::uuid, $2, $1::uuid::text, 'shop@example.com')`, s.id, s.user)
	h.exec(t, `insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, 'OWNER')`, s.id, s.user)
	return s
}

// in runs fn in a transaction of the business, as the gateway does.
func (s *shop) in(ctx context.Context, fn func(tx *gorm.DB) error) error {
	return s.gateway.InTenant(tenant.With(ctx, s.id), fn)
}

func (h *house) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := h.admin.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// count runs a query of one number as the superuser.
func (h *house) count(t testing.TB, query string, args ...any) (n int64) {
	t.Helper()
	require.NoError(t, h.admin.QueryRow(t.Context(), query, args...).Scan(&n))
	return n
}

func newID(t testing.TB) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return id
}

// place makes a location by SQL, so that the tests of selling do not depend on those of places.
func (s *shop) place(t testing.TB, kind, code string) uuid.UUID {
	t.Helper()
	id := newID(t)
	s.exec(t, `insert into inventory.location (id, tenant_id, kind, name, code) values ($1, $2, $3, $4, $4)`, id, s.id, kind, code)
	return id
}

func (s *shop) product(t testing.TB, sku string) uuid.UUID {
	t.Helper()
	id := newID(t)
	s.exec(t, `insert into inventory.product (id, tenant_id, name, sku) values ($1, $2, $3, $3)`, id, s.id, sku)
	return id
}

// stock puts an item of its own delivery at a place, as the gateway: the ledger's trigger works for the business that is bound, and a superuser's transaction is bound to none.
func (s *shop) stock(t testing.TB, place, product uuid.UUID, quantity, cost int64, expiry string) uuid.UUID {
	t.Helper()
	batch, item, movement := newID(t), newID(t), newID(t)
	require.NoError(t, s.in(t.Context(), func(tx *gorm.DB) error {
		_, err := postgres.Exec(tx, `insert into inventory.stock_batch (id, tenant_id, arrival_date, created_by) values ($1, $2, '2026-01-01', $3)`, batch, s.id, s.user)
		if err == nil {
			_, err = postgres.Exec(tx, `insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, expiry_date, quantity_received, currency, unit_cost_minor, retail_price_minor)
				values ($1, $2, $3, $4, $5, nullif($6::text, '')::date, $7, 'GHS', $8::bigint, $8::bigint * 2)`, item, s.id, batch, place, product, expiry, quantity, cost)
		}
		if err == nil {
			_, err = postgres.Exec(tx, `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id)
				values ($1, $2, $3, $4, $5, $6, 'INTAKE', 'stock_batch', $7)`, movement, s.id, product, place, item, quantity, batch)
		}
		return err
	}))
	return item
}

func (s *shop) sell(ctx context.Context, place uuid.UUID, lines ...inventory.Take) (cost map[uuid.UUID]int64, err error) {
	err = s.in(ctx, func(tx *gorm.DB) (err error) {
		cost, err = inventory.Sell(tx, place, lines, s.user, time.Now())
		return err
	})
	return cost, err
}

func (s *shop) restock(ctx context.Context, lines ...inventory.PutBack) (cost map[uuid.UUID]int64, err error) {
	err = s.in(ctx, func(tx *gorm.DB) (err error) {
		cost, err = inventory.Restock(tx, lines, s.user, time.Now())
		return err
	})
	return cost, err
}

func (s *shop) onHand(t testing.TB, item uuid.UUID) int64 {
	t.Helper()
	return s.count(t, `select on_hand from inventory.stock_item where id = $1`, item)
}

func (s *shop) level(t testing.TB, place, product uuid.UUID) int64 {
	t.Helper()
	return s.count(t, `select coalesce((select on_hand from inventory.stock_level where location_id = $1 and product_id = $2), 0)`, place, product)
}

// requireLedgerAgrees recomputes every figure of every business from its movements, and walks through them in the ledger's own order.
func (h *house) requireLedgerAgrees(t require.TestingT) {
	ctx := context.Background()
	for what, sql := range map[string]string{
		"items":                           `select count(*) from inventory.stock_item i where on_hand < 0 or on_hand <> (select coalesce(sum(delta), 0) from inventory.movement m where m.stock_item_id = i.id)`,
		"levels":                          `select count(*) from inventory.stock_level l where on_hand < 0 or on_hand <> (select coalesce(sum(delta), 0) from inventory.movement m where m.location_id = l.location_id and m.product_id = l.product_id)`,
		"levels and items":                `select count(*) from inventory.stock_level l where on_hand <> (select coalesce(sum(on_hand), 0) from inventory.stock_item i where i.location_id = l.location_id and i.product_id = l.product_id)`,
		"items without a level":           `select count(*) from inventory.stock_item i where on_hand > 0 and not exists (select from inventory.stock_level l where l.location_id = i.location_id and l.product_id = i.product_id)`,
		"movements below zero on the way": `select count(*) from (select sum(delta) over (partition by location_id, product_id order by at, id) as balance from inventory.movement) m where balance < 0`,
		"transfers that do not add up": `select count(*) from inventory.transfer t where (select coalesce(sum(delta), 0) from inventory.movement m where m.source_id = t.id)
			<> case status when 'in_transit' then -(select sum(quantity) from inventory.transfer_item i where i.transfer_id = t.id) else 0 end`,
		"adjustments that did not move once": `select count(*) from inventory.stock_adjustment a where (select coalesce(sum(delta), 0) from inventory.movement m where m.source_id = a.id) <> case status when 'COMPLETED' then quantity else 0 end`,
		"sales put back beyond":              `select count(*) from (select sum(delta) as net from inventory.movement where source_type = 'sale_item' group by source_id, stock_item_id) m where net > 0`,
	} {
		var n int
		require.NoError(t, h.admin.QueryRow(ctx, sql).Scan(&n), what)
		require.Zero(t, n, what)
	}
}

func isShort(err error) bool {
	_, ok := errors.AsType[*inventory.InsufficientStockError](err)
	return ok
}
