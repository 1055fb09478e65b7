package inventory_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/money"
	"makola/pkg/problem"
)

func TestStockLeavesFirstExpiredFirstOutAndCostsWhatItCost(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	shop, milk, rice := s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk"), s.product(t, "rice")
	never := s.stock(t, shop, milk, 5, 900, "")
	late := s.stock(t, shop, milk, 5, 300, "2026-12-31")
	soonOld := s.stock(t, shop, milk, 2, 100, "2026-06-30")
	soonNew := s.stock(t, shop, milk, 2, 110, "2026-06-30")
	bag := s.stock(t, shop, rice, 10, 5000, "")
	first, second, third := newID(t), newID(t), newID(t)
	cost, err := s.sell(t.Context(), shop, inventory.Take{SaleItemID: first, ProductID: milk, Quantity: 3}, inventory.Take{SaleItemID: second, ProductID: rice, Quantity: 10},
		inventory.Take{SaleItemID: third, ProductID: milk, Quantity: 7})
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]int64{first: 2*100 + 110, second: 50_000, third: 110 + 5*300 + 900}, cost)
	for item, left := range map[uuid.UUID]int64{soonOld: 0, soonNew: 0, late: 0, never: 4, bag: 0} {
		require.Equal(t, left, s.onHand(t, item))
	}
	require.EqualValues(t, 4, s.level(t, shop, milk))
	require.EqualValues(t, 6, s.count(t, `select count(*) from inventory.movement where kind = 'SALE' and source_type = 'sale_item' and user_id = $1`, s.user))
	require.EqualValues(t, -7, s.count(t, `select sum(delta) from inventory.movement where source_id = $1`, third))
	s.requireLedgerAgrees(t)
}

func TestASaleThatIsShortChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s, other := h.open(t), h.open(t)
	shop, milk, rice := s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk"), s.product(t, "rice")
	s.stock(t, shop, milk, 5, 100, "")
	line := func(product uuid.UUID, n int64) inventory.Take {
		return inventory.Take{SaleItemID: newID(t), ProductID: product, Quantity: n}
	}
	for name, tc := range map[string]struct {
		lines                []inventory.Take
		product              uuid.UUID
		available, requested int64
	}{
		"one too many":                    {[]inventory.Take{line(milk, 6)}, milk, 5, 6},
		"two lines that are too many":     {[]inventory.Take{line(milk, 3), line(milk, 3)}, milk, 5, 6},
		"a product that never was there":  {[]inventory.Take{line(milk, 1), line(rice, 1)}, rice, 0, 1},
		"a product that does not exist":   {[]inventory.Take{line(uuid.Max, 1)}, uuid.Max, 0, 1},
		"the right one beside the wrong":  {[]inventory.Take{line(milk, 5), line(rice, 2)}, rice, 0, 2},
		"more than there could ever be":   {[]inventory.Take{line(milk, inventory.MaxQuantity)}, milk, 5, inventory.MaxQuantity},
		"another line of the same beyond": {[]inventory.Take{line(milk, 5), line(milk, 1)}, milk, 5, 6},
	} {
		_, err := s.sell(t.Context(), shop, tc.lines...)
		var short *inventory.InsufficientStockError
		require.ErrorAs(t, err, &short, name)
		require.Equal(t, inventory.InsufficientStockError{Product: tc.product, Available: tc.available, Requested: tc.requested}, *short, name)
		p := problem.From(err)
		require.Equal(t, []any{409, "insufficient_stock"}, []any{p.Status, p.Code})
	}
	for _, n := range []int64{0, -1, inventory.MaxQuantity + 1} {
		_, err := s.sell(t.Context(), shop, line(milk, n))
		require.ErrorIs(t, err, inventory.ErrQuantity)
	}
	_, err := other.sell(t.Context(), shop, line(milk, 1))
	require.True(t, isShort(err), "another business's shelf is empty: %v", err)
	cost, err := s.sell(t.Context(), shop)
	require.NoError(t, err)
	require.Empty(t, cost)
	require.EqualValues(t, 5, s.level(t, shop, milk))
	s.requireLedgerAgrees(t)
}

// The nth round has one unit and two buyers.
func TestTheLastUnitIsSoldOnce(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	shop := s.place(t, "STOREFRONT", "SHOP")
	milk := s.product(t, "milk")
	for range 200 {
		s.stock(t, shop, milk, 1, 100, "")
		var mu sync.Mutex
		sold, refused := 0, 0
		var g errgroup.Group
		start := make(chan struct{})
		for range 2 {
			line := inventory.Take{SaleItemID: newID(t), ProductID: milk, Quantity: 1}
			g.Go(func() error {
				<-start
				_, err := s.sell(t.Context(), shop, line)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					sold++
				case isShort(err):
					refused++
				default:
					return err
				}
				return nil
			})
		}
		close(start)
		require.NoError(t, g.Wait())
		require.Equal(t, []int{1, 1}, []int{sold, refused})
	}
	s.requireLedgerAgrees(t)
}

// Two baskets name the same products in opposite order; a circle of waiting would end one of them with an error.
func TestBasketsInAnyOrderNeverBlockEachOther(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	shop := s.place(t, "STOREFRONT", "SHOP")
	products := make([]uuid.UUID, 8)
	for i := range products {
		products[i] = s.product(t, "sku "+string(rune('a'+i)))
		s.stock(t, shop, products[i], 1000, 100, "")
	}
	g, ctx := errgroup.WithContext(t.Context())
	for w := range 4 {
		g.Go(func() error {
			for range 25 {
				lines := make([]inventory.Take, 0, len(products))
				for i := range products {
					if w%2 == 1 {
						i = len(products) - 1 - i
					}
					id, err := uuid.NewV7()
					if err != nil {
						return err
					}
					lines = append(lines, inventory.Take{SaleItemID: id, ProductID: products[i], Quantity: 1})
				}
				if _, err := s.sell(ctx, shop, lines...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	for _, p := range products {
		require.EqualValues(t, 900, s.level(t, shop, p))
	}
	s.requireLedgerAgrees(t)
}

func TestWhatComesBackGoesWhereItCameFromAndNeverMore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s, other := h.open(t), h.open(t)
	shop, milk := s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk")
	soon := s.stock(t, shop, milk, 2, 100, "2026-06-30")
	late := s.stock(t, shop, milk, 3, 300, "2026-12-31")
	line, neighbour := newID(t), newID(t)
	cost, err := s.sell(t.Context(), shop, inventory.Take{SaleItemID: line, ProductID: milk, Quantity: 4}, inventory.Take{SaleItemID: neighbour, ProductID: milk, Quantity: 1})
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]int64{line: 2*100 + 2*300, neighbour: 300}, cost)

	for _, wrong := range []inventory.PutBack{{SaleItemID: line, Quantity: 5}, {SaleItemID: newID(t), Quantity: 1}} {
		_, err = s.restock(t.Context(), wrong)
		require.ErrorIs(t, err, inventory.ErrBeyondTaken)
	}
	_, err = s.restock(t.Context(), inventory.PutBack{SaleItemID: line, Quantity: 3}, inventory.PutBack{SaleItemID: line, Quantity: 2})
	require.ErrorIs(t, err, inventory.ErrBeyondTaken)
	_, err = s.restock(t.Context(), inventory.PutBack{SaleItemID: line})
	require.ErrorIs(t, err, inventory.ErrQuantity)
	_, err = other.restock(t.Context(), inventory.PutBack{SaleItemID: line, Quantity: 1})
	require.ErrorIs(t, err, inventory.ErrBeyondTaken, "another business's sale")

	cost, err = s.restock(t.Context(), inventory.PutBack{SaleItemID: line, Quantity: 3})
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]int64{line: 2*300 + 100}, cost, "the last taken comes back first")
	require.Equal(t, []int64{1, 2}, []int64{s.onHand(t, soon), s.onHand(t, late)})
	_, err = s.restock(t.Context(), inventory.PutBack{SaleItemID: line, Quantity: 2})
	require.ErrorIs(t, err, inventory.ErrBeyondTaken)
	cost, err = s.restock(t.Context(), inventory.PutBack{SaleItemID: line, Quantity: 1})
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]int64{line: 100}, cost, "and the whole comes to what it cost")
	require.EqualValues(t, 4, s.level(t, shop, milk))
	require.EqualValues(t, 4, s.count(t, `select sum(delta) from inventory.movement where kind = 'REFUND' and source_id = $1`, line))
	s.requireLedgerAgrees(t)
}

func TestAtOnceNoMoreComesBackThanWasTaken(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	shop, milk := s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk")
	s.stock(t, shop, milk, 10, 100, "")
	line := newID(t)
	_, err := s.sell(t.Context(), shop, inventory.Take{SaleItemID: line, ProductID: milk, Quantity: 10})
	require.NoError(t, err)
	var g errgroup.Group
	var mu sync.Mutex
	back := 0
	for range 8 {
		g.Go(func() error {
			_, err := s.restock(t.Context(), inventory.PutBack{SaleItemID: line, Quantity: 3})
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				back++
				return nil
			}
			if problem.From(err).Code != "beyond_taken" {
				return err
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Equal(t, 3, back)
	require.EqualValues(t, 9, s.level(t, shop, milk))
	s.requireLedgerAgrees(t)
}

func TestAnOfferIsWhatThePlaceAsksAndHolds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s, other := h.open(t), h.open(t)
	front, milk, rice := s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk"), s.product(t, "rice")
	s.stock(t, front, milk, 5, 100, "")
	s.exec(t, `update inventory.stock_level set wholesale_price_minor = 150`)
	s.exec(t, `update inventory.product set is_active = false where id = $1`, milk)
	read := func(s *shop) (offers map[uuid.UUID]inventory.Offer) {
		require.NoError(t, s.in(t.Context(), func(tx *gorm.DB) (err error) {
			offers, err = inventory.LockOffers(tx, front, []uuid.UUID{rice, milk, milk, newID(t)})
			return err
		}))
		return offers
	}
	wholesale := money.FromMinor(150, money.GHS)
	require.Equal(t, map[uuid.UUID]inventory.Offer{milk: {ProductID: milk, Name: "milk", SKU: "milk", Unit: "pcs", OnHand: 5, Retail: money.FromMinor(200, money.GHS), Wholesale: &wholesale}}, read(s))
	require.Empty(t, read(other))
}

// The order of dates is the order in which stock changed, whatever the callers' clocks say.
func TestAMovementIsNeverDatedBeforeTheOneBefore(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	shop, milk := s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk")
	s.stock(t, shop, milk, 5, 100, "")
	for _, at := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-time.Hour), {}} {
		require.NoError(t, s.in(t.Context(), func(tx *gorm.DB) error {
			_, err := inventory.Sell(tx, shop, []inventory.Take{{SaleItemID: newID(t), ProductID: milk, Quantity: 1}}, uuid.Nil, at)
			return err
		}))
	}
	require.Zero(t, s.count(t, `select count(*) from inventory.movement where at > clock_timestamp()`))
	s.requireLedgerAgrees(t)
	require.Equal(t, s.count(t, `select count(*) from inventory.movement`), s.count(t, `select count(distinct at) from inventory.movement`))
}
