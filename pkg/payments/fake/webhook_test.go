package fake_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"makola/pkg/payments/fake"
)

// success is the name of the webhook that tells a plain payment.
var success = map[fake.Provider]string{
	fake.Paystack: "charge.success", fake.Flutterwave: "charge.completed", fake.Stripe: "checkout.session.completed",
}

func TestWebhooksMisbehave(t *testing.T) {
	t.Parallel()
	refund := map[fake.Provider][]string{
		fake.Paystack: {"refund.pending", "refund.processing", "refund.processed"}, fake.Stripe: {"charge.refunded"},
	}
	dispute := map[fake.Provider]string{fake.Paystack: "charge.dispute.create", fake.Stripe: "charge.dispute.created"}
	// As a mode of the one payment, and as a fault that any payment runs into.
	ways := map[string]func(*testing.T, *lab, fake.Provider, fake.Kind, fake.Mode){
		"by mode": func(t *testing.T, l *lab, _ fake.Provider, _ fake.Kind, mode fake.Mode) {
			t.Helper()
			l.pay(t, "AI-1", mode)
		},
		"by fault": func(t *testing.T, l *lab, p fake.Provider, kind fake.Kind, _ fake.Mode) {
			t.Helper()
			l.inject(t, fake.Fault{Provider: p, Operation: fake.OpWebhook, Kind: kind, Reference: "AI-1", Times: 1})
			l.pay(t, "AI-1", fake.Pay)
		},
	}
	for way, act := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			for _, p := range everyProvider {
				t.Run(string(p), func(t *testing.T) {
					t.Parallel()
					l := newLab(t)
					l.open(t, p, "AI-1")
					act(t, l, p, fake.KindDuplicate, fake.Twice)
					if got := l.settled(t, 2); !slices.Equal(got, []string{success[p], success[p]}) {
						t.Errorf("duplicate: %v", got)
					}
					if in := l.received(); string(in[0].body) != string(in[1].body) {
						t.Error("the duplicates differ")
					}

					l = newLab(t)
					l.open(t, p, "AI-1")
					act(t, l, p, fake.KindNoWebhook, fake.Lose)
					if got := l.settled(t, 0); len(got) != 0 {
						t.Errorf("no webhook: %v", got)
					}
					if tx, err := l.sim.Transaction("AI-1"); err != nil || tx.State != fake.StatePaid {
						t.Errorf("the payment of the lost webhook: %v %v", tx.State, err)
					}
					if p == fake.Flutterwave {
						return
					}

					l = newLab(t)
					l.open(t, p, "AI-1")
					act(t, l, p, fake.KindRefundBeforeSuccess, fake.RefundFirst)
					if got, want := l.settled(t, len(refund[p])+1), append(slices.Clone(refund[p]), success[p]); !slices.Equal(got, want) {
						t.Errorf("refund before success: %v, want %v", got, want)
					}
					if tx, err := l.sim.Transaction("AI-1"); err != nil || len(tx.Refunds) != 1 || tx.Refunds[0].Amount != ghs(9600) {
						t.Errorf("refunds: %+v %v", tx.Refunds, err)
					}

					l = newLab(t)
					l.open(t, p, "AI-1")
					act(t, l, p, fake.KindDispute, fake.Disputed)
					if got, want := l.settled(t, 2), []string{success[p], dispute[p]}; !slices.Equal(got, want) {
						t.Errorf("dispute: %v, want %v", got, want)
					}
				})
			}
		})
	}
}

func TestAWebhookContradictsTheVerifyAnswer(t *testing.T) {
	t.Parallel()
	for _, p := range everyProvider {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			for kind, want := range map[fake.Kind][2]string{fake.KindWrongAmount: {"9599", "ghs"}, fake.KindWrongCurrency: {"9600", "ngn"}} {
				l := newLab(t)
				access := l.open(t, p, "AI-1")
				_, before := l.verify(t, p, "AI-1", access)
				l.inject(t, fake.Fault{Operation: fake.OpWebhook, Kind: kind, Times: 1})
				l.pay(t, "AI-1", fake.Pay)
				l.settled(t, 1)
				data := l.received()[0].data(t)
				amount := text(data["amount"]) + text(data["amount_total"]) // Whichever it has.
				if p == fake.Flutterwave {
					amount = map[string]string{"95.99": "9599", "96": "9600"}[amount]
				}
				if got := [2]string{amount, strings.ToLower(text(data["currency"]))}; got != want {
					t.Errorf("%s told %v, want %v", kind, got, want)
				}
				_, after := l.verify(t, p, "AI-1", access)
				if tx, err := l.sim.Transaction("AI-1"); err != nil || tx.Paid != ghs(9600) || (p == fake.Paystack && (after[1] != "9600" || before[1] != "9600")) {
					t.Errorf("paid %v, verified %v", tx.Paid, after)
				}
			}
		})
	}
}

func text(v any) string {
	switch s := v.(type) {
	case nil:
		return ""
	case string:
		return s
	case interface{ String() string }:
		return s.String()
	default:
		return "?"
	}
}

func TestWebhooksOutOfOrder(t *testing.T) {
	t.Parallel()
	t.Run("a declined attempt at Flutterwave is told after the success", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.open(t, fake.Flutterwave, "AI-1")
		l.pay(t, "AI-1", fake.OutOfOrder)
		l.settled(t, 2)
		if in := l.received(); in[0].data(t)["status"] != "successful" || in[1].data(t)["status"] != "failed" {
			t.Errorf("%s\n%s", in[0].body, in[1].body)
		}
	})
	t.Run("Stripe's unpaid session is told after its money", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.open(t, fake.Stripe, "AI-1")
		l.inject(t, fake.Fault{Operation: fake.OpWebhook, Kind: fake.KindOutOfOrder, Times: 1})
		l.pay(t, "AI-1", fake.Pay)
		if got, want := l.settled(t, 2), []string{"checkout.session.async_payment_succeeded", "checkout.session.completed"}; !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
		if in := l.received(); in[0].data(t)["payment_status"] != "paid" || in[1].data(t)["payment_status"] != "unpaid" {
			t.Errorf("%s\n%s", in[0].body, in[1].body)
		}
	})
	t.Run("the steps of a refund at Paystack are told backwards", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.open(t, fake.Paystack, "AI-1")
		l.pay(t, "AI-1", fake.Lose)
		l.inject(t, fake.Fault{Provider: fake.Paystack, Operation: fake.OpWebhook, Kind: fake.KindOutOfOrder, Times: 1})
		if _, err := l.sim.Refund("AI-1", ghs(100)); err != nil {
			t.Fatal(err)
		}
		if got, want := l.settled(t, 3), []string{"refund.processed", "refund.processing", "refund.pending"}; !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
	})
	t.Run("a lone webhook waits until the next ones overtake it", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.open(t, fake.Paystack, "AI-1")
		l.inject(t, fake.Fault{Operation: fake.OpWebhook, Kind: fake.KindOutOfOrder, Times: 1, DelayMS: 60_000})
		l.pay(t, "AI-1", fake.Pay)
		if _, err := l.sim.Dispute("AI-1"); err != nil {
			t.Fatal(err)
		}
		if got, want := l.settled(t, 2), []string{"charge.dispute.create", "charge.success"}; !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
	})
	t.Run("a lone webhook that nothing overtakes comes when its time is over", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.open(t, fake.Paystack, "AI-1")
		l.inject(t, fake.Fault{Operation: fake.OpWebhook, Kind: fake.KindOutOfOrder, Times: 1, DelayMS: 50})
		began := time.Now()
		l.pay(t, "AI-1", fake.Pay)
		l.names(t, 1)
		if waited := time.Since(began); waited < 50*time.Millisecond {
			t.Errorf("came after %s", waited)
		}
	})
}

func TestASlowWebhookComesLate(t *testing.T) {
	t.Parallel()
	for _, p := range everyProvider {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.open(t, p, "AI-1")
			l.inject(t, fake.Fault{Provider: p, Operation: fake.OpWebhook, Kind: fake.KindSlow, Times: 1, DelayMS: 50})
			began := time.Now()
			l.pay(t, "AI-1", fake.Pay)
			l.names(t, 1)
			if waited := time.Since(began); waited < 50*time.Millisecond {
				t.Errorf("came after %s", waited)
			}
		})
	}
}

func TestClosingEndsWhatWaits(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open(t, fake.Paystack, "AI-late")
	l.open(t, fake.Paystack, "AI-held")
	l.inject(t, fake.Fault{Operation: fake.OpWebhook, Kind: fake.KindSlow, Reference: "AI-late", DelayMS: 60_000})
	l.inject(t, fake.Fault{Operation: fake.OpWebhook, Kind: fake.KindOutOfOrder, Reference: "AI-held", DelayMS: 60_000})
	l.pay(t, "AI-late", fake.Pay)
	l.pay(t, "AI-held", fake.Pay)
	l.sim.Close() // Returns, or the test's own time runs out.
	if got := l.received(); len(got) != 0 {
		t.Errorf("%d webhooks after closing", len(got))
	}
}

func TestWebhooksThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{}) // Closed below, so that the receiver can end.
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(hook.Close)
	t.Cleanup(func() { close(release) })
	l := newLab(t, func(c *fake.Config) { c.WebhookURL = hook.URL })
	l.open(t, fake.Paystack, "AI-1")
	l.pay(t, "AI-1", fake.Pay)
	dropped := func() bool {
		d := l.sim.Deliveries()
		return len(d) > 0 && strings.Contains(d[len(d)-1].Error, "dropped")
	}
	for range 20_000 {
		if _, err := l.sim.Resend("AI-1", ""); err != nil {
			t.Fatal(err)
		}
		if dropped() {
			l.sim.Close()
			return
		}
	}
	t.Error("there is no end of waiting webhooks")
}
