package api_test

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
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
		Outbound: outbound.Config{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPlainHTTP: true, Timeout: 5 * time.Second},
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
	for range 10 {
		if last = g.do("GET", "/docs", "", nil); last.StatusCode == http.StatusTooManyRequests {
			break
		}
	}
	last.is(t, 429, "too_many_requests")
	require.Equal(t, "1", last.Header.Get("Retry-After"))
	require.Contains(t, last.Header.Get("RateLimit"), `"address";r=0`)
}
