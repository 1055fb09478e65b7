package api_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
)

// operator signs in somebody who runs Makola and belongs to no business.
func (g *gateway) operator() string {
	g.t.Helper()
	user := uuid.New()
	g.exec(`insert into accounts.user (id, email, name, password_hash, platform_role, email_verified) values ($1, 'esi@makola.example', 'Esi', '!', 'SUPER_ADMIN', true)`, user)
	token, err := g.server.Sessions.Keys.Sign(accounts.Principal{User: user}, time.Now())
	require.NoError(g.t, err)
	return token
}

// asked returns the arguments of the platform's one task of that name.
func (g *gateway) asked(name string) (args string) {
	g.t.Helper()
	require.NoError(g.t, g.admin.QueryRow(g.t.Context(), `select args::text from task.task where name = $1 and tenant_id is null`, name).Scan(&args))
	return args
}

func TestThoseWhoRunMakolaSeeSumsAndSuspend(t *testing.T) {
	t.Parallel()
	g := open(t)
	s, other := g.register("ama"), g.register("kofi")
	g.invoiced(s)
	esi := g.operator()
	stats := g.do("GET", "/api/v1/platform/stats", esi, nil).is(t, 200, "").body
	counts := map[string]any{}
	for _, c := range stats["subscriptions"].([]any) {
		counts[c.(map[string]any)["status"].(string)] = c.(map[string]any)["businesses"]
	}
	require.Equal(t, map[string]any{"ACTIVE": 1.0, "TRIAL": 1.0}, counts)
	require.Equal(t, []any{map[string]any{"status": "SENT", "currency": "GHS", "invoices": 1.0, "total_amount": "120.00"}}, stats["invoices"])
	require.Empty(t, stats["revenue"])
	path := "/api/v1/platform/subscriptions/" + s.business
	require.Equal(t, "ACTIVE", g.do("GET", path, esi, nil).is(t, 200, "").text("status"))
	asked := g.do("POST", path+"/suspend", esi, map[string]any{"reason": "fraud"}).is(t, 202, "")
	at := "/api/v1/platform/tasks/" + asked.text("task_id")
	require.Equal(t, []string{at, at, "2"}, []string{asked.text("status_url"), asked.Header.Get("Location"), asked.Header.Get("Retry-After")})
	polled := g.do("GET", at, esi, nil).is(t, 200, "")
	require.Equal(t, []string{"subscriptions.suspend_subscription", "queued"}, []string{polled.text("name"), polled.text("status")})
	g.do("GET", at, esi, nil, "If-None-Match", polled.Header.Get("ETag")).is(t, 304, "")
	g.do("GET", at, other.access, nil).is(t, 403, "permission_missing")
	g.do("GET", "/api/v1/tasks/"+asked.text("task_id")+"/status", other.access, nil).is(t, 404, "not_found")
	g.do("GET", "/api/v1/platform/tasks/"+g.enqueue(s), esi, nil).is(t, 404, "not_found")
	g.do("POST", path+"/activate", esi, map[string]any{"reason": "cleared"}).is(t, 202, "")
	require.Contains(t, g.asked("subscriptions.suspend_subscription"), `"actor": "esi@makola.example"`)
	require.Contains(t, g.asked("subscriptions.activate_subscription"), s.business)
	g.do("POST", path+"/suspend", esi, map[string]any{"reason": ""}).is(t, 422, "")
	for _, missing := range []string{"/suspend", "/activate"} {
		g.do("POST", "/api/v1/platform/subscriptions/"+uuid.NewString()+missing, esi, map[string]any{"reason": "x"}).is(t, 404, "no_subscription")
	}
	for _, at := range []string{"/api/v1/platform/stats", "/api/v1/platform/taxes", "/api/v1/platform/pricing-tiers", path} {
		g.do("GET", at, other.access, nil).is(t, 403, "permission_missing")
	}
	g.do("POST", path+"/suspend", s.access, map[string]any{"reason": "x"}).is(t, 403, "permission_missing")
	require.Equal(t, 2, g.count(`select count(*) from task.task where name like 'subscriptions.%spen%' or name like 'subscriptions.activ%'`))
}

func TestThoseWhoRunMakolaAskForPricesAndTaxes(t *testing.T) {
	t.Parallel()
	g := open(t)
	esi := g.operator()
	const tiers, taxes = "/api/v1/platform/pricing-tiers", "/api/v1/platform/taxes"
	require.Len(t, g.do("GET", tiers, esi, nil).is(t, 200, "").body["items"], 5)
	require.Len(t, g.do("GET", taxes, esi, nil).is(t, 200, "").body["items"], 7)
	g.do("POST", tiers, esi, map[string]any{"min_storefronts": 2, "max_storefronts": 3, "base_price": "160.50", "price_per_additional": "10", "max_products": 5000, "reason": "costs"}).is(t, 202, "")
	require.Contains(t, g.asked("subscriptions.set_pricing_tier"), `"base_price": "160.50"`)
	from := time.Now().AddDate(0, 2, 0).Format(time.DateOnly)
	g.do("POST", taxes, esi, map[string]any{"code": "VAT", "name": "Value Added Tax", "rate_bp": 1600, "calculation_order": 3, "effective_from": from, "reason": "the law"}).is(t, 202, "")
	require.Contains(t, g.asked("subscriptions.set_tax"), from)
	for _, bad := range []map[string]any{
		{"min_storefronts": 3, "max_storefronts": 2, "base_price": "1.00", "price_per_additional": "0", "reason": "x"}, {"min_storefronts": 1, "base_price": "0.00", "price_per_additional": "0", "reason": "x"},
		{"min_storefronts": 1, "base_price": "1.001", "price_per_additional": "0", "reason": "x"}, {"min_storefronts": 1, "base_price": "1.00", "price_per_additional": "0"},
	} {
		g.do("POST", tiers, esi, bad).is(t, 422, "")
	}
	for _, bad := range []map[string]any{
		{"code": "VAT", "name": "V", "rate_bp": 1600, "calculation_order": 3, "effective_from": "2026-02-01", "reason": "x"}, {"code": "vat", "name": "V", "rate_bp": 1600, "calculation_order": 3, "effective_from": from, "reason": "x"},
		{"code": "VAT", "name": "V", "rate_bp": 10001, "calculation_order": 3, "effective_from": from, "reason": "x"}, {"code": "VAT", "name": "V", "rate_bp": 1, "calculation_order": 3, "effective_from": "soon", "reason": "x"},
	} {
		g.do("POST", taxes, esi, bad).is(t, 422, "")
	}
	require.Equal(t, 2, g.count(`select count(*) from task.task`), "nothing half done")
}

func TestThoseWhoRunMakolaChangePricesTaxesAndChargesOfDaysToCome(t *testing.T) {
	t.Parallel()
	g := open(t)
	esi, s := g.operator(), g.register("ama")
	const tiers, taxes, charges = "/api/v1/platform/pricing-tiers", "/api/v1/platform/taxes", "/api/v1/platform/service-charges"
	const one = tiers + "/00000000-0000-7000-8000-000000000101"
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	g.exec(`insert into billing.service_charge (code, name, kind, rate_bp, provider, effective_from) values ('CARD', 'Card fee', 'PERCENTAGE', 195, 'stripe', '2026-01-01'), ('SMS', 'Messages', 'PERCENTAGE', 100, null, '2026-01-01')`)
	g.exec(`insert into billing.pricing_tier (id, min_storefronts, base_minor, is_active) values ('00000000-0000-7000-8000-000000000199', 1, 9000, false)`)
	type fields = map[string]any
	for _, tc := range []struct {
		method, path string
		body         fields
		status       int
		code         string
	}{
		{"PATCH", one, fields{"base_price": "110.00", "max_members": nil}, 202, `"base_price": "110.00"`},
		{"PATCH", one, fields{"max_products": 5000}, 202, `"max_products": 5000`},
		{"PATCH", one, fields{}, 422, "invalid"}, {"PATCH", one, fields{"base_price": "0.00"}, 422, "invalid"}, {"PATCH", one, fields{"min_storefronts": 2}, 422, "invalid"},
		{"PATCH", tiers + "/00000000-0000-7000-8000-000000000199", fields{"base_price": "1.00"}, 409, "tier_retired"}, {"PATCH", tiers + "/" + uuid.NewString(), fields{"base_price": "1.00"}, 404, "not_found"},

		{"PATCH", taxes + "/VAT/2026-01-01", fields{"rate_bp": 1600, "effective_from": day(9)}, 202, `"effective_from": "` + day(9) + `"`},
		{"PATCH", taxes + "/VAT/2026-01-01", fields{"effective_until": day(3)}, 202, `"effective_until": "` + day(3) + `"`},
		{"PATCH", taxes + "/VAT/2026-01-01", fields{"rate_bp": 1600}, 409, "already_charged"}, {"PATCH", taxes + "/VAT/2026-01-01", fields{"rate_bp": 1600, "effective_from": day(0)}, 422, "invalid"},
		{"PATCH", taxes + "/VAT/2026-01-01", fields{"effective_until": day(-1)}, 422, "invalid"}, {"PATCH", taxes + "/COVID/2021-05-01", fields{"effective_until": nil}, 409, "ended"},
		{"PATCH", taxes + "/NHIL/2018-08-01", fields{"effective_until": day(3)}, 409, "next_begins"}, {"PATCH", taxes + "/VAT/2026-02-01", fields{"rate_bp": 1}, 404, "not_found"},
		{"POST", taxes, fields{"code": "VAT", "name": "V", "rate_bp": 1, "calculation_order": 3, "effective_from": "2026-01-01"}, 409, "already_charged"},

		{"POST", charges, fields{"code": "BANK", "name": "Bank fee", "kind": "FIXED", "amount": "1.5", "effective_from": day(1)}, 202, `"amount": "1.50"`},
		{"POST", charges, fields{"code": "BANK", "name": "Bank fee", "kind": "FIXED", "rate_bp": 3, "effective_from": day(1)}, 422, "invalid"},
		{"POST", charges, fields{"code": "BANK", "name": "Bank fee", "kind": "FIXED", "amount": "1.50", "effective_from": day(0)}, 422, "invalid"},
		{"POST", charges, fields{"code": "BANK", "name": "Bank fee", "kind": "FIXED", "amount": "1.50", "provider": "momo", "effective_from": day(1)}, 422, "invalid"},
		{"PATCH", charges + "/CARD/2026-01-01", fields{"kind": "FIXED", "amount": "2.00", "provider": nil, "effective_from": day(1)}, 202, `"kind": "FIXED"`},
		{"PATCH", charges + "/CARD/2026-01-01", fields{"provider": nil}, 409, "already_charged"}, {"PATCH", charges + "/CARD/2026-01-02", fields{"name": "x"}, 404, "not_found"},
	} {
		tc.body["reason"] = "costs"
		g.exec(`delete from task.task`)
		a := g.do(tc.method, tc.path, esi, tc.body)
		if tc.status != 202 {
			a.is(t, tc.status, tc.code)
			require.Zero(t, g.count(`select count(*) from task.task`), "nothing half done")
			continue
		}
		a.is(t, 202, "")
		require.Equal(t, a.text("status_url"), a.Header.Get("Location"))
		require.Equal(t, 1, g.count(`select count(*) from task.task where id = $1 and tenant_id is null and args::text like '%' || $2 || '%'`, a.text("task_id"), tc.code), tc.code)
	}
	list := g.do("GET", charges, esi, nil).is(t, 200, "").body["items"].([]any)
	require.Equal(t, map[string]any{"code": "CARD", "name": "Card fee", "kind": "PERCENTAGE", "rate_bp": 195.0, "amount": nil, "applies_to": "SUBTOTAL", "provider": "stripe",
		"effective_from": "2026-01-01", "effective_until": nil}, list[0])
	g.do("GET", charges, s.access, nil).is(t, 403, "permission_missing")

	// What is shown is what is charged. A fee on the payments of another provider is in neither.
	price := g.do("GET", "/api/v1/subscription/pricing", s.access, nil).is(t, 200, "")
	require.Equal(t, []string{"100.00", "20.00", "1.00", "121.00"}, []string{price.text("base_amount"), price.text("total_tax"), price.text("total_charges"), price.text("total_amount")})
	require.Equal(t, []any{map[string]any{"code": "SMS", "name": "Messages", "rate_percent": "1.00", "amount": "1.00"}}, price.body["charges"])
	require.Equal(t, price.body, g.do("GET", "/api/v1/subscription/pricing?provider=paystack&storefronts=1", s.access, nil).is(t, 200, "").body)
	paid := g.do("POST", subscriptionPayments, s.access, fields{}).is(t, 201, "")
	require.Equal(t, []any{price.body["charges"], "121.00", price.text("provider")}, []any{paid.body["charges"], paid.text("total_amount"), paid.text("provider")})
}
