package fake_test

import (
	"fmt"
	"net/http"
	"testing"

	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
)

func TestPaystackRefundsWhatIsLeft(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open(t, fake.Paystack, "AI-1")
	if got := l.call(t, "POST", "/refund", `{"transaction":"AI-1"}`); got.status != http.StatusBadRequest || got.at("status") != false {
		t.Errorf("refund before paying: %d %v", got.status, got.body)
	}
	tx := l.pay(t, "AI-1", fake.Lose)
	for _, tc := range []struct {
		body   string
		status int
		amount any
	}{
		{`{"transaction":"AI-9"}`, 404, nil},
		{`{"transaction":"AI-1","amount":9601}`, 400, nil},
		{`{"transaction":"AI-1","amount":0}`, 400, nil},
		{`{"transaction":"AI-1","amount":1.5}`, 400, nil},
		{`{"transaction":"AI-1","amount":1,"currency":"NGN"}`, 400, nil},
		{`{"transaction":"AI-1","sum":1}`, 400, nil},
		{`{"transaction":"AI-1","amount":"600","currency":"GHS","merchant_note":"one too many"}`, 200, "600"},
		{`{"transaction":` + itoa(tx.ID) + `,"amount":1000}`, 200, "1000"},
		{`{"transaction":"` + itoa(tx.ID) + `"}`, 200, "8000"},
		{`{"transaction":"AI-1"}`, 400, nil},
	} {
		got := l.call(t, "POST", "/refund", tc.body)
		if got.status != tc.status || got.at("data", "amount") != tc.amount || (tc.status == 200 && (got.at("data", "status") != "pending" || got.at("data", "id") == nil)) {
			t.Errorf("%s: %d %v", tc.body, got.status, got.body)
		}
	}
	list := l.call(t, "GET", "/refund?transaction=AI-1", "")
	if list.len("data") != 3 || list.at("data", 0, "status") != "processed" || list.at("meta", "total") != "3" {
		t.Errorf("list: %v", list.body)
	}
	one := l.call(t, "GET", fmt.Sprint("/refund/", list.at("data", 1, "id")), "")
	if one.at("data", "amount") != "1000" {
		t.Errorf("one: %v", one.body)
	}
	if got := l.call(t, "GET", "/refund/1", ""); got.status != http.StatusNotFound {
		t.Errorf("unknown: %d", got.status)
	}
	if _, facts := l.verify(t, fake.Paystack, "AI-1", ""); facts[0] != "reversed" {
		t.Errorf("given back whole, verified as %v", facts)
	}
}

func TestPaystackTellsOfRefundsAndDisputes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open(t, fake.Paystack, "AI-1")
	l.pay(t, "AI-1", fake.Lose)
	if _, err := l.sim.Refund("AI-1", ghs(600)); err != nil {
		t.Fatal(err)
	}
	l.names(t, 3)
	if _, err := l.sim.Dispute("AI-1"); err != nil {
		t.Fatal(err)
	}
	l.names(t, 4)
	if _, err := l.sim.CloseDispute("AI-1", false); err != nil {
		t.Fatal(err)
	}
	l.settled(t, 5)
	for i, want := range []struct {
		name         string
		status, more any
	}{
		{"refund.pending", "pending", nil},
		{"refund.processing", "processing", nil},
		{"refund.processed", "processed", nil},
		{"charge.dispute.create", "awaiting-merchant-feedback", nil},
		{"charge.dispute.resolve", "resolved", "merchant-accepted"},
	} {
		p := l.received()[i]
		data := p.data(t)
		if p.name(t) != want.name || data["status"] != want.status || data["resolution"] != want.more {
			t.Errorf("%d: %s", i, p.body)
		}
		reference, amount := data["transaction_reference"], text(data["amount"])
		if i >= 3 {
			inner, _ := data["transaction"].(map[string]any)
			reference, amount = inner["reference"], text(data["refund_amount"])
		}
		if reference != "AI-1" || amount != map[bool]string{true: "600", false: "9600"}[i < 3] || data["currency"] != "GHS" {
			t.Errorf("%d: %s", i, p.body)
		}
		if p.header.Get(paystack.SignatureHeader) != paystack.Sign(fake.DefaultSecretKey, p.body) {
			t.Errorf("%d: signature", i)
		}
	}
}

func TestPaystackListsByPageAndTime(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i := range 7 {
		l.open(t, fake.Paystack, fmt.Sprintf("AI-%d", i))
	}
	tx := l.pay(t, "AI-3", fake.WrongAmount)
	day := tx.CreatedAt.Format("2006-01-02")
	for _, tc := range []struct {
		query                    string
		first                    any
		length                   int
		total, pageCount, volume any
	}{
		{"", "AI-6", 7, "7", "1", "67199"},
		{"?perPage=3&page=1", "AI-6", 3, "7", "3", "67199"},
		{"?perPage=3&page=3", "AI-0", 1, "7", "3", "67199"},
		{"?perPage=3&page=4", nil, 0, "7", "3", "67199"},
		{"?from=" + day + "T00:00:00Z&to=" + day, "AI-6", 7, "7", "1", "67199"},
		{"?to=2020-01-01", nil, 0, "0", "0", "0"},
		{"?status=success", "AI-3", 1, "1", "1", "9599"},
	} {
		got := l.call(t, "GET", "/transaction"+tc.query, "")
		if got.len("data") != tc.length || got.at("data", 0, "reference") != tc.first || got.at("meta", "total") != tc.total ||
			got.at("meta", "pageCount") != tc.pageCount || got.at("meta", "total_volume") != tc.volume {
			t.Errorf("%q: %d, first %v, meta %v", tc.query, got.len("data"), got.at("data", 0, "reference"), got.at("meta"))
		}
	}
	for _, bad := range []string{"?perPage=0", "?page=x", "?from=soon", "?to=1"} {
		if got := l.call(t, "GET", "/transaction"+bad, ""); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, got.status)
		}
	}
}
