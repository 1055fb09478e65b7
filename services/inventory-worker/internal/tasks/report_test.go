package tasks_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/proto/contract"
	inventorypb "makola/proto/makola/inventory/v1"
	salespb "makola/proto/makola/sales/v1"
	"makola/services/inventory-worker/internal/tasks"
)

// sold writes one sale of n units at 3.00, some days ago; returned of them come back at once.
func (s *shop) sold(product, item uuid.UUID, n, returned int64, status string, daysAgo int) {
	s.t.Helper()
	customer, sale, line := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	exec(s.t, s.c, `insert into sales.customer (id, tenant_id, name, currency) values ($1, $2, 'Kofi', 'GHS')`, customer, s.id)
	total := n * 300
	exec(s.t, s.c, `insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, receipt_number, status, currency, subtotal_minor, total_minor, paid_minor, returned_minor, cash_refunded_minor, payment_type, completed_at)
		values ($1::uuid, $2, $3, $4, $5, $1::uuid::text, $6, 'GHS', $7, $7, $7, $8, $8, 'CASH', now() - $9::int * interval '1 day')`, sale, s.id, s.place, s.owner, customer, status, total, returned*300, daysAgo)
	exec(s.t, s.c, `insert into sales.sale_item (id, tenant_id, sale_id, product_id, line, quantity, unit_price_minor, total_minor, returned, product_name, product_sku)
		values ($1, $2, $3, $4, 1, $5::bigint, 300, $5::bigint * 300, $6, 'x', 'x')`, line, s.id, sale, product, n, returned)
	s.move(item, -n, "SALE", daysAgo)
	if returned > 0 {
		refund := uuid.Must(uuid.NewV7())
		exec(s.t, s.c, `insert into sales.refund (id, tenant_id, sale_id, type, currency, amount_minor, reason, created_by, at) values ($1, $2, $3, 'PARTIAL', 'GHS', $4, 'broken', $5, now() - $6::int * interval '1 day')`,
			refund, s.id, sale, returned*300, s.owner, daysAgo)
		exec(s.t, s.c, `insert into sales.refund_item (id, tenant_id, refund_id, sale_item_id, quantity, amount_minor) values ($1, $2, $3, $4, $5::bigint, $5::bigint * 300)`, uuid.Must(uuid.NewV7()), s.id, refund, line, returned)
		s.move(item, returned, "REFUND", daysAgo)
	}
}

func TestTheWeekInStockAddsUp(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	milk, rice := s.product("milk", 10), s.product("rice", 10)
	milkItem, riceItem := s.stock(milk, s.place, 1000, 999), s.stock(rice, s.place, 1000, 999)
	w.exec(`alter table inventory.movement disable trigger user`)
	w.exec(`update inventory.movement set at = now() - interval '3 days' where stock_item_id = $1`, milkItem)
	w.exec(`update inventory.movement set at = now() - interval '60 days' where stock_item_id = $1`, riceItem)
	w.exec(`alter table inventory.movement enable trigger user`)
	s.sold(milk, milkItem, 5, 1, "COMPLETED", 2)
	s.sold(milk, milkItem, 3, 0, "COMPLETED", 9)
	s.sold(rice, riceItem, 7, 0, "COMPLETED", 7)
	s.sold(rice, riceItem, 1, 0, "COMPLETED", 40)
	w.exec(`update sales.sale set status = 'CANCELLED', ended_at = now() where completed_at < now() - interval '30 days'`)
	s.sold(rice, riceItem, 50, 0, "COMPLETED", 0) // today is not over
	w.exec(`insert into inventory.stock_adjustment (id, tenant_id, stock_item_id, location_id, product_id, type, quantity, currency, unit_cost_minor, reason, status, created_by, decided_at, completed_at)
		values ($1, $2, $3, $4, $5, 'THEFT', -2, 'GHS', 200, 'gone', 'COMPLETED', $6, now(), now() - interval '1 day')`, uuid.New(), s.id, milkItem, s.place, milk, s.owner)
	s.move(milkItem, -2, "ADJUSTMENT", 1)

	report := func() *inventorypb.SendStockMovementReportResult {
		return run(w, s.id, w.inventory.SendStockMovementReport, &inventorypb.SendStockMovementReportArgs{BusinessId: ptr(s.id.String())}, &inventorypb.SendStockMovementReportResult{})
	}
	r := report()
	require.Equal(t, "sent", r.GetStatus())
	require.Equal(t, []any{int64(2), int64(11), "33.00", "GHS"}, []any{r.GetSales(), r.GetUnitsSold(), r.GetRevenue(), r.GetCurrency()})
	require.Equal(t, "already_sent", report().GetStatus(), "one mail for a period")
	m := mails[notifications.StockMovement](w, s.ownersEmail)
	require.Len(t, m, 1)
	require.Equal(t, notifications.Flow{Sales: 2, UnitsSold: 11, RevenueMinor: 33_00, Received: 1000, Returned: 1, AdjustedDown: 2, LostUnits: 2, LostMinor: 4_00}, m[0].Now)
	require.Equal(t, notifications.Flow{Sales: 1, UnitsSold: 3, RevenueMinor: 9_00}, m[0].Before)
	require.Equal(t, []notifications.Seller{
		{Product: "rice", SKU: "SKU-rice", Units: 7, Sales: 1, RevenueMinor: 21_00},
		{Product: "milk", SKU: "SKU-milk", Units: 4, UnitsBefore: 3, Sales: 1, RevenueMinor: 12_00},
	}, m[0].Top)
}

func TestAQuietWeekIsNotReported(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	r := run(w, s.id, w.inventory.SendStockMovementReport, &inventorypb.SendStockMovementReportArgs{BusinessId: ptr(s.id.String())}, &inventorypb.SendStockMovementReportResult{})
	require.Equal(t, "no_data", r.GetStatus())
	require.Equal(t, "0.00", r.GetRevenue())
	require.Zero(t, w.count(`select count(*) from notifications.email`))
}

func TestStockThatDoesNotAddUpIsFound(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	item := s.stock(s.product("milk", 10), s.place, 20, 999)
	s.move(item, -3, "SALE", 1)
	verify := func() *inventorypb.VerifyStockResult {
		return run(w, s.id, w.inventory.VerifyStock, &inventorypb.VerifyStockArgs{BusinessId: ptr(s.id.String())}, &inventorypb.VerifyStockResult{})
	}
	r := verify()
	require.Equal(t, []any{"ok", int64(1), int64(2), int32(0)}, []any{r.GetStatus(), r.GetLevels(), r.GetMovements(), r.GetFaults()})
	w.exec(`update inventory.stock_level set on_hand = 18`)
	w.exec(`update inventory.stock_item set on_hand = 16`)
	r = verify()
	require.Equal(t, []any{"drift", int32(2)}, []any{r.GetStatus(), r.GetFaults()})
	require.Equal(t, 1, w.count(`select count(*) from inventory.stock_check where faults = 2 and details @> '[{"rule": "item", "want": 17, "got": 16}]' and details @> '[{"rule": "level", "want": 17, "got": 18}]'`))
}

func TestDebtsThatDoNotAddUpAreFound(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	milk := s.product("milk", 10)
	s.sold(milk, s.stock(milk, s.place, 20, 999), 1, 0, "COMPLETED", 1)
	verify := func() *salespb.VerifyReceivablesResult {
		return run(w, s.id, w.sales.VerifyReceivables, &salespb.VerifyReceivablesArgs{BusinessId: ptr(s.id.String())}, &salespb.VerifyReceivablesResult{})
	}
	require.Equal(t, "ok", verify().GetStatus())
	w.exec(`update sales.customer set outstanding_minor = 5`)
	r := verify()
	require.Equal(t, []any{"drift", int64(1), int32(2)}, []any{r.GetStatus(), r.GetCustomers(), r.GetFaults()}, "neither the transactions nor the receivables know of it")
}

// cart writes a cart with one reservation that ends in some minutes; touched is how many hours ago somebody changed it.
func (s *shop) cart(product uuid.UUID, n int64, minutes, touched int) (sale uuid.UUID) {
	s.t.Helper()
	customer := uuid.Must(uuid.NewV7())
	sale = uuid.Must(uuid.NewV7())
	exec(s.t, s.c, `insert into sales.customer (id, tenant_id, name, currency) values ($1, $2, 'Kofi', 'GHS')`, customer, s.id)
	exec(s.t, s.c, `insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, currency, subtotal_minor, total_minor, updated_at) values ($1, $2, $3, $4, $5, 'GHS', $6, $6, now() - $7::int * interval '1 hour')`,
		sale, s.id, s.place, s.owner, customer, n*300, touched)
	exec(s.t, s.c, `insert into sales.sale_item (id, tenant_id, sale_id, product_id, line, quantity, unit_price_minor, total_minor, product_name, product_sku) values ($1, $2, $3, $4, 1, $5::bigint, 300, $5::bigint * 300, 'x', 'x')`,
		uuid.Must(uuid.NewV7()), s.id, sale, product, n)
	exec(s.t, s.c, `insert into sales.reservation (id, tenant_id, sale_id, storefront_id, product_id, quantity, expires_at) values ($1, $2, $3, $4, $5, $6, now() + $7::int * interval '1 minute')`,
		uuid.Must(uuid.NewV7()), s.id, sale, s.place, product, n, minutes)
	return sale
}

func TestExpiredReservationsAreReleasedOnceInAllBusinesses(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	a, b := openShop(t, w.look, "a"), openShop(t, w.look, "b")
	milk, rice := a.product("milk", 10), b.product("rice", 10)
	a.cart(milk, 2, -1, 0)
	b.cart(rice, 3, -40, 0)
	a.cart(milk, 4, 20, 0)
	paying := a.cart(milk, 5, -1, 0)
	// A checkout holds this one's lock.
	cashier, err := pgx.Connect(t.Context(), w.pg.URL(""))
	require.NoError(t, err)
	defer cashier.Close(t.Context())
	tx, err := cashier.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `select from sales.reservation where sale_id = $1 for update`, paying)
	require.NoError(t, err)
	release := func() *salespb.ReleaseExpiredReservationsResult {
		return run(w, uuid.Nil, w.sales.ReleaseExpiredReservations, &salespb.ReleaseExpiredReservationsArgs{}, &salespb.ReleaseExpiredReservationsResult{})
	}
	r := release()
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, []any{"done", int32(2), int32(2)}, []any{r.GetStatus(), r.GetReleased(), r.GetCarts()})
	require.Equal(t, 2, w.count(`select count(*) from sales.reservation where status = 'RELEASED' and ended_at is not null`))
	require.Equal(t, 2, w.count(`select count(*) from audit.entry where action = 'stock.released' and actor = 'task:sales.release_expired_reservations'`))
	require.EqualValues(t, 1, release().GetReleased(), "what the checkout let go of")
	require.Zero(t, release().GetReleased())
}

func TestOldReservationsAndAbandonedCartsAreCleanedUp(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	milk := s.product("milk", 10)
	s.cart(milk, 2, 20, 1)
	abandoned := s.cart(milk, 2, 20, 25)
	ended := s.cart(milk, 2, 20, 1)
	w.exec(`update sales.reservation set status = 'RELEASED', ended_at = now() - interval '8 days' where sale_id = $1`, ended)
	drifting := s.cart(milk, 2, 20, 1)
	w.exec(`update sales.reservation set quantity = 3 where sale_id = $1`, drifting)
	r := run(w, uuid.Nil, w.sales.CleanupExpiredStockReservations, &salespb.CleanupExpiredStockReservationsArgs{}, &salespb.CleanupExpiredStockReservationsResult{})
	require.Equal(t, []any{"done", int32(1), int32(1), int32(1)}, []any{r.GetStatus(), r.GetDeleted(), r.GetCancelled(), r.GetDrift()})
	require.Equal(t, 1, w.count(`select count(*) from sales.sale s join sales.reservation r on r.sale_id = s.id where s.id = $1 and s.status = 'CANCELLED' and r.status = 'CANCELLED'`, abandoned))
	require.Equal(t, 3, w.count(`select count(*) from sales.sale where status = 'DRAFT'`))
}

func TestWithoutAPlaceForFilesThereAreNoneToDelete(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	commit, err := (&tasks.Inventory{Imports: &tasks.Imports{}}).DeleteImportFiles(t.Context(), contract.Run{}, &inventorypb.DeleteImportFilesArgs{})
	require.NoError(t, err)
	require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		r, err := commit(tx)
		require.Zero(t, r.GetDeleted())
		return err
	}))
}
