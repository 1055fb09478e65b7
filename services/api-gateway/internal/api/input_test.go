package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every row is a request that must be refused, with the status, the code and the values at fault.
func TestBadInputIsRefusedClearly(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	const (
		register  = "POST /api/v1/auth/register"
		refresh   = "POST /api/v1/auth/refresh"
		purchases = "POST /api/v1/ai/credits/purchases"
		nobody    = "0198f3a0-0000-7000-8000-000000000000"
		items     = "POST /api/v1/sales/" + nobody + "/items"
	)
	good := `{"email":"kofi@example.com","password":"correct horse","name":"Kofi","business_name":"Kofi's"}`
	with := func(old, now string) string { return strings.Replace(good, old, now, 1) }
	cases := []struct {
		name, request, body string
		status              int
		code                string
		faults              []string
		header              []string
	}{
		{"no body", register, "", 400, "body_missing", nil, []string{"Content-Type", ""}},
		{"an empty body", register, "", 400, "body_missing", nil, []string{"Content-Type", "application/json"}},
		{"only space", register, "  \n", 400, "body_missing", nil, nil},
		{"malformed JSON", register, `{"email":`, 400, "malformed_json", nil, nil},
		{"a comma too many", register, `{"email":"a@b.cc",}`, 400, "malformed_json", nil, nil},
		{"a second value", register, good + `{}`, 400, "malformed_json", nil, nil},
		{"text that is not UTF-8", register, with("Kofi", "K\xff"), 400, "malformed_json", nil, nil},
		{"a member twice", register, with(`"name"`, `"email":"x@example.com","name"`), 400, "duplicate_member", []string{"/email duplicate"}, nil},
		{"a member twice, written otherwise", register, with(`"name"`, `"\u0065mail":"x@example.com","name"`), 400, "duplicate_member", []string{"/email duplicate"}, nil},
		{"a member twice, deep", register, `{"a":[1,{"b":{"c/d":1,"c/d":2}}]}`, 400, "duplicate_member", []string{"/a/1/b/c~1d duplicate"}, nil},
		{"nesting without end", register, strings.Repeat("[", 100) + strings.Repeat("]", 100), 400, "too_deep", nil, nil},
		{"an array", register, `[]`, 422, "invalid", []string{" wrong_type"}, nil},
		{"null", register, `null`, 422, "invalid", []string{" wrong_type"}, nil},
		{"nothing in it", register, `{}`, 422, "invalid", []string{"/business_name required", "/email required", "/name required", "/password required"}, nil},
		{"an unknown member", register, with(`"name"`, `"is_admin":true,"name"`), 422, "invalid", []string{"/is_admin unknown"}, nil},
		{"the wrong letter case", register, with(`"email"`, `"Email"`), 422, "invalid", []string{"/Email unknown", "/email required"}, nil},
		{"wrong types", register, `{"email":1,"password":true,"name":null,"business_name":["x"]}`, 422, "invalid",
			[]string{"/business_name wrong_type", "/email wrong_type", "/name wrong_type", "/password wrong_type"}, nil},
		{"many faults at once", register, `{"email":"nobody","password":"short","name":"","extra":1}`, 422, "invalid",
			[]string{"/business_name required", "/email invalid", "/extra unknown", "/name too_short", "/name invalid", "/password too_short"}, nil},
		{"no e-mail address", register, with("kofi@example.com", "kofi.example.com"), 422, "invalid", []string{"/email invalid"}, nil},
		{"an address no mail reaches", register, with("kofi@example.com", "a..b@example.com"), 422, "invalid", []string{"/email invalid"}, nil},
		{"a line break in a name", register, with("Kofi", `Kofi\r\nBcc: x`), 422, "invalid", []string{"/name invalid"}, nil},
		{"a zero byte", register, with("Kofi", `K\u0000`), 422, "invalid", []string{"/name invalid"}, nil},
		{"a name of spaces", register, with(`"Kofi"`, `"   "`), 422, "invalid", []string{"/name invalid"}, nil},
		{"a password of a novel's length", register, with("correct horse", strings.Repeat("x", 129)), 422, "invalid", []string{"/password too_long"}, nil},
		{"a body over 1 MiB", register, `{"email":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "too_large", nil, nil},
		{"a form", register, "email=x", 415, "unsupported_media_type", nil, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"no content type", register, good, 415, "unsupported_media_type", nil, []string{"Content-Type", ""}},
		{"another character set", register, good, 415, "unsupported_media_type", nil, []string{"Content-Type", "application/json; charset=latin1"}},
		{"a compressed body", register, good, 415, "unsupported_media_type", nil, []string{"Content-Encoding", "gzip"}},
		{"an unknown parameter", register + "?debug=1", good, 422, "invalid", []string{"debug unknown"}, nil},
		{"an empty token", refresh, `{"refresh_token":""}`, 422, "invalid", []string{"/refresh_token too_short"}, nil},

		{"a limit of nothing", "GET /api/v1/tasks?limit=0", "", 422, "invalid", []string{"limit too_small"}, nil},
		{"a limit too large", "GET /api/v1/tasks?limit=101", "", 422, "invalid", []string{"limit too_large"}, nil},
		{"a limit that is no number", "GET /api/v1/tasks?limit=ten", "", 422, "invalid", []string{"limit wrong_type"}, nil},
		{"a limit that is empty", "GET /api/v1/tasks?limit=", "", 422, "invalid", []string{"limit empty"}, nil},
		{"a limit twice", "GET /api/v1/tasks?limit=1&limit=2", "", 422, "invalid", []string{"limit duplicate"}, nil},
		{"a misspelt parameter", "GET /api/v1/ai/credits/ledger?limt=1", "", 422, "invalid", []string{"limt unknown"}, nil},
		{"an unknown status", "GET /api/v1/tasks?status=done", "", 422, "invalid", []string{"status not_allowed"}, nil},
		{"a cursor of our alphabet that we did not make", "GET /api/v1/tasks?cursor=AAAA", "", 422, "invalid", []string{"cursor invalid"}, nil},
		{"a cursor of another alphabet", "GET /api/v1/tasks?cursor=%00%27", "", 422, "invalid", []string{"cursor invalid"}, nil},
		{"an id that is none", "GET /api/v1/tasks/42", "", 422, "invalid", []string{"id invalid"}, nil},
		{"an id that is none, to cancel", "DELETE /api/v1/tasks/42", "", 422, "invalid", []string{"id invalid"}, nil},
		{"a reference with a quote", "GET /api/v1/ai/credits/purchases/a%27b", "", 422, "invalid", []string{"reference invalid"}, nil},

		{"no such package", purchases, `{"package":"gold"}`, 422, "invalid", []string{"/package not_allowed"}, nil},
		{"an amount as a number", purchases, `{"package":"custom","custom_amount":25}`, 422, "invalid", []string{"/custom_amount wrong_type"}, nil},
		{"an amount with three places", purchases, `{"package":"custom","custom_amount":"25.001"}`, 422, "invalid", []string{"/custom_amount invalid"}, nil},
		{"a negative amount", purchases, `{"package":"custom","custom_amount":"-25.00"}`, 422, "invalid", []string{"/custom_amount invalid"}, nil},
		{"an amount in another notation", purchases, `{"package":"custom","custom_amount":"1e3"}`, 422, "invalid", []string{"/custom_amount invalid"}, nil},
		{"too small an amount", purchases, `{"package":"custom","custom_amount":"9.99"}`, 422, "invalid", []string{"/custom_amount invalid"}, nil},
		{"too large an amount", purchases, `{"package":"custom","custom_amount":"9999999999999999.00"}`, 422, "invalid", []string{"/custom_amount invalid"}, nil},
		{"no amount for custom", purchases, `{"package":"custom"}`, 422, "invalid", []string{"/custom_amount invalid"}, nil},
		{"an amount for a fixed package", purchases, `{"package":"value","custom_amount":"80.00"}`, 422, "invalid", []string{"/custom_amount invalid"}, nil},
		{"a way to pay that does not exist", purchases, `{"package":"value","method":"cash"}`, 422, "invalid", []string{"/method not_allowed"}, nil},
		{"a callback to a stranger", purchases, `{"package":"value","callback_url":"https://shop.example.com.evil.example/x"}`, 422, "invalid", []string{"/callback_url not_allowed"}, nil},
		{"a callback with a user", purchases, `{"package":"value","callback_url":"https://shop.example.com@evil.example/"}`, 422, "invalid", []string{"/callback_url not_allowed"}, nil},
		{"a callback that is a script", purchases, `{"package":"value","callback_url":"javascript:alert(1)"}`, 422, "invalid", []string{"/callback_url not_allowed"}, nil},
		{"a key with a space", purchases, `{"package":"value"}`, 422, "invalid", []string{"Idempotency-Key invalid"}, []string{"Idempotency-Key", "a b"}},

		{"a change of nothing", "PATCH /api/v1/members/0198f3a0-0000-7000-8000-000000000000", `{}`, 422, "invalid", []string{" invalid"}, nil},
		{"a role that does not exist", "PATCH /api/v1/members/0198f3a0-0000-7000-8000-000000000000", `{"role":"KING"}`, 422, "invalid", []string{"/role not_allowed"}, nil},
		{"an invitation of an owner", "POST /api/v1/invitations", `{"email":"a@example.com","role":"OWNER"}`, 422, "invalid", []string{"/role not_allowed"}, nil},
		{"a time zone that does not exist", "PATCH /api/v1/businesses/me", `{"timezone":"Africa/Wakanda"}`, 422, "invalid", []string{"/timezone unknown"}, nil},
		{"a website that is a script", "PATCH /api/v1/businesses/me", `{"website":"javascript:alert(1)"}`, 422, "invalid", []string{"/website invalid"}, nil},
		{"a phone number of words", "PATCH /api/v1/businesses/me", `{"phone_numbers":["call me"]}`, 422, "invalid", []string{"/phone_numbers/0 invalid"}, nil},
		{"a time that is none", "GET /api/v1/audit-logs?from=yesterday", "", 422, "invalid", []string{"from invalid"}, nil},

		{"a sale nowhere", "POST /api/v1/sales", `{}`, 422, "invalid", []string{"/storefront_id required"}, nil},
		{"a sale at prices that do not exist", "POST /api/v1/sales", `{"storefront_id":"` + nobody + `","type":"BULK"}`, 422, "invalid", []string{"/type not_allowed"}, nil},
		{"a quantity of nothing", items, `{"product_id":"` + nobody + `","quantity":0}`, 422, "invalid", []string{"/quantity too_small"}, nil},
		{"a negative quantity", items, `{"product_id":"` + nobody + `","quantity":-1}`, 422, "invalid", []string{"/quantity too_small"}, nil},
		{"half a piece", items, `{"product_id":"` + nobody + `","quantity":0.5}`, 422, "invalid", []string{"/quantity wrong_type", "/quantity too_small"}, nil},
		{"a quantity beyond all numbers", items, `{"product_id":"` + nobody + `","quantity":1e400}`, 422, "invalid", []string{"/quantity out_of_range"}, nil},
		{"a quantity beyond all shelves", items, `{"product_id":"` + nobody + `","quantity":1000001}`, 422, "invalid", []string{"/quantity too_large"}, nil},
		{"a quantity as text", items, `{"product_id":"` + nobody + `","quantity":"1"}`, 422, "invalid", []string{"/quantity wrong_type"}, nil},
		{"a price with three places", items, `{"product_id":"` + nobody + `","quantity":1,"unit_price":"1.001"}`, 422, "invalid", []string{"/unit_price invalid"}, nil},
		{"a discount of more than all", items, `{"product_id":"` + nobody + `","quantity":1,"discount_percent":"100.01"}`, 422, "invalid", []string{"/discount_percent invalid"}, nil},
		{"a product that is none", items, `{"product_id":"rice","quantity":1}`, 422, "invalid", []string{"/product_id invalid"}, nil},
		{"a change of nothing in a cart", "PATCH /api/v1/sales/" + nobody + "/items/" + nobody, `{}`, 422, "invalid", []string{" invalid"}, nil},
		{"a payment of nothing", "POST /api/v1/customers/" + nobody + "/payments", `{"amount":"0.00","method":"CASH"}`, 422, "invalid", []string{"/amount too_small"}, nil},
		{"a negative payment", "POST /api/v1/sales/" + nobody + "/payments", `{"amount":"-1.00","method":"CASH"}`, 422, "invalid", []string{"/amount invalid"}, nil},
		{"a payment by barter", "POST /api/v1/sales/" + nobody + "/payments", `{"amount":"1.00","method":"EXCHANGE"}`, 422, "invalid", []string{"/method not_allowed"}, nil},
		{"a refund for no reason", "POST /api/v1/sales/" + nobody + "/refund", `{"reason":" "}`, 422, "invalid", []string{"/reason invalid"}, nil},
		{"a refund of no lines", "POST /api/v1/sales/" + nobody + "/refund", `{"reason":"x","items":[]}`, 422, "invalid", []string{"/items invalid"}, nil},
		{"a customer without a name", "POST /api/v1/customers", `{"name":"  "}`, 422, "invalid", []string{"/name invalid"}, nil},
		{"a customer's debt", "POST /api/v1/customers", `{"name":"x","outstanding_balance":"1.00"}`, 422, "invalid", []string{"/outstanding_balance unknown"}, nil},
		{"a customer of another business", "POST /api/v1/customers", `{"name":"x","business_id":"` + nobody + `"}`, 422, "invalid", []string{"/business_id unknown"}, nil},
		{"a negative credit limit", "POST /api/v1/customers", `{"name":"x","credit_limit":"-1.00"}`, 422, "invalid", []string{"/credit_limit invalid"}, nil},
		{"a phone number of a customer that is words", "POST /api/v1/customers", `{"name":"x","phone":"call me"}`, 422, "invalid", []string{"/phone invalid"}, nil},
		{"sales to before from", "GET /api/v1/sales?from=2026-02-01&to=2026-01-01", "", 422, "invalid", []string{"to before_from"}, nil},
		{"sales of a day that is none", "GET /api/v1/sales?from=2026-02-30", "", 400, "malformed", nil, nil},
		{"sales with so much due that it is no amount", "GET /api/v1/sales?min_due=1e9", "", 422, "invalid", []string{"min_due invalid"}, nil},
		{"sums without a beginning", "GET /api/v1/sales/summary?to=2026-01-01", "", 422, "invalid", []string{"from required"}, nil},

		{"no such address", "GET /api/v1/nothing", "", 404, "not_found", nil, nil},
		{"an address with a slash too many", "GET /api/v1/auth/me/", "", 404, "not_found", nil, nil},
		{"an address outside the API", "GET /.git/config", "", 404, "not_found", nil, nil},
		{"a method the address does not have", "PUT /api/v1/auth/register", good, 405, "method_not_allowed", nil, nil},
		{"a method nobody has", "BREW /api/v1/auth/me", "", 405, "method_not_allowed", nil, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(tc.request, " ")
			token := s.access
			if strings.Contains(path, "/auth/") {
				token = ""
			}
			var body any
			if tc.body != "" || len(tc.header) > 0 {
				body = tc.body
			}
			here := *g
			here.t = t
			a := here.do(method, path, token, body, tc.header...).is(t, tc.status, tc.code)
			require.Equal(t, tc.faults, a.faults(), "%s", a.raw)
			if tc.status == http.StatusMethodNotAllowed {
				require.NotEmpty(t, a.Header.Get("Allow"))
			}
		})
	}
	t.Cleanup(func() { // after the subtests
		require.Equal(t, 1, g.count(`select count(*) from accounts.user`), "none of it wrote anything")
		require.Zero(t, g.count(`select count(*) from billing.credit_purchase`))
		require.Zero(t, g.count(`select count(*) from sales.customer`))
	})

	a := g.do("POST", "/api/v1/auth/register", "", with(`"email"`, `"Email"`))
	require.Contains(t, string(a.raw), `did you mean \"email\"?`)
	require.NotContains(t, string(a.raw), "correct horse", "values are not repeated")
}

func TestEveryAddressWantsAToken(t *testing.T) {
	t.Parallel()
	g := open(t)
	for path, item := range g.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Security != nil && len(*op.Security) == 0 {
				continue
			}
			path := strings.NewReplacer("{id}", "0198f3a0-0000-7000-8000-000000000000", "{item_id}", "0198f3a0-0000-7000-8000-000000000000", "{product_id}", "0198f3a0-0000-7000-8000-000000000000", "{reference}", "AI-X").Replace(path)
			g.do(method, path, "", nil).is(t, 401, "unauthenticated")
		}
	}
}
