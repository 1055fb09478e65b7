package api_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
	"makola/services/api-gateway/internal/api"
)

func TestRegisterMakesEverythingAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	a := g.do("POST", "/api/v1/auth/register", "", map[string]any{"email": " Ama@Example.COM", "password": password, "name": "Ama Mensah", "business_name": "Ama's Provisions"}).is(t, 201, "")
	require.Equal(t, "ama@example.com", a.text("user", "email"))
	require.Equal(t, "OWNER", a.text("role"))
	require.Equal(t, "Bearer", a.text("token_type"))
	require.EqualValues(t, 900, a.body["expires_in"])
	require.Contains(t, a.body["permissions"], "can_manage_payments")
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))

	business, user := a.text("business", "id"), a.text("user", "id")
	require.Equal(t, 1, g.count(`select count(*) from billing.subscription where tenant_id = $1 and status = 'TRIAL'`, business))
	require.Equal(t, 5000, g.count(`select balance from billing.ledger_account where tenant_id = $1`, business))
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'accounts.send_welcome_email' and tenant_id = $1 and args ->> 'user_id' = $2 and created_by::text = $2
		and unique_key = 'welcome:' || $2`, business, user))

	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'accounts.send_verification_email' and tenant_id = $1 and args ->> 'user_id' = $2`, business, user))

	for _, path := range []string{"/api/v1/auth/me", "/api/v1/users/me"} {
		me := g.do("GET", path, a.text("access_token"), nil).is(t, 200, "")
		require.Equal(t, a.body["user"], me.body["user"])
		require.Equal(t, a.body["business"], me.body["business"])
	}
}

func TestRegisterTwiceNamesTheFieldAndWritesNothing(t *testing.T) {
	t.Parallel()
	g := open(t)
	g.register("ama")
	body := func(email, business string) map[string]any {
		return map[string]any{"email": email, "password": password, "name": "x", "business_name": business}
	}
	a := g.do("POST", "/api/v1/auth/register", "", body("AMA@example.com", "Other")).is(t, 409, "email_taken")
	require.Equal(t, []string{"/email taken"}, a.faults())
	a = g.do("POST", "/api/v1/auth/register", "", body("kofi@example.com", "AMA'S SHOP")).is(t, 409, "business_name_taken")
	require.Equal(t, []string{"/business_name taken"}, a.faults())
	for table, want := range map[string]int{
		"accounts.user": 1, "accounts.business": 1, "accounts.membership": 1, "accounts.refresh_token": 1, "billing.subscription": 1, "billing.credit_lot": 1, "task.task": 2,
	} {
		require.Equal(t, want, g.count(`select count(*) from `+table), table)
	}
}

func TestLoginRefreshLogout(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	login := func(email, password string) *answer {
		return g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": email, "password": password})
	}
	unknown, wrong := login("kofi@example.com", password).is(t, 401, "bad_credentials"), login("ama@example.com", "wrong").is(t, 401, "bad_credentials")
	require.Equal(t, unknown.body["detail"], wrong.body["detail"], "the answer does not tell whether the address is known")
	in := login("Ama@example.com", password).is(t, 200, "")

	refresh := func(token string) *answer {
		return g.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": token})
	}
	next := refresh(in.text("refresh_token")).is(t, 200, "")
	g.do("GET", "/api/v1/auth/me", next.text("access_token"), nil).is(t, 200, "")
	g.exec(`update accounts.refresh_token set rotated_at = rotated_at - interval '11 s'`)
	refresh(in.text("refresh_token")).is(t, 401, "refresh_token_invalid")
	refresh(next.text("refresh_token")).is(t, 401, "refresh_token_invalid")
	refresh(s.refresh).is(t, 200, "") // the session of the registration is another family

	in = login("ama@example.com", password).is(t, 200, "")
	for range 2 {
		g.do("POST", "/api/v1/auth/logout", "", map[string]any{"refresh_token": in.text("refresh_token")}).is(t, 204, "")
	}
	refresh(in.text("refresh_token")).is(t, 401, "refresh_token_invalid")
	refresh("mrt_never_was").is(t, 401, "refresh_token_invalid")
}

func TestAccessTokens(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	const me = "/api/v1/auth/me"
	for name, tc := range map[string]struct{ header, code, challenge string }{
		"none":           {"", "unauthenticated", `Bearer realm="makola"`},
		"another scheme": {"Basic YTpi", "token_invalid", `Bearer realm="makola", error="invalid_token"`},
		"no token":       {"Bearer", "token_invalid", `Bearer realm="makola", error="invalid_token"`},
		"garbage":        {"Bearer a.b.c", "token_invalid", `Bearer realm="makola", error="invalid_token"`},
		"the refresh":    {"Bearer " + s.refresh, "token_invalid", `Bearer realm="makola", error="invalid_token"`},
		"changed":        {"Bearer " + s.access[:len(s.access)-3] + "AAA", "token_invalid", `Bearer realm="makola", error="invalid_token"`},
		"expired":        {"Bearer " + g.token(s, accounts.Owner, time.Now().Add(-time.Hour)), "token_expired", `Bearer realm="makola", error="invalid_token", error_description="expired"`},
	} {
		a := g.do("GET", me, "", nil, "Authorization", tc.header).is(t, 401, tc.code)
		require.Equal(t, tc.challenge, a.Header.Get("WWW-Authenticate"), name)
	}
	g.do("GET", me, s.access, nil).is(t, 200, "")
	g.exec(`update accounts.membership set is_active = false`)
	g.do("GET", me, s.access, nil).is(t, 403, "no_business")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	g := open(t, func(o *api.Options, _ *api.Server) { o.SignInPerMinute = 3 })
	login := func(email string, header ...string) *answer {
		return g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": email, "password": "wrong"}, header...)
	}
	a := login("a@example.com").is(t, 401, "")
	require.Equal(t, []string{`"address";q=4000;w=4`, `"sign-in";q=3;w=60`, `"person";q=1;w=60`}, a.Header.Values("RateLimit-Policy"))
	require.Contains(t, a.Header.Values("RateLimit"), `"sign-in";r=2;t=20`)
	a = login("A@example.com").is(t, 429, "too_many_requests")
	wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 60, wait, 15, "one person, one attempt a minute here, less what the first one took")
	login("b@example.com").is(t, 401, "")
	a = login("c@example.com", "X-Forwarded-For", "203.0.113.9").is(t, 429, "too_many_requests")
	require.NotEmpty(t, a.Header.Get("Retry-After"), "a forged address does not help")

	trusting := open(t, func(o *api.Options, _ *api.Server) { o.SignInPerMinute = 1; o.TrustedProxies = []string{"127.0.0.1"} })
	for _, client := range []string{"203.0.113.9", "203.0.113.10", "2001:db8:0:1::1"} {
		trusting.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": "x"}, "X-Forwarded-For", client).is(t, 401, "")
	}
	trusting.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": "x"}, "X-Forwarded-For", "2001:db8:0:1::2").is(t, 429, "")
}
