package api_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"makola/pkg/sales"
	"makola/services/api-gateway/internal/api"
)

// modelSale is a sale as the model remembers it. The model counts with big rationals and knows nothing of shares: what a line is worth follows from prefix sums.
type modelSale struct {
	id                          uuid.UUID
	customer                    int // -1: walk-in
	lines                       []modelLine
	total, paid, returned, back int64
	live                        bool
	cancelled                   bool
}

type modelLine struct {
	item           uuid.UUID
	product        int
	quantity, gone int64
	worth          int64
}

func (m *modelSale) due() int64 { return m.total - m.returned - (m.paid - m.back) }

func (m *modelSale) status() sales.Status {
	switch whole := !slices.ContainsFunc(m.lines, func(l modelLine) bool { return l.gone < l.quantity }); {
	case m.cancelled:
		return sales.Cancelled
	case whole:
		return sales.Refunded
	case m.due() == 0:
		return sales.Completed
	case m.paid-m.back == 0:
		return sales.Pending
	default:
		return sales.Partial
	}
}

func floorDiv(a, b, c int64) int64 {
	return new(big.Int).Div(new(big.Int).Mul(big.NewInt(a), big.NewInt(b)), big.NewInt(c)).Int64()
}

func halfUp(a, b, c int64) int64 {
	x := new(big.Int).Mul(big.NewInt(a), big.NewInt(2*b))
	return new(big.Int).Div(x.Add(x, big.NewInt(c)), big.NewInt(2*c)).Int64()
}

// takeBack is what comes back for so many more pieces of a line.
func (l *modelLine) takeBack(n int64) int64 {
	before := floorDiv(l.worth, l.gone, l.quantity)
	l.gone += n
	return floorDiv(l.worth, l.gone, l.quantity) - before
}

// giveBack books the return of goods worth so much, and returns what is paid back.
func (m *modelSale) giveBack(worth int64) (cash int64) {
	due := m.due()
	m.returned += worth
	cash = max(0, worth-due)
	m.back += cash
	return cash
}

// model is the whole shop.
type model struct {
	s      *tillShop
	tax    int64
	stock  []int64
	held   []int64 // by the one open cart
	open   *uuid.UUID
	openOf []sales.NewItem
	sales  []*modelSale
}

func (m *model) debt(customer int) (sum int64) {
	for _, s := range m.sales {
		if s.customer == customer {
			sum += s.due()
		}
	}
	return sum
}

func (m *model) drawLines(t *rapid.T) (lines []sales.NewItem) {
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		l := sales.NewItem{Product: m.s.products[rapid.IntRange(0, 3).Draw(t, "product")], Quantity: rapid.Int64Range(1, 4).Draw(t, "quantity")}
		l.Discount.BP = rapid.SampledFrom([]int64{0, 0, 0, 1234, 10_000}).Draw(t, "line discount")
		lines = append(lines, l)
	}
	return lines
}

func (m *model) index(product uuid.UUID) int { return slices.Index(m.s.products, product) }

// price works out what a sale of these lines comes to.
func (m *model) price(lines []sales.NewItem, discountBP int64) *modelSale {
	s := &modelSale{customer: -1, live: true}
	var totals []int64
	var subtotal int64
	for _, l := range lines {
		gross := modelPrices[m.index(l.Product)] * l.Quantity
		total := gross - halfUp(gross, l.Discount.BP, 10_000)
		totals, subtotal = append(totals, total), subtotal+total
	}
	discount := halfUp(subtotal, discountBP, 10_000)
	var before int64
	for i, l := range lines {
		var share int64
		if subtotal > 0 {
			share = floorDiv(discount, before+totals[i], subtotal) - floorDiv(discount, before, subtotal)
		}
		before += totals[i]
		net := totals[i] - share
		worth := net + halfUp(net, m.tax, 10_000)
		s.lines = append(s.lines, modelLine{product: m.index(l.Product), quantity: l.Quantity, worth: worth})
		s.total += worth
	}
	return s
}

func want(m *model, lines []sales.NewItem) []int64 {
	n := make([]int64, len(m.stock))
	for _, l := range lines {
		n[m.index(l.Product)] += l.Quantity
	}
	return n
}

// enough reports whether what nobody has set aside covers the lines.
func (m *model) enough(lines []sales.NewItem) bool {
	for i, n := range want(m, lines) {
		if m.stock[i]-m.held[i] < n {
			return false
		}
	}
	return true
}

// pay draws how a sale is paid, and says what the answer must be.
func (m *model) pay(t *rapid.T, s *modelSale) (p sales.Payout, expect string) {
	switch rapid.IntRange(0, 3).Draw(t, "way") {
	case 0:
		p.All = sales.Cash
		s.paid = s.total
	case 1:
		extra := rapid.Int64Range(0, 500).Draw(t, "change")
		p.Tenders = []sales.Tender{{Method: sales.Cash, Minor: s.total + extra + 1}}
		s.paid = s.total
	default:
		p.OnCredit = true
		s.paid = rapid.Int64Range(0, s.total).Draw(t, "paid")
		if s.paid > 0 {
			p.Tenders = []sales.Tender{{Method: "MOMO", Minor: s.paid}}
		}
	}
	limit := map[int]int64{0: 100_00, 1: 5_00}
	if due := s.due(); due > 0 && (s.customer < 0 || m.debt(s.customer)+due > limit[s.customer]) {
		return p, "credit_refused"
	}
	return p, ""
}

func (m *model) sold(t *rapid.T, s *modelSale, done *sales.Sale) {
	s.id = done.ID
	for i := range s.lines {
		s.lines[i].item = done.Items[i].ID
		m.stock[s.lines[i].product] -= s.lines[i].quantity
		require.Equal(t, s.lines[i].worth, done.Items[i].Worth())
	}
	m.sales = append(m.sales, s)
}

func (m *model) drawLive(t *rapid.T) *modelSale {
	var live []*modelSale
	for _, s := range m.sales {
		if s.live {
			live = append(live, s)
		}
	}
	if len(live) == 0 {
		return nil
	}
	return rapid.SampledFrom(live).Draw(t, "sale")
}

// drawReturn draws what comes back of a sale, and books it in the model.
func (m *model) drawReturn(t *rapid.T, s *modelSale) (r sales.Return, cash int64) {
	r = sales.Return{Restock: rapid.Bool().Draw(t, "restock"), Reason: "brought back"}
	var worth int64
	take := func(l *modelLine, n int64) {
		r.Lines = append(r.Lines, sales.ReturnLine{Item: l.item, Quantity: n})
		worth += l.takeBack(n)
		if r.Restock {
			m.stock[l.product] += n
		}
	}
	for i := range s.lines {
		l := &s.lines[i]
		if n := rapid.Int64Range(0, l.quantity-l.gone).Draw(t, "back"); n > 0 {
			take(l, n)
		}
	}
	if len(r.Lines) == 0 { // no lines at all would mean everything
		i := slices.IndexFunc(s.lines, func(l modelLine) bool { return l.gone < l.quantity })
		take(&s.lines[i], 1)
	}
	return r, s.giveBack(worth)
}

func (m *model) checkout(t *rapid.T) {
	lines, discount := m.drawLines(t), rapid.SampledFrom([]int64{0, 0, 777, 5000}).Draw(t, "discount")
	s := m.price(lines, discount)
	s.customer = rapid.IntRange(-1, 1).Draw(t, "customer")
	var customer *uuid.UUID
	if s.customer >= 0 {
		customer = &m.s.customers[s.customer]
	}
	id, err := m.s.cart(customer, lines)
	if !m.enough(lines) {
		require.Equal(t, "insufficient_stock", code(err))
		m.abandon(t, id)
		return
	}
	require.NoError(t, err)
	payout, expect := m.pay(t, s)
	done, err := m.s.complete(id, sales.Checkout{Payout: payout, Discount: sales.Discount{BP: discount}})
	require.Equal(t, expect, code(err))
	if err != nil {
		m.abandon(t, id)
		return
	}
	m.sold(t, s, done)
	_, err = m.s.complete(id, sales.Checkout{Payout: payout})
	require.Equal(t, "sale_not_draft", code(err))
}

func (m *model) abandon(t *rapid.T, id uuid.UUID) {
	_, err := m.s.sale(func(tx *gorm.DB) (*sales.Sale, error) { return sales.Abandon(tx, m.s.who, id) })
	require.NoError(t, err)
}

// leave leaves a cart open, which holds what is in it until it runs out.
func (m *model) leave(t *rapid.T) {
	if m.open != nil {
		return
	}
	lines := m.drawLines(t)
	if !m.enough(lines) {
		return
	}
	id, err := m.s.cart(nil, lines)
	require.NoError(t, err)
	m.open, m.openOf, m.held = &id, lines, want(m, lines)
}

func (m *model) runOut(*rapid.T) {
	m.s.expire()
	m.held = make([]int64, len(m.stock))
}

// return to the open cart and pay it, whether its goods are still set aside or not.
func (m *model) finish(t *rapid.T) {
	if m.open == nil {
		return
	}
	m.held = make([]int64, len(m.stock))
	enough := m.enough(m.openOf)
	s := m.price(m.openOf, 0)
	done, err := m.s.complete(*m.open, sales.Checkout{Payout: sales.Payout{All: "CARD"}})
	if !enough {
		require.Equal(t, "insufficient_stock", code(err))
		m.abandon(t, *m.open)
	} else {
		require.NoError(t, err)
		s.paid = s.total
		m.sold(t, s, done)
	}
	m.open = nil
}

func (m *model) payLater(t *rapid.T) {
	s := m.drawLive(t)
	if s == nil {
		return
	}
	amount := rapid.Int64Range(1, max(1, s.due())+1).Draw(t, "amount")
	_, err := m.s.sale(func(tx *gorm.DB) (*sales.Sale, error) {
		return sales.Pay(tx, m.s.who, s.id, sales.Tender{Method: sales.Cash, Minor: amount}, time.Now())
	})
	switch {
	case s.due() == 0:
		require.Equal(t, "nothing_due", code(err))
	case amount > s.due():
		require.Equal(t, "overpaid", code(err))
	default:
		require.NoError(t, err)
		s.paid += amount
	}
}

func (m *model) payAccount(t *rapid.T) {
	customer := rapid.IntRange(0, 1).Draw(t, "customer")
	debt := m.debt(customer)
	amount := rapid.Int64Range(1, debt+1).Draw(t, "amount")
	_, _, err := inTill(m.s, func(tx *gorm.DB) (*sales.Payment, int, error) {
		p, err := sales.PayAccount(tx, m.s.who, m.s.customers[customer], sales.Tender{Method: sales.Cash, Minor: amount}, time.Now())
		return p, 0, err
	})
	if amount > debt {
		require.Equal(t, "overpaid", code(err))
		return
	}
	require.NoError(t, err)
	for _, s := range m.sales { // in the order in which they were completed
		if s.customer == customer {
			part := min(amount, s.due())
			s.paid, amount = s.paid+part, amount-part
		}
	}
}

func (m *model) refund(t *rapid.T) {
	s := m.drawLive(t)
	if s == nil {
		return
	}
	r, _ := m.drawReturn(t, s)
	_, err := m.s.sale(func(tx *gorm.DB) (*sales.Sale, error) {
		return sales.TakeBack(tx, api.Shelf(), m.s.who, s.id, r, time.Now())
	})
	require.NoError(t, err)
	s.live = s.status() != sales.Refunded
}

func (m *model) cancel(t *rapid.T) {
	s := m.drawLive(t)
	if s == nil {
		return
	}
	restock := rapid.Bool().Draw(t, "restock")
	var worth int64
	for i := range s.lines {
		l := &s.lines[i]
		n := l.quantity - l.gone
		worth += l.takeBack(n)
		if restock {
			m.stock[l.product] += n
		}
	}
	s.giveBack(worth)
	s.live, s.cancelled = false, true
	_, err := m.s.sale(func(tx *gorm.DB) (*sales.Sale, error) {
		return sales.Cancel(tx, api.Shelf(), m.s.who, s.id, sales.Return{Restock: restock, Reason: "a mistake"}, time.Now())
	})
	require.NoError(t, err)
}

func (m *model) exchange(t *rapid.T) {
	old := m.drawLive(t)
	if old == nil {
		return
	}
	lines := m.drawLines(t)
	before, stock := *old, slices.Clone(m.stock)
	before.lines = slices.Clone(old.lines)
	r, cash := m.drawReturn(t, old)
	fresh := m.price(lines, 0)
	fresh.customer, fresh.paid = old.customer, fresh.total
	enough := m.enough(lines)
	_, done, err := inTill(m.s, func(tx *gorm.DB) (*sales.Sale, *sales.Sale, error) {
		return sales.Swap(tx, api.Shelf(), m.s.who, old.id, sales.Exchange{Return: r, Take: lines, Payout: sales.Payout{All: sales.Cash}}, time.Now())
	})
	if !enough {
		require.Equal(t, "insufficient_stock", code(err))
		*old, m.stock = before, stock
		return
	}
	require.NoError(t, err)
	old.live = old.status() != sales.Refunded
	if cash > 0 && fresh.total > 0 {
		require.Equal(t, min(cash, fresh.total), done.Payments[0].Minor)
		require.Equal(t, "EXCHANGE", done.Payments[0].Method)
	}
	m.sold(t, fresh, done)
}

// agrees compares everything with what the database has.
func (m *model) agrees(t *rapid.T) {
	for i, p := range m.s.products {
		require.EqualValues(t, m.stock[i], m.s.onHand(m.s.storefront.String(), p.String()), "stock of product %d", i)
	}
	for i, c := range m.s.customers {
		require.EqualValues(t, m.debt(i), m.s.count(`select outstanding_minor from sales.customer where id = $1`, c), "debt of customer %d", i)
	}
	for _, s := range m.sales {
		var got *sales.Sale
		require.NoError(t, m.s.in(func(tx *gorm.DB) (err error) {
			got, err = sales.SaleByID(tx, s.id, m.s.who.Scope)
			return err
		}))
		require.Equal(t, []any{s.status(), s.total, s.paid, s.returned, s.back, s.due()}, []any{got.Status, got.Total, got.Paid, got.Returned, got.CashRefunded, got.Due})
	}
}

// Random histories at one till, compared with the model after every step, and every invariant of the books at the end.
func TestTheTillDoesWhatTheModelDoes(t *testing.T) {
	t.Parallel()
	g := open(t)
	rapid.Check(t, func(t *rapid.T) {
		tax := rapid.SampledFrom([]int{0, 1500, 333}).Draw(t, "tax")
		m := &model{s: g.newTill(tax), tax: int64(tax), stock: []int64{modelStock, modelStock, modelStock, modelStock}, held: make([]int64, 4)}
		acts := []func(*rapid.T){m.checkout, m.checkout, m.leave, m.runOut, m.finish, m.payLater, m.payAccount, m.refund, m.exchange, m.cancel}
		for range rapid.IntRange(3, 8).Draw(t, "steps") {
			acts[rapid.IntRange(0, len(acts)-1).Draw(t, "act")](t)
		}
		m.agrees(t)
	})
	g.booksHold()
}
