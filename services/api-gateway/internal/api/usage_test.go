package api_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
)

const (
	assessment = "/api/v1/ai/features/credit_assessment"
	usage      = "/api/v1/ai/usage"
)

func TestAChargeIsReservedThenCapturedOrReleased(t *testing.T) {
	t.Parallel()
	g := open(t)
	s, other := g.register("ama"), g.register("kofi")
	a := g.do("GET", assessment+"/availability", s.access, nil).is(t, 200, "")
	require.Equal(t, map[string]any{"feature": "credit_assessment", "available": true, "cost": "3.00", "balance": "50.00", "shortage": "0.00"}, a.body)
	g.do("GET", "/api/v1/ai/features/mind_reading/availability", s.access, nil).is(t, 404, "unknown_feature")
	g.do("POST", "/api/v1/ai/features/mind_reading/charge", s.access, nil).is(t, 404, "unknown_feature")

	charge := g.do("POST", assessment+"/charge", s.access, nil, "Idempotency-Key", "c-1").is(t, 201, "")
	require.Equal(t, []string{"held", "3.00", "0.00"}, []string{charge.text("status"), charge.text("held"), charge.text("captured")})
	require.Equal(t, charge.body, g.do("POST", assessment+"/charge", s.access, nil, "Idempotency-Key", "c-1").is(t, 201, "").body)
	g.do("POST", "/api/v1/ai/features/report_narrative/charge", s.access, nil, "Idempotency-Key", "c-1").is(t, 422, "idempotency_key_reused")
	balance := g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 200, "")
	require.Equal(t, []string{"47.00", "3.00", "50.00"}, []string{balance.text("balance"), balance.text("held"), balance.text("ledger_balance")})

	one := assessment + "/charges/" + charge.text("charge_id")
	body := map[string]any{"credits": "2.5", "tokens": 1200, "provider_cost": "0.0375", "processing_ms": 900, "request": map[string]any{"email": "ama@example.com"}, "response_summary": "Good for 500 GHS."}
	g.do("POST", one+"/capture", other.access, body).is(t, 404, "charge_not_found")
	g.do("POST", one+"/capture", s.access, map[string]any{"credits": "3.01"}).is(t, 422, "capture_amount")
	for range 2 {
		done := g.do("POST", one+"/capture", s.access, body, "Idempotency-Key", "c-2").is(t, 200, "")
		require.Equal(t, []string{"captured", "2.50"}, []string{done.text("status"), done.text("captured")})
	}
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'ai_features.record_usage'`))
	g.do("POST", one+"/capture", s.access, map[string]any{"credits": "1"}).is(t, 409, "charge_captured")
	g.do("POST", one+"/release", s.access, map[string]any{}).is(t, 409, "charge_captured")
	g.do("POST", one+"/capture", s.access, map[string]any{"credits": "2.5"}, "Idempotency-Key", "c-2").is(t, 422, "idempotency_key_reused")

	failed := g.do("POST", assessment+"/charge", s.access, nil).is(t, 201, "").text("charge_id")
	for range 2 {
		g.do("POST", assessment+"/charges/"+failed+"/release", s.access, map[string]any{"error": "the model did not answer"}).is(t, 200, "")
	}
	g.do("POST", assessment+"/charges/"+failed+"/capture", s.access, map[string]any{}).is(t, 409, "charge_ended")
	g.do("POST", assessment+"/charges/"+uuid.NewString()+"/release", s.access, map[string]any{}).is(t, 404, "charge_not_found")

	g.exec(`update billing.feature_price set credits = 100000 where feature = 'inventory_forecast'`)
	g.do("POST", "/api/v1/ai/features/inventory_forecast/charge", s.access, nil).is(t, 402, "insufficient_credits")
	short := g.do("GET", "/api/v1/ai/features/inventory_forecast/availability", s.access, nil).is(t, 200, "")
	require.Equal(t, "952.50", short.text("shortage"))

	stats := g.do("GET", usage+"/stats?days=7", s.access, nil).is(t, 200, "")
	require.Equal(t, map[string]any{"calls": 2.0, "failures": 1.0, "success_percent": "50.00", "credits": "2.50", "provider_cost": "0.0375", "tokens": 1200.0, "average_ms": 450.0}, stats.body["total"])
	require.Len(t, stats.body["features"], 1)
	require.Nil(t, g.do("GET", usage+"/stats", other.access, nil).is(t, 200, "").body["total"].(map[string]any)["success_percent"])
	first := g.do("GET", usage+"/transactions?limit=1", s.access, nil).is(t, 200, "")
	second := g.do("GET", usage+"/transactions?limit=1&cursor="+url.QueryEscape(first.text("next_cursor")), s.access, nil).is(t, 200, "")
	require.Equal(t, "the model did not answer", first.body["items"].([]any)[0].(map[string]any)["error"])
	require.Equal(t, "Good for 500 GHS.", second.body["items"].([]any)[0].(map[string]any)["response_summary"])
	require.Nil(t, second.body["next_cursor"])
	require.Empty(t, g.do("GET", usage+"/transactions?feature=report_narrative", s.access, nil).is(t, 200, "").body["items"])
	require.Empty(t, g.do("GET", usage+"/transactions", other.access, nil).is(t, 200, "").body["items"])
	for role, status := range map[accounts.Role]int{accounts.Manager: 200, accounts.Staff: 403} {
		g.do("GET", usage+"/stats", g.token(s, role, time.Now()), nil).is(t, status, "")
		g.do("GET", usage+"/transactions", g.token(s, role, time.Now()), nil).is(t, status, "")
	}
}

func TestThePastExplainsItself(t *testing.T) {
	t.Parallel()
	g := open(t)
	before := time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)
	s := g.register("ama")
	now := g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 200, "").text("as_of")
	g.do("POST", assessment+"/charge", s.access, nil).is(t, 201, "")
	at := func(instant string) *answer {
		return g.do("GET", "/api/v1/ai/credits/balance?at="+url.QueryEscape(instant), s.access, nil).is(t, 200, "")
	}
	require.Equal(t, "50.00", at(now).text("balance"))
	require.Equal(t, "0.00", at(before).text("balance"))
	require.Empty(t, at(before).body["lots"])
	require.Len(t, g.do("GET", "/api/v1/ai/credits/ledger?at="+url.QueryEscape(now), s.access, nil).is(t, 200, "").body["items"], 1)
	require.Empty(t, g.do("GET", "/api/v1/ai/credits/ledger?at="+url.QueryEscape(before), s.access, nil).is(t, 200, "").body["items"])
	future := url.QueryEscape(time.Now().UTC().Add(time.Hour).Format(time.RFC3339))
	for _, address := range []string{"balance?at=" + future, "ledger?at=" + future, "balance?at=yesterday", "ledger?at=2026-13-01T00:00:00Z"} {
		require.Equal(t, 422, g.do("GET", "/api/v1/ai/credits/"+address, s.access, nil).StatusCode, address)
	}
}

func TestVerifyAnswersOrAsksAndNeverForAnother(t *testing.T) {
	t.Parallel()
	g := open(t)
	s, other := g.register("ama"), g.register("kofi")
	reference := g.do("POST", purchases, s.access, map[string]any{"package": "value"}).is(t, 201, "").text("reference")
	const verify = "/api/v1/ai/credits/verify"
	g.do("POST", verify, other.access, map[string]any{"reference": reference}).is(t, 404, "not_found")
	g.do("GET", verify+"?trxref="+reference, other.access, nil).is(t, 404, "not_found")
	g.do("POST", verify, s.access, map[string]any{"reference": "AI-NONE"}).is(t, 404, "not_found")
	g.do("GET", verify, s.access, nil).is(t, 422, "invalid")
	require.Zero(t, g.count(`select count(*) from task.task where name = 'ai_features.verify_payment'`), "another's reference asks nobody")

	asked := g.do("POST", verify, s.access, map[string]any{"reference": reference}).is(t, 202, "")
	require.Equal(t, "pending", asked.text("purchase", "status"))
	require.Equal(t, "2", asked.Header.Get("Retry-After"))
	g.do("GET", asked.Header.Get("Location"), s.access, nil).is(t, 200, "")
	for range 3 {
		g.do("GET", verify+"?reference="+reference+"&trxref=x", s.access, nil).is(t, 202, "")
	}
	require.LessOrEqual(t, g.count(`select count(*) from task.task where name = 'ai_features.verify_payment' and args->>'reason' = 'return'`), 2, "a browser that reloads is no flood")
	g.exec(`update billing.credit_purchase set status = 'completed', completed_at = now()`)
	require.Equal(t, "completed", g.do("POST", verify, s.access, map[string]any{"reference": reference}).is(t, 200, "").text("status"))
	require.Equal(t, "completed", g.do("GET", verify+"?reference="+reference, s.access, nil).is(t, 200, "").text("status"))
}
