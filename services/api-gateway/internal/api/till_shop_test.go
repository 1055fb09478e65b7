package api_test

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
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
