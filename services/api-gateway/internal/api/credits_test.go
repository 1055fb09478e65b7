package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
)

const purchases = "/api/v1/ai/credits/purchases"

func TestPackagesBalanceAndLedger(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	list := g.do("GET", "/api/v1/ai/credits/packages", s.access, nil).is(t, 200, "")
	value := list.body["items"].([]any)[1].(map[string]any)
	require.Equal(t, "value", value["package"])
	require.Equal(t, "80.00", value["base_amount"])
	require.Equal(t, "96.00", value["total_amount"], "with the taxes of 2026")
	require.Equal(t, "20.00", value["bonus_credits"])
	require.Equal(t, "2.50", value["taxes"].([]any)[0].(map[string]any)["rate_percent"])
	require.Equal(t, "10.00", list.text("custom", "min_amount"))

	balance := g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 200, "")
	require.Equal(t, "50.00", balance.text("balance"))
	require.Equal(t, false, balance.body["low"])
	require.Len(t, balance.body["lots"], 1)

	ledger := g.do("GET", "/api/v1/ai/credits/ledger?limit=1", s.access, nil).is(t, 200, "")
	entry := ledger.body["items"].([]any)[0].(map[string]any)
	require.Equal(t, "50.00", entry["delta"])
	require.Equal(t, "trial", entry["kind"])
	require.Nil(t, ledger.body["next_cursor"])
}

func TestPurchaseIsCommittedBeforeTheProviderIsAsked(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	a := g.do("POST", purchases, s.access, map[string]any{"package": "value", "method": "mobile_money", "callback_url": "https://shop.example.com/credits"}).is(t, 201, "")
	require.Equal(t, "pending", a.text("status"))
	require.Equal(t, "96.00", a.text("total_amount"))
	require.Equal(t, "80.00", a.text("credits"))
	require.True(t, strings.HasPrefix(a.text("authorization_url"), g.paystack.URL), a.text("authorization_url"))
	require.Equal(t, purchases+"/"+a.text("reference"), a.Header.Get("Location"))

	one := g.do("GET", a.Header.Get("Location"), s.access, nil).is(t, 200, "")
	require.Equal(t, a.body, one.body)

	custom := g.do("POST", purchases, s.access, map[string]any{"package": "custom", "custom_amount": "25.5"}).is(t, 201, "")
	require.Equal(t, "25.50", custom.text("credits"))
	require.Nil(t, custom.body["method"])
}

func TestPurchaseStaysVisibleWhenTheProviderFails(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	var status int
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"status":false,"message":"no"}`))
	}))
	t.Cleanup(broken.Close)
	g.server.Providers["paystack"] = client(t, broken.URL)
	status = 503
	a := g.do("POST", purchases, s.access, map[string]any{"package": "starter"}, "Idempotency-Key", "again").is(t, 503, "provider_unavailable")
	require.NotEmpty(t, a.Header.Get("Retry-After"))
	require.NotContains(t, string(a.raw), "127.0.0.1")
	status = 400
	g.do("POST", purchases, s.access, map[string]any{"package": "starter"}).is(t, 502, "provider_refused")
	broken.Close()
	g.do("POST", purchases, s.access, map[string]any{"package": "starter"}).is(t, 503, "provider_unavailable")
	list := g.do("GET", purchases, s.access, nil).is(t, 200, "")
	require.Len(t, list.body["items"], 3)
	for _, item := range list.body["items"].([]any) {
		require.Equal(t, "pending", item.(map[string]any)["status"])
		require.Nil(t, item.(map[string]any)["authorization_url"])
	}

	g.server.Providers["paystack"] = client(t, g.paystack.URL)
	a = g.do("POST", purchases, s.access, map[string]any{"package": "starter"}, "Idempotency-Key", "again").is(t, 201, "")
	require.NotNil(t, a.body["authorization_url"], "the same purchase is opened once the provider is back")
	require.Equal(t, 3, g.count(`select count(*) from billing.credit_purchase`))
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	g := open(t)
	s, other := g.register("ama"), g.register("kofi")
	buy := func(s shop, pkg, key string) *answer {
		return g.do("POST", purchases, s.access, map[string]any{"package": pkg}, "Idempotency-Key", key)
	}
	first := buy(s, "value", "k-1").is(t, 201, "")
	require.Equal(t, first.body, buy(s, "value", "k-1").is(t, 201, "").body)
	buy(s, "starter", "k-1").is(t, 422, "idempotency_key_reused")
	require.NotEqual(t, first.text("reference"), buy(other, "value", "k-1").is(t, 201, "").text("reference"), "keys belong to a business")
	g.exec(`update gateway.idempotent_request set created_at = created_at - interval '25 hours'`)
	require.NotEqual(t, first.text("reference"), buy(s, "value", "k-1").is(t, 201, "").text("reference"), "and last a day")

	var wg sync.WaitGroup
	before := g.count(`select count(*) from billing.credit_purchase`)
	for range 6 {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), "POST", g.url+purchases, strings.NewReader(`{"package":"value"}`))
			if err != nil {
				return
			}
			req.Header = http.Header{"Authorization": {"Bearer " + s.access}, "Content-Type": {"application/json"}, "Idempotency-Key": {"race"}}
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
			}
		})
	}
	wg.Wait()
	require.Equal(t, before+1, g.count(`select count(*) from billing.credit_purchase`))
}

func TestPaymentsNeedThePermission(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	for role, status := range map[accounts.Role]int{accounts.Owner: 201, accounts.Admin: 201, accounts.Manager: 403, accounts.Staff: 403} {
		g.do("POST", purchases, g.token(s, role, time.Now()), map[string]any{"package": "starter"}).is(t, status, "")
	}
}

func TestPagesMeetWithoutGapOrOverlap(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	want := map[string]bool{}
	for range 5 {
		want[g.do("POST", purchases, s.access, map[string]any{"package": "starter"}).is(t, 201, "").text("reference")] = true
	}
	seen, cursor := map[string]bool{}, ""
	for {
		page := g.do("GET", purchases+"?limit=2"+cursor, s.access, nil).is(t, 200, "")
		for _, item := range page.body["items"].([]any) {
			ref := item.(map[string]any)["reference"].(string)
			require.False(t, seen[ref])
			seen[ref] = true
		}
		next := page.text("next_cursor")
		if next == "" {
			break
		}
		g.do("GET", "/api/v1/ai/credits/ledger?cursor="+next, s.access, nil).is(t, 422, "invalid") // another list's
		cursor = "&cursor=" + url.QueryEscape(next)
	}
	require.Equal(t, want, seen)
}
