package fake_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"makola/pkg/money"
	"makola/pkg/payments/fake"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestFaultsAreOrderedListedAndCleared(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	first := l.call(t, "POST", "/_simulator/faults", `{"provider":"paystack","operation":"verify","kind":"429","times":3,"retry_after":2}`)
	second := l.call(t, "POST", "/_simulator/faults", `{"operation":"webhook","kind":"slow","delay_ms":10,"reference":"AI-1"}`)
	if first.status != http.StatusCreated || second.status != http.StatusCreated || first.at("data", "id") == second.at("data", "id") {
		t.Fatalf("%d %v, %d %v", first.status, first.body, second.status, second.body)
	}
	list := l.call(t, "GET", "/_simulator/faults", "")
	if list.len("data") != 2 || list.at("data", 0, "kind") != "429" || list.at("data", 1, "reference") != "AI-1" {
		t.Errorf("list: %v", list.body)
	}
	path := fmt.Sprint("/_simulator/faults/", first.at("data", "id"))
	if got := l.call(t, "DELETE", path, ""); got.status != http.StatusOK || got.len("data") != 1 {
		t.Errorf("clear one: %d %v", got.status, got.body)
	}
	if got := l.call(t, "DELETE", path, ""); got.status != http.StatusNotFound {
		t.Errorf("clear it again: %d", got.status)
	}
	if got := l.call(t, "DELETE", "/_simulator/faults", ""); got.status != http.StatusOK || len(l.sim.Faults()) != 0 {
		t.Errorf("clear all: %d %v", got.status, got.body)
	}
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, tc := range []struct{ name, body, word string }{
		{"unknown provider", `{"provider":"mpesa","operation":"verify","kind":"500"}`, "provider"},
		{"no operation", `{"kind":"500"}`, "operation"},
		{"unknown kind", `{"operation":"verify","kind":"explode"}`, "kind"},
		{"a webhook cannot be 500", `{"operation":"webhook","kind":"500"}`, "kind"},
		{"a refund cannot be duplicate", `{"operation":"refund","kind":"duplicate"}`, "kind"},
		{"Flutterwave tells of no disputes", `{"provider":"flutterwave","operation":"webhook","kind":"dispute"}`, "Flutterwave"},
		{"a list is about no one payment", `{"operation":"list","kind":"500","reference":"AI-1"}`, "reference"},
		{"negative times", `{"operation":"verify","kind":"500","times":-1}`, "times"},
		{"an hour's delay", `{"operation":"verify","kind":"slow","delay_ms":3600000}`, "delay_ms"},
		{"a delay of a quick failure", `{"operation":"verify","kind":"500","delay_ms":5}`, "delay_ms"},
		{"a retry time of a slow answer", `{"operation":"verify","kind":"slow","retry_after":5}`, "retry_after"},
		{"misspelt member", `{"operation":"verify","kind":"500","time":1}`, "time"},
		{"two values", `{"operation":"verify","kind":"500"}{}`, "one JSON value"},
		{"not JSON", `{`, "JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := l.call(t, "POST", "/_simulator/faults", tc.body)
			if message, _ := got.at("message").(string); got.status != http.StatusBadRequest || !strings.Contains(message, tc.word) {
				t.Errorf("%d %v", got.status, got.body)
			}
		})
	}
	t.Cleanup(func() { // After the cases.
		if left := l.sim.Faults(); len(left) != 0 {
			t.Errorf("%v", left)
		}
	})
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for range 100 {
		l.inject(t, fake.Fault{Operation: fake.OpVerify, Kind: fake.Kind500})
	}
	if _, err := l.sim.Inject(fake.Fault{Operation: fake.OpVerify, Kind: fake.Kind500}); err == nil {
		t.Error("there is no end of faults")
	}
}

func TestATransactionIsActedOnLater(t *testing.T) {
	t.Parallel()
	for _, p := range everyProvider {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.open(t, p, "AI-1")
			act := func(action, body string, status int) result {
				t.Helper()
				got := l.call(t, "POST", "/_simulator/transactions/AI-1/"+action, body)
				if got.status != status {
					t.Errorf("%s %s: %d %v", action, body, got.status, got.body)
				}
				return got
			}
			act("refund", "", http.StatusConflict)
			act("webhook", "", http.StatusConflict)
			l.pay(t, "AI-1", fake.Lose)
			act("webhook", "", http.StatusOK) // It is sent for the first time.
			if got := l.names(t, 1); got[0] != success[p] {
				t.Errorf("webhook: %v", got)
			}
			act("webhook", `{"event":"`+success[p]+`"}`, http.StatusOK)
			l.names(t, 2)
			if in := l.received(); string(in[0].body) != string(in[1].body) {
				t.Error("the webhook changed when it was sent again")
			}
			act("webhook", `{"event":"no.such"}`, http.StatusConflict)
			act("refund", `{"amount":"96.01"}`, http.StatusConflict)
			act("refund", `{"amount":"0.005"}`, http.StatusBadRequest)
			act("refund", `{"amount":1}`, http.StatusBadRequest)
			if got := act("refund", `{"amount":"6.00"}`, http.StatusOK); got.at("data", "amount") != "6.00" {
				t.Errorf("refund: %v", got.body)
			}
			act("refund", "", http.StatusOK)
			show := l.call(t, "GET", "/_simulator/transactions/AI-1", "")
			if show.at("data", "refunded") != "96.00" || show.at("data", "state") != "paid" || show.at("data", "provider") != string(p) {
				t.Errorf("shown as %v", show.body)
			}
			act("dispute", `{"resolution":"draw"}`, http.StatusBadRequest)
			if p == fake.Flutterwave {
				act("dispute", "", http.StatusBadRequest)
				return
			}
			act("dispute", `{"resolution":"won"}`, http.StatusConflict)
			act("dispute", "", http.StatusOK)
			act("dispute", "", http.StatusConflict)
			act("dispute", `{"resolution":"lost"}`, http.StatusOK)
			names := l.settled(t, map[fake.Provider]int{fake.Paystack: 10, fake.Stripe: 6}[p])
			closed := map[fake.Provider]string{fake.Paystack: "charge.dispute.resolve", fake.Stripe: "charge.dispute.closed"}[p]
			if !slices.Contains(names, closed) {
				t.Errorf("webhooks %v lack %s", names, closed)
			}
		})
	}
}

func TestActionsOnUnknownTransactionsAre404(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, path := range []string{"AI-1", "AI-1/refund", "AI-1/dispute", "AI-1/webhook"} {
		method := "POST"
		if path == "AI-1" {
			method = "GET"
		}
		if got := l.call(t, method, "/_simulator/transactions/"+path, ""); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

func TestTheOldestTransactionsAreForgotten(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *fake.Config) { c.MaxTransactions = 20 })
	for i := range 50 {
		l.open(t, fake.Paystack, fmt.Sprintf("AI-%d", i))
	}
	if got := l.call(t, "GET", "/transaction", ""); got.len("data") > 20 || got.len("data") < 18 || got.at("data", 0, "reference") != "AI-49" {
		t.Errorf("%d remembered, newest %v", got.len("data"), got.at("data", 0, "reference"))
	}
	if _, err := l.sim.Transaction("AI-0"); err == nil {
		t.Error("the oldest is still there")
	}
	l.open(t, fake.Paystack, "AI-0") // Its reference is free again.
}

func TestBodiesAreLimited(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	large := `{"email":"` + strings.Repeat("a", 2<<20) + `@b.c"}`
	if got := l.call(t, "POST", "/transaction/initialize", large); got.status != http.StatusBadRequest {
		t.Errorf("Paystack: %d", got.status)
	}
	if got := l.call(t, "POST", "/stripe/v1/checkout/sessions", "mode="+strings.Repeat("a", 2<<20)); got.status != http.StatusBadRequest {
		t.Errorf("Stripe: %d", got.status)
	}
}

func TestAnotherSiteCannotPay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code := l.open(t, fake.Paystack, "AI-1")
	req, err := http.NewRequestWithContext(t.Context(), "POST", l.url+"/checkout/"+code, strings.NewReader("mode=pay"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if tx, err := l.sim.Transaction("AI-1"); resp.StatusCode != http.StatusForbidden || err != nil || tx.State != fake.StateOpen {
		t.Errorf("%d, %s, %v", resp.StatusCode, tx.State, err)
	}
}

func TestTheStartPageShowsWhatHappened(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if _, text := do(t, "GET", l.url+"/", "", ""); !strings.Contains(text, "None yet") {
		t.Error("an empty page says nothing")
	}
	l.open(t, fake.Stripe, "AI-1")
	l.open(t, fake.Flutterwave, "AI-2")
	l.pay(t, "AI-1", fake.Disputed)
	if _, err := l.sim.Refund("AI-1", money.FromMinor(100, money.GHS)); err != nil {
		t.Fatal(err)
	}
	l.settled(t, 3)
	l.inject(t, fake.Fault{Operation: fake.OpList, Kind: fake.Kind429})
	resp, text := do(t, "GET", l.url+"/", "", "")
	for _, want := range []string{"AI-1", "Stripe", "GHS 96.00", "disputed", "GHS 1.00 given back", "AI-2", "Flutterwave", "until cleared", "charge.dispute.created"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(text, "<script") {
		t.Errorf("policy %q", csp)
	}
}

func TestThePageMisbehavesAndActsLater(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	for _, p := range everyProvider {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			code := l.open(t, p, "AI-1")
			page := l.url + "/checkout/" + code
			_, text := do(t, "GET", page, "", "")
			title := map[fake.Provider]string{fake.Paystack: "Paystack", fake.Flutterwave: "Flutterwave", fake.Stripe: "Stripe"}[p]
			for _, want := range []string{title, "<details>", `value="late"`, `value="out_of_order"`, `value="wrong_amount"`, `value="wrong_currency"`} {
				if !strings.Contains(text, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			if strings.Contains(text, `value="dispute"`) != (p != fake.Flutterwave) || strings.Contains(text, `value="async"`) != (p == fake.Stripe) {
				t.Error("the page offers what the provider does not do, or not what it does")
			}
			if resp, _ := do(t, "POST", page+"/fault", form, "kind=500&times=2"); resp.StatusCode != http.StatusSeeOther || len(l.sim.Faults()) != 1 {
				t.Errorf("fault: %d, %v", resp.StatusCode, l.sim.Faults())
			}
			for _, bad := range []string{"kind=500&times=0", "kind=explode&times=1", "kind=500"} {
				if resp, _ := do(t, "POST", page+"/fault", form, bad); resp.StatusCode != http.StatusBadRequest {
					t.Errorf("%s: %d", bad, resp.StatusCode)
				}
			}
			if _, text := do(t, "GET", page, "", ""); !strings.Contains(text, "next 2 times") {
				t.Error("the page does not show its fault")
			}
			if resp, _ := do(t, "POST", page+"/later", form, "action=refund"); resp.StatusCode != http.StatusConflict {
				t.Errorf("refund before paying: %d", resp.StatusCode)
			}
			l.pay(t, "AI-1", fake.Lose)
			for _, action := range []string{"webhook", "dispute", "won", "refund"} {
				want := http.StatusSeeOther
				if p == fake.Flutterwave && action == "dispute" {
					want = http.StatusBadRequest
				}
				if p == fake.Flutterwave && action == "won" {
					want = http.StatusConflict
				}
				if resp, _ := do(t, "POST", page+"/later", form, "action="+action); resp.StatusCode != want {
					t.Errorf("%s: %d", action, resp.StatusCode)
				}
			}
			if _, text := do(t, "GET", page, "", ""); !strings.Contains(text, "GHS 96.00") || !strings.Contains(text, "Given back") {
				t.Error("the page does not show the refund")
			}
		})
	}
}
