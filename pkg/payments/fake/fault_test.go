package fake_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"makola/pkg/money"
	"makola/pkg/payments/fake"
)

func ghs(minor int64) money.Amount { return money.FromMinor(minor, money.GHS) }

// inject orders one fault.
func (l *lab) inject(t *testing.T, f fake.Fault) {
	t.Helper()
	if _, err := l.sim.Inject(f); err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
}

// ask makes the provider's call for the operation; the payment AI-1 exists and is paid.
func (l *lab) ask(t *testing.T, p fake.Provider, op fake.Operation, access string) result {
	t.Helper()
	switch op {
	case fake.OpInitialize:
		switch p {
		case fake.Flutterwave:
			return l.call(t, "POST", "/flutterwave/v3/payments", `{"tx_ref":"AI-2","amount":1,"currency":"GHS","redirect_url":"https://a.example","customer":{"email":"a@b.c"}}`)
		case fake.Stripe:
			return l.call(t, "POST", "/stripe/v1/checkout/sessions", stripeForm+"&client_reference_id=AI-2")
		default:
			return l.call(t, "POST", "/transaction/initialize", `{"email":"a@b.c","amount":100,"reference":"AI-2"}`)
		}
	case fake.OpList:
		return l.call(t, "GET", map[fake.Provider]string{
			fake.Paystack: "/transaction", fake.Flutterwave: "/flutterwave/v3/transactions", fake.Stripe: "/stripe/v1/checkout/sessions",
		}[p], "")
	case fake.OpRefund:
		tx, err := l.sim.Transaction("AI-1")
		if err != nil {
			t.Fatal(err)
		}
		switch p {
		case fake.Flutterwave:
			return l.call(t, "POST", "/flutterwave/v3/transactions/"+itoa(tx.ID)+"/refund", `{"amount":1}`)
		case fake.Stripe:
			return l.call(t, "POST", "/stripe/v1/refunds", "amount=100&payment_intent=pi_"+itoa(tx.ID))
		default:
			return l.call(t, "POST", "/refund", `{"transaction":"AI-1","amount":100}`)
		}
	default:
		r, _ := l.verify(t, p, "AI-1", access)
		return r
	}
}

func TestAnOperationFailsAsOftenAsItWasToldTo(t *testing.T) {
	t.Parallel()
	for _, p := range everyProvider {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			access := l.open(t, p, "AI-1")
			l.pay(t, "AI-1", fake.Lose)
			for _, op := range []fake.Operation{fake.OpInitialize, fake.OpVerify, fake.OpRefund, fake.OpList} {
				l.inject(t, fake.Fault{Provider: p, Operation: op, Kind: fake.Kind429, Times: 2, RetryAfter: 7})
				l.inject(t, fake.Fault{Operation: op, Kind: fake.Kind500, Times: 1})
				for i, want := range []int{429, 429, 500} {
					got := l.ask(t, p, op, access)
					if got.status != want || (want == 429) != (got.header.Get("Retry-After") == "7") {
						t.Errorf("%s, call %d: %d %v", op, i, got.status, got.header)
					}
					wanted := map[fake.Provider]any{fake.Paystack: false, fake.Flutterwave: "error", fake.Stripe: nil}[p]
					if got.at("status") != wanted || (p == fake.Stripe && got.at("error", "type") == nil) {
						t.Errorf("%s fails in another provider's words: %v", op, got.body)
					}
				}
				if op == fake.OpInitialize {
					if _, err := l.sim.Transaction("AI-2"); !errors.Is(err, fake.ErrUnknownReference) {
						t.Error("a failed initialize opened a payment")
					}
				}
				if tx, err := l.sim.Transaction("AI-1"); op == fake.OpRefund && (err != nil || len(tx.Refunds) > 0) {
					t.Errorf("a failed refund gave money back: %v", err)
				}
				if got := l.ask(t, p, op, access); got.status != http.StatusOK {
					t.Errorf("%s afterwards: %d %v", op, got.status, got.body)
				}
			}
			if left := l.sim.Faults(); len(left) != 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

func TestASlowAnswerComesLateAndTheWorkIsDone(t *testing.T) {
	t.Parallel()
	for _, p := range everyProvider {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.inject(t, fake.Fault{Provider: p, Operation: fake.OpInitialize, Kind: fake.KindSlow, Times: 1, DelayMS: 60})
			began := time.Now()
			if got := l.ask(t, p, fake.OpInitialize, ""); got.status != http.StatusOK || time.Since(began) < 60*time.Millisecond {
				t.Errorf("%d after %s", got.status, time.Since(began))
			}
			// A caller that gives up does not know it, but the payment is there.
			l.inject(t, fake.Fault{Provider: p, Operation: fake.OpInitialize, Kind: fake.KindSlow, DelayMS: 60_000})
			ctx, cancel := context.WithCancel(t.Context())
			method, path, body, kind := "POST", "/transaction/initialize", `{"email":"a@b.c","amount":100,"reference":"AI-3"}`, "application/json"
			switch p { //nolint:exhaustive // Paystack's is above
			case fake.Flutterwave:
				path, body = "/flutterwave/v3/payments", `{"tx_ref":"AI-3","amount":1,"currency":"GHS","redirect_url":"https://a.example","customer":{"email":"a@b.c"}}`
			case fake.Stripe:
				path, body, kind = "/stripe/v1/checkout/sessions", stripeForm+"&client_reference_id=AI-3", "application/x-www-form-urlencoded"
			}
			req, err := http.NewRequestWithContext(ctx, method, l.url+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			key, ok := keys[string(p)]
			if !ok {
				key = fake.DefaultSecretKey
			}
			req.Header.Set("Authorization", "Bearer "+string(key))
			req.Header.Set("Content-Type", kind)
			done := make(chan error, 1)
			go func() {
				resp, err := http.DefaultClient.Do(req)
				if err == nil {
					_ = resp.Body.Close()
				}
				done <- err
			}()
			eventually(t, "the payment is opened", func() bool { _, err := l.sim.Transaction("AI-3"); return err == nil })
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("the slow call ended with %v", err)
			}
		})
	}
}

func TestAnAnswerWithAWrongFact(t *testing.T) {
	t.Parallel()
	want := map[fake.Provider]map[fake.Kind][3]any{
		fake.Paystack: {
			fake.KindWrongAmount: {"success", "9599", "GHS"}, fake.KindWrongCurrency: {"success", "9600", "NGN"}, "": {"success", "9600", "GHS"},
		},
		fake.Flutterwave: {
			fake.KindWrongAmount: {"successful", "95.99", "GHS"}, fake.KindWrongCurrency: {"successful", "96", "NGN"}, "": {"successful", "96", "GHS"},
		},
		fake.Stripe: {
			fake.KindWrongAmount: {"paid", "9599", "ghs"}, fake.KindWrongCurrency: {"paid", "9600", "ngn"}, "": {"paid", "9600", "ghs"},
		},
	}
	for _, p := range everyProvider {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			access := l.open(t, p, "AI-1")
			l.pay(t, "AI-1", fake.Lose)
			for _, op := range []fake.Operation{fake.OpVerify, fake.OpList} {
				for _, kind := range []fake.Kind{fake.KindWrongAmount, fake.KindWrongCurrency} {
					l.inject(t, fake.Fault{Provider: p, Operation: op, Kind: kind, Times: 1})
				}
				for _, kind := range []fake.Kind{fake.KindWrongAmount, fake.KindWrongCurrency, ""} {
					var facts [3]any
					if op == fake.OpVerify {
						_, facts = l.verify(t, p, "AI-1", access)
					} else {
						got, names := l.ask(t, p, op, access), []string{"status", "amount", "currency"}
						if p == fake.Stripe {
							names = []string{"payment_status", "amount_total", "currency"}
						}
						for i, name := range names {
							facts[i] = got.at("data", 0, name)
						}
					}
					if facts != want[p][kind] {
						t.Errorf("%s %q: %v, want %v", op, kind, facts, want[p][kind])
					}
				}
			}
		})
	}
}

func TestAFaultIsForWhatItNames(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	mine, other := l.open(t, fake.Stripe, "AI-1"), l.open(t, fake.Stripe, "AI-2")
	l.open(t, fake.Paystack, "AI-1")
	l.inject(t, fake.Fault{Provider: fake.Stripe, Operation: fake.OpVerify, Kind: fake.Kind500, Reference: "AI-1"})
	if r, _ := l.verify(t, fake.Stripe, "AI-2", other); r.status != http.StatusOK {
		t.Errorf("another payment: %d", r.status)
	}
	if r, _ := l.verify(t, fake.Paystack, "AI-1", ""); r.status != http.StatusOK {
		t.Errorf("another provider: %d", r.status)
	}
	for range 5 { // Without a number of times, until cleared.
		if r, _ := l.verify(t, fake.Stripe, "AI-1", mine); r.status != http.StatusInternalServerError {
			t.Errorf("this payment: %d", r.status)
		}
	}
	l.sim.ClearFaults()
	if r, _ := l.verify(t, fake.Stripe, "AI-1", mine); r.status != http.StatusOK {
		t.Errorf("cleared: %d", r.status)
	}
}

func TestAnActionThatIsNotToldUsesNoFaultUp(t *testing.T) {
	t.Parallel()
	for _, p := range everyProvider {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.open(t, p, "AI-1")
			l.inject(t, fake.Fault{Operation: fake.OpWebhook, Kind: fake.KindNoWebhook, Times: 1})
			if p == fake.Flutterwave {
				l.pay(t, "AI-1", fake.Lose)
				if _, err := l.sim.Refund("AI-1", ghs(1)); err != nil {
					t.Fatal(err)
				}
			} else {
				l.pay(t, "AI-1", fake.Fail)
			}
			if left := l.sim.Faults(); len(left) != 1 {
				t.Errorf("faults left: %v", left)
			}
		})
	}
}

func TestFlutterwaveIgnoresFaultsThatItCannotHave(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open(t, fake.Flutterwave, "AI-1")
	l.inject(t, fake.Fault{Operation: fake.OpWebhook, Kind: fake.KindDispute, Times: 1})
	l.pay(t, "AI-1", fake.Pay)
	if got := l.settled(t, 1); !slices.Equal(got, []string{"charge.completed"}) || len(l.sim.Faults()) != 1 {
		t.Errorf("%v, %d faults left", got, len(l.sim.Faults()))
	}
}
