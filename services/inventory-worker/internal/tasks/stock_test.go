package tasks_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/notifications"
	inventorypb "makola/proto/makola/inventory/v1"
)

// mails returns what was written to an address, oldest first.
func mails[C notifications.Content](w *worker, to string) []C {
	w.t.Helper()
	var of C
	rows, err := w.look.Query(w.t.Context(), `select data from notifications.email where recipient = $1 and template = $2 order by id`, to, of.Template())
	require.NoError(w.t, err)
	data, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	require.NoError(w.t, err)
	all := make([]C, len(data))
	for i := range data {
		require.NoError(w.t, json.Unmarshal(data[i], &all[i]))
	}
	return all
}

func (w *worker) check(s *shop) *inventorypb.CheckStockLevelsResult {
	w.t.Helper()
	return run(w, s.id, w.inventory.CheckStockLevels, &inventorypb.CheckStockLevelsArgs{BusinessId: ptr(s.id.String())}, &inventorypb.CheckStockLevelsResult{})
}

func (w *worker) tell(s *shop, products ...string) *inventorypb.SendLowStockAlertResult {
	w.t.Helper()
	return run(w, s.id, w.inventory.SendLowStockAlert, &inventorypb.SendLowStockAlertArgs{BusinessId: ptr(s.id.String()), ProductIds: products}, &inventorypb.SendLowStockAlertResult{})
}

func TestAnAlertOpensOnTheCrossingAndEndsWithIt(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	item := s.stock(s.product("milk", 10), s.place, 11, 999)
	open := func() []string {
		rows, err := w.look.Query(t.Context(), `select type from inventory.stock_alert where resolved_at is null order by 1`)
		require.NoError(t, err)
		types, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return types
	}
	require.Zero(t, w.check(s).GetOpened(), "eleven are above ten")
	s.move(item, -1, "SALE", 0)
	require.EqualValues(t, 1, w.check(s).GetOpened(), "ten are at the level")
	s.move(item, -1, "SALE", 0)
	require.Zero(t, w.check(s).GetOpened(), "the same crossing")
	require.Equal(t, []string{"LOW_STOCK"}, open())

	require.Equal(t, "sent", w.tell(s).GetStatus())
	s.move(item, -9, "SALE", 0)
	r := w.check(s)
	require.Equal(t, []int32{1, 1}, []int32{r.GetOpened(), r.GetResolved()})
	require.Equal(t, []string{"OUT_OF_STOCK"}, open())
	require.Equal(t, "sent", w.tell(s).GetStatus(), "nothing left is worse than little, and news")

	s.move(item, 4, "REFUND", 0)
	w.check(s)
	require.Equal(t, []string{"LOW_STOCK"}, open())
	require.Equal(t, "no_alerts", w.tell(s).GetStatus(), "that there is little again is no news")
	s.move(item, 30, "REFUND", 0)
	require.EqualValues(t, 1, w.check(s).GetResolved())
	require.Empty(t, open())
	s.move(item, -30, "SALE", 0)
	w.check(s)
	require.Equal(t, "sent", w.tell(s).GetStatus(), "a new crossing")
}

func TestWhatIsMutedClosedOrOfAnotherThresholdIsNotLow(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	muted, gone, few, business := s.product("muted", 10), s.product("gone", 10), s.product("few", 10), s.product("business", 10)
	closed := s.location("WAREHOUSE", "CLOSED", nil)
	for _, p := range []uuid.UUID{muted, gone, few, business} {
		s.stock(p, s.place, 5, 999)
		s.stock(p, closed, 5, 999)
	}
	w.exec(`update inventory.product set alerts_muted = true where id = $1`, muted)
	w.exec(`update inventory.product set is_active = false where id = $1`, gone)
	w.exec(`update inventory.stock_level set reorder_level = 4 where product_id = $1`, few)
	w.exec(`update inventory.product set reorder_level = null where id = $1`, business)
	w.exec(`update inventory.location set is_active = false where id = $1`, closed)
	require.EqualValues(t, 1, w.check(s).GetOpened(), "ten is what a business reorders at unless it says otherwise")
	w.exec(`update accounts.business_settings set reorder_level = 3 where tenant_id = $1`, s.id)
	require.EqualValues(t, 1, w.check(s).GetResolved())
}

func TestTheDigestIsWorstFirstAndSaysWhatIsNew(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	out, half, little := s.product("out", 10), s.product("half", 10), s.product("little", 100)
	halfItem := s.stock(half, s.place, 33, 999)
	s.move(halfItem, -28, "SALE", 3)
	s.stock(little, s.place, 7, 999)
	s.move(s.stock(out, s.place, 1, 999), -1, "SALE", 40)
	w.check(s)
	r := w.tell(s)
	require.Equal(t, "sent", r.GetStatus())
	require.EqualValues(t, 3, r.GetItemsCount())
	require.Equal(t, s.ownersEmail, r.GetRecipient())
	m := mails[notifications.LowStock](w, s.ownersEmail)
	require.Len(t, m, 1)
	names := []string{}
	for _, i := range m[0].Items {
		names = append(names, i.Product)
	}
	require.Equal(t, []string{"out", "little", "half"}, names, "none left, then 7 of 100, then 5 of 10")
	require.Equal(t, 3, m[0].New)
	require.EqualValues(t, 5, *m[0].Items[2].CoverDays, "28 in four weeks are one a day")
	require.EqualValues(t, 1000, m[0].Items[2].ValueMinor)
	require.Nil(t, m[0].Items[1].CoverDays)

	require.Equal(t, 1, w.count(`select count(*) from notifications.notice where kind = 'STOCK_OUT' and title = '3 items to reorder' and body = 'out is out of stock at Place MAIN.'`))

	require.Equal(t, "no_alerts", w.tell(s).GetStatus(), "told")
	require.Equal(t, "sent", w.tell(s, half.String()).GetStatus(), "asked for")
	w.exec(`update inventory.stock_alert set notified_at = now() - interval '8 days'`)
	w.exec(`update inventory.stock_alert set acknowledged_at = now() where product_id = $1`, out)
	w.exec(`update inventory.stock_alert set snoozed_until = now() + interval '1 day' where product_id = $1`, little)
	s.stock(half, s.place, 100, 999)
	fresh := s.product("fresh", 10)
	s.stock(fresh, s.place, 2, 999)
	w.check(s)
	require.Equal(t, "sent", w.tell(s).GetStatus())
	m = mails[notifications.LowStock](w, s.ownersEmail)
	last := m[len(m)-1]
	require.Equal(t, 1, last.Total, "acknowledged and put off are left in peace")
	require.Equal(t, "fresh", last.Items[0].Product)
	require.Equal(t, 1, last.Recovered, "half has been stocked up")
	w.exec(`update inventory.stock_alert set notified_at = now() - interval '8 days', acknowledged_at = null, snoozed_until = now() - interval '1 minute'`)
	w.tell(s)
	m = mails[notifications.LowStock](w, s.ownersEmail)
	last = m[len(m)-1]
	require.Equal(t, []int{3, 0}, []int{last.Total, last.New}, "after a week, once more")
}

func TestManagersAreToldOfTheirPlacesAlone(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	keeper := s.member("STAFF", "keeper@shop.example", nil)
	manager := s.member("MANAGER", "manager@shop.example", nil)
	s.member("MANAGER", "elsewhere@shop.example", nil)
	s.member("STAFF", "cashier@shop.example", nil)
	w.exec(`insert into accounts.storefront_assignment (tenant_id, user_id, storefront_id) values ($1, $2, $3)`, s.id, manager, s.place)
	store := s.location("WAREHOUSE", "STORE", &keeper)
	milk, rice := s.product("milk", 10), s.product("rice", 10)
	s.stock(milk, s.place, 2, 999)
	for range 25 {
		s.stock(s.product(uuid.NewString(), 10), store, 1, 999)
	}
	s.stock(rice, store, 1, 6)
	w.check(s)
	require.EqualValues(t, 3, w.tell(s).GetRecipients())
	owner, own, kept := mails[notifications.LowStock](w, s.ownersEmail), mails[notifications.LowStock](w, "manager@shop.example"), mails[notifications.LowStock](w, "keeper@shop.example")
	require.Len(t, owner, 1)
	require.Len(t, own, 1)
	require.Len(t, kept, 1)
	require.Equal(t, []int{27, 1, 26}, []int{owner[0].Total, own[0].Total, kept[0].Total})
	require.Len(t, owner[0].Items, 20)
	require.Equal(t, "milk", own[0].Items[0].Product)
	require.False(t, slices.ContainsFunc(kept[0].Items, func(i notifications.LowStockItem) bool { return i.Product == "milk" }))

	run(w, s.id, w.inventory.CheckExpiringProducts, &inventorypb.CheckExpiringProductsArgs{BusinessId: ptr(s.id.String())}, &inventorypb.CheckExpiringProductsResult{})
	require.Len(t, mails[notifications.ExpiringStock](w, "keeper@shop.example"), 1)
	require.Empty(t, mails[notifications.ExpiringStock](w, "manager@shop.example"))
}

func TestAnItemIsWarnedOfOnceInEachBucket(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "pharmacy")
	p := s.product("amoxicillin", 0)
	items := map[int]uuid.UUID{}
	for _, days := range []int{31, 30, 15, 14, 7, 1, 0, -1} {
		items[days] = s.stock(p, s.place, 10, days)
	}
	s.move(s.stock(p, s.place, 10, 3), -10, "SALE", 0) // none left
	check := func() *inventorypb.CheckExpiringProductsResult {
		t.Helper()
		return run(w, s.id, w.inventory.CheckExpiringProducts, &inventorypb.CheckExpiringProductsArgs{BusinessId: ptr(s.id.String())}, &inventorypb.CheckExpiringProductsResult{})
	}
	r := check()
	require.Equal(t, "sent", r.GetStatus())
	require.Equal(t, []int32{7, 7}, []int32{r.GetAlertsSent(), r.GetTotalExpiringItems()})
	bucket := func(days int) (b int) {
		require.NoError(t, w.look.QueryRow(t.Context(), `select bucket from inventory.stock_alert where stock_item_id = $1 and resolved_at is null`, items[days]).Scan(&b))
		return b
	}
	for days, want := range map[int]int{30: 30, 15: 30, 14: 14, 7: 7, 1: 1, 0: 1, -1: 0} {
		require.Equal(t, want, bucket(days), "%d days", days)
	}
	m := mails[notifications.ExpiringStock](w, s.ownersEmail)
	require.Len(t, m, 1)
	require.Equal(t, []int{7, 1}, []int{m[0].Total, m[0].Expired})
	require.EqualValues(t, 7*10*200, m[0].ValueMinor)
	require.Negative(t, m[0].Items[0].Days, "what is over comes first")
	require.Equal(t, 1, w.count(`select count(*) from notifications.notice where kind = 'STOCK_EXPIRING' and priority = 'HIGH' and title = '1 item has expired'`))

	require.Equal(t, "no_alerts", check().GetStatus(), "told")
	w.exec(`update inventory.stock_item set expiry_date = expiry_date - 1 where expiry_date is not null`)
	r = check()
	require.EqualValues(t, 3, r.GetAlertsSent(), "31 became 30, 15 became 14, today is over; the others stayed in their buckets")
	require.Equal(t, 0, bucket(0))
	require.Zero(t, w.count(`select count(*) from inventory.stock_alert where stock_item_id = $1 and bucket = 1 and resolved_at is null`, items[0]), "the milder warning has ended")
	s.move(items[7], -10, "SALE", 0)
	check()
	require.Zero(t, w.count(`select count(*) from inventory.stock_alert where stock_item_id = $1 and resolved_at is null`, items[7]), "sold out")
}

func TestASweepBecomesOneTaskForEachActiveBusiness(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	for _, name := range []string{"a", "b", "closed"} {
		s := openShop(t, w.look, name)
		s.stock(s.product("milk", 10), s.place, 2, 999)
		if name == "closed" {
			w.exec(`update accounts.business set is_active = false where id = $1`, s.id)
			require.Equal(t, "inactive", w.check(s).GetStatus())
		}
	}
	r := run(w, uuid.Nil, w.inventory.CheckStockLevels, &inventorypb.CheckStockLevelsArgs{}, &inventorypb.CheckStockLevelsResult{})
	require.Equal(t, "fanned_out", r.GetStatus())
	require.EqualValues(t, 2, r.GetBusinesses())
	require.Equal(t, 2, w.count(`select count(*) from inventory.stock_alert`))
	a := run(w, uuid.Nil, w.inventory.SendLowStockAlert, &inventorypb.SendLowStockAlertArgs{}, &inventorypb.SendLowStockAlertResult{})
	require.EqualValues(t, 2, a.GetBusinesses())
	require.Equal(t, 2, w.count(`select count(*) from notifications.email`))
}

func TestWrongArgumentsFailForGood(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	for name, enqueue := range map[string]func(tx *gorm.DB) (uuid.UUID, error){
		"no id": func(tx *gorm.DB) (uuid.UUID, error) {
			return w.inventory.CheckStockLevels(t.Context(), tx, &inventorypb.CheckStockLevelsArgs{BusinessId: ptr("x")})
		},
		"no such business": func(tx *gorm.DB) (uuid.UUID, error) {
			return w.inventory.CheckStockLevels(t.Context(), tx, &inventorypb.CheckStockLevelsArgs{BusinessId: ptr(uuid.NewString())})
		},
		"products of nobody": func(tx *gorm.DB) (uuid.UUID, error) {
			return w.inventory.SendLowStockAlert(t.Context(), tx, &inventorypb.SendLowStockAlertArgs{ProductIds: []string{uuid.NewString()}})
		},
		"no product": func(tx *gorm.DB) (uuid.UUID, error) {
			return w.inventory.SendLowStockAlert(t.Context(), tx, &inventorypb.SendLowStockAlertArgs{BusinessId: ptr(s.id.String()), ProductIds: []string{"1"}})
		},
		"no days": func(tx *gorm.DB) (uuid.UUID, error) {
			return w.inventory.CheckExpiringProducts(t.Context(), tx, &inventorypb.CheckExpiringProductsArgs{BusinessId: ptr(s.id.String()), DaysThreshold: ptr(int32(0))})
		},
		"a year and a day": func(tx *gorm.DB) (uuid.UUID, error) {
			return w.inventory.SendStockMovementReport(t.Context(), tx, &inventorypb.SendStockMovementReportArgs{BusinessId: ptr(s.id.String()), PeriodDays: ptr(int32(367))})
		},
	} {
		var id uuid.UUID
		require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			id, err = enqueue(tx)
			return err
		}))
		w.h.Drain(t.Context())
		v := w.h.View(t.Context(), id)
		require.Equal(t, "failed", v.Status(), name)
	}
}
