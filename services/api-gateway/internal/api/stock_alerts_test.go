package api_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/services/api-gateway/internal/once"
)

func TestAStockAlertIsSeenAcknowledgedPutOffAndEndsWithTheStock(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	w := g.stocked(s) // five in the storefront, where ten is the level
	list := func(query string) []any {
		return g.do("GET", "/api/v1/stock-alerts"+query, s.access, nil).is(t, 200, "").body["items"].([]any)
	}
	require.Len(t, list("?type=LOW_STOCK&product_id="+w.product+"&location_id="+w.storefront), 1)
	require.Empty(t, list("?type=OUT_OF_STOCK"))
	require.Empty(t, list("?ended=true"))
	alert := list("")[0].(map[string]any)
	require.Equal(t, []any{5.0, 10.0, "MILK-1", nil}, []any{alert["on_hand"], alert["threshold"], alert["sku"], alert["acknowledged_at"]})
	path := "/api/v1/stock-alerts/" + alert["id"].(string)
	require.NotNil(t, g.do("POST", path+"/acknowledge", s.access, nil).is(t, 200, "").body["acknowledged_at"])
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	require.Equal(t, until, g.do("POST", path+"/snooze", s.access, map[string]any{"until": until}).is(t, 200, "").body["snoozed_until"])
	for _, bad := range []any{"tomorrow", time.Now().Add(-time.Hour).Format(time.RFC3339), time.Now().Add(91 * 24 * time.Hour).Format(time.RFC3339), nil} {
		g.do("POST", path+"/snooze", s.access, map[string]any{"until": bad}).is(t, 422, "")
	}
	g.do("POST", "/api/v1/stock-batches", s.access, map[string]any{"items": []any{
		map[string]any{"product_id": w.product, "location_id": w.storefront, "quantity": 50, "unit_cost": "10.00", "retail_price": "15.00"},
	}}).is(t, 201, "")
	require.Empty(t, list(""))
	require.Len(t, list("?ended=true"), 1)
	g.do("POST", path+"/acknowledge", s.access, nil).is(t, 404, "alert_not_found")
}

func TestADigestIsAskedForOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	w := g.stocked(s)
	ask := func(body map[string]any) *answer {
		return g.do("POST", "/api/v1/stock-alerts/notify", s.access, body, once.Header, "k").is(t, 202, "")
	}
	first := ask(map[string]any{"product_ids": []any{w.product}})
	require.Equal(t, first.body, ask(map[string]any{"product_ids": []any{w.product}}).body)
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'inventory.send_low_stock_alert' and args ->> 'business_id' = $1`, s.business))
	g.do("GET", first.text("status_url"), s.access, nil).is(t, 200, "")
	g.do("POST", "/api/v1/stock-alerts/notify", s.access, map[string]any{"product_ids": []any{uuid.NewString()}}).is(t, 422, "")
	g.do("POST", "/api/v1/stock-alerts/notify", s.access, map[string]any{"product_ids": []any{}}).is(t, 422, "")
	g.do("POST", "/api/v1/stock-alerts/notify", s.access, map[string]any{}).is(t, 202, "")
}
