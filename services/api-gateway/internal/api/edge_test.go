package api_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"makola/pkg/outbound"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
	"makola/services/api-gateway/internal/api"
)

func client(t *testing.T, base string) *paystack.Client {
	t.Helper()
	c, err := paystack.New(paystack.Config{
		BaseURL: base, SecretKeys: []paystack.SecretKey{fake.DefaultSecretKey},
		Outbound: outbound.Config{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPlainHTTP: true, Timeout: 30 * time.Second},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	g := open(t)
	require.Equal(t, "my-id.1", g.do("GET", "/docs", "", nil, "X-Request-Id", "my-id.1").Header.Get("X-Request-Id"))
	for _, bad := range []string{"a b", strings.Repeat("x", 129), `"}{"`, "ü"} {
		got := g.do("GET", "/docs", "", nil, "X-Request-Id", bad).Header.Get("X-Request-Id")
		require.Regexp(t, regexp.MustCompile(`^[0-9a-f-]{36}$`), got)
	}
}

func TestAPanicIsA500ThatSaysNothing(t *testing.T) {
	t.Parallel()
	g := open(t, func(o *api.Options, _ *api.Server) {
		o.Webhooks = map[string]gin.HandlerFunc{"paystack": func(*gin.Context) { panic("secret thing") }}
	})
	a := g.do("POST", "/api/webhooks/paystack", "", "{}").is(t, 500, "internal")
	require.NotContains(t, string(a.raw), "secret")
	g.do("GET", "/docs", "", nil).is(t, 200, "")
}

func TestADatabaseThatIsGoneIsA503(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	g.exec(`alter table billing.credit_lot rename to gone`)
	a := g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 500, "internal")
	require.NotContains(t, string(a.raw), "credit_lot")
	g.exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	g.exec(`update pg_database set datallowconn = false where datname = current_database()`)
	t.Cleanup(func() { g.exec(`update pg_database set datallowconn = true where datname = current_database()`) })
	a = g.do("GET", "/api/v1/auth/me", s.access, nil)
	require.GreaterOrEqual(t, a.StatusCode, 500)
	require.NotContains(t, string(a.raw), "makola_gateway")
}

func TestWebhooksArriveAtAllTheirAddresses(t *testing.T) {
	t.Parallel()
	g := open(t, func(o *api.Options, _ *api.Server) {
		o.RequestsPerSecond = 1 // webhooks are not limited
		o.Webhooks = map[string]gin.HandlerFunc{}
		for _, name := range []string{"paystack", "stripe"} {
			o.Webhooks[name] = func(c *gin.Context) { c.Data(http.StatusOK, "application/json", []byte(`{"status":"`+name+`"}`)) }
		}
	})
	for range 3 {
		for _, path := range []string{
			"/api/webhooks/paystack", "/api/webhooks/paystack/", "/api/v1/webhooks/paystack", "/ai/api/webhooks/paystack/",
			"/subscriptions/api/webhooks/paystack/", "/subscriptions/api/webhooks/payment/",
		} {
			require.Equal(t, "paystack", g.do("POST", path, "", "not even json").is(t, 200, "").text("status"))
		}
		for _, path := range []string{"/api/webhooks/stripe", "/api/webhooks/stripe/", "/api/v1/webhooks/stripe"} {
			require.Equal(t, "stripe", g.do("POST", path, "", "not even json").is(t, 200, "").text("status"))
		}
	}
	g.do("POST", "/api/webhooks/flutterwave", "", "{}").is(t, 404, "not_found") // it is not configured
	g.do("GET", "/api/webhooks/paystack", "", nil).is(t, 405, "method_not_allowed")
}

func TestDocumentationAsksNobodyElse(t *testing.T) {
	t.Parallel()
	g := open(t)
	require.Equal(t, "/docs", g.do("GET", "/", "", nil).is(t, 302, "").Header.Get("Location"))
	page := g.do("GET", "/docs", "", nil).is(t, 200, "")
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "script-src 'self'")
	require.NotContains(t, page.Header.Get("Content-Security-Policy"), "unsafe")
	require.NotRegexp(t, regexp.MustCompile(`(?s)<script[^>]*>[^<]|<style|\son\w+=|https?://|style=`), string(page.raw), "no inline script or style, nothing from elsewhere")
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(page.raw), -1) {
		a := g.do("GET", m[1], "", nil).is(t, 200, "")
		require.NotEmpty(t, a.raw, m[1])
		require.Contains(t, a.Header.Get("Content-Security-Policy"), "default-src 'none'")
	}
	require.Equal(t, "3.1.0", g.do("GET", "/openapi.json", "", nil).is(t, 200, "").body["openapi"])
	require.Contains(t, string(g.do("GET", "/openapi.yaml", "", nil).is(t, 200, "").raw), "openapi: 3.1.0")
}

func TestGeneralLimit(t *testing.T) {
	t.Parallel()
	g := open(t, func(o *api.Options, _ *api.Server) { o.RequestsPerSecond = 1 })
	var last *answer
	for range 1000 { // on a machine so slow that a token comes back for each request there must be a quicker moment
		if last = g.do("GET", "/docs", "", nil); last.StatusCode == http.StatusTooManyRequests {
			break
		}
	}
	last.is(t, 429, "too_many_requests")
	require.Equal(t, "1", last.Header.Get("Retry-After"))
	require.Contains(t, last.Header.Get("RateLimit"), `"address";r=0`)
}

func TestOtherOriginsMayOnlyWhatTheConfigurationSays(t *testing.T) {
	t.Parallel()
	const shop, evil = "https://shop.example.com", "https://shop.example.com.evil.example"
	g := open(t, func(o *api.Options, _ *api.Server) { o.CORSOrigins = []string{shop}; o.SignInPerMinute = 2 })
	preflight := func(g *gateway, origin, path string) *answer {
		return g.do("OPTIONS", path, "", nil, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,idempotency-key")
	}
	for range 5 { // asking for permission spends nothing
		a := preflight(g, shop, purchases).is(t, 204, "")
		require.Equal(t, shop, a.Header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, a.Header.Get("Access-Control-Allow-Methods"), "POST")
		for _, name := range []string{"Authorization", "Idempotency-Key", "If-None-Match", "Last-Event-ID"} {
			require.Contains(t, a.Header.Get("Access-Control-Allow-Headers"), name)
		}
		require.Contains(t, a.Header.Values("Vary"), "Origin")
		require.Empty(t, a.Header.Get("Access-Control-Allow-Credentials"))
	}
	for _, origin := range []string{evil, "null", "http://shop.example.com", "https://SHOP.example.com", shop + ":444", shop + "/"} {
		for _, a := range []*answer{preflight(g, origin, purchases), g.do("GET", "/api/v1/tasks", "", nil, "Origin", origin)} {
			require.Empty(t, a.Header.Get("Access-Control-Allow-Origin"), origin)
			require.Contains(t, a.Header.Values("Vary"), "Origin")
		}
	}
	for _, a := range []*answer{ // refusals are readable too
		g.do("GET", "/api/v1/tasks", "", nil, "Origin", shop).is(t, 401, ""), g.do("GET", "/nothing", "", nil, "Origin", shop).is(t, 404, ""),
		g.do("PUT", "/api/v1/tasks", "", nil, "Origin", shop).is(t, 405, ""),
	} {
		require.Equal(t, shop, a.Header.Get("Access-Control-Allow-Origin"))
		for _, name := range []string{"ETag", "Retry-After", "RateLimit", "X-Request-Id", "Idempotent-Replayed"} {
			require.Contains(t, a.Header.Get("Access-Control-Expose-Headers"), name)
		}
	}
	closed := open(t)
	for _, a := range []*answer{preflight(closed, shop, purchases).is(t, 204, ""), closed.do("GET", "/api/v1/tasks", "", nil, "Origin", shop)} {
		require.Empty(t, a.Header.Get("Access-Control-Allow-Origin"), "off without a configuration")
		require.Empty(t, a.Header.Values("Vary"))
	}
}

func TestHeadAndOptions(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	id := g.enqueue(s)
	get := g.do("GET", "/api/v1/tasks/"+id, s.access, nil).is(t, 200, "")
	for _, path := range []string{"/api/v1/tasks/" + id, "/docs"} {
		head := g.do("HEAD", path, s.access, nil)
		require.Equal(t, 200, head.StatusCode)
		require.Empty(t, head.raw)
	}
	require.Equal(t, get.Header.Get("ETag"), g.do("HEAD", "/api/v1/tasks/"+id, s.access, nil).Header.Get("ETag"))
	require.Equal(t, 401, g.do("HEAD", "/api/v1/tasks", "", nil).StatusCode)
	require.Equal(t, 404, g.do("HEAD", "/nothing", "", nil).StatusCode)
	require.Equal(t, 405, g.do("HEAD", "/api/v1/auth/login", "", nil).StatusCode)
	for path, allow := range map[string][]string{
		"/api/v1/tasks/" + id: {"GET", "HEAD", "DELETE", "OPTIONS"}, "/api/v1/auth/login": {"POST", "OPTIONS"}, purchases: {"GET", "HEAD", "POST", "OPTIONS"},
	} {
		a := g.do("OPTIONS", path, "", nil).is(t, 204, "")
		require.ElementsMatch(t, allow, strings.Split(a.Header.Get("Allow"), ", "), path)
	}
	g.do("OPTIONS", "/nothing", "", nil).is(t, 404, "not_found")
	a := g.do("TRACE", "/api/v1/tasks", "", nil).is(t, 405, "method_not_allowed")
	require.Contains(t, a.Header.Get("Allow"), "GET")
}

// A proxy's rules and we must not see two different paths in one address.
func TestPathsThatHideSomethingAreRefused(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	for _, path := range []string{
		"/api/v1/auth%2fme", "/api/v1%2Fauth/me", "/api/v1/auth/%2e%2e/auth/me", "/api/v1/auth/me%00", "/docs/%5c..%5cx", "/api/v1/tasks/%252e%252e", "/api/v1/tasks/x%2f..%2fy",
	} {
		g.do("GET", path, s.access, nil).is(t, 400, "malformed_path")
	}
	for _, path := range []string{"//api/v1/auth/me", "/api//v1/auth/me", "/api/v1/../v1/auth/me", "/api/v1/./auth/me", "/API/v1/auth/me", "/api/v1/auth/me;x=1", "/api/v1/auth/me%20"} {
		g.do("GET", path, s.access, nil).is(t, 404, "not_found")
	}
	g.do("GET", "/api/v1/%61uth/me", s.access, nil).is(t, 200, "") // the same letter
	g.do("GET", "/api/v1/tasks?limit=%zz", s.access, nil).is(t, 400, "malformed_query")
	g.do("GET", "/api/v1/tasks?cursor=%ff", s.access, nil).is(t, 422, "invalid")
	g.do("POST", purchases, s.access, `{"package":"custom","custom_amount":1e400}`).is(t, 422, "invalid")
	g.do("POST", purchases, s.access, `{"package":"value","callback_url":"https://shop.example.com/\ud83d"}`).is(t, 400, "malformed_json")
}

// flood asks as often as it can at each gateway in turn until time is up, and returns how many requests were answered.
func flood(t *testing.T, d time.Duration, token string, gateways ...*gateway) int {
	t.Helper()
	var admitted atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for _, g := range gateways {
		for range 2 {
			wg.Go(func() {
				for time.Now().Before(end) {
					req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/api/v1/ai/credits/packages", nil)
					if err != nil {
						return
					}
					req.Header.Set("Authorization", "Bearer "+token)
					res, err := http.DefaultClient.Do(req)
					if err != nil {
						return
					}
					_ = res.Body.Close()
					switch res.StatusCode {
					case http.StatusOK:
						admitted.Add(1)
					case http.StatusTooManyRequests: // what the client is told to wait is longer than this test has
						select {
						case <-t.Context().Done():
						case <-time.After(5 * time.Millisecond):
						}
					}
				}
			})
		}
	}
	wg.Wait()
	return int(admitted.Load())
}

func TestGatewaysShareALimit(t *testing.T) {
	t.Parallel()
	const perSecond, seconds, burst = 10, 4, 40
	slow := func(o *api.Options, _ *api.Server) { o.RequestsPerSecond = perSecond }
	g := open(t, slow)
	other, third := g.replica(slow), g.replica(slow)
	s := g.register("ama") // one request of the address
	begin := time.Now()
	admitted := flood(t, seconds*time.Second, s.access, g, other, third)
	allowed := burst + perSecond*time.Since(begin).Seconds()
	const chunk = burst / 10
	t.Logf("three gateways admitted %d requests in %v; the limit allows %.0f", admitted, time.Since(begin).Round(time.Millisecond), allowed)
	require.LessOrEqual(t, float64(admitted), allowed+3*chunk+3, "at most a chunk more for each gateway")
	require.GreaterOrEqual(t, float64(admitted), 0.7*burst, "and the limit can be used")
	asked := g.count(`select count(*) from gateway.rate_bucket where policy in ('address', 'account', 'business')`)
	require.Equal(t, 3, asked, "one row each, and no address or id in it")
}

func TestWithoutItsTableEachGatewayLimitsAlone(t *testing.T) {
	t.Parallel()
	g := open(t, func(o *api.Options, _ *api.Server) { o.RequestsPerSecond = 5 })
	careful := g.replica(func(o *api.Options, _ *api.Server) { o.SignInPerMinute = 2 })
	s := g.register("ama")
	g.exec(`alter table gateway.rate_bucket rename to gone`)
	admitted := flood(t, time.Second, s.access, g)
	require.Positive(t, admitted)
	require.LessOrEqual(t, admitted, 20+5*3, "its own bucket still holds")
	wrong := map[string]any{"email": "x@example.com", "password": "wrong"}
	var last *answer
	for range 3 {
		last = careful.do("POST", "/api/v1/auth/login", "", wrong)
	}
	last.is(t, 429, "too_many_requests")
}

// Guessing a password at many gateways, from many addresses, is guessing at one.
func TestSignInIsLimitedExactlyAcrossGateways(t *testing.T) {
	t.Parallel()
	strict := func(o *api.Options, _ *api.Server) { o.SignInPerMinute = 10; o.TrustedProxies = []string{"127.0.0.1"} }
	g := open(t, strict)
	gateways := []*gateway{g, g.replica(strict), g.replica(strict)}
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	attempt := func(g *gateway, email, address string) {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/api/v1/auth/login", strings.NewReader(`{"email":"`+email+`","password":"wrong"}`))
			if err != nil {
				return
			}
			req.Header = http.Header{"Content-Type": {"application/json"}, "X-Forwarded-For": {address}}
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
				mu.Lock()
				statuses[res.StatusCode]++
				mu.Unlock()
			}
		})
	}
	// What is admitted answers 401, or 503 when too many passwords are being hashed at once. Tokens come back while a slow machine works through them.
	admitted := func(limit int, begin time.Time) {
		t.Helper()
		wg.Wait()
		refilled := int(time.Since(begin).Minutes()*float64(limit)) + 1
		got := statuses[http.StatusUnauthorized] + statuses[http.StatusServiceUnavailable]
		require.GreaterOrEqual(t, got, limit, "%v", statuses)
		require.LessOrEqual(t, got, limit+refilled, "%v", statuses)
		require.Equal(t, 30, got+statuses[http.StatusTooManyRequests], "%v", statuses)
		clear(statuses)
	}
	begin := time.Now()
	for i := range 30 { // one person, thirty addresses: five attempts a minute
		attempt(gateways[i%3], "ama@example.com", fmt.Sprintf("203.0.113.%d", i))
	}
	admitted(5, begin)
	begin = time.Now()
	for i := range 30 { // one address, thirty people: ten
		attempt(gateways[i%3], fmt.Sprintf("p%d@example.com", i), "198.51.100.7")
	}
	admitted(10, begin)
	require.Equal(t, 0, g.count(`select count(*) from gateway.rate_bucket where encode(key, 'escape') like '%example%' or encode(key, 'escape') like '%198.%'`))
}
