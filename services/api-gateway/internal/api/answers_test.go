package api_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
	"makola/pkg/assist"
	"makola/services/api-gateway/internal/api"
)

const (
	query       = "/api/v1/ai/query"
	description = "/api/v1/ai/products/description"
	answers     = "/api/v1/ai/answers"
)

func TestAQuestionIsAcceptedOnceAndItsCreditsAreSetAside(t *testing.T) {
	t.Parallel()
	g := open(t)
	s, other := g.register("ama"), g.register("kofi")
	body := map[string]any{"question": "  What does\r\n Esi (esi@example.com, +233 24 400 0111) owe? "}
	var first *answer
	for range 2 {
		a := g.do("POST", query, s.access, body, "Idempotency-Key", "q-1").is(t, 202, "")
		if first == nil {
			first = a
		}
		require.Equal(t, first.body, a.body)
		require.Equal(t, a.text("answer_url"), a.Header.Get("Location"))
		require.Equal(t, "0.50", a.text("credits"))
	}
	require.Equal(t, "49.50", g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 200, "").text("balance"))
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'ai_features.answer_question' and id = $1 and expires_at is not null and args::text not like '%Esi%'`, first.text("task_id")))
	a := g.do("GET", first.text("answer_url"), s.access, nil).is(t, 200, "")
	require.Equal(t, "What does Esi ([removed], [removed]) owe?", a.text("question"), "addresses and numbers of people are not kept")
	require.Equal(t, []any{"PENDING", nil, nil, false, []any{}}, []any{a.body["status"], a.body["words"], a.body["failure"], a.body["words_withheld"], a.body["tables"]})
	require.Equal(t, "2", a.Header.Get("Retry-After"))
	g.do("GET", first.text("answer_url"), other.access, nil).is(t, 404, "answer_not_found")
	g.do("GET", first.text("answer_url"), g.token(s, accounts.Admin, time.Now()), nil).is(t, 404, "answer_not_found")
	list := g.do("GET", answers, s.access, nil).is(t, 200, "")
	require.Len(t, list.body["items"], 1)
	require.Empty(t, g.do("GET", answers, g.token(s, accounts.Admin, time.Now()), nil).is(t, 200, "").body["items"], "a list has one's own")

	for _, empty := range []string{"   ", "\u0000\u0000\u0000"} {
		g.do("POST", query, s.access, map[string]any{"question": empty}).is(t, 422, "invalid")
	}
	g.do("POST", query, s.access, map[string]any{"question": "What?", "figures": []any{"sales_totals"}}).is(t, 422, "invalid")
	g.exec(`update billing.feature_price set credits = 100000 where feature = 'natural_language_query'`)
	g.do("POST", query, s.access, body).is(t, 402, "insufficient_credits")
	require.Equal(t, 1, g.count(`select count(*) from assist.request`), "what is refused leaves nothing")
	require.Equal(t, 1, g.count(`select count(*) from billing.credit_hold`))
}

func TestWhatIsAskedForIsWhatWhoeverAsksMaySee(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	cashier, manager := g.staff(s, accounts.Staff, f.storefront), g.staff(s, accounts.Manager, f.storefront)
	figures := func(who shop) (list string) {
		t.Helper()
		id := g.do("POST", query, who.access, map[string]any{"question": "How are we doing?"}).is(t, 202, "").text("answer_id")
		require.NoError(t, g.admin.QueryRow(t.Context(), `select array_to_string(figures, ' ') || ' of ' || coalesce(array_to_string(storefronts, ' '), 'all') from assist.request where id = $1`, id).Scan(&list))
		return list
	}
	require.Equal(t, "sales_totals top_products stock_value low_stock receivables customers_owing of all", figures(s))
	require.Equal(t, "sales_totals top_products stock_value low_stock receivables customers_owing of "+f.storefront, figures(manager))
	g.do("POST", query, cashier.access, map[string]any{"question": "How are we doing?"}).is(t, 403, "permission_missing")
	g.do("POST", "/api/v1/ai/features/collection_priority/charge", cashier.access, nil).is(t, 403, "permission_missing")
	require.Zero(t, g.count(`select count(*) from billing.credit_hold where user_id = $1`, cashier.user), "nobody at a till spends what the business has bought")
	g.do("POST", query, manager.access, map[string]any{"question": "How are we doing?", "storefront_id": f.other}).is(t, 422, "invalid")
	id := g.do("POST", query, s.access, map[string]any{"question": "How are we doing?", "storefront_id": f.other}).is(t, 202, "").text("answer_id")
	require.Equal(t, 1, g.count(`select count(*) from assist.request where id = $1 and storefronts = array[$2::uuid]`, id, f.other))

	g.do("POST", description, cashier.access, map[string]any{"product_id": f.rice}).is(t, 403, "permission_missing")
	d := g.do("POST", description, s.access, map[string]any{"product_id": f.rice, "tone": "friendly", "language": "fr", "max_words": 20}).is(t, 202, "")
	require.Equal(t, "0.10", d.text("credits"))
	require.Equal(t, 1, g.count(`select count(*) from assist.request where input = '{"product": {"name": "Rice 1 kg", "unit": "pcs"}, "tone": "friendly", "language": "fr", "max_words": 20}'`))
	require.Equal(t, "Rice 1 kg", g.do("GET", d.text("answer_url"), s.access, nil).is(t, 200, "").text("product_name"))
	g.do("POST", description, s.access, map[string]any{"product_id": f.storefront}).is(t, 404, "product_not_found")
	g.do("POST", description, s.access, map[string]any{"product_id": f.rice, "max_words": 5000}).is(t, 422, "invalid")
}

func TestAnAnswerIsReadByWhoeverMayStillSeeItsFigures(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	f := g.floor(s)
	esi := g.customer(s, "Esi Mensah", "50.00")
	manager := g.staff(s, accounts.Manager, f.storefront)
	ask := func(who shop) string {
		return g.do("POST", query, who.access, map[string]any{"question": "Who owes most?"}).is(t, 202, "").text("answer_url")
	}
	mine, his := ask(s), ask(manager)
	g.exec(`update assist.request set state = 'ANSWERED', finished_at = now(), answer = jsonb_build_object('words', 'Customer 1 owes 5.00, customer 2 nothing.', 'tables', jsonb_build_array(jsonb_build_object(
		'figure', 'customers_owing', 'title', 'Customers who owe most', 'columns', '[{"name": "Customer", "kind": "customer"}, {"name": "Owed", "kind": "money"}]'::jsonb, 'rows', jsonb_build_array(jsonb_build_array($1::text, '5.00')))))`, esi)
	a := g.do("GET", mine, s.access, nil).is(t, 200, "")
	require.Equal(t, "Esi Mensah owes 5.00, customer 2 nothing.", a.text("words"))
	require.Equal(t, []any{[]any{"Esi Mensah", "5.00"}}, a.body["tables"].([]any)[0].(map[string]any)["rows"])
	require.Empty(t, a.Header.Get("Retry-After"))
	require.Zero(t, g.count(`select count(*) from assist.request where answer::text like '%Mensah%'`), "no name is kept")

	g.do("GET", his, manager.access, nil).is(t, 200, "")
	g.exec(`update accounts.storefront_assignment set storefront_id = $1 where user_id = $2`, f.other, manager.user)
	g.do("GET", his, manager.access, nil).is(t, 404, "answer_not_found")
	g.exec(`update accounts.storefront_assignment set storefront_id = $1 where user_id = $2`, f.storefront, manager.user)
	g.do("GET", his, manager.access, nil).is(t, 200, "")
	g.exec(`update accounts.membership set role = 'STAFF' where user_id = $1`, manager.user)
	g.do("GET", his, manager.access, nil).is(t, 404, "answer_not_found")

	g.exec(`update assist.request set state = 'FAILED', failure = 'declined', answer = null`)
	require.Equal(t, []any{"FAILED", "declined"}, []any{g.do("GET", mine, s.access, nil).is(t, 200, "").body["status"], g.do("GET", mine, s.access, nil).body["failure"]})
	require.Equal(t, "FAILED", g.do("GET", answers, s.access, nil).is(t, 200, "").body["items"].([]any)[0].(map[string]any)["status"])
	page := g.do("GET", answers+"?limit=1", s.access, nil).is(t, 200, "")
	require.Empty(t, g.do("GET", answers+"?limit=1&cursor="+page.text("next_cursor"), s.access, nil).is(t, 200, "").body["items"])
}

func TestWithoutALanguageModelNothingIsTaken(t *testing.T) {
	t.Parallel()
	g := open(t, func(_ *api.Options, s *api.Server) { s.Answers = nil })
	s := g.register("ama")
	g.do("POST", query, s.access, map[string]any{"question": "How are we doing?"}).is(t, 503, "no_language_model")
	require.Equal(t, "50.00", g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 200, "").text("balance"))
}

func TestFiftyQuestionsAtOnceSpendNoMoreThanThereIs(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	g.exec(`update billing.feature_price set credits = 500 where feature = 'natural_language_query'`) // 50 credits pay for ten
	require.Equal(t, map[int]int{202: 10, 402: 40}, g.together(50, "POST", query, s.access, map[string]any{"question": "How are we doing?"}))
	require.Equal(t, 10, g.count(`select count(*) from assist.request`))
	require.Equal(t, "0.00", g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 200, "").text("balance"))
	require.Equal(t, 1, g.count(`select count(*) from assist.platform_month where reserved = (select sum(budget) from assist.request)`))
}

func TestFiftyQuestionsAtOncePassNoLimit(t *testing.T) {
	t.Parallel()
	g := open(t, func(_ *api.Options, s *api.Server) { s.Answers.Limits.PerMinute = 10 })
	s, other := g.register("ama"), g.register("kofi")
	require.Equal(t, map[int]int{202: 10, 429: 40}, g.together(50, "POST", query, s.access, map[string]any{"question": "How are we doing?"}))
	require.Equal(t, "45.00", g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 200, "").text("balance"), "what was refused set nothing aside")
	g.do("POST", query, other.access, map[string]any{"question": "How are we doing?"}).is(t, 202, "")
}

func TestEachLimitSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*assist.Limits)
		age    string // of the requests before
		cost   int64  // of each of them, in 1/10000 GHS
		status int
		code   string
		min    int // seconds to wait
		max    int
	}{
		"ten a minute":                  {func(l *assist.Limits) { l.PerMinute = 3 }, "30 seconds", 0, 429, "too_many_ai_requests", 1, 31},
		"a hundred an hour":             {func(l *assist.Limits) { l.PerHour = 3 }, "30 minutes", 0, 429, "too_many_ai_requests", 1500, 1801},
		"five hundred a day":            {func(l *assist.Limits) { l.PerDay = 3 }, "20 hours", 0, 429, "too_many_ai_requests", 14000, 14401},
		"a minute later":                {func(l *assist.Limits) { l.PerMinute = 3 }, "61 seconds", 0, 202, "", 0, 0},
		"what a business costs a month": {func(l *assist.Limits) { l.BusinessMonth = 1 }, "0 seconds", 3333, 429, "ai_budget_used_up", 1, 31 * 86400},
		"what a business costs a day":   {func(l *assist.Limits) { l.BusinessDay = 1 }, "0 seconds", 3333, 429, "ai_budget_used_up", 1, 86401},
		"what it cost a month ago":      {func(l *assist.Limits) { l.BusinessMonth, l.BusinessDay = 1, 1 }, "33 days", 3333, 202, "", 0, 0},
		"what all cost in a month":      {func(l *assist.Limits) { l.PlatformMonth = 1 }, "0 seconds", 3333, 503, "ai_platform_budget_used_up", 3600, 3600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t)
			s := g.register("ama")
			ask := func() *answer { return g.do("POST", query, s.access, map[string]any{"question": "How are we doing?"}) }
			for range 3 {
				ask().is(t, 202, "")
			}
			g.exec(`update assist.request set created_at = created_at - $1::interval, state = 'FAILED', failure = 'declined', finished_at = now(), cost = $2`, tc.age, tc.cost)
			g.exec(`update assist.platform_month set reserved = 0, spent = $1`, 3*tc.cost)
			limits := g.server.Answers.Limits
			tc.change(&limits)
			g.server.Answers.Limits = limits
			a := ask().is(t, tc.status, tc.code)
			if tc.status == 202 {
				return
			}
			wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
			require.NoError(t, err)
			require.GreaterOrEqual(t, wait, tc.min, fmt.Sprint(a.body))
			require.LessOrEqual(t, wait, tc.max)
			require.Equal(t, 3, g.count(`select count(*) from billing.credit_hold`))
		})
	}
}
