package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/services/api-gateway/internal/once"
)

func TestSalesAreListedByWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	g.stock(s, f.other, f.rice, 50, 600, 1000, 0)
	esi := g.customer(s, "Esi", "500.00")
	sell := func(place, customer, way string, days int) string {
		c := g.cart(s, place, customer, line{f.rice, 1})
		g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": way}).is(t, 200, "")
		g.exec(`update sales.sale set completed_at = '2026-03-15 12:00Z'::timestamptz - make_interval(days => $2) where id = $1`, c.id, days)
		return c.id
	}
	first := sell(f.storefront, "", "CASH", 40)
	second := sell(f.other, esi, "CREDIT", 10)
	third := sell(f.storefront, esi, "MOBILE", 0)
	cart := g.cart(s, f.storefront, "", line{f.rice, 1}).id
	receipt := g.do("GET", saleAt(second), s.access, nil).text("receipt_number")
	for query, want := range map[string][]string{
		"":                               {cart, third, second, first},
		"?storefront_id=" + f.storefront: {cart, third, first},
		"?storefront_id=" + f.other:      {second},
		"?customer_id=" + esi:            {third, second},
		"?status=DRAFT":                  {cart},
		"?status=COMPLETED":              {third, first},
		"?status=PENDING":                {second},
		"?status=REFUNDED":               {},
		"?from=2026-03-05":               {third, second},
		"?to=2026-03-05":                 {second, first},
		"?from=2026-03-05&to=2026-03-05": {second},
		"?from=2026-03-16":               {},
		"?min_due=10.00":                 {second},
		"?min_due=10.01":                 {},
		"?days_outstanding=10":           {second},
		"?receipt_number=" + receipt:     {second},
		"?customer_id=" + esi + "&status=COMPLETED&storefront_id=" + f.storefront + "&from=2026-01-01&to=2026-12-31": {third},
	} {
		// Page by page, of one sale each.
		got, cursor := []string{}, ""
		and := "?"
		if query != "" {
			and = "&"
		}
		for {
			page := g.do("GET", "/api/v1/sales"+query+and+"limit=1"+cursor, s.access, nil).is(t, 200, "")
			for _, i := range page.list("items") {
				got = append(got, i["id"].(string))
			}
			if page.text("next_cursor") == "" {
				break
			}
			cursor = "&cursor=" + page.text("next_cursor")
		}
		require.Equal(t, want, got, "%q", query)
	}
	march := g.do("GET", "/api/v1/sales/summary?from=2026-03-01&to=2026-03-31", s.access, nil).is(t, 200, "")
	require.Equal(t, map[string]any{"count": 2.0, "total": "20.00", "discount": "0.00", "tax": "0.00", "returned": "0.00", "net": "20.00", "due": "10.00", "profit": "8.00"}, march.body["totals"])
	require.Len(t, march.list("by_storefront"), 2)
	require.Equal(t, []any{map[string]any{"status": "PENDING", "count": 1.0, "total": "10.00"}, map[string]any{"status": "COMPLETED", "count": 1.0, "total": "10.00"}}, march.body["by_status"])
	today := g.do("GET", "/api/v1/sales/today?storefront_id="+f.storefront, s.access, nil).is(t, 200, "").has(t, "cash_on_hand", "10.00")
	require.Equal(t, []any{
		map[string]any{"method": "CASH", "payments": 1.0, "received": "10.00", "refunds": 0.0, "paid_back": "0.00"},
		map[string]any{"method": "MOMO", "payments": 1.0, "received": "10.00", "refunds": 0.0, "paid_back": "0.00"},
	}, today.body["by_method"])
}

// The process dies after its commit, before its answer is kept: asking again finds what was done, and does nothing.
func TestWhatWasDoneAtTheTillIsDoneOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	esi := g.customer(s, "Esi", "500.00")
	twice := func(path string, body map[string]any, status int) *answer {
		first := g.do("POST", path, s.access, body, once.Header, "k").is(t, status, "")
		g.exec(`update gateway.idempotent_request set status = null, headers = null, body = null, held_until = now()`)
		again := g.do("POST", path, s.access, body, once.Header, "k").is(t, status, "")
		require.Empty(t, again.Header.Get(once.Replayed))
		require.Equal(t, first.body, again.body)
		return first
	}
	cart := twice("/api/v1/sales", map[string]any{"storefront_id": f.storefront, "customer_id": esi}, 201).text("id")
	item := twice(saleAt(cart, "items"), map[string]any{"product_id": f.rice, "quantity": 4}, 201).list("items")[0]["id"].(string)
	twice(saleAt(cart, "complete"), map[string]any{"payment_type": "CREDIT"}, 200)
	require.Equal(t, 96, g.onHand(f.storefront, f.rice))
	twice(saleAt(cart, "payments"), map[string]any{"amount": "5.00", "method": "MOMO"}, 201)
	twice("/api/v1/customers/"+esi+"/payments", map[string]any{"amount": "5.00", "method": "CASH"}, 201)
	twice(saleAt(cart, "refund"), map[string]any{"reason": "wet", "items": []any{back(item, 1)}}, 200).has(t, "amount_due", "20.00")
	twice(saleAt(cart, "exchange"), map[string]any{"reason": "wet", "items": []any{back(item, 1)}, "new_items": []any{map[string]any{"product_id": f.soap, "quantity": 1}}, "payment_type": "CASH"}, 200)
	twice(saleAt(cart, "cancel"), map[string]any{"reason": "wet"}, 200).has(t, "status", "CANCELLED", "amount_refunded", "10.00")
	require.Equal(t, 100, g.onHand(f.storefront, f.rice))
	require.Equal(t, 1, g.count(`select count(*) from sales.customer where not is_walk_in`))
	require.Equal(t, 2, g.count(`select count(*) from sales.sale`))
	require.Equal(t, 3, g.count(`select count(*) from sales.refund`))
	g.booksHold()
}
