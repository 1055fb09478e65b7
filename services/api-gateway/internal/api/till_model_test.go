package api_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"makola/pkg/audit"
	"makola/pkg/postgres"
	"makola/pkg/problem"
	"makola/pkg/sales"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/api"
)

// tillShop is a business whose till is worked without HTTP: the same functions, in the same transactions, as the handlers.
type tillShop struct {
	*gateway
	shop
	who        sales.Actor
	storefront uuid.UUID
	products   []uuid.UUID
	customers  []uuid.UUID
}

var modelPrices = []int64{1000, 333, 1, 77}

const modelStock = 12

// newTill opens a shop with four products, twelve of each, and two customers who may owe up to 100.00 and 5.00.
func (g *gateway) newTill(tax int) *tillShop {
	g.t.Helper()
	id := func() uuid.UUID { return uuid.Must(uuid.NewV7()) }
	user, business := id(), id()
	s := &tillShop{gateway: g, shop: shop{user: user.String(), business: business.String()}, storefront: id()}
	s.who = sales.Actor{Entry: audit.Entry{Tenant: business, User: user, Actor: "ama@example.com"}, Scope: sales.Scope{All: true}, Approves: true}
	batch := &pgx.Batch{}
	batch.Queue(`insert into accounts.user (id, email, name, password_hash) values ($1::uuid, $1::uuid::text || '@example.com', 'Ama', '!')`, user)
	batch.Queue(`insert into accounts.business (id, owner_id, name, email) values ($1::uuid, $2, $1::uuid::text, 'shop@example.com')`, business, user)
	batch.Queue(`update accounts.business_settings set sales_tax_bp = $2 where tenant_id = $1`, business, tax)
	batch.Queue(`insert into inventory.location (id, tenant_id, kind, name, code) values ($1, $2, 'STOREFRONT', 'MAIN', 'MAIN')`, s.storefront, business)
	for _, limit := range []int64{100_00, 5_00} {
		s.customers = append(s.customers, id())
		batch.Queue(`insert into sales.customer (id, tenant_id, name, currency, credit_limit_minor) values ($1, $2, 'Customer', 'GHS', $3)`, s.customers[len(s.customers)-1], business, limit)
	}
	batch.Queue(`select set_config('app.tenants', $1, true)`, "{"+s.business+"}") // for the ledger's trigger
	for i, price := range modelPrices {
		p := id()
		s.products = append(s.products, p)
		batch.Queue(`insert into inventory.product (id, tenant_id, name, sku) values ($1, $2, $3, $3)`, p, business, fmt.Sprintf("P%d", i))
		for k, quantity := range []int64{5, modelStock - 5} { // two deliveries, so that a sale may need both
			at := id()
			batch.Queue(`insert into inventory.stock_batch (id, tenant_id, arrival_date, created_by) values ($1, $2, '2026-01-01', $3)`, at, business, user)
			batch.Queue(`insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, quantity_received, currency, unit_cost_minor, retail_price_minor)
				values ($1, $2, $1, $3, $4, $5, 'GHS', $6, $7)`, at, business, s.storefront, p, quantity, price/int64(2+k), price)
			batch.Queue(`insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id) values ($1, $2, $4, $3, $1, $5, 'INTAKE', 'stock_batch', $1)`,
				at, business, s.storefront, p, quantity)
		}
	}
	require.NoError(g.t, g.admin.SendBatch(context.Background(), batch).Close())
	return s
}

// in runs fn in a transaction of the business.
func (s *tillShop) in(fn func(tx *gorm.DB) error) error {
	return s.server.DB.InTenant(tenant.With(context.Background(), s.who.Entry.Tenant), fn)
}

func inTill[A, B any](s *tillShop, fn func(tx *gorm.DB) (A, B, error)) (a A, b B, err error) {
	err = s.in(func(tx *gorm.DB) (err error) {
		a, b, err = fn(tx)
		return err
	})
	return a, b, err
}

// sale runs fn in a transaction of the business.
func (s *tillShop) sale(fn func(tx *gorm.DB) (*sales.Sale, error)) (*sales.Sale, error) {
	sale, _, err := inTill(s, func(tx *gorm.DB) (*sales.Sale, int, error) {
		sale, err := fn(tx)
		return sale, 0, err
	})
	return sale, err
}

// cart opens a cart and fills it, line by line; the first refusal ends it.
func (s *tillShop) cart(customer *uuid.UUID, lines []sales.NewItem) (uuid.UUID, error) {
	sale, err := s.sale(func(tx *gorm.DB) (*sales.Sale, error) {
		return sales.Open(tx, s.who, sales.NewCart{Storefront: s.storefront, Customer: customer, Type: sales.Retail})
	})
	if err != nil {
		return uuid.Nil, err
	}
	for _, l := range lines {
		if err := s.add(sale.ID, l); err != nil {
			return sale.ID, err
		}
	}
	return sale.ID, nil
}

func (s *tillShop) add(sale uuid.UUID, l sales.NewItem) error {
	return s.in(func(tx *gorm.DB) error {
		_, _, err := sales.AddItem(tx, api.Shelf(), s.who, sale, l)
		return err
	})
}

func (s *tillShop) complete(sale uuid.UUID, c sales.Checkout) (*sales.Sale, error) {
	return s.sale(func(tx *gorm.DB) (*sales.Sale, error) {
		return sales.Complete(tx, api.Shelf(), s.who, sale, c, time.Now())
	})
}

// expire makes all reservations of the business run out.
func (s *tillShop) expire() {
	s.exec(`update sales.reservation set expires_at = now() - interval '1 second' where tenant_id = $1 and status = 'ACTIVE'`, s.business)
}

// code is an error's code; an error of ours is the code that it is answered with.
func code(err error) string {
	if err == nil {
		return ""
	}
	return problem.From(err).Code
}

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

// Several tills, the sweep of reservations, adjustments and transfers, all at once over the same goods and customers. Whatever is refused is refused by a rule, and the books hold.
func TestManyTillsAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.newTill(1500)
	for _, p := range s.products {
		g.stock(s.shop, s.storefront.String(), p.String(), 60, 10, 20, 0)
	}
	sweeper := g.pg.Open("makola_inventory")
	var mu sync.Mutex
	var ids []uuid.UUID
	faults := make(chan error, 1000)
	refused := func(err error) {
		var rule *problem.Error
		if err != nil && !errors.As(err, &rule) {
			faults <- err
		}
	}
	var wg sync.WaitGroup
	for n := range 6 {
		r := rand.New(rand.NewPCG(7, uint64(n)))
		any := func() (id uuid.UUID) {
			mu.Lock()
			defer mu.Unlock()
			if len(ids) > 0 {
				id = ids[r.IntN(len(ids))]
			}
			return id
		}
		wg.Go(func() {
			for range 25 {
				now := time.Now()
				switch r.IntN(9) {
				case 0, 1, 2:
					customer := &s.customers[r.IntN(2)]
					var lines []sales.NewItem
					for range 1 + r.IntN(3) {
						lines = append(lines, sales.NewItem{Product: s.products[r.IntN(4)], Quantity: 1 + r.Int64N(5)})
					}
					id, err := s.cart(customer, lines)
					refused(err)
					if err != nil {
						continue
					}
					_, err = s.complete(id, sales.Checkout{Payout: sales.Payout{OnCredit: r.IntN(2) == 0, Tenders: []sales.Tender{{Method: sales.Cash, Minor: r.Int64N(3000)}}, Override: "trusted"}})
					refused(err)
					if err == nil {
						mu.Lock()
						ids = append(ids, id)
						mu.Unlock()
					}
				case 3:
					_, err := s.sale(func(tx *gorm.DB) (*sales.Sale, error) {
						return sales.Pay(tx, s.who, any(), sales.Tender{Method: "MOMO", Minor: 1 + r.Int64N(500)}, now)
					})
					refused(err)
				case 4:
					_, _, err := inTill(s, func(tx *gorm.DB) (*sales.Payment, int, error) {
						p, err := sales.PayAccount(tx, s.who, s.customers[r.IntN(2)], sales.Tender{Method: sales.Cash, Minor: 1 + r.Int64N(900)}, now)
						return p, 0, err
					})
					refused(err)
				case 5:
					_, err := s.sale(func(tx *gorm.DB) (*sales.Sale, error) {
						sale, err := sales.SaleByID(tx, any(), s.who.Scope)
						if err != nil {
							return nil, err
						}
						return sales.TakeBack(tx, api.Shelf(), s.who, sale.ID, sales.Return{Lines: []sales.ReturnLine{{Item: sale.Items[r.IntN(len(sale.Items))].ID, Quantity: 1}}, Restock: true, Reason: "x"}, now)
					})
					refused(err)
				case 6:
					_, _, err := inTill(s, func(tx *gorm.DB) (*sales.Sale, *sales.Sale, error) {
						sale, err := sales.SaleByID(tx, any(), s.who.Scope)
						if err != nil {
							return nil, nil, err
						}
						return sales.Swap(tx, api.Shelf(), s.who, sale.ID, sales.Exchange{
							Return: sales.Return{Lines: []sales.ReturnLine{{Item: sale.Items[0].ID, Quantity: 1}}, Restock: r.IntN(2) == 0, Reason: "x"},
							Take:   []sales.NewItem{{Product: s.products[r.IntN(4)], Quantity: 1}, {Product: s.products[r.IntN(4)], Quantity: 1}}, Payout: sales.Payout{All: sales.Cash},
						}, now)
					})
					refused(err)
				case 7:
					_, err := s.sale(func(tx *gorm.DB) (*sales.Sale, error) {
						return sales.Cancel(tx, api.Shelf(), s.who, any(), sales.Return{Restock: true, Reason: "x"}, now)
					})
					refused(err)
				case 8: // a cart that is left to the sweep
					_, err := s.cart(nil, []sales.NewItem{{Product: s.products[r.IntN(4)], Quantity: 2}})
					refused(err)
				}
			}
		})
	}
	ctx := tenant.With(t.Context(), s.who.Entry.Tenant)
	wg.Go(func() { // time passes, and the sweep comes by
		for range 30 {
			err := s.in(func(tx *gorm.DB) error {
				_, err := postgres.Exec(tx, `update sales.reservation set expires_at = now() - interval '1 second' where id in (select id from sales.reservation where status = 'ACTIVE' order by id limit 2 for update skip locked)`)
				return err
			})
			if err == nil {
				err = sweeper.InTenant(ctx, func(tx *gorm.DB) error {
					_, err := postgres.Exec(tx, `update sales.reservation set status = 'RELEASED', ended_at = now()
						where id in (select id from sales.reservation where status = 'ACTIVE' and expires_at < now() order by expires_at limit 100 for update skip locked)`)
					return err
				})
			}
			if err != nil {
				faults <- err
			}
		}
	})
	wg.Go(func() { // somebody finds goods, or carries some away
		r := rand.New(rand.NewPCG(7, 99))
		for range 30 {
			p, delta, kind := s.products[r.IntN(4)], int64(1), "ADJUSTMENT"
			if r.IntN(2) == 0 {
				delta, kind = -1, "TRANSFER_OUT"
			}
			err := s.in(func(tx *gorm.DB) error {
				if _, err := postgres.Exec(tx, `select from inventory.stock_level where location_id = $1 and product_id = $2 for update`, s.storefront, p); err != nil {
					return err
				}
				_, err := postgres.Exec(tx, `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id)
					select $1, tenant_id, product_id, location_id, id, $4, $5, 'transfer', $1 from inventory.stock_item where location_id = $2 and product_id = $3 and on_hand > 0 order by id limit 1`,
					uuid.Must(uuid.NewV7()), s.storefront, p, delta, kind)
				return err
			})
			if err != nil {
				faults <- err
			}
		}
	})
	wg.Wait()
	close(faults)
	for err := range faults {
		require.NoError(t, err)
	}
	require.NotEmpty(t, ids)
	g.exec(`update sales.reservation set status = 'RELEASED', ended_at = now() where status = 'ACTIVE'`) // what was carried away may have been set aside
	g.booksHold()
}

// Two cashiers and the last one, 200 times: in every other round they race for setting it aside, in the others, both reservations having run out, for the checkout itself.
func TestTwoCashiersAndTheLastOne(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.newTill(0)
	product := uuid.MustParse(g.product(s.shop, "The last one", "LAST"))
	for round := range 200 {
		g.stock(s.shop, s.storefront.String(), product.String(), 1, 10, 20, 0)
		last := sales.NewItem{Product: product, Quantity: 1}
		race := round % 2
		var carts [2]uuid.UUID
		for i := range carts {
			var err error
			carts[i], err = s.cart(nil, nil)
			require.NoError(t, err)
			if race == 1 {
				require.NoError(t, s.add(carts[i], last))
				s.expire()
			}
		}
		var results [2]string
		var wg sync.WaitGroup
		for i := range carts {
			wg.Go(func() {
				if race == 0 {
					results[i] = code(s.add(carts[i], last))
					if results[i] != "" {
						return
					}
				}
				_, err := s.complete(carts[i], sales.Checkout{Payout: sales.Payout{All: sales.Cash}})
				results[i] = code(err)
			})
		}
		wg.Wait()
		slices.Sort(results[:])
		require.Equal(t, [2]string{"", "insufficient_stock"}, results, "round %d", round)
		require.Zero(t, g.onHand(s.storefront.String(), product.String()))
	}
	require.Equal(t, 200, g.count(`select count(*) from sales.sale where status = 'COMPLETED'`))
	g.booksHold()
}

// A hundred checkouts at once get a hundred numbers, and a cart that is checked out twenty times at once is sold once.
func TestReceiptNumbersOfAHundredCheckoutsAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.newTill(0)
	product := uuid.MustParse(g.product(s.shop, "Bread", "BREAD"))
	g.stock(s.shop, s.storefront.String(), product.String(), 101, 10, 20, 0)
	results := make([]string, 100)
	var wg sync.WaitGroup
	for i := range results {
		id, err := s.cart(nil, []sales.NewItem{{Product: product, Quantity: 1}})
		require.NoError(t, err)
		wg.Go(func() {
			sale, err := s.complete(id, sales.Checkout{Payout: sales.Payout{All: sales.Cash}})
			if err == nil {
				results[i] = *sale.Receipt
			}
		})
	}
	wg.Wait()
	slices.Sort(results)
	require.NotEmpty(t, results[0])
	require.Len(t, slices.Compact(results), 100)
	require.Equal(t, 1, g.onHand(s.storefront.String(), product.String()))

	id, err := s.cart(nil, []sales.NewItem{{Product: product, Quantity: 1}})
	require.NoError(t, err)
	twice := make([]string, 20)
	for i := range twice {
		wg.Go(func() {
			_, err := s.complete(id, sales.Checkout{Payout: sales.Payout{All: sales.Cash}})
			twice[i] = code(err)
		})
	}
	wg.Wait()
	slices.Sort(twice)
	require.Equal(t, []string{"", "sale_not_draft"}, slices.Compact(twice))
	require.Zero(t, g.onHand(s.storefront.String(), product.String()))
	require.Equal(t, 101, g.count(`select count(*) from sales.payment`))
	g.booksHold()
}

// Every one of them writes a payment, which holds the customer by its key, before it locks the customer for the debt: they must not wait for each other in a ring.
func TestManyCreditSalesToOneCustomerAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.newTill(0)
	g.exec(`update sales.customer set credit_limit_minor = 1000000 where tenant_id = $1`, s.business)
	product := uuid.MustParse(g.product(s.shop, "Bread", "BREAD"))
	g.stock(s.shop, s.storefront.String(), product.String(), 100, 10, 20, 0)
	var ids []uuid.UUID
	for range 24 {
		id, err := s.cart(&s.customers[0], []sales.NewItem{{Product: product, Quantity: 2}})
		require.NoError(t, err)
		ids = append(ids, id)
	}
	results := make([]string, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			_, err := s.complete(id, sales.Checkout{Payout: sales.Payout{OnCredit: true, Tenders: []sales.Tender{{Method: "MOMO", Minor: 15}}}})
			results[i] = code(err)
			if err != nil || i%2 == 0 {
				return
			}
			_, _, err = inTill(s, func(tx *gorm.DB) (*sales.Sale, *sales.Sale, error) {
				sale, err := sales.SaleByID(tx, id, s.who.Scope)
				if err != nil {
					return nil, nil, err
				}
				return sales.Swap(tx, api.Shelf(), s.who, id, sales.Exchange{
					Return: sales.Return{Lines: []sales.ReturnLine{{Item: sale.Items[0].ID, Quantity: 1}}, Restock: true, Reason: "x"},
					Take:   []sales.NewItem{{Product: product, Quantity: 1}}, Payout: sales.Payout{OnCredit: true, Tenders: []sales.Tender{{Method: sales.Cash, Minor: 3}}},
				}, time.Now())
			})
			results[i] = code(err)
		})
	}
	wg.Wait()
	require.Equal(t, make([]string, len(ids)), results)
	g.booksHold()
}
