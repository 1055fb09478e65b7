package api_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
)

func TestASaleForCashWithChange(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	c := g.cart(s, f.storefront, "", line{f.rice, 3}, line{f.soap, 1})
	g.do("GET", saleAt(c.id), s.access, nil).is(t, 200, "").has(t, "status", "DRAFT", "total", "33.33", "amount_paid", "0.00", "customer_name", "Walk-In-Customer", "receipt_number", nil)
	a := g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payments": []any{map[string]any{"method": "CASH", "amount": "20.00"}, map[string]any{"method": "MOMO", "amount": "15.00", "reference": "MM-1"}}}).is(t, 200, "")
	a.has(t, "status", "COMPLETED", "total", "33.33", "amount_paid", "33.33", "change", "1.67", "amount_due", "0.00", "payment_type", "MIXED", "is_credit_sale", false)
	require.Regexp(t, `^MAIN-\d{8}-0001$`, a.text("receipt_number"))
	require.Equal(t, []any{"18.33", "15.00"}, []any{a.list("payments")[0]["amount"], a.list("payments")[1]["amount"]})
	require.Equal(t, 97, g.onHand(f.storefront, f.rice))
	require.Equal(t, 99, g.onHand(f.storefront, f.soap))
	require.Equal(t, 2000, g.count(`select sum(cost_minor) from sales.sale_item`))
	again := g.do("GET", saleAt(c.id), s.access, nil).is(t, 200, "")
	require.Equal(t, a.body, again.body, "what was answered is what is there")
	g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CASH"}).is(t, 409, "sale_not_draft")
	r := g.do("GET", saleAt(c.id, "receipt"), s.access, nil).is(t, 200, "")
	r.has(t, "business_name", "ama's shop", "cashier", "ama")
	pdf := g.do("GET", saleAt(c.id, "receipt.pdf"), s.access, nil).is(t, 200, "")
	require.Equal(t, "application/pdf", pdf.Header.Get("Content-Type"))
	require.Equal(t, "%PDF-", string(pdf.raw[:5]))
	if name := os.Getenv("RECEIPT_PDF"); name != "" { // to look at it
		require.NoError(t, os.WriteFile(name, pdf.raw, 0o600))
	}
	g.do("POST", saleAt(c.id, "abandon"), s.access, nil).is(t, 409, "sale_not_draft")
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where action = 'SALE' and entity_id = $1`, c.id))
	g.booksHold()
}

func TestCartsSetStockAside(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	c := g.cart(s, f.storefront, "", line{f.rice, 60})
	other := g.cart(s, f.storefront, "")
	short := g.do("POST", saleAt(other.id, "items"), s.access, map[string]any{"product_id": f.rice, "quantity": 41}).is(t, 409, "insufficient_stock")
	values := short.list("errors")[0]["values"].(map[string]any)
	require.EqualValues(t, 40, values["available"])
	require.EqualValues(t, 41, values["requested"])
	g.do("POST", saleAt(other.id, "items"), s.access, map[string]any{"product_id": f.rice, "quantity": 40}).is(t, 201, "")
	g.do("POST", saleAt(other.id, "items"), s.access, map[string]any{"product_id": f.salt, "quantity": 1}).is(t, 409, "insufficient_stock")
	g.do("PATCH", saleAt(c.id, "items", c.items[0]), s.access, map[string]any{"quantity": 61}).is(t, 409, "insufficient_stock")
	g.do("PATCH", saleAt(c.id, "items", c.items[0]), s.access, map[string]any{"quantity": 50}).is(t, 200, "").has(t, "total", "500.00")
	require.Equal(t, 90, g.count(`select sum(quantity) from sales.reservation where status = 'ACTIVE'`))

	// A reservation that ran out is no reservation: the other cart may take it, and this one finds out at its checkout.
	g.exec(`update sales.reservation set expires_at = now() - interval '1 second' where sale_id = $1`, c.id)
	g.do("GET", saleAt(c.id), s.access, nil).is(t, 200, "").has(t, "reserved_until", nil)
	item := g.do("GET", saleAt(other.id), s.access, nil).list("items")[0]["id"].(string)
	g.do("PATCH", saleAt(other.id, "items", item), s.access, map[string]any{"quantity": 60}).is(t, 200, "")
	g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CASH"}).is(t, 409, "insufficient_stock")
	g.do("POST", saleAt(other.id, "abandon"), s.access, nil).is(t, 200, "").has(t, "status", "CANCELLED", "amount_paid", "0.00")
	g.do("POST", saleAt(other.id, "abandon"), s.access, nil).is(t, 200, "")
	// And when it is there again, the one that ran out is taken again.
	g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CASH"}).is(t, 200, "").has(t, "status", "COMPLETED")
	require.Equal(t, 50, g.onHand(f.storefront, f.rice))
	require.Equal(t, 50, g.count(`select sum(quantity) from sales.reservation where status = 'COMMITTED'`))
	require.Zero(t, g.count(`select count(*) from sales.reservation where status = 'ACTIVE'`))

	// What is removed is free again.
	third := g.cart(s, f.storefront, "", line{f.soap, 100})
	g.do("DELETE", saleAt(third.id, "items", third.items[0]), s.access, nil).is(t, 200, "").has(t, "total", "0.00", "items", []any{})
	g.do("POST", saleAt(third.id, "complete"), s.access, map[string]any{"payment_type": "CASH"}).is(t, 409, "sale_empty")
	g.cart(s, f.storefront, "", line{f.soap, 100})
	g.booksHold()
}

func TestPricesFollowTheTypeOfSaleAndOnlyAManagerNamesAnother(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	cashier, manager := g.staff(s, accounts.Staff, f.storefront), g.staff(s, accounts.Manager, f.storefront)
	id := g.do("POST", "/api/v1/sales", cashier.access, map[string]any{"storefront_id": f.storefront, "type": "WHOLESALE"}).is(t, 201, "").text("id")
	g.do("POST", saleAt(id, "items"), cashier.access, map[string]any{"product_id": f.rice, "quantity": 2}).is(t, 201, "").has(t, "total", "18.00")
	g.do("POST", saleAt(id, "items"), cashier.access, map[string]any{"product_id": f.soap, "quantity": 1}).is(t, 201, "").has(t, "total", "21.33")
	g.do("POST", saleAt(id, "items"), cashier.access, map[string]any{"product_id": f.soap, "quantity": 1, "unit_price": "1.00"}).is(t, 403, "price_override")
	g.do("POST", saleAt(id, "items"), cashier.access, map[string]any{"product_id": f.soap, "quantity": 1, "unit_price": "3.33", "discount_percent": "50"}).is(t, 201, "").has(t, "total", "22.99")
	g.do("POST", saleAt(id, "items"), manager.access, map[string]any{"product_id": f.soap, "quantity": 3, "unit_price": "1.00", "discount": "0.50"}).is(t, 201, "").has(t, "total", "25.49")
	g.do("POST", saleAt(id, "items"), manager.access, map[string]any{"product_id": f.soap, "quantity": 1, "unit_price": "1.00", "discount": "1.01"}).is(t, 422, "invalid")
	g.do("POST", saleAt(id, "items"), manager.access, map[string]any{"product_id": f.soap, "quantity": 1, "discount": "1.00", "discount_percent": "1"}).is(t, 422, "invalid")
	require.Equal(t, 7, g.count(`select sum(quantity) from sales.reservation where status = 'ACTIVE'`), "lines of one product share a reservation")
	g.do("POST", saleAt(id, "complete"), cashier.access, map[string]any{"payment_type": "MOBILE"}).is(t, 200, "").has(t, "payment_type", "MOBILE", "type", "WHOLESALE", "amount_paid", "25.49")
	g.booksHold()
}

func TestStorefrontsSeeTheirOwnSales(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	here, there, nowhere := g.staff(s, accounts.Staff, f.storefront), g.staff(s, accounts.Manager, f.other), g.staff(g.register("kofi"), accounts.Staff)
	c := g.cart(here, f.storefront, "", line{f.rice, 1})
	g.do("GET", saleAt(c.id), here.access, nil).is(t, 200, "")
	g.do("GET", saleAt(c.id), s.access, nil).is(t, 200, "")
	for _, stranger := range []shop{there, nowhere} {
		g.do("GET", saleAt(c.id), stranger.access, nil).is(t, 404, "sale_not_found")
		g.do("POST", saleAt(c.id, "complete"), stranger.access, map[string]any{"payment_type": "CASH"}).is(t, 404, "sale_not_found")
		require.Empty(t, g.do("GET", "/api/v1/sales", stranger.access, nil).is(t, 200, "").list("items"))
	}
	require.Len(t, g.do("GET", "/api/v1/sales", here.access, nil).is(t, 200, "").list("items"), 1)
	g.do("POST", "/api/v1/sales", there.access, map[string]any{"storefront_id": f.storefront}).is(t, 403, "storefront_not_assigned")
	g.do("POST", "/api/v1/sales", nowhere.access, map[string]any{"storefront_id": f.storefront}).is(t, 422, "invalid")
	g.do("POST", saleAt(c.id, "complete"), here.access, map[string]any{"payment_type": "CASH"}).is(t, 200, "")
	g.do("POST", saleAt(c.id, "refund"), here.access, map[string]any{"reason": "broken"}).is(t, 403, "permission_missing")
	g.do("GET", "/api/v1/sales/summary", here.access, nil).is(t, 403, "permission_missing")
	require.EqualValues(t, 0, g.do("GET", "/api/v1/sales/today", there.access, nil).is(t, 200, "").body["totals"].(map[string]any)["count"])
	require.EqualValues(t, 1, g.do("GET", "/api/v1/sales/today", s.access, nil).is(t, 200, "").body["totals"].(map[string]any)["count"])
}
