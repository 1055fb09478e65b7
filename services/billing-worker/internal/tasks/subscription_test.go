package tasks_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// order begins a subscription payment.
func (s *shop) order(t *testing.T) (p *billing.SubscriptionPayment) {
	t.Helper()
	require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), func(tx *gorm.DB) (err error) {
		p, err = billing.CreateSubscriptionPayment(tx, billing.NewSubscriptionPayment{Tenant: s.tenant, User: s.owner, Storefronts: 1, Provider: "paystack", Now: time.Now()})
		return err
	}))
	return p
}

func (s *shop) store(t *testing.T, e billing.Event) {
	t.Helper()
	require.NoError(t, s.webhook.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := billing.RecordEvents(tx, []billing.Event{e})
		return err
	}))
}

// successOfMonth is a genuine event that says p was paid as asked.
func successOfMonth(p *billing.SubscriptionPayment) billing.Event {
	return billing.Event{
		ID: uuid.Must(uuid.NewV7()), Provider: "paystack", DedupeKey: "charge.success:" + p.Reference, Type: "charge.success", Reference: p.Reference, Body: []byte("{}"),
		Trusted: true, Status: payments.StatusSucceeded, Amount: p.Total, TransactionID: "txn-" + p.Reference,
	}
}

func (s *shop) subscription(t *testing.T) (now *billing.Subscription) {
	t.Helper()
	require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), func(tx *gorm.DB) (err error) {
		now, err = billing.SubscriptionOf(tx)
		return err
	}))
	return now
}

func (s *shop) enqueue(t *testing.T, fn func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error)) (id contract.ID) {
	t.Helper()
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = fn(tx, subscriptionspb.NewTasks(s.h.Queue))
		return err
	}))
	return id
}

// One address of ours serves both products: whichever task an event comes to first, each is settled once, by its own.
func TestEachEventFindsItsProductWhereverItArrives(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	end := s.subscription(t).PeriodEnd
	credits, month, byMessage, strays := s.buy(t), s.order(t), s.order(t), s.buy(t)
	paid := s.act(t, successOfMonth(month)) // of the credits' task, about a subscription
	bought := s.act(t, success(credits))    // of the credits' task, about credits
	e := success(strays)                    // of the subscriptions' task, about credits
	s.store(t, e)
	stray := s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.ProcessWebhookEvent(t.Context(), tx, &subscriptionspb.ProcessWebhookEventArgs{EventId: e.ID.String()})
	})
	s.provider.answer = payments.Verification{Status: payments.StatusSucceeded, ProviderStatus: "success", Amount: byMessage.Total, ProviderTransactionID: "9"}
	message := s.process(t, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: byMessage.Reference, AmountPaid: "120.00"}) // an old publisher's, without evidence
	s.h.Drain(t.Context())
	for id, want := range map[contract.ID]string{paid: "handed_over", bought: "success", stray: "handed_over", message: "handed_over"} {
		require.Contains(t, s.result(t, id), `"`+want+`"`)
	}
	require.Equal(t, money.Credits(200_00), s.balance(t))
	now := s.subscription(t)
	require.Equal(t, billing.SubActive, now.StatusAt(time.Now()))
	require.Greater(t, now.PeriodEnd.Sub(end), 58*24*time.Hour, "two months on top of the trial")
	require.Equal(t, 1, s.provider.asked, "only the message without evidence")
	mails := 0
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*) from notifications.email where template = 'subscription_activated'").Scan(&mails))
	require.Equal(t, 2, mails)
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*) from notifications.email where key = $1", fmt.Sprintf("sub:%s:ACTIVE:%s", s.tenant, month.Reference)).Scan(&mails))
	require.Equal(t, 1, mails)
	var open int
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*) from billing.webhook_event where state <> 'processed'").Scan(&open))
	require.Zero(t, open)
}

func TestASubscriptionRefundAndADisputeWithoutReferenceAreRecorded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	end := s.subscription(t).PeriodEnd
	first, second := s.order(t), s.order(t)
	s.act(t, successOfMonth(first))
	s.h.Drain(t.Context())
	s.act(t, successOfMonth(second))
	s.h.Drain(t.Context())
	back := successOfMonth(second)
	back.ID, back.DedupeKey, back.Kind, back.Return, back.CaseID, back.Status = uuid.Must(uuid.NewV7()), "refund", payments.KindRefund, payments.ReturnDone, "r1", ""
	s.act(t, back)
	dispute := successOfMonth(first)
	dispute.ID, dispute.DedupeKey, dispute.Kind, dispute.Return, dispute.CaseID, dispute.Status, dispute.Reference = uuid.Must(uuid.NewV7()), "dispute", payments.KindDispute, payments.ReturnPending, "d1", "", ""
	s.act(t, dispute)
	s.h.Drain(t.Context())
	for p, want := range map[*billing.SubscriptionPayment]billing.SubscriptionPaymentStatus{first: billing.SubPaymentDisputed, second: billing.SubPaymentRefunded} {
		require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), func(tx *gorm.DB) error {
			now, err := billing.SubscriptionPaymentByID(tx, p.ID)
			require.Equal(t, want, now.Status)
			return err
		}))
	}
	require.Less(t, s.subscription(t).PeriodEnd.Sub(end), 32*24*time.Hour, "one month is left")
	s.paid(t)
	require.Equal(t, []string{"subscription_activated", "subscription_activated", "subscription_activated"}, s.mails(t), "the month that was given back is paid again, and has a receipt again")
}

func TestASubscriptionPaymentOfTheWrongAmountIsReviewedAndItsPayerTold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.order(t)
	e := successOfMonth(p)
	e.Amount.Minor--
	s.act(t, e)
	s.h.Drain(t.Context())
	require.Equal(t, billing.SubTrial, s.subscription(t).StatusAt(time.Now()))
	var content string
	require.NoError(t, s.admin.QueryRow(t.Context(), "select data::text from notifications.email where key = $1", "pay:"+p.Reference+":review").Scan(&content))
	require.Contains(t, content, `"product": "subscription"`)
	require.NotContains(t, content, `"platform"`)
	require.NoError(t, s.admin.QueryRow(t.Context(), "select data::text from notifications.email where key = $1 and recipient = $2", "pay:"+p.Reference+":review:platform", platformEmail).Scan(&content))
	require.Contains(t, content, `"product": "subscription"`)
	require.Equal(t, []string{"PAYMENT_UNDER_REVIEW HIGH can_manage_payments A payment is being checked"}, s.notices(t))
	var review string
	require.NoError(t, s.admin.QueryRow(t.Context(), "select id::text from billing.payment_review where payment_id = $1", p.ID).Scan(&review))
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := aifeatures.NewTasks(s.h.Queue).ResolveReview(t.Context(), tx, &aifeatures.ResolveReviewArgs{ReviewId: review, Decision: "approve", Actor: "esi", Reason: "one pesewa", BusinessId: s.tenant.String()})
		return err
	}))
	s.h.Drain(t.Context())
	require.Equal(t, billing.SubActive, s.subscription(t).StatusAt(time.Now()))
	var mails int
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*) from notifications.email where template = 'subscription_activated'").Scan(&mails))
	require.Equal(t, 1, mails, "who waited has a receipt")
	require.Equal(t, []string{"PAYMENT_UNDER_REVIEW HIGH can_manage_payments A payment is being checked", "SUBSCRIPTION_ACTIVATED LOW can_view_financial_data Your subscription is paid"}, s.notices(t))
}

func TestALostSubscriptionWebhookIsFoundByAsking(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.order(t)
	_, err := s.admin.Exec(t.Context(), "update billing.subscription_payment set created_at = now() - interval '11 minutes'")
	require.NoError(t, err)
	s.provider.answer = payments.Verification{Status: payments.StatusSucceeded, ProviderStatus: "success", Amount: p.Total, ProviderTransactionID: "9"}
	s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.ReconcilePayments(t.Context(), tx, &subscriptionspb.ReconcilePaymentsArgs{})
	})
	s.h.Drain(t.Context())
	require.Equal(t, 1, s.provider.asked)
	require.Equal(t, billing.SubActive, s.subscription(t).StatusAt(time.Now()))
}

func TestAnOperatorSuspendsAndActivates(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for range 2 {
		s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
			return tasks.SuspendSubscription(t.Context(), tx, &subscriptionspb.SuspendSubscriptionArgs{BusinessId: s.tenant.String(), Actor: "esi", Reason: "fraud"})
		})
		s.h.Drain(t.Context())
		require.Equal(t, billing.SubSuspended, s.subscription(t).StatusAt(time.Now()))
	}
	id := s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.ActivateSubscription(t.Context(), tx, &subscriptionspb.ActivateSubscriptionArgs{BusinessId: s.tenant.String(), Actor: "esi", Reason: "cleared"})
	})
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, id), `"TRIAL"`)
	require.Equal(t, billing.SubTrial, s.subscription(t).StatusAt(time.Now()))
}
