package shops

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// life is a shop while it is lived through.
type life struct {
	chance
	ids   chance
	shop  Shop
	trade *trade
	start time.Time // midnight of the first day
	until time.Time
	day   time.Time // midnight of the day that is lived
	books *Books

	goods   []*stock
	weights []float64 // running sums of the goods' popularity
	// coming are the deliveries on their way, by day; owed what happens later on its own day.
	coming   map[time.Time][]delivery
	later    map[time.Time][]event
	counters map[counterKey]int
	number   int // of transfers
	bought   int // of batches
}

type counterKey struct {
	branch int
	day    time.Time
}

// stock is a product, with what each place holds of it.
type stock struct {
	good
	row      int // in books.products
	id       uuid.UUID
	supplier int
	rate     float64 // pieces sold a day, expected
	ordered  int64
	shelves  []shelf // by branch
	dry      int     // for how many days before the end its supplier has none
}

// shelf is a product at a place.
type shelf struct {
	lots    []*lot
	onHand  int64
	began   bool
	lowAt   time.Time // since when it is at or below its threshold; zero: it is not
	outAt   time.Time
	reorder int64 // its own threshold; -1: the product's
	row     int   // in books.levels
}

// lot is a stock item.
type lot struct {
	row    int // in books.items
	id     uuid.UUID
	expiry time.Time
	left   int64
	landed int64
	listed bool
	sent   map[int]*lot // what transfers made of it, by branch
}

type delivery struct {
	supplier int
	lines    []order
}

type order struct {
	good     int
	quantity int64
}

// event is something at its time of a day.
type event struct {
	at time.Time
	do func(at time.Time)
}

// Live lives through the shop's time.
func (s Shop) Live() *Books {
	days := s.plan.Days
	if days == 0 {
		days = 365
	}
	until := s.plan.Until.UTC()
	l := &life{
		chance: newChance(s.plan.Seed, uint64(s.Number), forLife), ids: newChance(s.plan.Seed, uint64(s.Number), forIDs), shop: s, trade: s.trade,
		until: until, start: midnight(until).AddDate(0, 0, -days), books: &Books{},
		coming: map[time.Time][]delivery{}, later: map[time.Time][]event{}, counters: map[counterKey]int{},
	}
	l.day = l.start
	l.open()
	l.meet()
	for ; l.day.Before(l.until); l.day = l.day.AddDate(0, 0, 1) {
		l.receive()
		l.refill()
		l.count()
		l.sell()
		l.pass()
		l.order()
	}
	l.end()
	return l.books
}

// plan puts something on its day, which is today or later.
func (l *life) plan(at time.Time, do func(at time.Time)) {
	day := midnight(at)
	l.later[day] = append(l.later[day], event{at, do})
}

// pass lets everything of the day happen, in order of time.
func (l *life) pass() {
	events := l.later[l.day]
	delete(l.later, l.day)
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for _, e := range events {
		if e.at.Before(l.until) {
			e.do(e.at)
		}
	}
}

func midnight(t time.Time) time.Time { return t.Truncate(24 * time.Hour) }

// at is a time of the day that is lived.
func (l *life) at(hour, minute int) time.Time {
	return l.day.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(l.IntN(60_000_000))*time.Microsecond)
}

// ageDays is how many days the shop has lived.
func (l *life) ageDays() int { return int(l.day.Sub(l.start) / (24 * time.Hour)) }

// daysLeft is how many whole days are left to live.
func (l *life) daysLeft() int { return int(midnight(l.until).Sub(l.day) / (24 * time.Hour)) }

// open fills the catalogue and orders the first stock.
func (l *life) open() {
	b, s, t := l.books, &l.shop, l.trade
	since := s.opened().Add(24 * time.Hour)
	for i, name := range t.suppliers {
		c := l.person()
		b.suppliers = append(b.suppliers, supplier{
			id: l.ids.id(since), name: name, contact: c, phone: l.phone(), at: since,
			email: fmt.Sprintf("orders%d@%s.example", i+1, strings.ToLower(strings.Fields(name)[0])),
		})
	}
	categories := map[string]int{}
	var sum float64
	for i, g := range t.goods {
		at := since.Add(time.Duration(i+1) * time.Minute)
		k, ok := categories[g.category]
		if !ok {
			k = len(categories)
			categories[g.category] = k
			b.categories = append(b.categories, category{id: l.ids.id(at), name: g.category, at: at})
		}
		p := product{
			id: l.ids.id(at), category: b.categories[k].id, name: g.name, unit: g.unit, at: at, active: true,
			sku: fmt.Sprintf("%s-%03d", strings.ToUpper(g.category[:3]), i+1), muted: i == len(t.goods)-3,
		}
		if !l.often(0.12) { // some goods carry none
			p.barcode = barcode(l.shop.Number%len(trades), i)
		}
		sum += math.Pow(float64(i)+2, -0.85)
		l.weights = append(l.weights, sum)
		st := &stock{good: g, row: len(b.products), id: p.id, supplier: k % len(t.suppliers), shelves: make([]shelf, len(s.branches)), dry: dry[i]}
		for j := range st.shelves {
			st.shelves[j].reorder = -1
		}
		l.goods = append(l.goods, st)
		b.products = append(b.products, p)
	}
	lines := 1 / (1 - t.more)
	first := make([]delivery, len(t.suppliers))
	for i, st := range l.goods {
		share := l.weights[i]
		if i > 0 {
			share -= l.weights[i-1]
		}
		st.rate = t.sales * s.volume * lines * share / sum * (1 + float64(st.most)) / 2.4
		b.products[st.row].reorder = max(t.cover.lowMin, int64(st.rate*t.cover.low))
		if i%9 == 4 { // a place of its own opinion
			st.shelves[1].reorder = b.products[st.row].reorder + 2
		}
		d := &first[st.supplier]
		d.supplier, d.lines = st.supplier, append(d.lines, order{i, l.lot(st)})
	}
	l.coming[l.start] = first
}

// dry are the goods that suppliers run out of, by place in the catalogue, and for how many days before the end. Some are gone by then, some are low.
var dry = map[int]int{3: 66, 7: 36, 12: 28, 15: 40, 21: 30}

// barcode is an EAN-13 with Ghana's prefix, 603. Shops of one trade sell the same goods.
func barcode(trade, good int) string {
	code := fmt.Sprintf("603%04d%05d", 1100+trade*37, 1000+good*113)
	sum := 0
	for i, d := range code {
		sum += int(d-'0') * (1 + 2*(i%2))
	}
	return code + string(rune('0'+(10-sum%10)%10))
}

func (l *life) phone() string {
	return fmt.Sprintf("+233%s%07d", pick(l.chance, prefixes), l.IntN(10_000_000))
}

// prices of a product on the day that is lived: they rise a little each quarter.
func (l *life) prices(g *good) (cost, retail, wholesale int64) {
	rise := int64(l.ageDays() / 90 * 2)
	round := func(minor int64) int64 {
		if minor == 0 {
			return 0
		}
		step := int64(10)
		if minor >= 2_000 {
			step = 50
		}
		minor = minor * (100 + rise) / 100
		return (minor + step/2) / step * step
	}
	return g.cost * (100 + rise) / 100, round(g.retail), round(g.wholesale)
}

// refill brings goods from the warehouse to the shelves, twice a week.
func (l *life) refill() {
	if wd := l.day.Weekday(); wd != time.Monday && wd != time.Thursday && l.ageDays() > 0 {
		return
	}
	for place := 1; place < len(l.shop.branches); place++ {
		sent := l.at(7, 50+place)
		l.plan(sent.Add(time.Duration(l.between(20, 55))*time.Minute), func(done time.Time) { l.fill(sent, done, place) })
	}
}

// fill transfers what a storefront's shelves lack and the warehouse has.
func (l *life) fill(sent, done time.Time, place int) {
	var lines []order
	for i, st := range l.goods {
		sh := &st.shelves[place]
		rate := st.rate / float64(len(l.shop.branches)-1)
		if have := l.sellable(st, place); have < max(l.trade.cover.fillMin, int64(rate*l.trade.cover.fill)) || !sh.began {
			if n := min(max(l.trade.cover.fullMin, int64(rate*l.trade.cover.full))-have, l.sellable(st, 0)); n > 0 {
				lines = append(lines, order{i, n})
			}
		}
	}
	if len(lines) > 0 {
		l.transfer(sent, done, place, lines)
	}
}

// transfer moves goods from the warehouse to a storefront.
func (l *life) transfer(at, done time.Time, place int, lines []order) {
	b, keeper, manager := l.books, l.shop.keeper().ID, l.shop.manager().ID
	tr := l.newTransfer(at, place)
	tr.status, tr.dispatched, tr.completed, tr.completedBy = "completed", at.Add(5*time.Minute), done, manager
	b.transfers = append(b.transfers, tr)
	for _, o := range lines {
		st := l.goods[o.good]
		b.lines = append(b.lines, transferLine{tr.id, st.id, o.quantity})
		taken, _ := l.take(st, 0, o.quantity, movement{kind: "TRANSFER_OUT", sourceType: "transfer", source: tr.id, by: keeper, at: tr.dispatched})
		for _, p := range taken {
			to := p.lot.sent[place]
			if to == nil {
				it := b.items[p.lot.row]
				it.id, it.source, it.location, it.received, it.at = l.ids.id(done), p.lot.id, tr.destination, p.quantity, done
				to = l.shelve(st, place, it)
				if p.lot.sent == nil {
					p.lot.sent = map[int]*lot{}
				}
				p.lot.sent[place] = to
			}
			l.move(st, place, to, p.quantity, movement{kind: "TRANSFER_IN", sourceType: "transfer", source: tr.id, by: manager, at: done})
		}
	}
}

func (l *life) newTransfer(at time.Time, place int) transfer {
	l.number++
	return transfer{
		id: l.ids.id(at), reference: fmt.Sprintf("TRF-%s-%04d", at.Format("20060102"), l.number), status: "pending",
		source: l.shop.branches[0].id, destination: l.shop.branches[place].id, expected: midnight(at), by: l.shop.keeper().ID, at: at,
	}
}

// order asks suppliers for what runs out, each on its own day of the week.
func (l *life) order() {
	for s := range l.trade.suppliers {
		if int(l.day.Weekday()) != 1+s%5 {
			continue
		}
		d := delivery{supplier: s}
		for i, st := range l.goods {
			if st.supplier != s || l.daysLeft() < st.dry {
				continue
			}
			n := l.lot(st)
			if have := st.ordered + l.sellable(st, 0); float64(have) < max(float64(min(n, l.trade.cover.lotMin))/2, st.rate*l.trade.cover.order) {
				st.ordered += n
				d.lines = append(d.lines, order{i, n})
			}
		}
		if len(d.lines) > 0 {
			due := l.day.AddDate(0, 0, l.between(2, 5))
			if due.Weekday() == time.Sunday {
				due = due.AddDate(0, 0, 1)
			}
			l.coming[due] = append(l.coming[due], d)
		}
	}
}

// count writes off, once a month, what has been expired for a while, and what was found broken, missing or in excess.
func (l *life) count() {
	if l.day.Weekday() != time.Monday || l.day.Day() > 7 || l.ageDays() < 20 {
		return
	}
	at := l.at(9, 10)
	for _, st := range l.goods {
		for place := range st.shelves {
			for _, lt := range st.shelves[place].lots {
				if !lt.expiry.IsZero() && lt.expiry.Before(l.day.AddDate(0, 0, -24)) {
					l.adjust(at, st, place, lt, "EXPIRED", -lt.left, "Past its date, taken off the shelf")
				}
			}
		}
	}
	for range l.between(2, 4) {
		st, place := pick(l.chance, l.goods), l.IntN(len(l.shop.branches))
		if len(st.shelves[place].lots) == 0 {
			continue
		}
		lt := pick(l.chance, st.shelves[place].lots)
		f := pick(l.chance, findings)
		l.adjust(at, st, place, lt, f.kind, f.sign*int64(l.between(1, 3)), f.reason)
	}
}

var findings = []struct {
	kind   string
	sign   int64
	reason string
}{
	{"DAMAGE", -1, "Broken in the store"},
	{"DAMAGE", -1, "Crushed under a carton"},
	{"THEFT", -1, "Missing at the monthly count"},
	{"RECOUNT", -1, "Counted again"},
	{"FOUND", 1, "Found behind a shelf"},
}

// adjust books an adjustment that the keeper asked for and that the manager decides the same day, now and then with no.
func (l *life) adjust(at time.Time, st *stock, place int, lt *lot, kind string, quantity int64, reason string) {
	l.plan(at.Add(time.Duration(l.between(15, 180))*time.Minute), func(decided time.Time) {
		a := l.newAdjustment(at, st, place, lt, kind, max(quantity, -lt.left), reason)
		if a.quantity == 0 {
			return
		}
		a.status, a.decider, a.decided = "COMPLETED", l.shop.manager().ID, decided
		if kind != "EXPIRED" && l.often(0.1) {
			a.status = "REJECTED"
		}
		l.books.adjustments = append(l.books.adjustments, a)
		if a.status == "COMPLETED" {
			l.move(st, place, lt, a.quantity, movement{kind: "ADJUSTMENT", sourceType: "stock_adjustment", source: a.id, reason: kind, by: a.decider, at: decided})
		}
	})
}

func (l *life) newAdjustment(at time.Time, st *stock, place int, lt *lot, kind string, quantity int64, reason string) adjustment {
	return adjustment{
		id: l.ids.id(at), item: lt.id, location: l.shop.branches[place].id, product: st.id, kind: kind, quantity: quantity, before: lt.left, cost: lt.landed,
		reason: reason, status: "PENDING", by: l.shop.keeper().ID, at: at,
	}
}
