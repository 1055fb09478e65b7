package billing_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
)

// doubts runs the reconciler once.
func (h *house) doubts(t *testing.T) (asked []billing.Doubt, expired int) {
	t.Helper()
	require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		asked, expired, err = billing.DueDoubts(tx, 1000)
		return err
	}))
	return asked, expired
}

// age lets time pass for every purchase.
func (h *house) age(t *testing.T, interval string) {
	t.Helper()
	_, err := h.admin.Exec(t.Context(), "update billing.credit_purchase set created_at = created_at - $1::interval, checked_at = checked_at - $1::interval", interval)
	require.NoError(t, err)
}

func TestAPaymentThatStaysPendingIsAskedAboutLessAndLessOften(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, other := buy(t, h.gateway, openTenant(t, h.gateway, 0), "starter"), buy(t, h.gateway, openTenant(t, h.gateway, 0), "value")
	asked, _ := h.doubts(t)
	require.Empty(t, asked, "webhooks get ten minutes")
	_, err := h.credit(t.Context(), paid(other, "t"))
	require.NoError(t, err)
	for i, wait := range []string{"11 minutes", "21 minutes", "41 minutes"} {
		h.age(t, wait)
		asked, _ = h.doubts(t)
		require.Equal(t, []billing.Doubt{{Reference: p.Reference, Provider: "paystack", Check: i + 1}}, asked)
		h.age(t, "9 minutes")
		asked, _ = h.doubts(t)
		require.Empty(t, asked)
	}
	h.age(t, "72 hours")
	asked, expired := h.doubts(t)
	require.Len(t, asked, 1, "one last question")
	require.Zero(t, expired)
	h.age(t, "11 minutes")
	asked, expired = h.doubts(t)
	require.Empty(t, asked)
	require.Equal(t, 1, expired)
	require.Equal(t, billing.Expired, h.purchase(t, p).Status)
	require.Equal(t, 1, h.count(t, "select count(*) from billing.payment_review where reason = 'unsettled_after_72_hours' and purchase_id = $1", p.ID))
	h.age(t, "72 hours")
	asked, expired = h.doubts(t)
	require.Empty(t, asked)
	require.Zero(t, expired)

	out, err := h.credit(t.Context(), paid(p, "late"))
	require.NoError(t, err)
	require.Equal(t, billing.Credited, out[0].Kind)
	require.Equal(t, money.Credits(30_00), h.balance(t, p.Tenant).Total)
	requireBooksBalance(t, h.operator)
}
