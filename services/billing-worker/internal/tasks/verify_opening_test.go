package tasks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/tenant"
	aifeatures "makola/proto/makola/ai_features/v1"
)

func TestTheProviderIsToldWhatIsKnownOfThePaymentsOpening(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.impl.Providers["stripe"] = s.provider
	s.provider.answer = payments.Verification{Status: payments.StatusPending, ProviderStatus: "open/unpaid"}
	var p *billing.Purchase
	begin := func(fn func(tx *gorm.DB) error) {
		require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), fn))
	}
	begin(func(tx *gorm.DB) (err error) {
		p, err = billing.CreatePurchase(tx, billing.NewPurchase{Tenant: s.tenant, User: s.owner, Package: "value", Provider: "stripe", Now: time.Now()})
		return err
	})
	verify := func() {
		name := "stripe"
		require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) error {
			_, err := aifeatures.NewTasks(s.h.Queue).VerifyPayment(t.Context(), tx, &aifeatures.VerifyPaymentArgs{PaymentReference: p.Reference, PaymentProvider: &name, Reason: "message"})
			return err
		}))
		s.h.Drain(t.Context())
	}
	verify()
	require.Len(t, s.provider.opened, 1)
	require.Empty(t, s.provider.opened[0].AccessCode, "the answer to the opening was lost")
	require.WithinDuration(t, p.CreatedAt, s.provider.opened[0].At, 0, "so it is looked for by its time")
	begin(func(tx *gorm.DB) error {
		_, err := billing.AttachCheckout(tx, p.ID, "https://checkout.stripe.com/x", "cs_test_1")
		return err
	})
	verify()
	require.Equal(t, "cs_test_1", s.provider.opened[0].AccessCode)
	require.Equal(t, 2, s.provider.asked)
}
