package api_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
)

func TestCustomersByPhone(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	esi := g.do("POST", "/api/v1/customers", s.access, map[string]any{"name": "Esi 100%_\\ Mensah", "phone": "+233 (24) 400-0111", "email": "Esi@Example.com"}).is(t, 201, "")
	esi.has(t, "phone", "+233244000111", "email", "esi@example.com", "type", "RETAIL", "available_credit", "0.00", "credit_terms_days", 30.0)
	again := g.do("POST", "/api/v1/customers", s.access, map[string]any{"name": "Somebody", "phone": "+233244000111"}).is(t, 200, "")
	require.Equal(t, esi.body, again.body, "unchanged")
	kofi := g.do("POST", "/api/v1/customers", s.access, map[string]any{"name": "Kofi", "phone": "0200000000"}).is(t, 201, "").text("id")
	g.do("PATCH", "/api/v1/customers/"+kofi, s.access, map[string]any{"phone": "+233244000111"}).is(t, 409, "phone_taken")
	g.do("PATCH", "/api/v1/customers/"+kofi, s.access, map[string]any{"phone": "call me"}).is(t, 422, "invalid")
	g.do("PATCH", "/api/v1/customers/"+kofi, s.access, map[string]any{"phone": "", "type": "WHOLESALE", "credit_limit": "50.00"}).is(t, 200, "").has(t, "phone", nil, "available_credit", "50.00")
	for q, want := range map[string]int{"esi": 1, "MENSAH": 1, "4400": 1, "%25_": 1, "%5C": 1, "o": 1, "nobody": 0, "example.com": 1} {
		require.Len(t, g.do("GET", "/api/v1/customers?q="+q, s.access, nil).is(t, 200, "").list("items"), want, q)
	}
	cashier := g.staff(s, accounts.Staff, f.storefront)
	g.do("POST", "/api/v1/customers", cashier.access, map[string]any{"name": "Yaa", "credit_limit": "1000.00"}).is(t, 403, "permission_missing")
	g.do("POST", "/api/v1/customers", cashier.access, map[string]any{"name": "Yaa"}).is(t, 201, "")
	g.do("PATCH", "/api/v1/customers/"+kofi, cashier.access, map[string]any{"credit_limit": "1000.00"}).is(t, 403, "permission_missing")
	page := g.do("GET", "/api/v1/customers?limit=2", s.access, nil).is(t, 200, "")
	require.Len(t, page.list("items"), 2)
	rest := g.do("GET", "/api/v1/customers?limit=2&cursor="+page.text("next_cursor"), s.access, nil).is(t, 200, "")
	require.Len(t, rest.list("items"), 1)
	require.Equal(t, esi.text("id"), rest.list("items")[0]["id"])
}

func TestTheWalkInCustomerIsMadeOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	require.Equal(t, map[int]int{201: 20}, g.together(20, "POST", "/api/v1/sales", s.access, map[string]any{"storefront_id": f.storefront}))
	require.Equal(t, 1, g.count(`select count(*) from sales.customer where is_walk_in and name = 'Walk-In-Customer' and phone = '+233000000000'`))
	walkIn := g.do("POST", "/api/v1/customers", s.access, map[string]any{"name": "Ghost", "phone": "+233000000000"}).is(t, 200, "").has(t, "is_walk_in", true).text("id")
	g.do("PATCH", "/api/v1/customers/"+walkIn, s.access, map[string]any{"credit_limit": "1.00"}).is(t, 409, "walk_in_customer")
	g.do("GET", "/api/v1/customers/"+walkIn+"/credit-status", s.access, nil).is(t, 200, "").has(t, "can_purchase", false, "reason", "walk_in")
}

func TestCreditIsAskedForWhereTheDebtArises(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	cashier, manager := g.staff(s, accounts.Staff, f.storefront), g.staff(s, accounts.Manager, f.storefront)
	esi := g.customer(s, "Esi", "50.00")
	credit := map[string]any{"payment_type": "CREDIT"}

	walkIn := g.cart(s, f.storefront, "", line{f.rice, 1})
	a := g.do("POST", saleAt(walkIn.id, "complete"), manager.access, map[string]any{"payment_type": "CREDIT", "credit_override_reason": "a friend"}).is(t, 409, "credit_refused")
	require.Equal(t, "walk_in", a.list("errors")[0]["code"])
	g.do("POST", saleAt(walkIn.id, "complete"), s.access, map[string]any{"payments": []any{map[string]any{"method": "CASH", "amount": "9.99"}}}).is(t, 422, "underpaid")
	g.do("POST", saleAt(walkIn.id, "complete"), s.access, map[string]any{"payments": []any{map[string]any{"method": "CARD", "amount": "10.01"}}}).is(t, 422, "overpaid")

	// A part is paid; the rest is owed, and due after the customer's terms.
	first := g.cart(cashier, f.storefront, esi, line{f.rice, 4})
	a = g.do("POST", saleAt(first.id, "complete"), cashier.access, map[string]any{"payment_type": "MIXED", "payments": []any{map[string]any{"method": "CASH", "amount": "10.00"}}}).is(t, 200, "")
	a.has(t, "status", "PARTIAL", "amount_due", "30.00", "payment_type", "MIXED", "is_credit_sale", true)
	require.Equal(t, "30.00", a.text("receivable", "outstanding"))
	g.do("GET", "/api/v1/customers/"+esi+"/credit-status", s.access, nil).is(t, 200, "").has(t, "outstanding_balance", "30.00", "available_credit", "20.00", "can_purchase", true, "overdue_balance", "0.00")

	// Beyond the limit: refused, whoever asks, unless a manager says why.
	second := g.cart(cashier, f.storefront, esi, line{f.rice, 3})
	a = g.do("POST", saleAt(second.id, "complete"), cashier.access, credit).is(t, 409, "credit_refused")
	require.Equal(t, map[string]any{"available": "20.00", "requested": "30.00"}, a.list("errors")[0]["values"])
	g.do("POST", saleAt(second.id, "complete"), cashier.access, map[string]any{"payment_type": "CREDIT", "credit_override_reason": "please"}).is(t, 403, "credit_override")
	require.Equal(t, 96, g.onHand(f.storefront, f.rice), "nothing of it happened")
	require.Equal(t, 1, g.count(`select count(*) from sales.receivable`))
	a = g.do("POST", saleAt(second.id, "complete"), manager.access, map[string]any{"payment_type": "CREDIT", "credit_override_reason": "pays on Friday"}).is(t, 200, "")
	a.has(t, "status", "PENDING", "payment_type", "CREDIT", "override_reason", "pays on Friday", "override_by", manager.user, "amount_due", "30.00")

	// Blocked, overdue, switched off.
	g.do("PATCH", "/api/v1/customers/"+esi, s.access, map[string]any{"credit_limit": "1000.00", "credit_blocked": true}).is(t, 200, "")
	third := g.cart(cashier, f.storefront, esi, line{f.rice, 1})
	for _, reason := range []string{"blocked", "overdue", "inactive"} {
		switch reason {
		case "overdue":
			g.do("PATCH", "/api/v1/customers/"+esi, s.access, map[string]any{"credit_blocked": false}).is(t, 200, "")
			g.exec(`update sales.receivable set due_date = due_date - 31 where sale_id = $1`, first.id)
		case "inactive":
			g.do("PATCH", "/api/v1/customers/"+esi, s.access, map[string]any{"is_active": false}).is(t, 200, "")
		}
		g.do("GET", "/api/v1/customers/"+esi+"/credit-status", s.access, nil).is(t, 200, "").has(t, "can_purchase", false, "reason", reason)
		a = g.do("POST", saleAt(third.id, "complete"), cashier.access, credit).is(t, 409, "credit_refused")
		require.Equal(t, reason, a.list("errors")[0]["code"])
	}
	g.do("POST", "/api/v1/sales", s.access, map[string]any{"storefront_id": f.storefront, "customer_id": esi}).is(t, 422, "invalid")
	g.do("POST", saleAt(third.id, "complete"), cashier.access, map[string]any{"payment_type": "CREDIT", "due_date": "2020-01-01"}).is(t, 409, "credit_refused")
	g.booksHold()
}

func TestPaymentsLowerWhatIsOwed(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	esi := g.customer(s, "Esi", "500.00")
	var ids []string
	for n := 1; n <= 3; n++ { // 10.00, 20.00, 30.00
		c := g.cart(s, f.storefront, esi, line{f.rice, n})
		g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CREDIT"}).is(t, 200, "")
		ids = append(ids, c.id)
	}
	pay := func(amount string) map[string]any {
		return map[string]any{"amount": amount, "method": "MOMO", "reference": "MM-7"}
	}
	g.do("POST", saleAt(ids[0], "payments"), s.access, pay("10.01")).is(t, 422, "overpaid")
	g.do("POST", saleAt(ids[0], "payments"), s.access, pay("0.00")).is(t, 422, "invalid")
	a := g.do("POST", saleAt(ids[0], "payments"), s.access, pay("4.00"), "Idempotency-Key", "once").is(t, 201, "").has(t, "status", "PARTIAL", "amount_due", "6.00")
	b := g.do("POST", saleAt(ids[0], "payments"), s.access, pay("4.00"), "Idempotency-Key", "once").is(t, 201, "")
	require.Equal(t, a.raw, b.raw)
	require.Equal(t, "PARTIAL", a.text("receivable", "status"))

	// On account: the oldest first.
	at := "/api/v1/customers/" + esi + "/payments"
	g.do("POST", at, s.access, pay("56.01")).is(t, 422, "overpaid")
	account := g.do("POST", at, s.access, pay("11.00")).is(t, 201, "")
	require.Equal(t, "45.00", account.text("customer", "outstanding_balance"))
	require.Equal(t, "11.00", account.text("payment", "amount"))
	g.do("GET", saleAt(ids[0]), s.access, nil).has(t, "status", "COMPLETED", "amount_due", "0.00", "amount_paid", "10.00")
	g.do("GET", saleAt(ids[1]), s.access, nil).has(t, "status", "PARTIAL", "amount_due", "15.00")
	g.do("GET", saleAt(ids[2]), s.access, nil).has(t, "status", "PENDING", "amount_due", "30.00")
	g.do("POST", saleAt(ids[0], "payments"), s.access, pay("1.00")).is(t, 409, "nothing_due")
	g.booksHold()

	// Both ways at once never take more than is owed.
	statuses := g.together(10, "POST", at, s.access, pay("10.00"))
	require.Equal(t, map[int]int{201: 4, 422: 6}, statuses, "45.00 is owed")
	statuses = g.together(10, "POST", saleAt(ids[2], "payments"), s.access, pay("5.00"))
	require.Equal(t, 1, statuses[201])
	g.do("GET", "/api/v1/customers/"+esi, s.access, nil).has(t, "outstanding_balance", "0.00")
	require.Equal(t, 7, g.count(`select count(*) from audit.entry where action = 'PAYMENT'`), "one for each payment")
	g.booksHold()
}

func TestReceivablesAge(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	for n, days := range []int{0, 30, 31, 60, 61, 90, 91} {
		c := g.cart(s, f.storefront, g.customer(s, fmt.Sprintf("Customer %d", n), "500.00"), line{f.rice, n + 1})
		g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CREDIT"}).is(t, 200, "")
		g.exec(`update sales.sale set completed_at = completed_at - make_interval(days => $2) where id = $1`, c.id, days)
		g.exec(`update sales.receivable set due_date = due_date - $2::int where sale_id = $1`, c.id, days)
	}
	const list = "/api/v1/receivables"
	all := g.do("GET", list, s.access, nil).is(t, 200, "")
	require.Equal(t, map[string]any{"currency": "GHS", "count": 7.0, "total": "280.00", "overdue": "250.00", "current": "30.00", "days_30": "70.00", "days_60": "110.00", "days_90_plus": "70.00"}, all.body["open"])
	require.Equal(t, "Customer 6", all.list("items")[0]["customer_name"], "the oldest first")
	require.EqualValues(t, 91, all.list("items")[0]["days"])
	for bucket, want := range map[string]int{"CURRENT": 2, "30_DAYS": 2, "60_DAYS": 2, "90_PLUS": 1} {
		items := g.do("GET", list+"?ageing="+bucket, s.access, nil).is(t, 200, "").list("items")
		require.Len(t, items, want, bucket)
		for _, i := range items {
			require.Equal(t, bucket, i["ageing"])
		}
	}
	require.Len(t, g.do("GET", list+"?overdue=true", s.access, nil).is(t, 200, "").list("items"), 5)
	require.Len(t, g.do("GET", list+"?overdue=false", s.access, nil).is(t, 200, "").list("items"), 2)
	require.Empty(t, g.do("GET", list+"?status=PAID", s.access, nil).is(t, 200, "").list("items"))
	// Every debt is on one page.
	seen, cursor := map[any]bool{}, ""
	for {
		page := g.do("GET", list+"?limit=3"+cursor, s.access, nil).is(t, 200, "")
		for _, i := range page.list("items") {
			require.False(t, seen[i["id"]])
			seen[i["id"]] = true
		}
		if page.text("next_cursor") == "" {
			break
		}
		cursor = "&cursor=" + page.text("next_cursor")
	}
	require.Len(t, seen, 7)
	require.Len(t, g.do("GET", "/api/v1/sales?days_outstanding=60", s.access, nil).is(t, 200, "").list("items"), 4)
	require.Len(t, g.do("GET", "/api/v1/sales?min_due=50.00", s.access, nil).is(t, 200, "").list("items"), 3)
}
