package billing_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/tenant"
)

// logged reads a business's audit log as the gateway shows it, newest first.
func (h *house) logged(t testing.TB, id uuid.UUID) (list []audit.Recorded) {
	t.Helper()
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) (err error) {
		list, err = audit.List(tx, audit.Filter{Limit: 100})
		return err
	}))
	return list
}

func TestEachCompletedPaymentIsInTheAuditLogOnceAsItsPayersDeed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id, other := h.subscriber(t, "Africa/Accra", day2026), openTenant(t, h.gateway, 0)
	credits, foreign, wrong, month := buy(t, h.gateway, id, billing.PackageValue), buy(t, h.gateway, other, billing.PackageStarter), buy(t, h.gateway, id, billing.PackageStarter), h.order(t, id, 1)
	h.exec(t, "insert into accounts.user (id, email, name, password_hash) values ($1, 'kwame@example.com', 'Kwame', 'x')", credits.User)
	mismatch := paid(wrong, "t3")
	mismatch.Amount.Minor--
	for range 2 { // told twice
		_, err := h.credit(t.Context(), paid(credits, "t1"), paid(foreign, "t2"), mismatch, paid(credits, "t1"))
		require.NoError(t, err)
		_, err = h.settle(t.Context(), day2026, paidMonth(month), paidMonth(month))
		require.NoError(t, err)
	}
	log := h.logged(t, id)
	require.Len(t, log, 2)
	require.Equal(t, []any{audit.Payment, "subscription_payment", month.ID.String(), month.User, "provider:paystack", ""},
		[]any{log[0].Action, log[0].Entity, log[0].EntityID, *log[0].User, log[0].Actor, log[0].IP}, "a payer who is gone")
	require.JSONEq(t, `{"reference": "`+month.Reference+`", "provider": "paystack", "amount": "GHS 120.00"}`, string(log[0].Changes))
	require.Equal(t, []any{audit.Payment, "credit_purchase", credits.ID.String(), credits.User, "kwame@example.com", ""},
		[]any{log[1].Action, log[1].Entity, log[1].EntityID, *log[1].User, log[1].Actor, log[1].IP})
	require.JSONEq(t, `{"reference": "`+credits.Reference+`", "provider": "paystack", "amount": "GHS 96.00", "credits": "100.00"}`, string(log[1].Changes))
	require.Len(t, h.logged(t, other), 1, "each business sees its own")

	returned := paidMonth(month)
	returned.Kind, returned.Return, returned.Status, returned.CaseID = payments.KindRefund, payments.ReturnDone, "", "r2"
	for range 2 {
		h.outcome(t, refunded(credits, "t1", "r1"))
		_, err := h.settle(t.Context(), day2026, returned)
		require.NoError(t, err)
	}
	log = h.logged(t, id)
	require.Len(t, log, 4)
	require.Equal(t, []string{"payment.refunded", "subscription_payment", month.ID.String(), "provider:paystack"}, []string{log[0].Action, log[0].Entity, log[0].EntityID, log[0].Actor})
	require.JSONEq(t, `{"reference": "`+credits.Reference+`", "provider": "paystack", "amount": "GHS 96.00", "refund": "r1"}`, string(log[1].Changes))
}

func TestAPaymentThatAnOperatorApprovesIsInTheAuditLogToo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.subscriber(t, "Africa/Accra", day2026)
	p, month := buy(t, h.gateway, id, billing.PackageValue), h.order(t, id, 1)
	short, less := paid(p, "t1"), paidMonth(month)
	short.Amount.Minor--
	less.Amount.Minor--
	h.outcome(t, short)
	_, _, err := h.resolve(t.Context(), id, billing.Decision{Review: h.reviewOf(t, billing.ReasonAmount), Approve: true, Credits: 99_00})
	require.NoError(t, err)
	h.settled(t, day2026, less, billing.InReview)
	_, _, err = h.resolve(t.Context(), id, billing.Decision{Review: h.reviewOf(t, billing.ReasonAmount), Approve: true})
	require.NoError(t, err)
	require.Equal(t, 1, h.count(t, `select count(*) from audit.entry where action = 'PAYMENT' and actor = 'operator:kofi' and tenant_id = $1 and user_id = $2 and entity_id = $3
		and changes ->> 'credits' = '99.00'`, id, p.User, p.ID.String()))
	require.Equal(t, 1, h.count(t, `select count(*) from audit.entry where action = 'PAYMENT' and actor = 'operator:kofi' and tenant_id = $1 and user_id = $2 and entity_id = $3`,
		id, month.User, month.ID.String()))
}
