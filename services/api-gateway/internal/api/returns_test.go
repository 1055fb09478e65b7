package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// taxed makes the business add 15 % to its sales.
func (g *gateway) taxed(s shop) {
	g.t.Helper()
	g.exec(`update accounts.business_settings set sales_tax_bp = 1500 where tenant_id = $1`, s.business)
}

func back(item string, quantity int) map[string]any {
	return map[string]any{"item_id": item, "quantity": quantity}
}

func TestARefundGivesBackWhatTheGoodsCostTheCustomer(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	g.taxed(s)
	f := g.floor(s)
	c := g.cart(s, f.storefront, "", line{f.rice, 3}, line{f.soap, 3}) // 30.00 + 9.99
	a := g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CASH", "discount": "4.00"}).is(t, 200, "")
	a.has(t, "subtotal", "39.99", "discount", "4.00", "tax", "5.40", "total", "41.39", "amount_paid", "41.39")
	require.Equal(t, "31.05", a.list("items")[0]["worth"])
	require.Equal(t, "10.34", a.list("items")[1]["worth"])

	// A part: a paid sale stays paid, and the customer owes nothing again.
	a = g.do("POST", saleAt(c.id, "refund"), s.access, map[string]any{"reason": "wet", "items": []any{back(c.items[0], 1)}}).is(t, 200, "")
	a.has(t, "status", "COMPLETED", "amount_returned", "10.35", "amount_refunded", "10.35", "amount_due", "0.00", "amount_paid", "41.39")
	require.Equal(t, 98, g.onHand(f.storefront, f.rice))
	a = g.do("POST", saleAt(c.id, "refund"), s.access, map[string]any{"reason": "torn", "restock": false, "refund_method": "MOMO", "items": []any{back(c.items[1], 2)}}).is(t, 200, "")
	a.has(t, "status", "COMPLETED", "amount_returned", "17.24")
	require.Equal(t, 97, g.onHand(f.storefront, f.soap), "torn soap is not put back")
	require.Equal(t, "MOMO", a.list("refunds")[1]["method"])

	// Never more than was sold, and nothing half done.
	for _, items := range [][]any{{back(c.items[0], 3)}, {back(c.items[1], 1), back(c.items[0], 3)}} {
		g.do("POST", saleAt(c.id, "refund"), s.access, map[string]any{"reason": "x", "items": items}).is(t, 409, "refund_exceeds_sold")
	}
	g.do("POST", saleAt(c.id, "refund"), s.access, map[string]any{"reason": "x", "items": []any{back(c.items[1], 1), back(c.items[1], 1)}}).is(t, 422, "invalid")
	g.do("POST", saleAt(c.id, "refund"), s.access, map[string]any{"reason": "x", "items": []any{back(f.rice, 1)}}).is(t, 422, "invalid")
	require.Equal(t, map[int]int{200: 1, 409: 4}, g.together(5, "POST", saleAt(c.id, "refund"), s.access, map[string]any{"reason": "the rest"}))
	a = g.do("GET", saleAt(c.id), s.access, nil).is(t, 200, "")
	a.has(t, "status", "REFUNDED", "amount_returned", "41.39", "amount_refunded", "41.39")
	require.Equal(t, "FULL", a.list("refunds")[2]["type"])
	g.do("POST", saleAt(c.id, "cancel"), s.access, map[string]any{"reason": "x"}).is(t, 409, "sale_not_returnable")
	require.Equal(t, 100, g.onHand(f.storefront, f.rice))
	require.Equal(t, 98, g.onHand(f.storefront, f.soap))

	today := g.do("GET", "/api/v1/sales/today", s.access, nil).is(t, 200, "")
	require.Equal(t, map[string]any{"count": 1.0, "total": "41.39", "discount": "4.00", "tax": "5.40", "returned": "41.39", "net": "0.00", "due": "0.00", "profit": "-4.00"}, today.body["totals"],
		"two soaps at 2.00 are gone")
	today.has(t, "cash_on_hand", "6.89")
	g.booksHold()
}

func TestARefundLowersTheDebtFirst(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	esi := g.customer(s, "Esi", "100.00")
	c := g.cart(s, f.storefront, esi, line{f.rice, 5})
	g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "MIXED", "payments": []any{map[string]any{"method": "CASH", "amount": "20.00"}}}).is(t, 200, "").has(t, "amount_due", "30.00")
	refund := func(n int) *answer {
		return g.do("POST", saleAt(c.id, "refund"), s.access, map[string]any{"reason": "back", "items": []any{back(c.items[0], n)}}).is(t, 200, "")
	}
	refund(2).has(t, "status", "PARTIAL", "amount_due", "10.00", "amount_refunded", "0.00")
	g.do("GET", "/api/v1/customers/"+esi, s.access, nil).has(t, "outstanding_balance", "10.00")
	a := refund(2).has(t, "status", "COMPLETED", "amount_due", "0.00", "amount_refunded", "10.00")
	require.Equal(t, "PAID", a.text("receivable", "status"))
	require.Equal(t, "30.00", a.text("receivable", "returned"))
	refund(1).has(t, "status", "REFUNDED", "amount_refunded", "20.00")
	g.booksHold()

	// Nothing paid: nothing is paid back.
	c = g.cart(s, f.storefront, esi, line{f.rice, 2})
	g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CREDIT"}).is(t, 200, "")
	refund(1).has(t, "status", "PENDING", "amount_due", "10.00", "amount_refunded", "0.00")
	refund(1).has(t, "status", "REFUNDED", "amount_due", "0.00", "amount_refunded", "0.00")
	g.booksHold()
}

func TestCancellingACreditSaleTakesBackWhatIsOwedAndPaysBackWhatWasPaid(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	esi := g.customer(s, "Esi", "100.00")
	for _, restock := range []bool{true, false} {
		before := g.onHand(f.storefront, f.rice)
		c := g.cart(s, f.storefront, esi, line{f.rice, 5})
		g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "MIXED", "payments": []any{map[string]any{"method": "CASH", "amount": "20.00"}}}).is(t, 200, "")
		a := g.do("POST", saleAt(c.id, "cancel"), s.access, map[string]any{"reason": "wrong customer", "restock": restock}, "Idempotency-Key", "k"+c.id).is(t, 200, "")
		a.has(t, "status", "CANCELLED", "amount_due", "0.00", "amount_refunded", "20.00", "amount_returned", "50.00")
		b := g.do("POST", saleAt(c.id, "cancel"), s.access, map[string]any{"reason": "wrong customer", "restock": restock}, "Idempotency-Key", "k"+c.id).is(t, 200, "")
		require.Equal(t, a.raw, b.raw)
		if restock {
			require.Equal(t, before, g.onHand(f.storefront, f.rice))
		} else {
			require.Equal(t, before-5, g.onHand(f.storefront, f.rice))
		}
		g.do("GET", "/api/v1/customers/"+esi, s.access, nil).has(t, "outstanding_balance", "0.00")
		g.booksHold()
	}
	today := g.do("GET", "/api/v1/sales/today", s.access, nil).is(t, 200, "")
	require.Equal(t, []any{map[string]any{"status": "CANCELLED", "count": 2.0, "total": "100.00"}}, today.body["by_status"])
	require.EqualValues(t, 0, today.body["totals"].(map[string]any)["count"])
	today.has(t, "cash_on_hand", "0.00")
}

func TestAnExchangeIsPaidWithWhatComesBack(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	esi := g.customer(s, "Esi", "1000.00")
	take := func(product string, quantity int) []any {
		return []any{map[string]any{"product_id": product, "quantity": quantity}}
	}
	sell := func(customer, way string, lines ...line) cart {
		c := g.cart(s, f.storefront, customer, lines...)
		g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": way}).is(t, 200, "")
		return c
	}
	swap := func(c cart, body map[string]any) *answer {
		body["reason"] = "another kind"
		return g.do("POST", saleAt(c.id, "exchange"), s.access, body)
	}
	part := func(a *answer, name string) *answer {
		return &answer{Response: a.Response, raw: a.raw, body: a.body[name].(map[string]any)}
	}

	// The new goods cost less: the rest is given back.
	c := sell("", "CASH", line{f.rice, 2})
	a := swap(c, map[string]any{"items": []any{back(c.items[0], 1)}, "new_items": take(f.soap, 2)}).is(t, 200, "")
	part(a, "sale").has(t, "status", "COMPLETED", "total", "6.66", "amount_paid", "6.66", "payment_type", "MIXED", "exchange_of", c.id)
	part(a, "returned").has(t, "status", "COMPLETED", "amount_returned", "10.00", "amount_refunded", "10.00")
	refund := part(a, "returned").list("refunds")[0]
	require.Equal(t, []any{"EXCHANGE", "6.66", "3.34", "CASH"}, []any{refund["type"], refund["exchanged"], refund["paid_back"], refund["method"]})
	g.booksHold()

	// They cost more: the difference is paid, or the exchange does not happen.
	c = sell("", "CASH", line{f.soap, 1})
	levels := []int{g.onHand(f.storefront, f.soap), g.onHand(f.storefront, f.rice)}
	swap(c, map[string]any{"items": []any{back(c.items[0], 1)}, "new_items": take(f.rice, 1)}).is(t, 422, "underpaid")
	swap(c, map[string]any{"items": []any{back(c.items[0], 1)}, "new_items": take(f.salt, 1), "payment_type": "CASH"}).is(t, 409, "insufficient_stock")
	require.Equal(t, levels, []int{g.onHand(f.storefront, f.soap), g.onHand(f.storefront, f.rice)}, "nothing of it happened")
	a = swap(c, map[string]any{"items": []any{back(c.items[0], 1)}, "new_items": take(f.rice, 1), "payments": []any{map[string]any{"method": "CASH", "amount": "10.00"}}}).is(t, 200, "")
	part(a, "sale").has(t, "total", "10.00", "amount_paid", "10.00", "change", "3.33")
	part(a, "returned").has(t, "status", "REFUNDED")
	g.booksHold()

	// What comes back may go out again at once, and what is still owed for the old goods is lowered first.
	c = sell(esi, "CREDIT", line{f.rice, 98})
	require.Zero(t, g.onHand(f.storefront, f.rice))
	a = swap(c, map[string]any{"items": []any{back(c.items[0], 98)}, "new_items": take(f.rice, 98), "payment_type": "CREDIT"})
	a.is(t, 200, "")
	part(a, "returned").has(t, "status", "REFUNDED", "amount_refunded", "0.00")
	part(a, "sale").has(t, "status", "PENDING", "amount_due", "980.00")
	g.booksHold()
	today := g.do("GET", "/api/v1/sales/today", s.access, nil).is(t, 200, "")
	today.has(t, "cash_on_hand", "26.66") // 20.00 - 3.34 + 3.33 + 6.67
	require.Len(t, today.list("by_method"), 1)
}
