package api_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/problem"
	"makola/pkg/sales"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/api"
)

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
