package inventory_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"makola/pkg/inventory"
)

// lot is the model of a stock item: an ordinary object.
type lot struct {
	place, product int
	expiry         int // days from today; never is far away
	seq            int
	left, cost     int64
	source         *lot
}

const never = 1 << 20

// portion is what was taken of a lot.
type portion struct {
	*lot
	quantity int64
}

// model is what a business should hold.
type model struct {
	lots  []*lot
	sales map[uuid.UUID][]portion
}

// take takes from the lots first expired first, or nothing and says how much there is.
func (m *model) take(place, product int, quantity int64) (got []portion, available int64) {
	var here []*lot
	for _, l := range m.lots {
		if l.place == place && l.product == product && l.left > 0 {
			here = append(here, l)
			available += l.left
		}
	}
	if available < quantity {
		return nil, available
	}
	slices.SortFunc(here, func(a, b *lot) int { return cmp.Or(a.expiry-b.expiry, a.seq-b.seq) })
	for _, l := range here {
		n := min(l.left, quantity)
		if n > 0 {
			l.left -= n
			quantity -= n
			got = append(got, portion{l, n})
		}
	}
	return got, available
}

func (m *model) add(l *lot) *lot {
	l.seq = len(m.lots)
	m.lots = append(m.lots, l)
	return l
}

// arrive puts what was taken into lots of the destination: into the same one, whenever it comes out of the same one.
func (m *model) arrive(place int, got []portion) {
	slices.SortFunc(got, func(a, b portion) int { return cmp.Or(a.product-b.product, a.seq-b.seq) })
	for _, p := range got {
		i := slices.IndexFunc(m.lots, func(l *lot) bool { return l.source == p.lot && l.place == place })
		if i < 0 {
			m.add(&lot{place: place, product: p.product, expiry: p.expiry, cost: p.cost, left: p.quantity, source: p.lot})
			continue
		}
		m.lots[i].left += p.quantity
	}
}

// TestPropertyStockIsWhatAModelSays makes any sequence of deliveries, sales, returns, adjustments and transfers, and compares every place's units and their value, and the
// cost of every sale, with the model.
func TestPropertyStockIsWhatAModelSays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := h.open(t)
		ctx := t.Context()
		places := []uuid.UUID{s.place(t, "WAREHOUSE", "DEPOT"), s.place(t, "WAREHOUSE", "ANNEXE"), s.place(t, "STOREFRONT", "SHOP")}
		products := []uuid.UUID{s.product(t, "milk"), s.product(t, "rice")}
		m := &model{sales: map[uuid.UUID][]portion{}}
		var lines []uuid.UUID
		type moving struct {
			id       uuid.UUID
			from, to int
			got      []portion
		}
		var road []moving
		place := func() int { return rapid.IntRange(0, 2).Draw(rt, "place") }
		product := func() int { return rapid.IntRange(0, 1).Draw(rt, "product") }
		quantity := func() int64 { return rapid.Int64Range(1, 6).Draw(rt, "quantity") }
		for n := range rapid.IntRange(1, 14).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"deliver", "deliver", "sell", "sell", "restock", "adjust", "dispatch", "arrive", "cancel"}).Draw(rt, "step") {
			case "deliver":
				var items []inventory.DeliveryItem
				for i := range rapid.IntRange(1, 3).Draw(rt, "lines") {
					l := m.add(&lot{place: place(), product: product(), expiry: never, left: quantity(), cost: int64(100 + 10*n + i)})
					var day *time.Time
					if in := rapid.IntRange(0, 4).Draw(rt, "expiry"); in > 0 {
						d := rules().Today.AddDate(0, 0, in)
						day, l.expiry = &d, in
					}
					items = append(items, goods(products[l.product], places[l.place], l.left, l.cost, day))
				}
				_, err := s.deliver(ctx, items...)
				require.NoError(rt, err)
			case "sell":
				at, what, q := place(), product(), quantity()
				line := newID(t)
				cost, err := s.sell(ctx, places[at], inventory.Take{SaleItemID: line, ProductID: products[what], Quantity: q})
				got, available := m.take(at, what, q)
				if got == nil {
					var short *inventory.InsufficientStockError
					require.ErrorAs(rt, err, &short)
					require.Equal(rt, []int64{available, q}, []int64{short.Available, short.Requested})
					continue
				}
				require.NoError(rt, err)
				require.Equal(rt, value(got), cost[line])
				m.sales[line] = got
				lines = append(lines, line)
			case "restock":
				if len(lines) == 0 {
					continue
				}
				line, q := rapid.SampledFrom(lines).Draw(rt, "line"), quantity()
				cost, err := s.restock(ctx, inventory.PutBack{SaleItemID: line, Quantity: q})
				if units(m.sales[line]) < q {
					require.ErrorIs(rt, err, inventory.ErrBeyondTaken)
					continue
				}
				require.NoError(rt, err)
				var back []portion
				for i := len(m.sales[line]) - 1; i >= 0 && q > 0; i-- { // the last taken first
					p := &m.sales[line][i]
					k := min(p.quantity, q)
					p.quantity -= k
					p.left += k
					q -= k
					back = append(back, portion{p.lot, k})
				}
				require.Equal(rt, value(back), cost[line])
			case "adjust":
				if len(m.lots) == 0 {
					continue
				}
				l := rapid.SampledFrom(m.lots).Draw(rt, "lot")
				q := rapid.SampledFrom([]int64{-4, -1, 1, 3}).Draw(rt, "change")
				a, err := s.adjust(ctx, s.item(t, l, places, products), q)
				require.NoError(rt, err)
				err = s.approve(ctx, a.ID)
				if l.left+q < 0 {
					require.True(rt, isShort(err), "%v", err)
					continue
				}
				require.NoError(rt, err)
				l.left += q
			case "dispatch":
				from := rapid.IntRange(0, 1).Draw(rt, "from")
				to := (from + rapid.IntRange(1, 2).Draw(rt, "to")) % 3
				what, q := product(), quantity()
				tr, err := s.plan(ctx, places[from], places[to], inventory.TransferItem{Product: products[what], Quantity: q})
				require.NoError(rt, err)
				err = s.move(ctx, tr.ID, inventory.Dispatch)
				got, _ := m.take(from, what, q)
				if got == nil {
					require.True(rt, isShort(err), "%v", err)
					continue
				}
				require.NoError(rt, err)
				road = append(road, moving{tr.ID, from, to, got})
			case "arrive", "cancel":
				if len(road) == 0 {
					continue
				}
				r := road[0]
				road = road[1:]
				if rapid.Bool().Draw(rt, "arrives") {
					require.NoError(rt, s.move(ctx, r.id, inventory.Complete))
					m.arrive(r.to, r.got)
					continue
				}
				require.NoError(rt, s.move(ctx, r.id, inventory.Cancel))
				for _, p := range r.got {
					p.left += p.quantity
				}
			}
		}
		for pl := range places {
			for pr := range products {
				var left, worth int64
				for _, l := range m.lots {
					if l.place == pl && l.product == pr {
						left, worth = left+l.left, worth+l.left*l.cost
					}
				}
				require.Equal(rt, left, s.level(t, places[pl], products[pr]))
				require.Equal(rt, worth, s.count(t, `select coalesce(sum(on_hand * unit_landed_minor), 0)::bigint from inventory.stock_item where location_id = $1 and product_id = $2`, places[pl], products[pr]))
			}
		}
	})
	h.requireLedgerAgrees(t)
}

func value(got []portion) (cost int64) {
	for _, p := range got {
		cost += p.quantity * p.cost
	}
	return cost
}

func units(got []portion) (n int64) {
	for _, p := range got {
		n += p.quantity
	}
	return n
}

// item finds the row of a lot: what was delivered by its cost, which is its own, and what was moved by the row it came out of.
func (s *shop) item(t testing.TB, l *lot, places, products []uuid.UUID) (id uuid.UUID) {
	t.Helper()
	var source *uuid.UUID
	if l.source != nil {
		from := s.item(t, l.source, places, products)
		source = &from
	}
	require.NoError(t, s.admin.QueryRow(t.Context(), `select id from inventory.stock_item where location_id = $1 and product_id = $2 and unit_cost_minor = $3 and source_item_id is not distinct from $4`,
		places[l.place], products[l.product], l.cost, source).Scan(&id))
	return id
}
