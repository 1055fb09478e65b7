package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// floor is a storefront with something on its shelves.
type floor struct {
	storefront, other string
	// rice costs 6.00 and sells at 10.00, wholesale 9.00; soap costs 2.00 and sells at 3.33. There are 100 of each. None of salt (1.00) is left.
	rice, soap, salt string
}

// floor builds a shop floor as deliveries would leave it.
func (g *gateway) floor(s shop) floor {
	g.t.Helper()
	f := floor{storefront: g.storefront(s, "MAIN"), other: g.storefront(s, "KUMA")}
	f.rice, f.soap, f.salt = g.product(s, "Rice 1 kg", "RICE"), g.product(s, "Soap", "SOAP"), g.product(s, "Salt", "SALT")
	g.stock(s, f.storefront, f.rice, 100, 600, 1000, 900)
	g.stock(s, f.storefront, f.soap, 100, 200, 333, 0)
	g.stock(s, f.storefront, f.salt, 1, 50, 100, 0)
	g.adjust(s, f.storefront, f.salt, -1)
	return f
}

func (g *gateway) storefront(s shop, code string) string {
	g.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	g.exec(`insert into inventory.location (id, tenant_id, kind, name, code) values ($1, $2, 'STOREFRONT', $3, $3)`, id, s.business, code)
	return id
}

func (g *gateway) product(s shop, name, sku string) string {
	g.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	g.exec(`insert into inventory.product (id, tenant_id, name, sku) values ($1, $2, $3, $4)`, id, s.business, name, sku)
	return id
}

// inTenant runs fn as the gateway does, in the shop's business.
func (g *gateway) inTenant(s shop, fn func(tx *gorm.DB) error) error {
	return g.server.DB.InTenant(tenant.With(context.Background(), uuid.MustParse(s.business)), fn)
}

// stock delivers goods to a place.
func (g *gateway) stock(s shop, place, product string, quantity, cost, retail, wholesale int64) {
	g.t.Helper()
	batch, item := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	require.NoError(g.t, g.inTenant(s, func(tx *gorm.DB) error {
		for _, st := range []struct {
			sql  string
			args []any
		}{
			{`insert into inventory.stock_batch (id, tenant_id, arrival_date, created_by) values ($1, $2, '2026-01-01', $3)`, []any{batch, s.business, s.user}},
			{`insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, quantity_received, currency, unit_cost_minor, retail_price_minor, wholesale_price_minor)
				values ($1, $2, $3, $4, $5, $6, 'GHS', $7, $8, nullif($9::bigint, 0))`, []any{item, s.business, batch, place, product, quantity, cost, retail, wholesale}},
			{`insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id) values ($1, $2, $3, $4, $5, $6, 'INTAKE', 'stock_batch', $7)`,
				[]any{uuid.Must(uuid.NewV7()), s.business, product, place, item, quantity, batch}},
		} {
			if _, err := postgres.Exec(tx, st.sql, st.args...); err != nil {
				return err
			}
		}
		return nil
	}))
}

// adjust changes what the first item of a product at a place holds.
func (g *gateway) adjust(s shop, place, product string, delta int64) {
	g.t.Helper()
	require.NoError(g.t, g.inTenant(s, func(tx *gorm.DB) error {
		_, err := postgres.Exec(tx, `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id)
			select $1, tenant_id, product_id, location_id, id, $4, 'ADJUSTMENT', 'stock_adjustment', $1 from inventory.stock_item where location_id = $2 and product_id = $3 order by id limit 1`,
			uuid.Must(uuid.NewV7()), place, product, delta)
		return err
	}))
}

func (g *gateway) onHand(place, product string) int {
	g.t.Helper()
	return g.count(`select on_hand from inventory.stock_level where location_id = $1 and product_id = $2`, place, product)
}

// line is a product and how much of it.
type line struct {
	product  string
	quantity int
}

// cart is a sale that was opened, with the ids of its lines.
type cart struct {
	id    string
	items []string
}

// cart opens a cart and fills it.
func (g *gateway) cart(s shop, storefront, customer string, lines ...line) (c cart) {
	g.t.Helper()
	body := map[string]any{"storefront_id": storefront}
	if customer != "" {
		body["customer_id"] = customer
	}
	c.id = g.do("POST", "/api/v1/sales", s.access, body).is(g.t, 201, "").text("id")
	for _, l := range lines {
		a := g.do("POST", "/api/v1/sales/"+c.id+"/items", s.access, map[string]any{"product_id": l.product, "quantity": l.quantity}).is(g.t, 201, "")
		all := a.list("items")
		c.items = append(c.items, all[len(all)-1]["id"].(string))
	}
	return c
}

func (a *answer) list(name string) (all []map[string]any) {
	list, _ := a.body[name].([]any)
	for _, v := range list {
		all = append(all, v.(map[string]any))
	}
	return all
}

// has checks texts of an answer, given as pairs of name and value.
func (a *answer) has(t *testing.T, pairs ...any) *answer {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		require.Equal(t, pairs[i+1], a.body[pairs[i].(string)], "%s of %s", pairs[i], a.raw)
	}
	return a
}

// sale is the address of a sale.
func saleAt(id string, more ...string) string {
	path := "/api/v1/sales/" + id
	for _, m := range more {
		path += "/" + m
	}
	return path
}

// customer makes a customer who may owe as much as limit.
func (g *gateway) customer(s shop, name, limit string) string {
	g.t.Helper()
	return g.do("POST", "/api/v1/customers", s.access, map[string]any{"name": name, "credit_limit": limit}).is(g.t, 201, "").text("id")
}

// booksHold checks what must hold of every sale, customer and stock level of every business at any moment.
func (g *gateway) booksHold() {
	g.t.Helper()
	for what, sql := range map[string]string{
		"sales whose sums disagree with their lines": `select count(*) from sales.sale s where status not in ('DRAFT') and completed_at is not null and (
			subtotal_minor <> (select coalesce(sum(total_minor), 0) from sales.sale_item i where i.sale_id = s.id) or tax_minor <> (select coalesce(sum(tax_minor), 0) from sales.sale_item i where i.sale_id = s.id)
			or discount_minor <> (select coalesce(sum(sale_discount_minor), 0) from sales.sale_item i where i.sale_id = s.id))`,
		"sales whose books do not balance":     `select count(*) from sales.sale where status <> 'DRAFT' and completed_at is not null and total_minor - returned_minor <> paid_minor - cash_refunded_minor + due_minor`,
		"drafts and given up carts with money": `select count(*) from sales.sale where completed_at is null and (paid_minor <> 0 or due_minor <> 0 or returned_minor <> 0 or exists (select from sales.payment p where p.sale_id = sale.id))`,
		"sales whose payments do not add up": `select count(*) from sales.sale s where paid_minor <>
			(select coalesce(sum(amount_minor), 0) from sales.payment p where p.sale_id = s.id)
			+ (select coalesce(sum(rp.amount_minor), 0) from sales.receivable r join sales.receivable_payment rp on rp.receivable_id = r.id join sales.payment p on p.id = rp.payment_id where r.sale_id = s.id and p.sale_id is null)`,
		"sales whose refunds do not add up": `select count(*) from sales.sale s where returned_minor <> (select coalesce(sum(amount_minor), 0) from sales.refund r where r.sale_id = s.id)
			or cash_refunded_minor <> (select coalesce(sum(cash_minor), 0) from sales.refund r where r.sale_id = s.id)`,
		"refunds whose lines do not add up": `select count(*) from sales.refund r where amount_minor <> (select coalesce(sum(amount_minor), 0) from sales.refund_item i where i.refund_id = r.id)`,
		"lines whose returns do not add up": `select count(*) from sales.sale_item i where returned <> (select coalesce(sum(quantity), 0) from sales.refund_item r where r.sale_item_id = i.id)`,
		"sales wholly returned and not over": `select count(*) from sales.sale s where completed_at is not null and (status in ('REFUNDED','CANCELLED')) <>
			(not exists (select from sales.sale_item i where i.sale_id = s.id and i.returned < i.quantity))`,
		"receivables that differ from what is due":             `select count(*) from sales.sale s left join sales.receivable r on r.sale_id = s.id where s.due_minor <> coalesce(r.outstanding_minor, 0)`,
		"receivables whose payments do not add up":             `select count(*) from sales.receivable r where paid_minor <> (select coalesce(sum(amount_minor), 0) from sales.receivable_payment p where p.receivable_id = r.id)`,
		"customers whose debt differs from their receivables":  `select count(*) from sales.customer c where outstanding_minor <> (select coalesce(sum(outstanding_minor), 0) from sales.receivable r where r.customer_id = c.id)`,
		"customers whose debt differs from their transactions": `select count(*) from sales.customer c where outstanding_minor <> (select coalesce(sum(amount_minor), 0) from sales.credit_transaction x where x.customer_id = c.id)`,
		"credit balances that do not follow":                   `select count(*) from (select balance_minor, sum(amount_minor) over (partition by customer_id order by id) as sum, customer_id from sales.credit_transaction) x where balance_minor < 0`,
		"sold lines that took another quantity": `select count(*) from sales.sale_item i join sales.sale s on s.id = i.sale_id where s.completed_at is not null and i.quantity <>
			-(select coalesce(sum(delta), 0) from inventory.movement m where m.source_id = i.id and m.kind = 'SALE')`,
		"carts that took something": `select count(*) from sales.sale_item i join sales.sale s on s.id = i.sale_id where s.completed_at is null and exists (select from inventory.movement m where m.source_id = i.id)`,
		"returns that put another quantity back": `select count(*) from sales.sale_item i where
			(select coalesce(sum(delta), 0) from inventory.movement m where m.source_id = i.id and m.kind = 'REFUND') <>
			(select coalesce(sum(x.quantity), 0) from sales.refund_item x join sales.refund r on r.id = x.refund_id where x.sale_item_id = i.id and r.restock)`,
		"levels that differ from their movements": `select count(*) from inventory.stock_level l where on_hand < 0 or on_hand <> (select coalesce(sum(delta), 0) from inventory.movement m where m.location_id = l.location_id and m.product_id = l.product_id)`,
		"sales over with stock still set aside":   `select count(*) from sales.reservation r join sales.sale s on s.id = r.sale_id where r.status = 'ACTIVE' and s.status <> 'DRAFT'`,
		"more set aside than there is": `select count(*) from (select r.storefront_id, r.product_id, sum(r.quantity) as held from sales.reservation r where r.status = 'ACTIVE' and r.expires_at > now() group by 1, 2) h
			join inventory.stock_level l on l.location_id = h.storefront_id and l.product_id = h.product_id where h.held > l.on_hand`,
		"receipts twice": `select count(*) from (select from sales.sale where receipt_number is not null group by tenant_id, receipt_number having count(*) > 1) x`,
	} {
		require.Zero(g.t, g.count(sql), what)
	}
}

func (g *gateway) staff(s shop, role accounts.Role, storefronts ...string) shop {
	g.t.Helper()
	user := g.member(s, role, "")
	for _, id := range storefronts {
		g.exec(`insert into accounts.storefront_assignment (tenant_id, user_id, storefront_id) values ($1, $2, $3) on conflict do nothing`, s.business, user, id)
	}
	return shop{access: g.token(s, role, time.Now()), user: user.String(), business: s.business}
}
