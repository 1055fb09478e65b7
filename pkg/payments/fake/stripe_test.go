package fake_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"makola/pkg/payments/fake"
)

// official is Stripe's own client, pointed at the simulator.
func official(l *lab, key fake.Secret) *stripe.Client {
	return stripe.NewClient(string(key), stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL: stripe.String(l.url), MaxNetworkRetries: stripe.Int64(0), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})))
}

// sessionParams asks for GHS 96.00 in two lines.
func sessionParams(reference string) *stripe.CheckoutSessionCreateParams {
	line := func(unit, quantity int64) *stripe.CheckoutSessionCreateLineItemParams {
		return &stripe.CheckoutSessionCreateLineItemParams{
			Quantity: stripe.Int64(quantity),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency: stripe.String("ghs"), UnitAmount: stripe.Int64(unit),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("AI credits")},
			},
		}
	}
	p := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("payment"), ClientReferenceID: stripe.String(reference), CustomerEmail: stripe.String("ama@example.com"),
		SuccessURL: stripe.String("https://shop.example/paid?session={CHECKOUT_SESSION_ID}"), CancelURL: stripe.String("https://shop.example/cart"),
		LineItems:         []*stripe.CheckoutSessionCreateLineItemParams{line(4000, 2), line(1600, 1)},
		PaymentIntentData: &stripe.CheckoutSessionCreatePaymentIntentDataParams{Metadata: map[string]string{"reference": reference}},
		Metadata:          map[string]string{"reference": reference},
	}
	return p
}

func TestStripesOwnClientPaysAndRefunds(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	client := official(l, fake.DefaultStripeKey)
	opened, err := client.V1CheckoutSessions.Create(t.Context(), sessionParams("AI-1"))
	if err != nil {
		t.Fatal(err)
	}
	if opened.URL != l.url+"/checkout/"+opened.ID || opened.AmountTotal != 9600 || opened.Currency != "ghs" || opened.Status != "open" ||
		opened.PaymentStatus != "unpaid" || opened.PaymentIntent != nil || opened.ClientReferenceID != "AI-1" || opened.Metadata["reference"] != "AI-1" {
		t.Fatalf("opened %+v", opened)
	}
	l.pay(t, "AI-1", fake.Pay)
	params := &stripe.CheckoutSessionRetrieveParams{}
	params.AddExpand("payment_intent.latest_charge")
	paid, err := client.V1CheckoutSessions.Retrieve(t.Context(), opened.ID, params)
	if err != nil || paid.Status != "complete" || paid.PaymentStatus != "paid" || paid.AmountTotal != 9600 || paid.URL != "" {
		t.Fatalf("paid %+v, %v", paid, err)
	}
	charge := paid.PaymentIntent.LatestCharge
	if charge == nil || charge.Amount != 9600 || charge.Metadata["reference"] != "AI-1" || charge.Refunded {
		t.Fatalf("charge %+v", charge)
	}
	part, err := client.V1Refunds.Create(t.Context(), &stripe.RefundCreateParams{
		PaymentIntent: stripe.String(paid.PaymentIntent.ID), Amount: stripe.Int64(600), Reason: stripe.String("requested_by_customer"), Metadata: map[string]string{"why": "test"},
	})
	if err != nil || part.Amount != 600 || part.Status != "succeeded" || part.Charge.ID != charge.ID || part.Metadata["why"] != "test" {
		t.Fatalf("refund %+v, %v", part, err)
	}
	if _, err := client.V1Refunds.Create(t.Context(), &stripe.RefundCreateParams{Charge: stripe.String(charge.ID)}); err != nil {
		t.Fatalf("rest: %v", err)
	}
	_, err = client.V1Refunds.Create(t.Context(), &stripe.RefundCreateParams{Charge: stripe.String(charge.ID)})
	if e, ok := errors.AsType[*stripe.Error](err); !ok || e.Code != stripe.ErrorCodeChargeAlreadyRefunded || e.HTTPStatusCode != http.StatusBadRequest {
		t.Errorf("third refund: %v", err)
	}
	got, err := client.V1Charges.Retrieve(t.Context(), charge.ID, nil)
	if err != nil || !got.Refunded || got.AmountRefunded != 9600 {
		t.Errorf("charge %+v, %v", got, err)
	}
	intent, err := client.V1PaymentIntents.Retrieve(t.Context(), paid.PaymentIntent.ID, nil)
	if err != nil || intent.Status != "succeeded" || intent.AmountReceived != 9600 || intent.LatestCharge.ID != charge.ID {
		t.Errorf("intent %+v, %v", intent, err)
	}
	var amounts []int64
	for r, err := range client.V1Refunds.List(t.Context(), &stripe.RefundListParams{Charge: stripe.String(charge.ID)}).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		amounts = append(amounts, r.Amount)
	}
	if !slices.Equal(amounts, []int64{9000, 600}) {
		t.Errorf("refunds, newest first: %v", amounts)
	}
	if one, err := client.V1Refunds.Retrieve(t.Context(), part.ID, nil); err != nil || one.Amount != 600 {
		t.Errorf("one refund: %+v, %v", one, err)
	}
}

func TestStripesOwnLibraryAcceptsTheEvents(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	client := official(l, fake.DefaultStripeKey)
	for _, ref := range []string{"AI-card", "AI-later", "AI-never"} {
		if _, err := client.V1CheckoutSessions.Create(t.Context(), sessionParams(ref)); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		act  func() error
		want []string
	}{
		{func() error { _, err := l.sim.Pay("AI-card", fake.Fail); return err }, nil},
		{func() error { _, err := l.sim.Pay("AI-card", fake.Pay); return err }, []string{"checkout.session.completed complete paid"}},
		{func() error { _, err := l.sim.Dispute("AI-card"); return err }, []string{"charge.dispute.created needs_response 9600"}},
		{func() error { _, err := l.sim.CloseDispute("AI-card", true); return err }, []string{"charge.dispute.closed won 9600"}},
		{func() error { _, err := l.sim.Refund("AI-card", ghs(600)); return err }, []string{"charge.refunded 600, was 0, of 9600 AI-card"}},
		{func() error { _, err := l.sim.Refund("AI-card", ghs(1000)); return err }, []string{"charge.refunded 1600, was 600, of 9600 AI-card"}},
		{func() error { _, err := l.sim.Pay("AI-later", fake.Async); return err }, []string{
			"checkout.session.completed complete unpaid", "checkout.session.async_payment_succeeded complete paid",
		}},
		{func() error { _, err := l.sim.Pay("AI-never", fake.AsyncFail); return err }, []string{
			"checkout.session.completed complete unpaid", "checkout.session.async_payment_failed complete unpaid",
		}},
	}
	seen := map[string]bool{}
	arrived := 0
	for _, step := range steps {
		if err := step.act(); err != nil {
			t.Fatal(err)
		}
		l.names(t, arrived+len(step.want))
		for i, want := range step.want {
			p := l.received()[arrived+i]
			e, err := webhook.ConstructEvent(p.body, p.header.Get("Stripe-Signature"), string(fake.DefaultStripeWebhookSecret))
			if err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			if got := describe(t, e); got != want {
				t.Errorf("event %q, want %q", got, want)
			}
			if seen[e.ID] {
				t.Errorf("event id %s twice", e.ID)
			}
			seen[e.ID] = true
			if _, err := webhook.ConstructEvent(append(p.body, ' '), p.header.Get("Stripe-Signature"), string(fake.DefaultStripeWebhookSecret)); err == nil {
				t.Error("the signature does not cover the body")
			}
		}
		arrived += len(step.want)
	}
	if got := len(l.received()); got != arrived {
		t.Errorf("%d webhooks, want %d", got, arrived)
	}
	if _, err := l.sim.Pay("AI-never", fake.Pay); !errors.Is(err, fake.ErrCompleted) {
		t.Errorf("paying a completed session: %v", err)
	}
}

// describe says what matters of an event, in a few words.
func describe(t *testing.T, e stripe.Event) string {
	t.Helper()
	o := e.Data.Object
	switch {
	case strings.HasPrefix(string(e.Type), "checkout.session."):
		return fmt.Sprintf("%s %v %v", e.Type, o["status"], o["payment_status"])
	case strings.HasPrefix(string(e.Type), "charge.dispute."):
		return fmt.Sprintf("%s %v %v", e.Type, o["status"], o["amount"])
	default:
		meta, _ := o["metadata"].(map[string]any)
		return fmt.Sprintf("%s %v, was %v, of %v %v", e.Type, o["amount_refunded"], e.Data.PreviousAttributes["amount_refunded"], o["amount"], meta["reference"])
	}
}

func TestStripeSignsEachAttemptAnew(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *fake.Config) { c.RetryDelays = []time.Duration{1100 * time.Millisecond} }) // The time in a signature has whole seconds.
	l.answers = []int{http.StatusInternalServerError, http.StatusNoContent}
	l.open(t, fake.Stripe, "AI-1")
	l.pay(t, "AI-1", fake.Pay)
	l.names(t, 2)
	first, second := l.received()[0], l.received()[1]
	if string(first.body) != string(second.body) || first.header.Get("Stripe-Signature") == second.header.Get("Stripe-Signature") {
		t.Errorf("signatures %q and %q", first.header.Get("Stripe-Signature"), second.header.Get("Stripe-Signature"))
	}
	eventually(t, "204 ends the retries", func() bool { d := l.sim.Deliveries(); return len(d) == 2 && d[1].Delivered })
}

func TestStripeGivesARepeatedRequestItsFirstAnswer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	client := official(l, fake.DefaultStripeKey)
	create := func(key, reference string) (*stripe.CheckoutSession, error) {
		p := sessionParams(reference)
		p.SetIdempotencyKey(key)
		return client.V1CheckoutSessions.Create(t.Context(), p)
	}
	first, err := create("k1", "AI-1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := create("k1", "AI-1")
	if err != nil || again.ID != first.ID || again.LastResponse.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %+v, %v", again, err)
	}
	if other, err := create("k2", "AI-1"); err != nil || other.ID == first.ID {
		t.Errorf("another key: %+v, %v", other, err)
	}
	_, err = create("k1", "AI-2")
	if e, ok := errors.AsType[*stripe.Error](err); !ok || e.Type != stripe.ErrorTypeIdempotency {
		t.Errorf("another request: %v", err)
	}
	l.pay(t, first.ID, fake.Pay)
	for range 2 {
		p := &stripe.RefundCreateParams{PaymentIntent: stripe.String(intentOf(t, l, first.ID)), Amount: stripe.Int64(100)}
		p.SetIdempotencyKey("refund-1")
		if _, err := client.V1Refunds.Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if tx, err := l.sim.Transaction(first.ID); err != nil || len(tx.Refunds) != 1 {
		t.Errorf("refunds %+v, %v", tx.Refunds, err)
	}
}

// intentOf is the payment intent of a session.
func intentOf(t *testing.T, l *lab, session string) string {
	t.Helper()
	id, _ := l.call(t, "GET", "/stripe/v1/checkout/sessions/"+session, "").at("payment_intent").(string)
	return id
}

func TestStripeListsSessionsByPage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	client := official(l, fake.DefaultStripeKey)
	for i := range 7 {
		l.open(t, fake.Stripe, fmt.Sprintf("AI-%d", i))
	}
	l.pay(t, "AI-3", fake.Lose)
	list := func(p *stripe.CheckoutSessionListParams) (out []string) {
		for s, err := range client.V1CheckoutSessions.List(t.Context(), p).All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s.ClientReferenceID)
		}
		return out
	}
	paged := &stripe.CheckoutSessionListParams{}
	paged.Limit = stripe.Int64(3)
	if got := list(paged); strings.Join(got, " ") != "AI-6 AI-5 AI-4 AI-3 AI-2 AI-1 AI-0" {
		t.Errorf("all pages: %v", got)
	}
	if got := list(&stripe.CheckoutSessionListParams{Status: stripe.String("complete")}); strings.Join(got, " ") != "AI-3" {
		t.Errorf("complete: %v", got)
	}
	now := time.Now().Unix()
	if got := list(&stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: now - 60, LesserThan: now + 60}}); len(got) != 7 {
		t.Errorf("of this minute: %v", got)
	}
	if got := list(&stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{LesserThan: now - 60}}); len(got) != 0 {
		t.Errorf("of the past: %v", got)
	}
	first := l.call(t, "GET", "/stripe/v1/checkout/sessions?limit=2", "")
	if first.at("has_more") != true || first.at("object") != "list" || first.at("url") != "/v1/checkout/sessions" {
		t.Errorf("first page: %v", first.body)
	}
	last, _ := first.at("data", 1, "id").(string)
	back := l.call(t, "GET", "/stripe/v1/checkout/sessions?limit=1&ending_before="+last, "")
	if back.len("data") != 1 || back.at("data", 0, "client_reference_id") != "AI-6" {
		t.Errorf("the page before: %v", back.body)
	}
}

func TestStripeRefusesWhatStripeRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code := l.open(t, fake.Stripe, "AI-1")
	without := func(param string) string {
		parts := slices.DeleteFunc(strings.Split(stripeForm, "&"), func(p string) bool { return strings.HasPrefix(p, param+"=") })
		return strings.Join(parts, "&")
	}
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		code, param              any
	}{
		{"no mode", "POST", "/checkout/sessions", without("mode"), 400, "parameter_missing", "mode"},
		{"no lines", "POST", "/checkout/sessions", "mode=payment&success_url=https://a.example", 400, "parameter_missing", "line_items"},
		{"misspelt", "POST", "/checkout/sessions", stripeForm + "&client_reference=AI-1", 400, "parameter_unknown", "client_reference"},
		{"misspelt inside", "POST", "/checkout/sessions", stripeForm + "&line_items[0][price_data][amount]=1", 400, "parameter_unknown", "line_items[0][price_data][amount]"},
		{"fraction", "POST", "/checkout/sessions", without("line_items[0][price_data][unit_amount]") + "&line_items[0][price_data][unit_amount]=96.5", 400, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"},
		{"script as address", "POST", "/checkout/sessions", without("success_url") + "&success_url=javascript:alert(1)", 400, "url_invalid", "success_url"},
		{"given twice", "POST", "/checkout/sessions", stripeForm + "&mode=payment", 400, "parameter_invalid", "mode"},
		{"two currencies", "POST", "/checkout/sessions", stripeForm + "&line_items[1][quantity]=1&line_items[1][price_data][currency]=usd&line_items[1][price_data][unit_amount]=1&line_items[1][price_data][product_data][name]=x", 400, "parameter_invalid", nil},
		{"JSON instead of a form", "POST", "/checkout/sessions", "{}", 400, nil, nil},
		{"no such session", "GET", "/checkout/sessions/cs_test_none", "", 404, "resource_missing", "id"},
		{"no such property", "GET", "/checkout/sessions/" + code + "?expand[]=customer", "", 400, nil, "expand"},
		{"filter that Stripe does not have", "GET", "/checkout/sessions?client_reference_id=AI-1", "", 400, "parameter_unknown", "client_reference_id"},
		{"cursor that does not exist", "GET", "/checkout/sessions?starting_after=cs_test_none", "", 400, "resource_missing", "starting_after"},
		{"page too large", "GET", "/checkout/sessions?limit=101", "", 400, "parameter_invalid_integer", "limit"},
		{"refund of nothing", "POST", "/refunds", "amount=1", 400, "parameter_missing", "payment_intent"},
		{"refund of the unknown", "POST", "/refunds", "payment_intent=pi_1", 404, "resource_missing", "id"},
		{"intent before the customer acts", "GET", "/payment_intents/pi_1", "", 404, "resource_missing", "id"},
		{"no such route", "GET", "/customers", "", 404, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := l.call(t, tc.method, "/stripe/v1"+tc.path, tc.body)
			if got.status != tc.status || got.at("error", "code") != tc.code || (tc.param != nil && got.at("error", "param") != tc.param) || got.at("error", "message") == nil {
				t.Errorf("%d %v", got.status, got.body)
			}
		})
	}
	if _, err := official(l, "sk_test_other").V1CheckoutSessions.Retrieve(t.Context(), code, nil); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("wrong key: %v", err)
	}
}

func TestStripeSendsTheCustomerToTheSuccessPageOnlyAfterPaying(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code := l.open(t, fake.Stripe, "AI-1")
	const form = "application/x-www-form-urlencoded"
	if resp, _ := do(t, "POST", l.url+"/checkout/"+code, form, "mode=fail"); resp.Header.Get("Location") != "/checkout/"+code {
		t.Errorf("after a decline: %v", resp.Header)
	}
	if _, text := do(t, "GET", l.url+"/checkout/"+code, "", ""); !strings.Contains(text, "https://shop.example/cart") || !strings.Contains(text, "declined") {
		t.Error("the page offers no way back")
	}
	if resp, _ := do(t, "POST", l.url+"/checkout/"+code, form, "mode=pay"); resp.Header.Get("Location") != "https://shop.example/paid?session="+code {
		t.Errorf("after paying: %v", resp.Header)
	}
}
