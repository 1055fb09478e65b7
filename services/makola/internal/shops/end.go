package shops

import (
	"bytes"
	"slices"
	"time"
)

// cartLife is how long a cart keeps what is in it.
const cartLife = 30 * time.Minute

// end leaves the shop as somebody finds it who comes in now: carts at the tills, adjustments that wait for the manager, transfers under way, and alerts.
func (l *life) end() {
	l.day = midnight(l.until.Add(-time.Microsecond))
	l.leaveCarts()
	l.leaveAdjustments()
	l.leaveTransfers()
	l.raise()
	for k, last := range l.counters {
		l.books.counters = append(l.books.counters, counter{l.shop.branches[k.branch].id, k.day, last})
	}
	slices.SortFunc(l.books.counters, func(a, b counter) int {
		if c := a.day.Compare(b.day); c != 0 {
			return c
		}
		return bytes.Compare(a.storefront[:], b.storefront[:])
	})
}

// leaveCarts opens one or two carts in each storefront, their goods set aside.
func (l *life) leaveCarts() {
	b := l.books
	for place := 1; place < len(l.shop.branches); place++ {
		held := map[int]int64{}
		for n := range l.between(1, 2) {
			at := l.until.Add(-time.Duration(l.between(30, 600)) * time.Second)
			var list []wish
			for _, w := range l.wishes(place, false) {
				if w.quantity = min(w.quantity, l.sellable(l.goods[w.good], place)-held[w.good]); w.quantity > 0 {
					held[w.good] += w.quantity
					list = append(list, w)
				}
			}
			if len(list) == 0 {
				continue
			}
			s := l.cart(at, place, b.customers[n*3].id, false, list)
			b.sales = append(b.sales, s)
			for _, w := range list {
				b.reservations = append(b.reservations, reservation{id: l.ids.id(at), sale: s.id, storefront: s.storefront, product: l.goods[w.good].id, quantity: w.quantity, at: at, expires: at.Add(cartLife)})
			}
		}
	}
}

// leaveAdjustments asks for a few that nobody has decided yet.
func (l *life) leaveAdjustments() {
	for i := range 3 {
		st := l.goods[(i*7+2)%len(l.goods)]
		place := i % len(l.shop.branches)
		if len(st.shelves[place].lots) == 0 {
			continue
		}
		at := l.until.Add(-time.Duration(l.between(2, 40)) * time.Hour)
		lt := st.shelves[place].lots[0]
		f := findings[i]
		l.books.adjustments = append(l.books.adjustments, l.newAdjustment(at, st, place, lt, f.kind, f.sign, f.reason))
	}
}

// leaveTransfers leaves one that waits to be sent, and one that is on the road: its goods have left the warehouse and are nowhere yet.
func (l *life) leaveTransfers() {
	for i, status := range []string{"pending", "in_transit"} {
		tr := l.newTransfer(l.until.Add(-time.Duration(50-20*i)*time.Minute), 1+i%(len(l.shop.branches)-1))
		tr.status, tr.expected = status, l.day.AddDate(0, 0, 1)
		left := movement{kind: "TRANSFER_OUT", sourceType: "transfer", source: tr.id, by: tr.by, at: l.until.Add(-time.Microsecond)}
		if status == "in_transit" {
			tr.dispatched = left.at
		}
		for _, st := range l.goods {
			n := min(6, l.sellable(st, 0)/2)
			if n == 0 || st.row%7 != i {
				continue
			}
			l.books.lines = append(l.books.lines, transferLine{tr.id, st.id, n})
			if status == "in_transit" {
				l.take(st, 0, n, left)
			}
		}
		l.books.transfers = append(l.books.transfers, tr)
	}
}

// buckets are the days before its expiry at which a stock item is warned of; 0 is for what has expired.
var buckets = []int{1, 7, 14, 30}

// raise opens the alerts that the stock calls for.
func (l *life) raise() {
	b := l.books
	for _, st := range l.goods {
		if b.products[st.row].muted {
			continue
		}
		for place := range st.shelves {
			sh := &st.shelves[place]
			if !sh.began {
				continue
			}
			a := alert{product: st.id, location: l.shop.branches[place].id, current: sh.onHand, threshold: l.threshold(st, place)}
			switch {
			case sh.onHand == 0:
				a.kind, a.at = "OUT_OF_STOCK", sh.outAt
			case sh.onHand <= a.threshold:
				a.kind, a.at = "LOW_STOCK", sh.lowAt
			}
			if a.kind != "" {
				a.id, a.bucket = l.ids.id(a.at), -1
				b.alerts = append(b.alerts, a)
			}
			for _, lt := range sh.lots {
				l.warn(st, place, lt)
			}
		}
	}
}

// warn opens the warning of an item that expires soon or has expired.
func (l *life) warn(st *stock, place int, lt *lot) {
	if lt.expiry.IsZero() {
		return
	}
	a := alert{product: st.id, location: l.shop.branches[place].id, item: lt.id, kind: "EXPIRY_WARNING", current: lt.left}
	if lt.expiry.Before(l.day) {
		a.at = lt.expiry.AddDate(0, 0, 1)
	} else {
		left := int(lt.expiry.Sub(l.day) / (24 * time.Hour))
		i := slices.IndexFunc(buckets, func(days int) bool { return left <= days })
		if i < 0 {
			return
		}
		a.bucket = buckets[i]
		a.at = lt.expiry.AddDate(0, 0, -a.bucket)
	}
	a.at = a.at.Add(6 * time.Hour)
	if came := l.books.items[lt.row].at; a.at.Before(came) {
		a.at = came
	}
	if !a.at.Before(l.until) {
		a.at = l.until.Add(-time.Microsecond)
	}
	a.threshold = int64(a.bucket)
	a.id = l.ids.id(a.at)
	l.books.alerts = append(l.books.alerts, a)
}
