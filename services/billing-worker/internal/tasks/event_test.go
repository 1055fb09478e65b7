package tasks_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// act stores an event and enqueues the task that acts on whatever it is about.
func (s *shop) act(t *testing.T, e billing.Event) (id contract.ID) {
	t.Helper()
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		if _, err = billing.RecordEvents(tx, []billing.Event{e}); err != nil {
			return err
		}
		id, err = aifeatures.NewTasks(s.h.Queue).ProcessWebhookEvent(t.Context(), tx, &aifeatures.ProcessWebhookEventArgs{EventId: e.ID.String()})
		return err
	}))
	return id
}

func refundOf(p *billing.Purchase) billing.Event {
	return billing.Event{
		ID: uuid.Must(uuid.NewV7()), Provider: "paystack", DedupeKey: "refund.processed:" + p.Reference, Type: "refund.processed", Reference: p.Reference, Body: []byte("{}"),
		Trusted: true, Kind: payments.KindRefund, Return: payments.ReturnDone, CaseID: "r-" + p.Reference, Status: payments.StatusUnknown, Amount: p.Total, TransactionID: "txn-" + p.Reference,
	}
}

func TestAnEventOfAnyKindFindsItsPurchase(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.impl.Policy = payments.VerifyAlways // which a signed refund does not wait for
	p := s.buy(t)
	s.provider.answer = payments.Verification{Status: payments.StatusSucceeded, ProviderStatus: "success", Amount: p.Total, ProviderTransactionID: "txn-" + p.Reference}
	paid := s.act(t, success(p))
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, paid), `"verifying"`)
	require.Equal(t, money.Credits(100_00), s.balance(t))
	back := s.act(t, refundOf(p))
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, back), `"refunded"`)
	require.Equal(t, billing.Refunded, s.status(t, p))
	require.Zero(t, s.balance(t))

	nameless := s.buy(t)
	s.impl.Policy = payments.VerifyEvidence
	s.act(t, success(nameless))
	s.h.Drain(t.Context())
	dispute := refundOf(nameless)
	dispute.Kind, dispute.Return, dispute.Reference, dispute.DedupeKey = payments.KindDispute, payments.ReturnPending, "", "dispute"
	id := s.act(t, dispute)
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, id), `"disputed"`, "found by the money movement")
	require.Equal(t, billing.Disputed, s.status(t, nameless))
}

func TestAHintOfARefundIsAskedAbout(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.buy(t)
	s.act(t, success(p))
	s.h.Drain(t.Context())
	hint := refundOf(p)
	hint.Trusted = false
	s.provider.answer = payments.Verification{Status: payments.StatusReversed, ProviderStatus: "reversed", Amount: p.Total, ProviderTransactionID: "txn-" + p.Reference}
	s.act(t, hint)
	s.h.Drain(t.Context())
	require.Equal(t, 1, s.provider.asked)
	require.Equal(t, billing.Refunded, s.status(t, p))
}

func TestAnEventOfAnotherProductIsKeptAndInTheEndUnmatched(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	e := success(&billing.Purchase{Reference: "ORDER-1", Quote: billing.Quote{Total: money.FromMinor(12000, money.GHS)}})
	id := s.act(t, e)
	month := s.act(t, success(&billing.Purchase{Reference: "SUB-1", Quote: billing.Quote{Total: money.FromMinor(12000, money.GHS)}}))
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, month), `"handed_over"`)
	require.Equal(t, "queued", s.h.View(t.Context(), id).Status(), "whose it is may be known tomorrow")
	for range aifeatures.ProcessWebhookEventTask.MaxAttempts + 5 {
		s.h.Drain(t.Context())
		s.h.Advance(t.Context(), 2*time.Hour)
	}
	require.Contains(t, s.result(t, id), `"unmatched"`)
	taken := s.h.Tasks(t.Context(), "subscriptions.process_webhook_event")
	require.Len(t, taken, 1)
	require.Contains(t, string(taken[0].Result), `"unmatched"`)
	var reviews int
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*) from billing.payment_review where reference in ('SUB-1', 'ORDER-1') and reason = 'unknown_reference'").Scan(&reviews))
	require.Equal(t, 2, reviews)
}

func TestAPayerIsToldOnceThatAPersonLooks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.buy(t)
	e := success(p)
	e.Amount.Minor--
	s.event(t, e)
	s.h.Drain(t.Context())
	again := success(p)
	again.DedupeKey, again.TransactionID = "another", "another"
	s.event(t, again)
	s.h.Drain(t.Context())
	var mails int
	var data string
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*), max(data::text) from notifications.email where template = 'payment_review' and key = $1", "pay:"+p.Reference+":review").Scan(&mails, &data))
	require.Equal(t, 1, mails)
	require.Contains(t, data, `"received_minor": 9599`)
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*), max(data::text) from notifications.email where recipient = $1 and tenant_id = $2 and key = $3",
		platformEmail, s.tenant, "pay:"+p.Reference+":review:platform").Scan(&mails, &data))
	require.Equal(t, 1, mails, "and the platform, once")
	require.Contains(t, data, `"platform": true`)
	require.Contains(t, data, `"received_minor": 9599`)
	require.Len(t, s.h.Tasks(t.Context(), "notifications.send_email"), 2)
}

// No event may be relied on for a failure: the reconciler learns of it by asking.
func TestAPayerIsToldOnceThatAPaymentFailed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	credits, month, paid := s.buy(t), s.order(t), s.buy(t)
	s.event(t, success(paid))
	s.h.Drain(t.Context())
	s.provider.answer = payments.Verification{Status: payments.StatusFailed, ProviderStatus: "failed", Amount: credits.Total}
	for range 2 {
		s.exec(t, "update billing.credit_purchase set created_at = now() - interval '11 minutes', checked_at = null")
		s.exec(t, "update billing.subscription_payment set created_at = now() - interval '11 minutes', checked_at = null")
		s.reconcile(t)
		s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
			return tasks.ReconcilePayments(t.Context(), tx, &subscriptionspb.ReconcilePaymentsArgs{})
		})
		s.h.Drain(t.Context())
	}
	late := success(paid) // a failure after the success is nobody's news
	late.ID, late.DedupeKey, late.Status = uuid.Must(uuid.NewV7()), "late", payments.StatusFailed
	s.event(t, late)
	s.h.Drain(t.Context())
	rows, err := s.admin.Query(t.Context(), "select key || ' ' || coalesce(data->>'product', '') || ' ' || recipient from notifications.email where template = 'payment_failed' order by key")
	require.NoError(t, err)
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	to := s.owner.String() + "@example.com"
	require.Equal(t, []string{"pay:" + credits.Reference + ":failed  " + to, "pay:" + month.Reference + ":failed subscription " + to}, keys)

	s.event(t, success(credits)) // customers try another card on the same page
	s.h.Drain(t.Context())
	require.Equal(t, billing.Completed, s.status(t, credits))
}
