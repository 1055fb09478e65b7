package inventory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/postgres"
)

func TestPricesFollowTheNewestDeliveryAndStayWhereAPlaceHasItsOwn(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	depot, front, milk := s.place(t, "WAREHOUSE", "DEPOT"), s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk")
	price := func(place uuid.UUID) int64 {
		return s.count(t, `select retail_price_minor from inventory.stock_level where location_id = $1 and product_id = $2`, place, milk)
	}
	move := func(quantity int64) {
		t.Helper()
		tr, err := s.plan(t.Context(), depot, front, inventory.TransferItem{Product: milk, Quantity: quantity})
		require.NoError(t, err)
		require.NoError(t, s.move(t.Context(), tr.ID, inventory.Dispatch))
		require.NoError(t, s.move(t.Context(), tr.ID, inventory.Complete))
	}
	for _, cost := range []int64{100, 120} {
		_, err := s.deliver(t.Context(), goods(milk, depot, 5, cost, nil))
		require.NoError(t, err)
		require.Equal(t, 2*cost, price(depot))
	}
	move(6)
	require.EqualValues(t, 240, price(front), "a place that never had it begins with the newest price")
	s.exec(t, `update inventory.stock_level set retail_price_minor = 300 where location_id = $1`, front)
	move(1)
	require.EqualValues(t, 300, price(front))
	line := newID(t)
	cost, err := s.sell(t.Context(), front, inventory.Take{SaleItemID: line, ProductID: milk, Quantity: 7})
	require.NoError(t, err)
	require.EqualValues(t, 5*100+2*120, cost[line], "what was moved costs what it cost")
	s.requireLedgerAgrees(t)
}

// Before and after are those of the place, whichever lines a filter leaves and wherever a page begins.
func TestTheLedgersLinesSayWhatThereWasBeforeAndAfter(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s, other := h.open(t), h.open(t)
	depot, front, milk, rice := s.place(t, "WAREHOUSE", "DEPOT"), s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk"), s.product(t, "rice")
	want := map[uuid.UUID]string{}
	for i := range 12 {
		_, err := s.deliver(t.Context(), goods(milk, front, int64(1+i), 100, nil), goods(rice, front, 7, 100, nil), goods(milk, depot, 3, 100, nil))
		require.NoError(t, err)
		_, err = s.sell(t.Context(), front, inventory.Take{SaleItemID: newID(t), ProductID: milk, Quantity: int64(1 + i/2)})
		require.NoError(t, err)
	}
	rows, err := s.admin.Query(t.Context(), `select id, sum(delta) over w - delta, delta, sum(delta) over w from inventory.movement window w as (partition by product_id, location_id order by at, id)`)
	require.NoError(t, err)
	for rows.Next() {
		var id uuid.UUID
		var before, delta, after int64
		require.NoError(t, rows.Scan(&id, &before, &delta, &after))
		want[id] = fmt.Sprint(before, delta, after)
	}
	require.NoError(t, rows.Err())
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for name, f := range map[string]inventory.MovementFilter{
		"all": {}, "one product": {Product: milk}, "one place": {Location: front}, "one kind": {Kind: inventory.Sale}, "all of them": {Product: milk, Location: front, Kind: inventory.Intake, From: &from, To: &to},
	} {
		seen := map[uuid.UUID]bool{}
		var last time.Time
		for after, more := uuid.Nil, true; more; {
			var list []inventory.Movement
			require.NoError(t, s.in(t.Context(), func(tx *gorm.DB) (err error) {
				list, after, err = inventory.Movements(tx, f, after, 5)
				return err
			}))
			more = after != uuid.Nil
			for _, m := range list {
				require.False(t, seen[m.ID], "%s: a line twice", name)
				seen[m.ID] = true
				require.Equal(t, want[m.ID], fmt.Sprint(m.Before, m.Delta, m.After), name)
				require.True(t, last.IsZero() || !m.At.After(last), "%s: newest first", name)
				last = m.At
			}
		}
		require.EqualValues(t, s.count(t, `select count(*) from inventory.movement where ($1::uuid is null or product_id = $1) and ($2::uuid is null or location_id = $2) and ($3 = '' or kind = $3)`,
			nullID(f.Product), nullID(f.Location), f.Kind), len(seen), name)
	}
	require.NoError(t, other.in(t.Context(), func(tx *gorm.DB) error {
		list, _, err := inventory.Movements(tx, inventory.MovementFilter{}, uuid.Nil, 100)
		require.Empty(t, list)
		return err
	}))
}

func nullID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// The database itself refuses what the code checks before: a level below nothing, and a quantity that changes after stock has moved.
func TestTheDatabaseKeepsTheLastWord(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	front, milk := s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk")
	item := s.stock(t, front, milk, 2, 100, "")
	post := func(delta int64) error {
		return s.in(t.Context(), func(tx *gorm.DB) error {
			_, err := postgres.Exec(tx, `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id) values ($1, $2, $3, $4, $5, $6, 'ADJUSTMENT', 'test', $1)`,
				newID(t), s.id, milk, front, item, delta)
			return err
		})
	}
	require.Equal(t, "stock_item_on_hand_check", postgres.Constraint(post(-3)))
	require.NoError(t, post(-1))
	err := s.in(t.Context(), func(tx *gorm.DB) error {
		_, err := postgres.Exec(tx, `update inventory.stock_item set quantity_received = 9 where id = $1`, item)
		return err
	})
	require.Equal(t, "stock_item_frozen_check", postgres.Constraint(err))
	require.EqualValues(t, 1, s.level(t, front, milk))
	s.requireLedgerAgrees(t)
}
