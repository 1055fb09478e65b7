package tasks_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

func TestAPaidPurchaseIsCreditedAndItsReceiptQueued(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.buy(t)
	id := s.event(t, success(p))
	s.h.Drain(t.Context())
	require.JSONEq(t, fmt.Sprintf(`{"status":"success","reference":%q,"credits_added":"100.00","business_id":%q,"purchase_id":%q}`, p.Reference, s.tenant, p.ID), s.result(t, id))
	require.Equal(t, money.Credits(100_00), s.balance(t))
	receipts := s.h.Tasks(t.Context(), "ai_features.send_credit_purchase_notification")
	require.Len(t, receipts, 1)
	require.Equal(t, "completed", receipts[0].Status())
	require.Contains(t, string(receipts[0].Result), `"queued"`)
	require.Len(t, s.h.Tasks(t.Context(), "notifications.send_email"), 1)
	again := s.process(t, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: p.Reference, EventId: s.eventOf(t, p)})
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, again), `"already_processed"`)
	require.Equal(t, money.Credits(100_00), s.balance(t))
	require.Len(t, s.h.Tasks(t.Context(), "notifications.send_email"), 1)
}

// eventOf finds the stored event of a purchase.
func (s *shop) eventOf(t *testing.T, p *billing.Purchase) (id string) {
	t.Helper()
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		return tx.Raw("select id::text from billing.webhook_event where reference = ?", p.Reference).Scan(&id).Error
	}))
	return id
}

func TestAMessageWithoutEvidenceIsAskedAbout(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		make func(t *testing.T, s *shop, p *billing.Purchase) contract.ID
	}{
		{"an old publisher's message", func(t *testing.T, s *shop, p *billing.Purchase) contract.ID {
			t.Helper()
			return s.process(t, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: p.Reference, AmountPaid: "96.00"})
		}},
		{"an event that is only a hint", func(t *testing.T, s *shop, p *billing.Purchase) contract.ID {
			t.Helper()
			e := success(p)
			e.Trusted = false
			return s.event(t, e)
		}},
		{"an event that does not exist", func(t *testing.T, s *shop, p *billing.Purchase) contract.ID {
			t.Helper()
			return s.process(t, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: p.Reference, EventId: uuid.NewString(), AmountMinor: 9600, Currency: "GHS", Status: "success"})
		}},
		{"another payment's event", func(t *testing.T, s *shop, p *billing.Purchase) contract.ID {
			t.Helper()
			other := success(s.buy(t))
			s.event(t, other)
			return s.process(t, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: p.Reference, EventId: other.ID.String()})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			p := s.buy(t)
			s.provider.answer = payments.Verification{Status: payments.StatusPending, ProviderStatus: "ongoing"}
			id := tc.make(t, s, p)
			s.h.Drain(t.Context())
			require.Contains(t, s.result(t, id), `"verifying"`)
			require.Equal(t, 1, s.provider.asked)
			require.Equal(t, billing.Pending, s.status(t, p), "the provider knows of no success")
		})
	}
}

func (s *shop) status(t *testing.T, p *billing.Purchase) (status billing.Status) {
	t.Helper()
	require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), func(tx *gorm.DB) error {
		now, err := billing.PurchaseByReference(tx, p.Reference)
		status = now.Status
		return err
	}))
	return status
}

func TestTheProvidersAnswerIsCreditedOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.buy(t)
	s.provider.answer = payments.Verification{Status: payments.StatusSucceeded, ProviderStatus: "success", Amount: p.Total, ProviderTransactionID: "9", PaidAt: time.Now()}
	for range 2 {
		s.process(t, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: p.Reference})
	}
	s.h.Drain(t.Context())
	require.Equal(t, billing.Completed, s.status(t, p))
	require.Equal(t, money.Credits(100_00), s.balance(t))
}

func TestVerifyAlwaysAsksAboutSignedEventsToo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.impl.Policy = payments.VerifyAlways
	p := s.buy(t)
	s.provider.answer = payments.Verification{Status: payments.StatusSucceeded, ProviderStatus: "success", Amount: p.Total, ProviderTransactionID: "txn-" + p.Reference}
	s.event(t, success(p))
	s.h.Drain(t.Context())
	require.Equal(t, 1, s.provider.asked)
	require.Equal(t, billing.Completed, s.status(t, p))
}

func TestAWrongAmountIsReviewedAndCreditsNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.buy(t)
	e := success(p)
	e.Amount.Minor--
	id := s.event(t, e)
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, id), `"review"`)
	require.Equal(t, billing.Review, s.status(t, p))
	require.Zero(t, s.balance(t))
	require.Empty(t, s.h.Tasks(t.Context(), "ai_features.send_credit_purchase_notification"))
}

func TestAnUnknownReferenceIsRetriedForADayAndThenUnmatched(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	early := success(&billing.Purchase{Reference: "AI-NEVER", Quote: billing.Quote{Total: money.FromMinor(9600, money.GHS)}})
	id := s.event(t, early)
	attempts := 0
	for range aifeatures.ProcessPaymentWebhookTask.MaxAttempts + 5 {
		attempts += s.h.Drain(t.Context())
		s.h.Advance(t.Context(), 2*time.Hour)
	}
	require.Equal(t, aifeatures.ProcessPaymentWebhookTask.MaxAttempts, attempts)
	require.Contains(t, s.result(t, id), `"unmatched"`)
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		var state string
		require.NoError(t, tx.Raw("select state from billing.webhook_event where id = ?", early.ID).Scan(&state).Error)
		require.Equal(t, "unmatched", state)
		var reviews int
		require.NoError(t, tx.Raw("select count(*) from billing.payment_review where reason = 'unknown_reference'").Scan(&reviews).Error)
		require.Equal(t, 1, reviews)
		return nil
	}))
}

func TestTasksOfSeveralBusinessesShareABatch(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stranger := uuid.Must(uuid.NewV7())
	paid, asked := s.buy(t), s.buy(t)
	e := success(paid)
	require.NoError(t, s.webhook.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := billing.RecordEvents(tx, []billing.Event{e})
		return err
	}))
	s.provider.answer = payments.Verification{Status: payments.StatusPending, ProviderStatus: "ongoing"}
	enqueue := func(id uuid.UUID, args *aifeatures.ProcessPaymentWebhookArgs) (task contract.ID) {
		require.NoError(t, s.worker.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) (err error) {
			task, err = aifeatures.NewTasks(s.h.Queue).ProcessPaymentWebhook(tenant.With(t.Context(), id), tx, args)
			return err
		}))
		return task
	}
	mine := enqueue(s.tenant, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: paid.Reference, EventId: e.ID.String()})
	theirs := enqueue(stranger, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: paid.Reference, EventId: e.ID.String()})
	doubt := enqueue(stranger, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: asked.Reference})
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, mine), `"success"`)
	require.Equal(t, "queued", s.h.View(t.Context(), theirs).Status(), "another business's reference is as good as none")
	require.Contains(t, s.result(t, doubt), `"verifying"`)
	require.Zero(t, s.provider.asked, "nobody asks about another business's payment")
	require.Equal(t, money.Credits(100_00), s.balance(t))
}

func TestAProviderThatFailsIsClassified(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, reason, status string
		err                  error
	}{
		{"no answer is retried", "message", "queued", &payments.UnavailableError{Err: payments.ErrMalformed}},
		{"a refusal is final", "message", "failed", &payments.DeclinedError{HTTPStatus: 401}},
		{"an unknown payment is final", "message", "failed", payments.ErrUnknownReference},
		{"an unknown payment answers the reconciler", "reconcile", "completed", payments.ErrUnknownReference},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.provider.err = tc.err
			p := s.buy(t)
			var id contract.ID
			require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
				id, err = aifeatures.NewTasks(s.h.Queue).VerifyPayment(t.Context(), tx, &aifeatures.VerifyPaymentArgs{PaymentReference: p.Reference, Reason: tc.reason})
				return err
			}))
			s.h.Drain(t.Context())
			require.Equal(t, tc.status, s.h.View(t.Context(), id).Status())
		})
	}
}

func TestALostWebhookIsFoundByTheReconciler(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	simulator, err := fake.New(fake.Config{})
	require.NoError(t, err)
	t.Cleanup(simulator.Close)
	server := httptest.NewServer(simulator)
	t.Cleanup(server.Close)
	client, err := paystack.New(paystack.Config{
		BaseURL: server.URL, SecretKeys: []paystack.SecretKey{fake.DefaultSecretKey},
		Outbound: outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true},
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	s.impl.Providers["paystack"] = client

	paid, wrong, unpaid := s.buy(t), s.buy(t), s.buy(t)
	for _, p := range []*billing.Purchase{paid, wrong, unpaid} {
		_, err := client.Initialize(t.Context(), payments.InitRequest{Reference: p.Reference, Email: "ama@example.com", Amount: p.Total})
		require.NoError(t, err)
	}
	never := s.buy(t) // its checkout was never opened
	_, err = simulator.Pay(paid.Reference, fake.Lose)
	require.NoError(t, err)
	_, err = simulator.Pay(wrong.Reference, fake.WrongAmount)
	require.NoError(t, err)

	s.reconcile(t)
	require.Equal(t, billing.Pending, s.status(t, paid), "webhooks get ten minutes")
	_, err = s.admin.Exec(t.Context(), "update billing.credit_purchase set created_at = now() - interval '11 minutes'")
	require.NoError(t, err)
	s.reconcile(t)
	require.Equal(t, billing.Completed, s.status(t, paid))
	require.Equal(t, billing.Review, s.status(t, wrong))
	require.Equal(t, billing.Pending, s.status(t, unpaid))
	require.Equal(t, billing.Pending, s.status(t, never))
	require.Equal(t, money.Credits(100_00), s.balance(t))
	asked := len(s.h.Tasks(t.Context(), "ai_features.verify_payment"))
	require.Equal(t, 4, asked)
	s.reconcile(t)
	require.Len(t, s.h.Tasks(t.Context(), "ai_features.verify_payment"), asked, "the next question is due in twenty minutes")
}

func TestYesterdaysListIsComparedWithTheLedger(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	lost, known, back, unlisted, other, moved := s.buy(t), s.buy(t), s.buy(t), s.buy(t), s.buy(t), s.buy(t)
	for _, p := range []*billing.Purchase{known, back, unlisted, other, moved} {
		s.event(t, success(p))
	}
	s.h.Drain(t.Context())
	s.yesterday(t, "billing.credit_purchase")
	says := func(p *billing.Purchase, status payments.Status) payments.Verification {
		return payments.Verification{Provider: "paystack", Reference: p.Reference, Status: status, Amount: p.Total, ProviderTransactionID: "txn-" + p.Reference}
	}
	stranger := says(&billing.Purchase{Reference: "AI-NEVER", Quote: lost.Quote}, payments.StatusSucceeded)
	less, elsewhere := says(other, payments.StatusSucceeded), says(moved, payments.StatusSucceeded)
	less.Amount.Minor--
	elsewhere.ProviderTransactionID = "another"
	s.provider.list = []payments.Verification{says(lost, payments.StatusSucceeded), says(known, payments.StatusSucceeded), says(back, payments.StatusReversed), stranger, less, elsewhere,
		says(&billing.Purchase{Reference: "SHOP-1", Quote: lost.Quote}, payments.StatusSucceeded)}
	s.provider.err = payments.ErrUnknownReference // of whatever is asked
	require.JSONEq(t, `{"status":"done","listed":7,"asked":5,"unknown":1}`, s.compare(t))
	require.ElementsMatch(t, []string{lost.Reference, back.Reference, unlisted.Reference, other.Reference, moved.Reference}, s.verified(t, "ai_features.verify_payment"))
	var reviews int
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*) from billing.payment_review where reference = 'AI-NEVER' and reason = 'unknown_reference' and received_minor = 9600").Scan(&reviews))
	require.Equal(t, 1, reviews)
}

// yesterday lets payments have been opened yesterday.
func (s *shop) yesterday(t *testing.T, table string) {
	t.Helper()
	s.exec(t, "update "+table+" set created_at = date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '6 hours'")
}

// compare compares yesterday's list and returns the result.
func (s *shop) compare(t *testing.T) string {
	t.Helper()
	id := s.ask(t, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
		return tasks.ComparePayments(t.Context(), tx, &aifeatures.ComparePaymentsArgs{})
	})
	return s.result(t, id)
}

// verified returns the references that tasks of that name were to ask about.
func (s *shop) verified(t *testing.T, name string) (references []string) {
	t.Helper()
	for _, v := range s.h.Tasks(t.Context(), name) {
		var args struct {
			Reference string `json:"payment_reference"`
		}
		require.NoError(t, json.Unmarshal(v.Args, &args))
		references = append(references, args.Reference)
	}
	return references
}

func TestYesterdaysListIsComparedWithSubscriptionPaymentsToo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	lost, known, back, unlisted, other, cancelled := s.order(t), s.order(t), s.order(t), s.order(t), s.order(t), s.order(t)
	for _, p := range []*billing.SubscriptionPayment{known, back, unlisted, other} {
		s.act(t, successOfMonth(p))
	}
	s.h.Drain(t.Context())
	s.exec(t, "update billing.subscription_payment set status = 'CANCELLED' where id = $1", cancelled.ID)
	s.yesterday(t, "billing.subscription_payment")
	says := func(p *billing.SubscriptionPayment, status payments.Status) payments.Verification {
		return payments.Verification{Provider: "paystack", Reference: p.Reference, Status: status, Amount: p.Total, ProviderTransactionID: "txn-" + p.Reference}
	}
	stranger, less := says(lost, payments.StatusSucceeded), says(other, payments.StatusSucceeded)
	stranger.Reference = "SUB-NEVER"
	less.Amount.Minor--
	s.provider.list = []payments.Verification{says(lost, payments.StatusSucceeded), says(known, payments.StatusSucceeded), says(back, payments.StatusReversed), stranger, less,
		says(cancelled, payments.StatusSucceeded)}
	s.provider.only = lost.Reference
	s.provider.answer = payments.Verification{Status: payments.StatusSucceeded, ProviderStatus: "success", Amount: lost.Total, ProviderTransactionID: "found"}
	end := s.subscription(t).PeriodEnd
	require.JSONEq(t, `{"status":"done","listed":6,"asked":5,"unknown":1}`, s.compare(t))
	require.ElementsMatch(t, []string{lost.Reference, back.Reference, unlisted.Reference, other.Reference, cancelled.Reference}, s.verified(t, "subscriptions.verify_payment"))
	require.Empty(t, s.verified(t, "ai_features.verify_payment"))
	require.Greater(t, s.subscription(t).PeriodEnd, end, "what was paid and not heard of has its month")
	var reviews int
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*) from billing.payment_review where reference = 'SUB-NEVER' and reason = 'unknown_reference' and received_minor = 12000").Scan(&reviews))
	require.Equal(t, 1, reviews)
}

func (s *shop) reconcile(t *testing.T) {
	t.Helper()
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := aifeatures.NewTasks(s.h.Queue).ReconcilePayments(t.Context(), tx, &aifeatures.ReconcilePaymentsArgs{})
		return err
	}))
	s.h.Drain(t.Context())
}

func settle(t *testing.T, pg *postgrestest.Database, e billing.Evidence) {
	t.Helper()
	require.NoError(t, pg.Open("makola_billing").InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := billing.CreditBatch(t.Context(), tx, []billing.Evidence{e})
		return err
	}))
}
