package shops

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/google/uuid"
)

// lateness is how many days after the due date a customer who buys on credit pays, by what kind of payer they are.
var lateness = [][2]int{{-12, 0}, {-3, 9}, {10, 45}, {50, 100}, {130, 150}}

// The kinds of payers who are not in time. Somebody slow becomes hopeless with what they buy hopelessFrom days before the end: it is late by some hundred days then.
const (
	slow         = 3
	hopeless     = 4
	hopelessFrom = 118
)

// meet makes the shop's customers. The first is nobody in particular.
func (l *life) meet() {
	b, t := l.books, l.trade
	since := l.shop.opened()
	owner := l.shop.People[0].ID
	b.customers = append(b.customers, customer{id: l.ids.id(since), name: "Walk-In-Customer", phone: "+233000000000", kind: "RETAIL", terms: 30, walkIn: true, by: owner, at: since})
	phones := map[string]bool{}
	for i := range int(float64(t.customers+t.debtors) * max(1, l.shop.volume)) {
		at := l.start.Add(-time.Duration(1+l.IntN(400)) * time.Hour)
		if i > t.debtors && l.often(0.6) { // most came in the course of the year
			at = l.start.Add(time.Duration(l.Float64() * float64(l.until.Sub(l.start)-time.Hour)))
		}
		c := customer{id: l.ids.id(at), name: l.person(), kind: "RETAIL", terms: 30, by: owner, at: at, address: pick(l.chance, streets) + ", " + pick(l.chance, towns)}
		for c.phone == "" || phones[c.phone] {
			c.phone = l.phone()
		}
		phones[c.phone] = true
		if l.often(0.3) {
			c.name += "'s " + pick(l.chance, firms)
			c.kind = "WHOLESALE"
		}
		if l.often(0.35) {
			c.email = strings.ToLower(strings.NewReplacer(" ", ".", "'", "").Replace(c.name)) + "@mail.example"
		}
		if i < t.debtors {
			c.limit = int64(l.between(t.limit[0], t.limit[1])) * 100_00
			c.terms = pick(l.chance, []int{14, 30, 30, 30, 60})
			c.late = []int{0, 1, 0, 1, 2, 0, 3, 1}[i%8]
			c.blocked = c.late == slow && i%16 == 6
		}
		b.customers = append(b.customers, c)
	}
	// In order of time, like everything else; the walk-in customer came with the shop.
	slices.SortStableFunc(b.customers, func(x, y customer) int { return x.at.Compare(y.at) })
}

// sell plans the day's customers.
func (l *life) sell() {
	t := l.trade
	growth := 0.85 + 0.3*float64(l.ageDays())/365
	mean := t.sales * l.shop.volume * t.demand(l.day) * growth * (0.82 + 0.36*l.Float64())
	n := int(mean + l.Float64())
	var sum float64
	hours := make([]float64, len(t.hours))
	for h, w := range t.hours {
		sum += float64(w)
		hours[h] = sum
	}
	for range n {
		h := sort.SearchFloat64s(hours, l.Float64()*sum)
		at := l.at(h, l.IntN(60))
		place := 1
		if len(l.shop.branches) > 2 && l.often(0.42) {
			place = 2
		}
		l.plan(at, func(at time.Time) {
			buyer, onCredit := l.buyer(at)
			l.sale(at, place, buyer, onCredit)
		})
	}
	for row := range l.books.customers {
		if c := &l.books.customers[row]; c.late == slow && l.daysLeft() == hopelessFrom+c.terms-row%9 {
			l.plan(l.at(11, l.IntN(60)), func(at time.Time) {
				c.late = hopeless
				l.sale(at, 1, row, true)
			})
		}
	}
}

// wish is one line that a customer wants and the shop has.
type wish struct {
	good     int
	quantity int64
}

// wishes draws what somebody wants, as far as it is there.
func (l *life) wishes(place int, bulk bool) (list []wish) {
	for n := 0; n < 12 && (n == 0 || l.often(l.trade.more)); n++ {
		i := min(sort.SearchFloat64s(l.weights, l.Float64()*l.weights[len(l.weights)-1]), len(l.goods)-1)
		if slices.ContainsFunc(list, func(w wish) bool { return w.good == i }) {
			continue
		}
		st := l.goods[i]
		q := 1 + int64(l.Float64()*l.Float64()*float64(st.most)*1.35)
		if bulk {
			q *= int64(l.between(2, 5))
		}
		if q = min(q, l.sellable(st, place)); q > 0 {
			list = append(list, wish{i, q})
		}
	}
	return list
}

// buyer chooses who buys: mostly somebody unknown.
func (l *life) buyer(at time.Time) (row int, onCredit bool) {
	onCredit = l.often(l.trade.credit)
	if !onCredit && !l.often(l.trade.named) {
		return 0, false
	}
	for range 8 {
		row = 1 + l.IntN(len(l.books.customers)-1)
		c := &l.books.customers[row]
		if c.at.Before(at) && (!onCredit || c.limit > 0) {
			return row, onCredit
		}
	}
	return 0, false
}

// sale is a checkout.
func (l *life) sale(at time.Time, place, buyer int, onCredit bool) {
	b := l.books
	bulk := buyer > 0 && b.customers[buyer].kind == "WHOLESALE" && l.often(0.6) || l.often(l.trade.wholesale)
	list := l.wishes(place, bulk)
	if len(list) == 0 {
		return
	}
	c := &b.customers[buyer]
	created := at.Add(-time.Duration(l.between(40, 400)) * time.Second)
	s := l.cart(created, place, c.id, bulk, list)
	s.updated, s.completed, s.status, s.buyer = at, at, "COMPLETED", buyer
	if s.subtotal >= 150_00 && l.often(0.05) {
		s.discount = s.subtotal * int64(l.between(2, 5)) / 100 / 50 * 50
	}
	s.total = s.subtotal - s.discount
	var upTo int64
	for i := range list { // in proportion, so that the shares add up to the pesewa
		line := &b.saleItems[s.firstItem+i]
		line.share = s.discount*(upTo+line.total)/s.subtotal - s.discount*upTo/s.subtotal
		upTo += line.total
	}
	if onCredit && !l.mayOwe(c, &s) {
		onCredit = false
	}
	k := counterKey{place, l.day}
	l.counters[k]++
	s.receipt = fmt.Sprintf("%s-%s-%04d", l.shop.branches[place].code, l.day.Format("20060102"), l.counters[k])
	row := len(b.sales)
	b.sales = append(b.sales, s)
	var taken [][]portion
	for i := range list {
		line := &b.saleItems[s.firstItem+i]
		portions, cost := l.take(l.goods[list[i].good], place, line.quantity, movement{kind: "SALE", sourceType: "sale_item", source: line.id, by: s.user, at: at})
		line.cost = cost
		taken = append(taken, portions)
	}
	if onCredit {
		l.owe(at, row)
	} else {
		l.payNow(at, row)
	}
	if s.discount == 0 && l.often(l.trade.back) {
		back := at.Add(time.Duration(l.between(20, 5*24*60)) * time.Minute)
		if h := back.Hour(); h >= 8 && h < 19 && l.trade.week[back.Weekday()] > 0 && midnight(back).After(l.day) {
			l.plan(back, func(at time.Time) { l.bringBack(at, row, place, list, taken) })
		}
	}
}

// cart makes a sale that is still a cart, with its lines.
func (l *life) cart(created time.Time, place int, customer uuid.UUID, bulk bool, list []wish) sale {
	b := l.books
	s := sale{
		id: l.ids.id(created), storefront: l.shop.branches[place].id, user: pick(l.chance, l.shop.cashiers(place)).ID, customer: customer, kind: "RETAIL", status: "DRAFT",
		created: created, updated: created, firstItem: len(b.saleItems), receivable: -1,
	}
	if bulk {
		s.kind = "WHOLESALE"
	}
	for i, w := range list {
		st := l.goods[w.good]
		lv := &b.levels[st.shelves[place].row]
		line := saleItem{
			id: l.ids.id(created.Add(time.Duration(5*i+2) * time.Second)), sale: s.id, product: st.id, line: i + 1, quantity: w.quantity, price: lv.retail, cost: -1, name: st.name, sku: b.products[st.row].sku,
		}
		if bulk && lv.wholesale > 0 {
			line.price = lv.wholesale
		} else if line.price >= 20_00 && l.often(0.01) { // a dented tin
			line.discount = line.price / 20 / 50 * 50
		}
		line.total = line.quantity*line.price - line.discount
		s.subtotal += line.total
		b.saleItems = append(b.saleItems, line)
	}
	s.total = s.subtotal
	return s
}

// mayOwe decides whether a sale may be owed, as the shop's rules say; now and then a manager lets somebody have it all the same.
func (l *life) mayOwe(c *customer, s *sale) bool {
	if c.blocked && l.daysLeft() < hopelessFrom || c.owes+s.total > c.limit {
		return false
	}
	overdue := slices.ContainsFunc(c.open, func(r int) bool { return l.books.receivables[r].due.Before(l.day) })
	if !overdue {
		return true
	}
	if c.late != hopeless && !l.often(0.12) || c.late == hopeless && c.blocked {
		return false
	}
	s.overrideBy, s.overrideReason = l.shop.manager().ID, pick(l.chance, []string{"Promised to pay on Friday", "Customer of many years", "Paid a part by phone this morning"})
	return true
}

// owe makes a receivable of what is not paid at once, and plans when it is.
func (l *life) owe(at time.Time, row int) {
	b := l.books
	s := &b.sales[row]
	c := &b.customers[s.buyer]
	s.credit, s.payment, s.status, s.due = true, "CREDIT", "PENDING", s.total
	if deposit := s.total / 3 / 500 * 500; deposit > 0 && l.often(0.2) {
		l.receiveMoney(at, row, deposit, l.method())
		s.payment, s.status = "MIXED", "PARTIAL"
	}
	s.receivable = len(b.receivables)
	due := l.day.AddDate(0, 0, c.terms)
	b.receivables = append(b.receivables, receivable{id: l.ids.id(at), sale: s.id, customer: c.id, original: s.due, open: s.due, status: "PENDING", due: due, at: at, updated: at, saleRow: row, buyer: s.buyer})
	c.open = append(c.open, s.receivable)
	l.post(at, s.buyer, credit{kind: "CREDIT_SALE", amount: s.due, sourceType: "sale", source: s.id, reference: s.receipt, by: s.user})
	late := lateness[c.late]
	when := due.AddDate(0, 0, l.between(late[0], late[1])).Add(time.Duration(l.between(9*60, 16*60)) * time.Minute)
	if soonest := l.day.AddDate(0, 0, 1).Add(10 * time.Hour); when.Before(soonest) {
		when = soonest
	}
	rec := s.receivable
	if half := s.due / 2; half > 0 && l.often(0.3) {
		l.plan(when, func(at time.Time) { l.settle(at, rec, half) })
		when = when.AddDate(0, 0, l.between(4, 21))
	}
	l.plan(when, func(at time.Time) { l.settle(at, rec, 0) })
}

// settle pays a part of a receivable, or with 0 all that is left of it.
func (l *life) settle(at time.Time, rec int, amount int64) {
	b := l.books
	r := &b.receivables[rec]
	if amount == 0 || amount > r.open {
		amount = r.open
	}
	if amount == 0 {
		return
	}
	p := l.receiveMoney(at, r.saleRow, amount, pick(l.chance, []string{"MOMO", "MOMO", "CASH", "BANK_TRANSFER", "CHECK"}))
	b.settlements = append(b.settlements, settlement{id: l.ids.id(at), receivable: r.id, payment: p, amount: amount, at: at})
	r.paid += amount
	l.lower(at, rec, amount)
	s := &b.sales[r.saleRow]
	l.post(at, r.buyer, credit{kind: "PAYMENT", amount: -amount, sourceType: "payment", source: p, reference: s.receipt, by: s.user})
}

// lower takes amount off what a receivable is still worth.
func (l *life) lower(at time.Time, rec int, amount int64) {
	r := &l.books.receivables[rec]
	r.open -= amount
	r.status, r.updated = "PARTIAL", at
	if r.open == 0 {
		r.status = "PAID"
		c := &l.books.customers[r.buyer]
		c.open = slices.DeleteFunc(c.open, func(other int) bool { return other == rec })
	}
}

// post writes a line of a customer's account.
func (l *life) post(at time.Time, buyer int, t credit) {
	c := &l.books.customers[buyer]
	c.owes += t.amount
	t.id, t.customer, t.balance, t.at = l.ids.id(at), c.id, c.owes, at
	l.books.credits = append(l.books.credits, t)
}

func (l *life) method() string {
	x := l.Float64()
	if x < l.trade.cash[0] {
		return "CASH"
	}
	if x < l.trade.cash[0]+l.trade.cash[1] {
		return "MOMO"
	}
	return "CARD"
}

// payNow pays a sale in full, seldom in two ways.
func (l *life) payNow(at time.Time, row int) {
	s := &l.books.sales[row]
	s.due = s.total
	if first := s.total / 2 / 100 * 100; first > 50_00 && l.often(0.04) {
		l.receiveMoney(at, row, first, "CASH")
		l.receiveMoney(at, row, s.total-first, "MOMO")
		s.payment = "MIXED"
		return
	}
	m := l.method()
	s.payment = map[string]string{"CASH": "CASH", "MOMO": "MOBILE", "CARD": "CARD"}[m]
	if s.total > 0 {
		l.receiveMoney(at, row, s.total, m)
	}
}

// receiveMoney takes money for a sale, which is then what it has become by it.
func (l *life) receiveMoney(at time.Time, row int, amount int64, method string) uuid.UUID {
	b := l.books
	s := &b.sales[row]
	p := payment{id: l.ids.id(at), sale: s.id, customer: s.customer, amount: amount, method: method, by: s.user, at: at}
	switch method {
	case "MOMO":
		p.reference = fmt.Sprintf("MP%s%07d", at.Format("060102"), l.IntN(10_000_000))
	case "CARD", "BANK_TRANSFER", "CHECK":
		p.reference = fmt.Sprintf("%06d", l.IntN(1_000_000))
	}
	b.payments = append(b.payments, p)
	s.paid += amount
	s.due -= amount
	s.updated = at
	s.status = s.standing()
	return p.id
}

// standing is the status that the amounts of a sale give it.
func (s *sale) standing() string {
	switch {
	case s.returned > 0 && s.returned == s.total:
		return "REFUNDED"
	case s.due == 0:
		return "COMPLETED"
	case s.paid-s.cashBack == 0:
		return "PENDING"
	}
	return "PARTIAL"
}

// bringBack returns a line, or all of a sale.
func (l *life) bringBack(at time.Time, row, place int, list []wish, taken [][]portion) {
	b := l.books
	s := &b.sales[row]
	whole := len(list) == 1 || l.often(0.25)
	from := l.IntN(len(list))
	rf := refund{
		id: l.ids.id(at), sale: s.id, kind: "FULL", restock: l.often(l.trade.restock), by: l.shop.manager().ID, at: at,
		reason: pick(l.chance, []string{"Wrong item bought", "Customer changed their mind", "Faulty", "Packaging torn", "Bought twice"}),
	}
	for i := range list {
		if !whole && i != from {
			continue
		}
		line := &b.saleItems[s.firstItem+i]
		ri := refundItem{id: l.ids.id(at), refund: rf.id, saleItem: line.id, quantity: line.quantity, amount: line.total}
		if rf.restock {
			for _, p := range taken[i] {
				ri.cost += p.quantity * p.lot.landed
				l.move(l.goods[list[i].good], place, p.lot, p.quantity, movement{kind: "REFUND", sourceType: "sale_item", source: line.id, reason: rf.reason, by: rf.by, at: at})
			}
		}
		line.returned = line.quantity
		rf.amount += ri.amount
		b.refundItems = append(b.refundItems, ri)
	}
	if rf.amount < s.total {
		rf.kind = "PARTIAL"
	}
	owed := min(rf.amount, s.due)
	rf.cash = rf.amount - owed
	if rf.cash > 0 {
		rf.method = "CASH"
	}
	s.returned += rf.amount
	s.due -= owed
	s.cashBack += rf.cash
	s.updated = at
	s.status = s.standing()
	if owed > 0 && s.receivable >= 0 {
		b.receivables[s.receivable].returned += owed
		l.lower(at, s.receivable, owed)
		l.post(at, s.buyer, credit{kind: "REFUND", amount: -owed, sourceType: "refund", source: rf.id, reference: s.receipt, by: rf.by})
	}
	b.refunds = append(b.refunds, rf)
}
