package api_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
	"makola/pkg/webhooks"
	"makola/services/api-gateway/internal/api"
)

const (
	endpoints  = "/api/v1/webhook-endpoints"
	deliveries = "/api/v1/webhook-deliveries"
)

// endpoint registers one at hooks.example.com, and returns its address in the API.
func (g *gateway) endpoint(s shop, kinds ...string) string {
	g.t.Helper()
	return endpoints + "/" + g.do("POST", endpoints, s.access, map[string]any{"url": "https://hooks.example.com/makola", "kinds": kinds}).is(g.t, 201, "").text("endpoint", "id")
}

// events are the bodies of what waits to be told, the first one first.
func (g *gateway) events(s shop) (list []map[string]any) {
	g.t.Helper()
	rows, err := g.admin.Query(g.t.Context(), `select body from webhooks.event where tenant_id = $1 order by id`, s.business)
	require.NoError(g.t, err)
	defer rows.Close()
	for rows.Next() {
		var raw []byte
		require.NoError(g.t, rows.Scan(&raw))
		var body map[string]any
		require.NoError(g.t, json.Unmarshal(raw, &body))
		list = append(list, body)
	}
	require.NoError(g.t, rows.Err())
	return list
}

func TestAnEndpointFromItsRegistrationToItsEnd(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	made := g.do("POST", endpoints, s.access, map[string]any{"url": "https://hooks.example.com/makola", "description": "Bookkeeping", "kinds": []string{"stock.low", "sale.completed", "stock.low"}}).is(t, 201, "")
	secret := made.text("secret")
	require.Regexp(t, `^whsec_[A-Za-z0-9+/]{43}=$`, secret)
	one := endpoints + "/" + made.text("endpoint", "id")
	shown := g.do("GET", one, s.access, nil).is(t, 200, "")
	shown.has(t, "url", "https://hooks.example.com/makola", "description", "Bookkeeping", "state", "ACTIVE", "disabled_reason", nil, "old_secret_until", nil)
	require.Equal(t, []any{"sale.completed", "stock.low"}, shown.body["kinds"])
	require.NotContains(t, string(shown.raw), "whsec_")
	require.Len(t, g.do("GET", endpoints, s.access, nil).is(t, 200, "").list("items"), 1)

	rotated := g.do("POST", one+"/rotate-secret", s.access, nil).is(t, 200, "")
	require.NotEqual(t, secret, rotated.text("secret"))
	require.NotNil(t, rotated.body["endpoint"].(map[string]any)["old_secret_until"])

	// The same key is the same test, and its log is at once.
	test := g.do("POST", one+"/test", s.access, nil, "Idempotency-Key", "t1").is(t, 202, "")
	again := g.do("POST", one+"/test", s.access, nil, "Idempotency-Key", "t1").is(t, 202, "")
	require.Equal(t, test.text("delivery", "id"), again.text("delivery", "id"))
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'webhooks.deliver_event'`))
	d := g.do("GET", deliveries+"/"+test.text("delivery", "id"), s.access, nil).is(t, 200, "")
	require.Equal(t, "webhook.test", d.text("delivery", "type"))
	require.Contains(t, d.text("body"), test.text("delivery", "event_id"))
	g.do("POST", deliveries+"/"+test.text("delivery", "id")+"/replay", s.access, nil).is(t, 409, "webhook_delivery_pending")
	g.exec(`update webhooks.delivery set state = 'FAILED', ended_at = now(), next_attempt_at = null, attempts = 1, last_status = 500, log = '[{"at": "2026-03-01T12:00:00Z", "ms": 12, "status": 500, "answer": "no"}]'`)
	d = g.do("GET", deliveries+"/"+test.text("delivery", "id"), s.access, nil).is(t, 200, "")
	require.EqualValues(t, 500, d.list("log")[0]["status"])
	replay := g.do("POST", deliveries+"/"+test.text("delivery", "id")+"/replay", s.access, nil, "Idempotency-Key", "r1").is(t, 202, "")
	require.Equal(t, replay.text("delivery", "id"), g.do("POST", deliveries+"/"+test.text("delivery", "id")+"/replay", s.access, nil, "Idempotency-Key", "r1").is(t, 202, "").text("delivery", "id"))
	require.Equal(t, test.text("delivery", "event_id"), replay.text("delivery", "event_id"))

	for query, want := range map[string]int{"": 2, "?state=FAILED": 1, "?state=PENDING": 1, "?state=DELIVERED": 0, "?type=webhook.test": 2, "?type=stock.low": 0, "?endpoint_id=" + made.text("endpoint", "id"): 2, "?endpoint_id=" + s.business: 0} {
		require.Len(t, g.do("GET", deliveries+query, s.access, nil).is(t, 200, "").list("items"), want, query)
	}
	first := g.do("GET", deliveries+"?limit=1", s.access, nil).is(t, 200, "")
	second := g.do("GET", deliveries+"?limit=1&cursor="+first.text("next_cursor"), s.access, nil).is(t, 200, "")
	require.Equal(t, []any{replay.text("delivery", "id"), test.text("delivery", "id")}, []any{first.list("items")[0]["id"], second.list("items")[0]["id"]}, "the newest first")

	g.do("PATCH", one, s.access, map[string]any{"enabled": false, "url": "https://other.example.com/"}).is(t, 200, "").has(t, "state", "DISABLED", "disabled_reason", "OWNER", "url", "https://other.example.com/")
	require.Len(t, g.do("GET", deliveries+"?state=CANCELLED", s.access, nil).list("items"), 1, "what was on its way is given up")
	g.do("PATCH", one, s.access, map[string]any{"enabled": true}).is(t, 200, "").has(t, "state", "ACTIVE", "disabled_at", nil)
	g.do("DELETE", one, s.access, nil).is(t, 204, "")
	g.do("GET", one, s.access, nil).is(t, 404, "webhook_endpoint_not_found")
	require.Len(t, g.do("GET", deliveries, s.access, nil).is(t, 200, "").list("items"), 2, "its log stays")
	require.Zero(t, g.count(`select count(*) from gateway.idempotent_request r where convert_from(r.body, 'utf8') like '%whsec_%'`))
	require.Equal(t, 6, g.count(`select count(*) from audit.entry where tenant_id = $1 and entity = 'webhook_endpoint'`, s.business))
}

func TestAnEndpointThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	kinds := []string{"sale.completed"}
	for name, tt := range map[string]struct {
		body  map[string]any
		fault string
	}{
		"plain http":               {map[string]any{"url": "http://hooks.example.com/", "kinds": kinds}, "/url not_https"},
		"the private network":      {map[string]any{"url": "https://10.0.0.1/", "kinds": kinds}, "/url address_not_allowed"},
		"this machine":             {map[string]any{"url": "https://127.0.0.1/", "kinds": kinds}, "/url address_not_allowed"},
		"a container":              {map[string]any{"url": "https://rabbitmq/", "kinds": kinds}, "/url invalid"},
		"another service's port":   {map[string]any{"url": "https://hooks.example.com:22/", "kinds": kinds}, "/url port_not_allowed"},
		"no kinds":                 {map[string]any{"url": "https://hooks.example.com/", "kinds": []string{}}, "/kinds too_few"},
		"a kind that is none":      {map[string]any{"url": "https://hooks.example.com/", "kinds": []string{"sale.deleted"}}, "/kinds/0 unknown_value"},
		"the test, which is none":  {map[string]any{"url": "https://hooks.example.com/", "kinds": []string{"webhook.test"}}, "/kinds/0 unknown_value"},
		"a description too long":   {map[string]any{"url": "https://hooks.example.com/", "kinds": kinds, "description": strings.Repeat("a", 201)}, "/description too_long"},
		"a secret of one's own":    {map[string]any{"url": "https://hooks.example.com/", "kinds": kinds, "secret": "whsec_AAAA"}, "/secret unknown"},
		"an address without kinds": {map[string]any{"url": "https://hooks.example.com/"}, "/kinds required"},
	} {
		a := g.do("POST", endpoints, s.access, tt.body).is(t, 422, "")
		require.Len(t, a.faults(), 1, name)
		require.True(t, strings.HasPrefix(a.faults()[0], strings.Fields(tt.fault)[0]+" "), "%s: %s", name, a.faults())
	}
	require.Zero(t, g.count(`select count(*) from webhooks.endpoint`))
	one := g.endpoint(s, kinds...)
	g.do("PATCH", one, s.access, map[string]any{"url": "https://192.168.0.1/"}).is(t, 422, "")
	for range webhooks.MaxEndpoints - 1 {
		g.endpoint(s, kinds...)
	}
	g.do("POST", endpoints, s.access, map[string]any{"url": "https://hooks.example.com/", "kinds": kinds}).is(t, 409, "too_many_webhook_endpoints")
	manager := g.token(s, accounts.Manager, time.Now())
	g.do("GET", endpoints, manager, nil).is(t, 403, "")
	g.do("GET", deliveries, manager, nil).is(t, 403, "")

	bare := g.replica(func(_ *api.Options, s *api.Server) { s.Endpoints = &webhooks.Endpoints{} })
	bare.do("POST", one+"/rotate-secret", s.access, nil).is(t, 503, "webhooks_unavailable")
}

func TestASaleIsTold(t *testing.T) {
	t.Parallel()
	g := open(t)
	s, other := g.register("ama"), g.register("kofi")
	f := g.floor(s)
	g.endpoint(other, "sale.completed")
	g.endpoint(s, "stock.low")
	sell := func(lines ...line) string {
		c := g.cart(s, f.storefront, "", lines...)
		g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CASH"}, "Idempotency-Key", c.id).is(t, 200, "")
		g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CASH"}, "Idempotency-Key", c.id).is(t, 200, "")
		return c.id
	}
	sell(line{f.rice, 1})
	require.Empty(t, g.events(s), "nobody wants to know of sales")
	g.endpoint(s, "sale.completed", "report.ready")
	id := sell(line{f.rice, 3}, line{f.soap, 1})
	list := g.events(s)
	require.Len(t, list, 1)
	require.Empty(t, g.events(other))
	require.Equal(t, "sale.completed", list[0]["type"])
	data := list[0]["data"].(map[string]any)
	sale := g.do("GET", saleAt(id), s.access, nil).is(t, 200, "").body
	for _, member := range []string{"receipt_number", "storefront_id", "customer_id", "user_id", "type", "status", "currency", "subtotal", "discount", "tax", "total", "amount_paid", "amount_due", "payment_type", "completed_at"} {
		require.Equal(t, sale[member], data[member], member)
	}
	require.Equal(t, id, data["sale_id"])
	items := data["items"].([]any)
	require.Len(t, items, 2)
	require.Equal(t, sale["items"].([]any)[0].(map[string]any)["product_name"], items[0].(map[string]any)["name"])
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'webhooks.deliver_event' and tenant_id = $1`, s.business))

	// A checkout that is refused tells nobody.
	c := g.cart(s, f.storefront, "", line{f.rice, 1})
	g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payments": []any{map[string]any{"method": "CARD", "amount": "9999.00"}}}).is(t, 422, "overpaid")
	require.Len(t, g.events(s), 1)

	// An exchange is a sale.
	line1 := sale["items"].([]any)[0].(map[string]any)["id"]
	a := g.do("POST", saleAt(id, "exchange"), s.access, map[string]any{"reason": "wrong one", "items": []any{map[string]any{"item_id": line1, "quantity": 1}}, "new_items": []any{map[string]any{"product_id": f.soap, "quantity": 1}}, "payment_type": "CASH"}).is(t, 200, "")
	list = g.events(s)
	require.Len(t, list, 2)
	require.Equal(t, a.text("sale", "id"), list[1]["data"].(map[string]any)["sale_id"])
	require.Equal(t, id, list[1]["data"].(map[string]any)["exchange_of"])
}

func TestWhatASaleMakesRunLowIsToldOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	g.endpoint(s, "stock.low")
	sell := func(quantity int) {
		c := g.cart(s, f.storefront, "", line{f.rice, quantity})
		g.do("POST", saleAt(c.id, "complete"), s.access, map[string]any{"payment_type": "CASH"}).is(t, 200, "")
	}
	level := g.onHand(f.storefront, f.rice)
	sell(level - 11)
	require.Empty(t, g.events(s), "eleven are left, and the level is ten")
	sell(2)
	sell(2)
	sell(7)
	var told []any
	for _, e := range g.events(s) {
		require.Equal(t, "stock.low", e["type"])
		for _, i := range e["data"].(map[string]any)["items"].([]any) {
			item := i.(map[string]any)
			require.Equal(t, []any{f.rice, f.storefront, 10.0}, []any{item["product_id"], item["location_id"], item["reorder_level"]})
			require.NotEmpty(t, item["name"])
			require.NotEmpty(t, item["location"])
			told = append(told, item["type"], item["on_hand"])
		}
	}
	require.Equal(t, []any{"LOW_STOCK", 9.0, "OUT_OF_STOCK", 0.0}, told, "once when it runs low, and once when it runs out")
}

func TestThatASubscriptionWasCancelledIsTold(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	g.endpoint(s, "subscription.changed")
	g.exec(`update billing.subscription set status = 'ACTIVE', is_trial = false, payment_status = 'PAID', period_end = now() + interval '10 days' where tenant_id = $1`, s.business)
	for range 2 {
		g.do("POST", "/api/v1/subscription/cancel", s.access, map[string]any{}).is(t, 200, "")
	}
	list := g.events(s)
	require.Len(t, list, 1, "cancelling again changes nothing")
	require.Equal(t, true, list[0]["data"].(map[string]any)["cancel_at_period_end"])
	require.Equal(t, "ACTIVE", list[0]["data"].(map[string]any)["status"])
}

func TestEveryKindOfEventIsDescribed(t *testing.T) {
	t.Parallel()
	var kinds, all []any
	for _, k := range webhooks.Kinds() {
		kinds = append(kinds, string(k))
	}
	all = append(slices.Clone(kinds), string(webhooks.KindTest))
	doc := open(t).doc
	require.ElementsMatch(t, kinds, doc.Components.Schemas["WebhookKind"].Value.Enum)
	require.ElementsMatch(t, all, doc.Components.Schemas["WebhookEventType"].Value.Enum)
}
