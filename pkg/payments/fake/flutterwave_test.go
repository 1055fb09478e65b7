package fake_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"makola/pkg/payments/fake"
)

func TestFlutterwaveCountsInMajorUnits(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i, tc := range []struct{ amount, currency, shown string }{
		{"96", "GHS", "96"},
		{"96.00", "GHS", "96"},
		{"96.5", "GHS", "96.5"},
		{`"0.05"`, "GHS", "0.05"},
		{"2500", "XOF", "2500"},
		{"96.555", "GHS", ""},
		{"2500.5", "XOF", ""},
		{"0", "GHS", ""},
		{"-1", "GHS", ""},
		{"1", "XXX", ""},
		{`"many"`, "GHS", ""},
	} {
		t.Run(tc.amount+" "+tc.currency, func(t *testing.T) {
			t.Parallel()
			ref := fmt.Sprintf("AI-%d", i)
			got := l.call(t, "POST", "/flutterwave/v3/payments", fmt.Sprintf(
				`{"tx_ref":%q,"amount":%s,"currency":%q,"redirect_url":"https://shop.example/","customer":{"email":"ama@example.com"}}`, ref, tc.amount, tc.currency))
			if tc.shown == "" {
				if _, err := l.sim.Transaction(ref); got.status != http.StatusBadRequest || got.at("status") != "error" || err == nil {
					t.Errorf("%d %v, %v", got.status, got.body, err)
				}
				return
			}
			link, _ := got.at("data", "link").(string)
			if tx, err := l.sim.Transaction(ref); err != nil || got.at("status") != "success" || link != l.url+"/checkout/"+tx.AccessCode {
				t.Fatalf("%d %v, %v", got.status, got.body, err)
			}
			l.pay(t, ref, fake.Lose)
			if _, facts := l.verify(t, fake.Flutterwave, ref, ""); facts != [3]any{"successful", tc.shown, tc.currency} {
				t.Errorf("verified %v", facts)
			}
		})
	}
}

func TestFlutterwaveKnowsAPaymentFromTheFirstAttempt(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open(t, fake.Flutterwave, "AI-1")
	if got, _ := l.verify(t, fake.Flutterwave, "AI-1", ""); got.status != http.StatusNotFound || got.at("status") != "error" {
		t.Fatalf("before: %d %v", got.status, got.body)
	}
	l.pay(t, "AI-1", fake.Fail)
	if _, facts := l.verify(t, fake.Flutterwave, "AI-1", ""); facts[0] != "failed" {
		t.Fatalf("declined: %v", facts)
	}
	tx := l.pay(t, "AI-1", fake.Pay)
	byID := l.call(t, "GET", fmt.Sprintf("/flutterwave/v3/transactions/%d/verify", tx.ID), "")
	if byID.at("data", "tx_ref") != "AI-1" || byID.at("data", "status") != "successful" || byID.at("data", "meta", "shop") != "demo" {
		t.Errorf("by id: %v", byID.body)
	}
}

func TestFlutterwaveTellsBothOutcomes(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *fake.Config) { c.Flutterwave.WebhookMode = fake.FlutterwaveHash })
	l.open(t, fake.Flutterwave, "AI-1")
	l.pay(t, "AI-1", fake.Fail)
	l.names(t, 1)
	l.pay(t, "AI-1", fake.Pay)
	l.names(t, 2)
	for i, status := range []string{"failed", "successful"} {
		p := l.received()[i]
		if data := p.data(t); p.name(t) != "charge.completed" || data["status"] != status || data["tx_ref"] != "AI-1" || fmt.Sprint(data["amount"]) != "96" {
			t.Errorf("webhook %d: %s", i, p.body)
		}
		if p.header.Get("Verif-Hash") != string(fake.DefaultFlutterwaveSecret) || p.header.Get("Flutterwave-Signature") != "" {
			t.Errorf("headers %v", p.header)
		}
	}
}

func TestFlutterwaveSignsTheBody(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *fake.Config) { c.Flutterwave.WebhookSecret = "another" })
	l.open(t, fake.Flutterwave, "AI-1")
	l.pay(t, "AI-1", fake.Pay)
	l.names(t, 1)
	p := l.received()[0]
	mac := hmac.New(sha256.New, []byte("another"))
	mac.Write(p.body)
	if want := base64.StdEncoding.EncodeToString(mac.Sum(nil)); p.header.Get("Flutterwave-Signature") != want || p.header.Get("Verif-Hash") != "" {
		t.Errorf("headers %v, want signature %s", p.header, want)
	}
}

func TestFlutterwaveRefundsWhatIsLeft(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open(t, fake.Flutterwave, "AI-1")
	l.pay(t, "AI-1", fake.Fail)
	tx, err := l.sim.Transaction("AI-1")
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/flutterwave/v3/transactions/%d/refund", tx.ID)
	if got := l.call(t, "POST", path, ""); got.status != http.StatusBadRequest {
		t.Errorf("refund of a declined payment: %d %v", got.status, got.body)
	}
	l.pay(t, "AI-1", fake.Pay)
	for _, tc := range []struct {
		body   string
		status int
		amount any
	}{
		{`{"amount":0.005}`, 400, nil},
		{`{"amount":96.01}`, 400, nil},
		{`{"amount":6.5,"comments":"one too many"}`, 200, "6.5"},
		{`{"amount":89.51}`, 400, nil},
		{``, 200, "89.5"},
		{``, 400, nil},
	} {
		got := l.call(t, "POST", path, tc.body)
		if got.status != tc.status || got.at("data", "amount_refunded") != tc.amount {
			t.Errorf("%q: %d %v", tc.body, got.status, got.body)
		}
	}
	if got := l.call(t, "GET", "/flutterwave/v3/refunds", ""); got.len("data") != 2 || got.at("meta", "page_info", "total") != "2" {
		t.Errorf("refunds: %v", got.body)
	}
	if got := l.call(t, "POST", "/flutterwave/v3/transactions/1/refund", ""); got.status != http.StatusNotFound {
		t.Errorf("unknown: %d", got.status)
	}
}

func TestFlutterwaveListsByPageAndDay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i := range 25 {
		ref := fmt.Sprintf("AI-%d", i)
		l.open(t, fake.Flutterwave, ref)
		if i > 0 { // The first was never tried, so it is no transaction.
			l.pay(t, ref, fake.Lose)
		}
	}
	tx, err := l.sim.Transaction("AI-24")
	if err != nil {
		t.Fatal(err)
	}
	today, before := tx.CreatedAt.Format("2006-01-02"), tx.CreatedAt.AddDate(0, 0, -2).Format("2006-01-02")
	for _, tc := range []struct {
		query  string
		first  any
		length int
		total  any
	}{
		{"", "AI-24", 20, "24"},
		{"?page=2", "AI-4", 4, "24"},
		{"?page=3", nil, 0, "24"},
		{"?from=" + today + "&to=" + today, "AI-24", 20, "24"},
		{"?to=" + before, nil, 0, "0"},
		{"?tx_ref=AI-7", "AI-7", 1, "1"},
		{"?status=failed", nil, 0, "0"},
	} {
		got := l.call(t, "GET", "/flutterwave/v3/transactions"+tc.query, "")
		if got.len("data") != tc.length || got.at("data", 0, "tx_ref") != tc.first || got.at("meta", "page_info", "total") != tc.total {
			t.Errorf("%q: %d of %v, first %v", tc.query, got.len("data"), got.at("meta", "page_info", "total"), got.at("data", 0, "tx_ref"))
		}
	}
	if got := l.call(t, "GET", "/flutterwave/v3/transactions?from=yesterday", ""); got.status != http.StatusBadRequest {
		t.Errorf("from=yesterday: %d", got.status)
	}
}

func TestFlutterwaveSendsTheCustomerBackWithTheOutcome(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code := l.open(t, fake.Flutterwave, "AI-1")
	for _, tc := range []struct{ mode, status string }{{"fail", "failed"}, {"pay", "successful"}} {
		resp, _ := do(t, "POST", l.url+"/checkout/"+code, "application/x-www-form-urlencoded", "mode="+tc.mode)
		back, err := url.Parse(resp.Header.Get("Location"))
		if err != nil || back.Query().Get("status") != tc.status || back.Query().Get("tx_ref") != "AI-1" || back.Query().Get("transaction_id") == "" {
			t.Errorf("%s: %v %v", tc.mode, back, err)
		}
	}
}
