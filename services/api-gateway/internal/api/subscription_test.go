package api_test

import (
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/billing"
)

const subscriptionPayments = "/api/v1/subscription/payments"

func TestATrialIsShownAndAMonthIsPriced(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	sub := g.do("GET", "/api/v1/subscription", s.access, nil).is(t, 200, "").body
	require.Equal(t, "TRIAL", sub["status"])
	require.EqualValues(t, 13, sub["days_remaining"])
	require.Equal(t, map[string]any{"change": true, "automation": true, "reports": true, "exports": true}, sub["access"])
	price := g.do("GET", "/api/v1/subscription/pricing", s.access, nil).is(t, 200, "").body
	require.EqualValues(t, 1, price["storefronts"])
	require.Equal(t, "100.00", price["base_amount"])
	price = g.do("GET", "/api/v1/subscription/pricing?storefronts=6&provider=paystack", s.access, nil).is(t, 200, "").body
	require.Equal(t, [2]any{"250.00", "300.00"}, [2]any{price["base_amount"], price["total_amount"]})
	g.do("GET", "/api/v1/subscription/pricing?provider=stripe", s.access, nil).is(t, 422, "")
	for _, n := range []string{"0", "-1", "1001", "1.5", "x"} {
		g.do("GET", "/api/v1/subscription/pricing?storefronts="+n, s.access, nil).is(t, 422, "")
	}
}

func TestAMonthIsPaidForOnceWithAKey(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	body := map[string]any{"storefronts": 2, "callback_url": "https://shop.example.com/paid"}
	first := g.do("POST", subscriptionPayments, s.access, body, "Idempotency-Key", "k1").is(t, 201, "")
	again := g.do("POST", subscriptionPayments, s.access, body, "Idempotency-Key", "k1").is(t, 201, "")
	require.Equal(t, first.text("reference"), again.text("reference"))
	require.Regexp(t, "^SUB-", first.text("reference"))
	require.NotEmpty(t, first.text("authorization_url"))
	require.Equal(t, "180.00", first.text("total_amount"))
	require.Equal(t, "PENDING", first.text("status"))
	second := g.do("POST", subscriptionPayments, s.access, map[string]any{}).is(t, 201, "")
	require.EqualValues(t, 2, second.body["attempt"])
	page := g.do("GET", subscriptionPayments+"?limit=1", s.access, nil).is(t, 200, "").body
	require.Len(t, page["items"], 1)
	rest := g.do("GET", subscriptionPayments+"?limit=1&cursor="+page["next_cursor"].(string), s.access, nil).is(t, 200, "").body
	require.Equal(t, first.text("reference"), rest["items"].([]any)[0].(map[string]any)["reference"])
	require.Nil(t, rest["next_cursor"])
	one := g.do("GET", subscriptionPayments+"/"+first.text("reference"), s.access, nil).is(t, 200, "")
	require.Equal(t, first.text("authorization_url"), one.text("authorization_url"))
	asked := g.do("POST", subscriptionPayments+"/"+first.text("reference")+"/verify", s.access, nil).is(t, 202, "")
	require.NotEmpty(t, asked.text("task_id"))
	g.do("POST", subscriptionPayments+"/SUB-NONE/verify", s.access, nil).is(t, 404, "")
	for _, bad := range []map[string]any{{"storefronts": 0}, {"storefronts": 1001}, {"storefronts": "2"}, {"provider": "stripe"}, {"callback_url": "https://elsewhere.example"}, {"plan": "free"}} {
		g.do("POST", subscriptionPayments, s.access, bad).is(t, 422, "")
	}
	require.Equal(t, 2, g.count("select count(*) from billing.subscription_payment"), "nothing half done")
}

func TestASubscriptionPaymentIsNotBegunWithAProviderThatIsDown(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	g.exec(`insert into billing.gateway_health (provider, state, opened_at) values ('paystack', 'OPEN', now())`)
	g.do("POST", subscriptionPayments, s.access, map[string]any{}).is(t, 503, "provider_down")
	require.Zero(t, g.count("select count(*) from billing.subscription_payment"))
}

// invoiced makes the shop's subscription one that renews tomorrow, has its invoice made as billing-worker does, and returns the invoice's id.
func (g *gateway) invoiced(s shop) (id string) {
	g.t.Helper()
	g.exec(`update billing.subscription set status = 'ACTIVE', is_trial = false, auto_renew = true, period_end = now() + interval '20 hours' where tenant_id = $1`, s.business)
	require.NoError(g.t, g.pg.Open("makola_billing").InSystem(g.t.Context(), func(tx *gorm.DB) error {
		issued, _, err := billing.IssueRenewals(tx, time.Now(), false, 10)
		require.Len(g.t, issued, 1)
		id = issued[0].ID.String()
		return err
	}))
	return id
}

func TestInvoicesAreListedShownAndPrinted(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	require.Empty(t, g.do("GET", "/api/v1/subscription/invoices", s.access, nil).is(t, 200, "").body["items"])
	id := g.invoiced(s)
	const invoices = "/api/v1/subscription/invoices"
	page := g.do("GET", invoices+"?limit=1", s.access, nil).is(t, 200, "").body
	require.Nil(t, page["next_cursor"])
	one := g.do("GET", invoices+"/"+id, s.access, nil).is(t, 200, "")
	require.Equal(t, page["items"].([]any)[0], any(one.body))
	require.Regexp(t, `^INV-[0-9]{6}-000001$`, one.text("number"))
	require.Equal(t, [3]string{"SENT", "100.00", "120.00"}, [3]string{one.text("status"), one.text("base_amount"), one.text("total_amount")})
	require.Equal(t, "ama's shop", one.text("customer", "name"))
	require.Equal(t, "Makola", one.text("seller", "name"))
	file := g.do("GET", one.text("pdf_url"), s.access, nil).is(t, 200, "")
	require.Equal(t, "%PDF-", string(file.raw[:5]))
	require.Equal(t, file.raw, g.do("GET", one.text("pdf_url"), s.access, nil).is(t, 200, "").raw)
	g.do("GET", invoices+"/"+s.user, s.access, nil).is(t, 404, "invoice_not_found")
	cashier := g.token(s, accounts.Staff, time.Now())
	for _, path := range []string{invoices, invoices + "/" + id, one.text("pdf_url")} {
		g.do("GET", path, cashier, nil).is(t, 403, "permission_missing")
	}
	g.do("PATCH", "/api/v1/subscription", s.access, map[string]any{"auto_renew": false}).is(t, 200, "")
	require.Equal(t, "CANCELLED", g.do("GET", invoices+"/"+id, s.access, nil).is(t, 200, "").text("status"), "who does not renew owes nothing")
}

func TestTheNextMonthMayBeForAnotherNumberOfStorefronts(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	const subscription = "/api/v1/subscription"
	limits := g.do("GET", subscription, s.access, nil).is(t, 200, "").body["limits"].([]any)
	require.Equal(t, map[string]any{"resource": "storefronts", "used": 0.0, "limit": 5.0}, limits[0])
	require.Equal(t, map[string]any{"resource": "members", "used": 1.0, "limit": nil}, limits[1])
	require.Equal(t, map[string]any{"resource": "products", "used": 0.0, "limit": nil}, limits[2])
	for _, name := range []string{"Main", "Osu"} {
		g.do("POST", "/api/v1/storefronts", s.access, map[string]any{"name": name}).is(t, 201, "")
	}
	require.EqualValues(t, 2, g.do("GET", subscription+"/pricing", s.access, nil).is(t, 200, "").body["storefronts"], "the shop's own number")
	g.do("PATCH", subscription, s.access, map[string]any{"storefronts": 1}).is(t, 409, "storefronts_open")
	g.do("POST", subscriptionPayments, s.access, map[string]any{"storefronts": 1}).is(t, 409, "storefronts_open")
	a := g.do("PATCH", subscription, s.access, map[string]any{"storefronts": 3, "auto_renew": true}).is(t, 200, "")
	require.Equal(t, []any{1.0, 3.0, true}, []any{a.body["storefronts"], a.body["next_storefronts"], a.body["auto_renew"]})
	g.do("PATCH", subscription, s.access, map[string]any{"auto_renew": true}).is(t, 200, "")
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where action = 'subscription.changed'`), "what changes nothing is not entered")
	require.Equal(t, "216.00", g.do("POST", subscriptionPayments, s.access, map[string]any{}).is(t, 201, "").text("total_amount"), "three storefronts")
	for _, bad := range []map[string]any{{}, {"storefronts": 0}, {"storefronts": 1001}, {"auto_renew": "yes"}, {"period_end": "2030-01-01"}} {
		g.do("PATCH", subscription, s.access, bad).is(t, 422, "")
	}
	g.do("PATCH", subscription, g.token(s, accounts.Manager, time.Now()), map[string]any{"auto_renew": true}).is(t, 403, "permission_missing")
	g.exec(`update billing.subscription set status = 'SUSPENDED', suspended_at = now()`)
	g.do("PATCH", subscription, s.access, map[string]any{"auto_renew": false}).is(t, 409, "subscription_suspended")
}

func TestACancellationIsTakenBackWhileThePeriodRuns(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	const subscription, reactivate = "/api/v1/subscription", "/api/v1/subscription/reactivate"
	g.do("POST", subscription, s.access, nil).is(t, 200, "") // a trial is there
	g.exec(`update billing.subscription set status = 'ACTIVE', is_trial = false`)
	g.do("POST", subscription, s.access, nil).is(t, 409, "subscription_active")
	g.do("POST", subscription+"/cancel", s.access, map[string]any{}).is(t, 200, "")
	g.do("POST", reactivate, g.token(s, accounts.Admin, time.Now()), nil).is(t, 403, "owner_only")
	for range 2 {
		require.Equal(t, false, g.do("POST", reactivate, s.access, nil).is(t, 200, "").body["cancel_at_period_end"])
	}
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where action = 'subscription.reactivated'`))
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'subscriptions.send_cancellation_notice'`))
	for range 2 {
		g.do("POST", subscription+"/cancel", s.access, map[string]any{}).is(t, 200, "")
	}
	require.Equal(t, 2, g.count(`select count(distinct args ->> 'decided_at') from task.task where name = 'subscriptions.send_cancellation_notice'`), "who cancels again is told again, once")
	require.Equal(t, 2, g.count(`select count(*) from task.task where name = 'subscriptions.send_cancellation_notice'`))
	g.do("POST", subscription+"/cancel", s.access, map[string]any{"immediately": true}).is(t, 200, "")
	g.do("POST", reactivate, s.access, nil).is(t, 409, "subscription_ended")
	g.exec(`delete from billing.subscription`)
	require.Equal(t, "INACTIVE", g.do("POST", subscription, s.access, nil).is(t, 201, "").text("status"))
	g.do("POST", subscription, s.access, nil).is(t, 200, "")
	g.do("POST", subscription, g.token(s, accounts.Admin, time.Now()), nil).is(t, 403, "owner_only")
}

// Invariant 36: what the description says needs a subscription is refused without one, each operation and each state.
func TestEveryOperationThatNeedsASubscriptionIsRefusedWithoutOne(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	seen := map[string]int{}
	for _, c := range []struct {
		status, end   string
		active, grace bool
	}{
		{"TRIAL", "1 day", true, true}, {"ACTIVE", "1 day", true, true}, {"ACTIVE", "-1 second", false, true}, {"PAST_DUE", "-7 days", false, true}, {"PAST_DUE", "-8 days", false, false},
		{"EXPIRED", "-30 days", false, false}, {"INACTIVE", "0", false, false}, {"CANCELLED", "1 day", false, false}, {"SUSPENDED", "1 day", false, false},
	} {
		g.exec(`alter table billing.subscription disable trigger subscription_arrows`)
		g.exec(`update billing.subscription set status = $1, period_start = now() - interval '1 year', period_end = now() + $2::interval, suspended_at = case when $1 = 'SUSPENDED' then now() end`, c.status, c.end)
		g.exec(`alter table billing.subscription enable trigger subscription_arrows`)
		g.operations(func(method, path string, op *openapi3.Operation) {
			need, _ := op.Extensions["x-subscription"].(string)
			a := g.do(method, path, s.access, nil)
			refused := need == "active" && !c.active || need == "grace" && !c.grace
			require.Equal(t, refused, a.body["code"] == "subscription_required", "%s %s (%s) while %s since %s: %s", method, path, need, c.status, c.end, a.raw)
			if refused {
				seen[need]++
			}
		})
	}
	require.Positive(t, seen["active"])
	require.Positive(t, seen["grace"])
}

// Invariant 36, at the door.
func TestWhatNeedsASubscriptionIsRefusedWithoutOne(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	const charge = "/api/v1/ai/features/product_description/charge"
	g.do("POST", charge, s.access, nil).is(t, 201, "")
	set := func(status, end string) {
		g.exec(`alter table billing.subscription disable trigger subscription_arrows`)
		g.exec(`update billing.subscription set status = $1, period_start = now() - interval '1 year', period_end = now() + $2::interval,
			suspended_at = case when $1 = 'SUSPENDED' then now() end`, status, end)
		g.exec(`alter table billing.subscription enable trigger subscription_arrows`)
	}
	for _, c := range []struct {
		status, end string
		code        int
		shown       string
	}{
		{"TRIAL", "1 day", 201, "TRIAL"}, {"TRIAL", "-1 second", 402, "INACTIVE"}, {"ACTIVE", "1 day", 201, "ACTIVE"}, {"ACTIVE", "-1 second", 402, "PAST_DUE"}, {"ACTIVE", "-7 days", 402, "PAST_DUE"},
		{"ACTIVE", "-8 days", 402, "EXPIRED"}, {"SUSPENDED", "1 day", 403, "SUSPENDED"}, {"CANCELLED", "1 day", 402, "CANCELLED"}, {"INACTIVE", "0", 402, "INACTIVE"},
	} {
		set(c.status, c.end)
		code := "subscription_required"
		if c.code == 201 {
			code = ""
		}
		a := g.do("POST", charge, s.access, nil).is(t, c.code, code)
		if code != "" {
			require.Contains(t, a.text("detail"), c.shown)
		}
		require.Equal(t, c.shown, g.do("GET", "/api/v1/subscription", s.access, nil).is(t, 200, "").text("status"))
		require.Equal(t, c.shown, g.do("GET", "/api/v1/businesses/me", s.access, nil).is(t, 200, "").text("subscription_status"))
	}
	set("SUSPENDED", "1 day")
	g.do("POST", subscriptionPayments, s.access, map[string]any{}).is(t, 409, "subscription_suspended")
}

func TestTheOwnerAloneCancels(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	const cancel = "/api/v1/subscription/cancel"
	g.do("POST", cancel, s.access, map[string]any{}).is(t, 409, "subscription_not_active")
	g.exec(`update billing.subscription set status = 'ACTIVE', is_trial = false`)
	admin := g.token(s, accounts.Admin, time.Now())
	g.do("POST", cancel, admin, map[string]any{}).is(t, 403, "owner_only")
	a := g.do("POST", cancel, s.access, map[string]any{"reason": "closing"}).is(t, 200, "")
	require.Equal(t, [2]any{"ACTIVE", true}, [2]any{a.body["status"], a.body["cancel_at_period_end"]})
	require.Nil(t, a.body["next_billing_at"])
	pending := g.do("POST", subscriptionPayments, s.access, map[string]any{}).is(t, 201, "").text("reference")
	a = g.do("POST", cancel, s.access, map[string]any{"immediately": true}).is(t, 200, "")
	require.Zero(t, a.body["days_remaining"])
	require.Equal(t, "CANCELLED", a.text("status"))
	require.Equal(t, "CANCELLED", g.do("GET", subscriptionPayments+"/"+pending, s.access, nil).is(t, 200, "").text("status"))
	g.do("POST", cancel, s.access, map[string]any{"immediately": true}).is(t, 200, "")
	require.Equal(t, 2, g.count("select count(*) from audit.entry where action like 'subscription.cancelled%' and actor = 'ama@example.com'"))
}
