package api_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
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
	require.Equal(t, "CANCELLED", a.text("status"))
	require.Equal(t, "CANCELLED", g.do("GET", subscriptionPayments+"/"+pending, s.access, nil).is(t, 200, "").text("status"))
	g.do("POST", cancel, s.access, map[string]any{"immediately": true}).is(t, 200, "")
	require.Equal(t, 2, g.count("select count(*) from audit.entry where action like 'subscription.cancelled%' and actor = 'ama@example.com'"))
}
