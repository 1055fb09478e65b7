package shops

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// lot is how much of a product is ordered at a time: some weeks' worth, in dozens where there are many.
func (l *life) lot(st *stock) int64 {
	n := max(l.trade.cover.lotMin, int64(st.rate*l.trade.cover.lot))
	if st.retail > 100_000 { // dear things are bought a few at a time
		n = max(3, n/2)
	}
	if n > 24 {
		n = (n + 11) / 12 * 12
	}
	return n
}

// receive takes in what arrives in the morning, at the warehouse.
func (l *life) receive() {
	at := l.at(10, 0)
	if l.ageDays() == 0 {
		at = l.at(5, 0)
	}
	for _, d := range l.coming[l.day] {
		at = at.Add(10 * time.Minute)
		l.plan(at, func(at time.Time) { l.intake(at, d.supplier, d.lines, nil) })
	}
	delete(l.coming, l.day)
	if l.daysLeft() == 50 {
		l.plan(at.Add(time.Hour), l.buyShortDated)
	}
}

// shortDated are the expiries, in days after the end, of what a shop with perishable goods bought too much of.
var shortDated = []int{-21, -6, 0, 1, 5, 7, 11, 14, 22, 29}

func (l *life) buyShortDated(at time.Time) {
	var lines []order
	expiry := map[int]time.Time{}
	for i := len(l.goods) - 1; i >= 0 && len(lines) < len(shortDated); i-- {
		if l.goods[i].life == 0 {
			continue
		}
		expiry[i] = midnight(l.until).AddDate(0, 0, shortDated[len(lines)])
		lines = append(lines, order{i, int64(l.between(24, 40))})
		if l.trade != trades[1] && len(lines) == 3 {
			break
		}
	}
	if len(lines) > 0 {
		l.intake(at, 0, lines, expiry)
	}
}

// intake books one delivery. expiry says when a product expires if not after its usual life.
func (l *life) intake(at time.Time, from int, lines []order, expiry map[int]time.Time) {
	b, keeper := l.books, l.shop.keeper().ID
	l.bought++
	by := batch{id: l.ids.id(at), arrived: l.day, reference: fmt.Sprintf("INV-%05d", 1000+l.bought*7), description: l.trade.receipt + " from " + l.trade.suppliers[from], by: keeper}
	b.batches = append(b.batches, by)
	for _, o := range lines {
		st := l.goods[o.good]
		cost, retail, wholesale := l.prices(&st.good)
		it := item{
			id: l.ids.id(at), batch: by.id, location: l.shop.branches[0].id, product: st.id, supplier: b.suppliers[from].id, received: o.quantity,
			cost: cost, additional: cost / 50, retail: retail, wholesale: wholesale, at: at, expiry: expiry[o.good],
		}
		if it.expiry.IsZero() && st.life > 0 {
			it.expiry = l.day.AddDate(0, 0, st.life*l.between(75, 100)/100)
		}
		st.ordered = max(0, st.ordered-o.quantity)
		l.move(st, 0, l.shelve(st, 0, it), o.quantity, movement{kind: "INTAKE", sourceType: "stock_batch", source: by.id, by: keeper, at: at})
	}
}

// shelve adds a stock item, with nothing on hand yet.
func (l *life) shelve(st *stock, place int, it item) *lot {
	lt := &lot{row: len(l.books.items), id: it.id, expiry: it.expiry, landed: it.cost + it.additional}
	l.books.items = append(l.books.items, it)
	sh := &st.shelves[place]
	if !sh.began {
		sh.began, sh.row = true, len(l.books.levels)
		l.books.levels = append(l.books.levels, level{location: it.location, product: it.product, retail: it.retail, wholesale: it.wholesale, reorder: sh.reorder})
	}
	lv := &l.books.levels[sh.row]
	lv.retail, lv.wholesale = it.retail, it.wholesale
	return lt
}

// move is the one way in which stock changes.
func (l *life) move(st *stock, place int, lt *lot, delta int64, m movement) {
	sh := &st.shelves[place]
	m.id, m.product, m.location, m.item, m.delta = l.ids.id(m.at), st.id, l.shop.branches[place].id, lt.id, delta
	l.books.movements = append(l.books.movements, m)
	lt.left += delta
	sh.onHand += delta
	l.books.levels[sh.row].at = m.at
	if lt.left > 0 && !lt.listed {
		lt.listed = true
		i, _ := slices.BinarySearchFunc(sh.lots, lt, before)
		sh.lots = slices.Insert(sh.lots, i, lt)
	} else if lt.left == 0 && lt.listed {
		lt.listed = false
		sh.lots = slices.DeleteFunc(sh.lots, func(other *lot) bool { return other == lt })
	}
	if sh.onHand > l.threshold(st, place) {
		sh.lowAt = time.Time{}
	} else if sh.lowAt.IsZero() {
		sh.lowAt = m.at
	}
	if sh.onHand > 0 {
		sh.outAt = time.Time{}
	} else if sh.outAt.IsZero() {
		sh.outAt = m.at
	}
}

func (l *life) threshold(st *stock, place int) int64 {
	if own := st.shelves[place].reorder; own >= 0 {
		return own
	}
	return l.books.products[st.row].reorder
}

// before is the order in which stock leaves: what expires first, then what is oldest.
func before(a, b *lot) int {
	switch {
	case a.expiry.Equal(b.expiry):
		return bytes.Compare(a.id[:], b.id[:])
	case a.expiry.IsZero():
		return 1
	case b.expiry.IsZero():
		return -1
	}
	return a.expiry.Compare(b.expiry)
}

// sellable is what a place has that has not expired.
func (l *life) sellable(st *stock, place int) (n int64) {
	for _, lt := range st.shelves[place].lots {
		if lt.expiry.IsZero() || !lt.expiry.Before(l.day) {
			n += lt.left
		}
	}
	return n
}

// portion is what was taken of one lot.
type portion struct {
	lot      *lot
	quantity int64
}

// take takes quantity of what is sellable at a place, which must be there.
func (l *life) take(st *stock, place int, quantity int64, m movement) (taken []portion, cost int64) {
	for _, lt := range st.shelves[place].lots {
		if quantity == 0 {
			break
		}
		if !lt.expiry.IsZero() && lt.expiry.Before(l.day) {
			continue
		}
		n := min(quantity, lt.left)
		taken, cost, quantity = append(taken, portion{lt, n}), cost+n*lt.landed, quantity-n
	}
	for _, p := range taken {
		l.move(st, place, p.lot, -p.quantity, m)
	}
	return taken, cost
}
