package tasks_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// ask enqueues what an operator asks for, and runs it.
func (s *shop) ask(t *testing.T, fn func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error)) (id contract.ID) {
	t.Helper()
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = fn(tx, aifeatures.NewTasks(s.h.Queue))
		return err
	}))
	s.h.Drain(t.Context())
	return id
}

func (s *shop) audited(t *testing.T, action string) (n int) {
	t.Helper()
	require.NoError(t, s.admin.QueryRow(t.Context(), "select count(*) from audit.entry where action = $1 and actor = 'operator:kofi' and tenant_id = $2 and changes->>'reason' <> ''", action, s.tenant).Scan(&n))
	return n
}

func TestAnOperatorsRefundIsAskedForAndFollowsTheProvidersWord(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.buy(t)
	refund := func() contract.ID {
		return s.ask(t, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
			return tasks.RefundPurchase(t.Context(), tx, &aifeatures.RefundPurchaseArgs{PaymentReference: p.Reference, Actor: "kofi", Reason: "asked for"}, task.ForTenant(s.tenant))
		})
	}
	require.Equal(t, "failed", s.h.View(t.Context(), refund()).Status(), "nothing was paid")
	require.Zero(t, s.provider.asked)
	s.event(t, success(p))
	s.h.Drain(t.Context())
	s.provider.refund = payments.Refund{ID: "r1", State: payments.ReturnPending, ProviderStatus: "pending"}
	require.Contains(t, s.result(t, refund()), `"pending"`)
	require.Equal(t, money.Credits(100_00), s.balance(t), "the money has not gone yet")
	require.Equal(t, 1, s.audited(t, "purchase.refund_requested"))
	done := refundOf(p)
	done.CaseID = "r1"
	s.act(t, done)
	s.h.Drain(t.Context())
	require.Zero(t, s.balance(t))
	asked := s.provider.asked
	require.Contains(t, s.result(t, refund()), `"already_refunded"`)
	require.Equal(t, asked, s.provider.asked)
}

func TestAPartialRefundTakesItsShareAndIsAskedForOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.buy(t)
	s.event(t, success(p))
	s.h.Drain(t.Context())
	refund := func(amount string) contract.ID {
		return s.ask(t, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
			return tasks.RefundPurchase(t.Context(), tx, &aifeatures.RefundPurchaseArgs{PaymentReference: p.Reference, Actor: "kofi", Reason: "a part", Amount: amount}, task.ForTenant(s.tenant))
		})
	}
	for _, bad := range []string{"0", "96.01", "1.005", "much"} {
		require.Equal(t, "failed", s.h.View(t.Context(), refund(bad)).Status(), bad)
	}
	require.Zero(t, s.provider.asked)
	s.provider.refund = payments.Refund{ID: "3018284", State: payments.ReturnDone, ProviderStatus: "processed"}
	require.Contains(t, s.result(t, refund("24")), `"done"`)
	require.Equal(t, money.Credits(75_00), s.balance(t))
	require.Equal(t, billing.Completed, s.status(t, p))
	told := refundOf(p) // the same refund, as the provider's event calls it
	told.CaseID, told.Amount.Minor = "132013318360", 24_00
	s.act(t, told)
	s.h.Drain(t.Context())
	require.Equal(t, money.Credits(75_00), s.balance(t))
	require.Equal(t, "failed", s.h.View(t.Context(), refund("72.01")).Status(), "more than is left")

	asked := s.provider.asked
	s.provider.err = payments.ErrUnavailable // the answer is lost
	lost := s.h.View(t.Context(), refund("24"))
	require.Equal(t, "failed", lost.Status())
	require.Contains(t, lost.Error, "look at the provider's page")
	require.Equal(t, asked+1, s.provider.asked)
	require.Equal(t, 1, s.audited(t, "purchase.refund_requested"))
	s.provider.err, s.provider.refund.ID = nil, "3018286"
	require.Contains(t, s.result(t, refund("")), `"done"`)
	require.Equal(t, billing.Refunded, s.status(t, p), "all that was left")
	require.Zero(t, s.balance(t))
}

// A worker that dies after the provider's yes leaves a task that begins again.
func TestAPartialRefundThatBeganBeforeIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.buy(t)
	s.event(t, success(p))
	s.h.Drain(t.Context())
	var id contract.ID
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = aifeatures.NewTasks(s.h.Queue).RefundPurchase(t.Context(), tx, &aifeatures.RefundPurchaseArgs{PaymentReference: p.Reference, Actor: "kofi", Reason: "a part", Amount: "24"}, task.ForTenant(s.tenant))
		return err
	}))
	s.exec(t, "insert into billing.refund_request (task_id, tenant_id, reference, amount_minor, currency) values ($1, $2, $3, 2400, 'GHS')", id, s.tenant, p.Reference)
	s.h.Drain(t.Context())
	v := s.h.View(t.Context(), id)
	require.Equal(t, "failed", v.Status())
	require.Contains(t, v.Error, "look at the provider's page")
	require.Zero(t, s.provider.asked)
}

func TestASubscriptionPaymentIsRefundedAndItsMonthFollows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	trial := s.subscription(t).PeriodEnd
	p := s.order(t)
	refund := func(amount string) contract.ID {
		id := s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
			return tasks.RefundPayment(t.Context(), tx, &subscriptionspb.RefundPaymentArgs{PaymentReference: p.Reference, Actor: "kofi", Reason: "asked for", Amount: amount}, task.ForTenant(s.tenant))
		})
		s.h.Drain(t.Context())
		return id
	}
	require.Equal(t, "failed", s.h.View(t.Context(), refund("")).Status(), "nothing was paid")
	require.Zero(t, s.provider.asked)
	s.act(t, successOfMonth(p))
	s.h.Drain(t.Context())
	end := s.subscription(t).PeriodEnd
	require.Greater(t, end, trial)
	s.provider.refund = payments.Refund{ID: "1", State: payments.ReturnDone, ProviderStatus: "processed"}
	require.Contains(t, s.result(t, refund("20")), `"done"`)
	require.True(t, end.Equal(s.subscription(t).PeriodEnd), "a part takes no days")
	s.provider.refund.ID = "2"
	require.Contains(t, s.result(t, refund("")), `"done"`)
	require.True(t, trial.Equal(s.subscription(t).PeriodEnd), "all of it has gone back, and the month with it")
	require.Contains(t, s.result(t, refund("")), `"already_refunded"`)
	require.Equal(t, 2, s.provider.asked)
	require.Equal(t, 2, s.audited(t, "subscription.refund_requested"))
	var parts string
	require.NoError(t, s.admin.QueryRow(t.Context(), "select string_agg(changes->>'amount', ', ' order by id) from audit.entry where action = 'payment.refunded'").Scan(&parts))
	require.Equal(t, "GHS 20.00, GHS 100.00", parts)
}

func TestAReviewIsDecidedOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.listen(t, "credits.purchased")
	p := s.buy(t)
	e := success(p)
	e.Amount.Minor--
	s.event(t, e)
	s.h.Drain(t.Context())
	require.Empty(t, s.told(t, "credits.purchased"))
	var review string
	require.NoError(t, s.admin.QueryRow(t.Context(), "select id::text from billing.payment_review").Scan(&review))
	decide := func(decision, credits string, of uuid.UUID) contract.ID {
		return s.ask(t, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
			return tasks.ResolveReview(t.Context(), tx, &aifeatures.ResolveReviewArgs{ReviewId: review, Decision: decision, Credits: credits, Actor: "kofi", Reason: "a pesewa short"}, task.ForTenant(of))
		})
	}
	require.Equal(t, "failed", s.h.View(t.Context(), decide("approve", "", uuid.New())).Status(), "another business's review is as good as none")
	require.Equal(t, "failed", s.h.View(t.Context(), decide("perhaps", "", s.tenant)).Status())
	require.Contains(t, s.result(t, decide("approve", "99.50", s.tenant)), `"approved"`)
	require.Contains(t, s.result(t, decide("approve", "99.50", s.tenant)), `"approved"`)
	require.Equal(t, "failed", s.h.View(t.Context(), decide("reject", "", s.tenant)).Status())
	require.Equal(t, money.Credits(99_50), s.balance(t))
	require.Equal(t, billing.Completed, s.status(t, p))
	require.Equal(t, 1, s.audited(t, "review.approved"))
	require.Len(t, s.h.Tasks(t.Context(), "ai_features.send_credit_purchase_notification"), 1, "the payer gets the receipt")
	told := s.told(t, "credits.purchased")
	require.Len(t, told, 1, "and the business's programs are told")
	require.Equal(t, map[string]any{"purchase_id": p.ID.String(), "reference": p.Reference, "credits": "99.50"}, told[0])
}

func TestGrantsAndReversalsAreAuditedAndDoneOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := uuid.New()
	grant := func(credits, reason string, of uuid.UUID) contract.ID {
		return s.ask(t, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
			return tasks.GrantCredits(t.Context(), tx, &aifeatures.GrantCreditsArgs{BusinessId: of.String(), GrantId: id.String(), Credits: credits, Actor: "kofi", Reason: reason}, task.ForTenant(of))
		})
	}
	for name, bad := range map[string]contract.ID{"no reason": grant("5", " ", s.tenant), "too much": grant("10000.01", "x", s.tenant), "nothing": grant("0", "x", s.tenant), "no such business": grant("5", "x", uuid.New())} {
		require.Equal(t, "failed", s.h.View(t.Context(), bad).Status(), name)
	}
	require.Contains(t, s.result(t, grant("12.50", "a gift", s.tenant)), `"granted"`)
	require.Contains(t, s.result(t, grant("12.50", "a gift", s.tenant)), `"already_granted"`)
	require.Equal(t, money.Credits(12_50), s.balance(t))
	require.Equal(t, 1, s.audited(t, "credits.granted"))

	hold := s.use(t, "credit_assessment")
	s.recordUsage(t, s.tenant, hold.ID)
	s.h.Drain(t.Context())
	reverse := func(kind string) contract.ID {
		var transfer string
		require.NoError(t, s.admin.QueryRow(t.Context(), "select id::text from billing.ledger_transfer where kind = $1", kind).Scan(&transfer))
		return s.ask(t, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
			return tasks.ReverseTransfer(t.Context(), tx, &aifeatures.ReverseTransferArgs{BusinessId: s.tenant.String(), TransferId: transfer, Actor: "kofi", Reason: "a mistake"}, task.ForTenant(s.tenant))
		})
	}
	require.Contains(t, s.result(t, reverse("usage")), `"credits": "3.00"`)
	require.Contains(t, s.result(t, reverse("usage")), `"already_reversed"`)
	require.Equal(t, money.Credits(12_50), s.balance(t), "a use that was a mistake costs nothing")
	s.recordUsage(t, s.tenant, s.use(t, "credit_assessment").ID)
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, reverse("grant")), `"credits": "-9.50"`)
	require.Zero(t, s.balance(t), "what is unspent of a gift can be taken back")
	require.Equal(t, 2, s.audited(t, "credits.reversed"))
}
