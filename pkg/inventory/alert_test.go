package inventory_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/inventory"
)

// Alerts follow stock in the transaction that changes it: nobody waits for a sweep to learn that the last one is gone.
func TestASaleThatCrossesTheThresholdOpensItsAlertAndARestockEndsIt(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	place := s.place(t, "STOREFRONT", "MAIN")
	product := s.product(t, "MILK")
	s.stock(t, place, product, 12, 100, "")
	open := func(kind string) int64 {
		return s.count(t, `select count(*) from inventory.stock_alert where resolved_at is null and type = $1`, kind)
	}
	first, second := newID(t), newID(t)
	_, err := s.sell(t.Context(), place, inventory.Take{SaleItemID: first, ProductID: product, Quantity: 2})
	require.NoError(t, err)
	require.EqualValues(t, 1, open("LOW_STOCK"), "ten is the level of a product without one")
	_, err = s.sell(t.Context(), place, inventory.Take{SaleItemID: second, ProductID: product, Quantity: 10})
	require.NoError(t, err)
	require.EqualValues(t, 0, open("LOW_STOCK"))
	require.EqualValues(t, 1, open("OUT_OF_STOCK"))
	_, err = s.sell(t.Context(), place, inventory.Take{SaleItemID: newID(t), ProductID: product, Quantity: 1})
	require.Error(t, err)
	_, err = s.restock(t.Context(), inventory.PutBack{SaleItemID: second, Quantity: 10}, inventory.PutBack{SaleItemID: first, Quantity: 2})
	require.NoError(t, err)
	require.EqualValues(t, 0, open("LOW_STOCK")+open("OUT_OF_STOCK"))
}

func TestAlertsFollowAThresholdThatIsSetAndAProductThatIsMuted(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	place, product, other := s.place(t, "STOREFRONT", "MAIN"), s.product(t, "MILK"), s.product(t, "RICE")
	s.stock(t, place, product, 12, 100, "")
	s.stock(t, place, other, 3, 100, "") // low from the start, which is not this test's to find
	open := func() int64 {
		return s.count(t, `select count(*) from inventory.stock_alert where resolved_at is null and product_id = $1 and type = 'LOW_STOCK'`, product)
	}
	elsewhere := s.count(t, `select count(*) from inventory.stock_alert where product_id = $1`, other)
	level, yes, no, none := int64(12), true, false, int64(-1)
	who := s.who()
	rules := inventory.Rules{Currency: "GHS", ReorderLevel: 10}
	change := func(d inventory.ProductDetails) {
		t.Helper()
		require.NoError(t, s.in(t.Context(), func(tx *gorm.DB) error {
			_, err := inventory.ChangeProduct(tx, who, product, d)
			return err
		}))
	}
	set := func(d inventory.LevelDetails) {
		t.Helper()
		require.NoError(t, s.in(t.Context(), func(tx *gorm.DB) error {
			_, err := inventory.SetLevel(tx, who, rules, "STOREFRONT", place, product, d)
			return err
		}))
	}
	require.EqualValues(t, 0, open())
	change(inventory.ProductDetails{ReorderLevel: &level})
	require.EqualValues(t, 1, open(), "the product's threshold rose to what is there")
	change(inventory.ProductDetails{AlertsMuted: &yes})
	require.EqualValues(t, 0, open())
	change(inventory.ProductDetails{AlertsMuted: &no})
	require.EqualValues(t, 1, open())
	lower := int64(2)
	set(inventory.LevelDetails{ReorderLevel: &lower})
	require.EqualValues(t, 0, open(), "the place's own threshold counts")
	set(inventory.LevelDetails{ReorderLevel: &none})
	require.EqualValues(t, 1, open())
	name := "Milk, tinned"
	change(inventory.ProductDetails{Name: &name})
	require.EqualValues(t, elsewhere, s.count(t, `select count(*) from inventory.stock_alert where product_id = $1`, other), "another product was looked at")
}

func TestAnAlertCanBeAcknowledgedAndPutOffWhileItIsOpen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s, other := h.open(t), h.open(t)
	place, product := s.place(t, "STOREFRONT", "MAIN"), s.product(t, "MILK")
	s.stock(t, place, product, 5, 100, "")
	list := func(s *shop, f inventory.AlertFilter) (list []inventory.Alert) {
		require.NoError(t, s.in(t.Context(), func(tx *gorm.DB) (err error) {
			list, err = inventory.Alerts(tx, f, uuid.Nil, 20)
			return err
		}))
		return list
	}
	require.NoError(t, s.in(t.Context(), func(tx *gorm.DB) error {
		_, _, err := inventory.RefreshAlerts(tx, nil)
		return err
	}))
	open := list(s, inventory.AlertFilter{Type: inventory.AlertLow, Product: product, Location: place})
	require.Len(t, open, 1)
	require.EqualValues(t, 5, open[0].OnHand)
	require.EqualValues(t, 10, open[0].Threshold)
	require.Empty(t, list(other, inventory.AlertFilter{}))
	id, now := open[0].ID, time.Now()
	act := func(s *shop, fn func(tx *gorm.DB) (*inventory.Alert, error)) (a *inventory.Alert, err error) {
		err = s.in(t.Context(), func(tx *gorm.DB) (err error) {
			a, err = fn(tx)
			return err
		})
		return a, err
	}
	acknowledge := func(tx *gorm.DB) (*inventory.Alert, error) { return inventory.Acknowledge(tx, id, s.user) }
	_, err := act(other, acknowledge)
	require.ErrorIs(t, err, inventory.ErrAlertNotFound)
	first, err := act(s, acknowledge)
	require.NoError(t, err)
	again, err := act(s, acknowledge)
	require.NoError(t, err)
	require.Equal(t, first.AcknowledgedAt, again.AcknowledgedAt)
	for _, until := range []time.Time{now.Add(-time.Minute), now.Add(inventory.MaxSnooze + time.Hour)} {
		_, err = act(s, func(tx *gorm.DB) (*inventory.Alert, error) { return inventory.Snooze(tx, id, until, now) })
		require.ErrorIs(t, err, inventory.ErrSnooze)
	}
	put, err := act(s, func(tx *gorm.DB) (*inventory.Alert, error) { return inventory.Snooze(tx, id, now.Add(time.Hour), now) })
	require.NoError(t, err)
	require.WithinDuration(t, now.Add(time.Hour), *put.SnoozedTil, time.Millisecond)

	h.exec(t, `update inventory.product set is_active = false where id = $1`, product)
	require.NoError(t, s.in(t.Context(), func(tx *gorm.DB) error {
		_, ended, err := inventory.RefreshAlerts(tx, []inventory.Pair{{ProductID: product, LocationID: place}})
		require.Equal(t, 1, ended)
		return err
	}))
	_, err = act(s, acknowledge)
	require.ErrorIs(t, err, inventory.ErrAlertNotFound, "it has ended")
	require.Len(t, list(s, inventory.AlertFilter{Ended: true}), 1)
}
