package billing_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

func TestReceiptsOfSeveralBusinesses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	shop, other, stranger := h.business(t, "Shop"), h.business(t, "Other"), h.business(t, "Stranger")
	first, second, pending, theirs, hidden := buy(t, h.gateway, shop, "value"), buy(t, h.gateway, shop, "value"), buy(t, h.gateway, shop, "value"),
		buy(t, h.gateway, other, "value"), buy(t, h.gateway, stranger, "value")
	_, err := h.admin.Exec(t.Context(), "insert into accounts.user (id, email, name, password_hash, is_active) values ($1, 'kofi@example.com', 'Kofi', 'x', true), ($2, 'gone@example.com', 'Gone', 'x', false)",
		first.User, second.User)
	require.NoError(t, err)
	_, err = h.credit(t.Context(), paid(first, "1"), paid(second, "2"), paid(theirs, "3"), paid(hidden, "4"))
	require.NoError(t, err)

	var receipts map[uuid.UUID]*billing.Receipt
	require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		owners, err := billing.PurchaseOwners(tx, []uuid.UUID{first.ID, second.ID, theirs.ID, uuid.New()})
		require.NoError(t, err)
		require.ElementsMatch(t, []uuid.UUID{shop, other}, owners)
		require.NoError(t, postgres.BindTenants(tx, owners))
		receipts, err = billing.ReceiptsFor(tx, []uuid.UUID{first.ID, second.ID, first.ID, pending.ID, theirs.ID, hidden.ID, uuid.New(), uuid.Nil})
		return err
	}))
	require.Len(t, receipts, 4)
	for _, want := range []struct {
		purchase        *billing.Purchase
		name, to, named string
		status          billing.Status
		of              uuid.UUID
	}{
		{first, "Kofi", "kofi@example.com", "Shop", billing.Completed, shop},
		{second, "Ama", "Shop@example.com", "Shop", billing.Completed, shop}, // the purchaser is gone: the owner
		{pending, "Ama", "Shop@example.com", "Shop", billing.Pending, shop},
		{theirs, "Ama", "Other@example.com", "Other", billing.Completed, other},
	} {
		got := receipts[want.purchase.ID]
		require.Equal(t, []any{want.purchase.Reference, want.status, want.name, want.to, want.named, "Africa/Accra"},
			[]any{got.Purchase.Reference, got.Purchase.Status, got.Name, got.Email, got.Business, got.Timezone})
		require.Equal(t, h.balance(t, want.of).Total, got.Balance)
		require.Positive(t, got.Balance)
		var expires time.Time
		require.NoError(t, h.admin.QueryRow(t.Context(), "select coalesce((select max(expires_at) from billing.credit_lot where purchase_id = $1), now())", want.purchase.ID).Scan(&expires))
		require.WithinDuration(t, expires, got.ExpiresAt, time.Minute)
	}
	require.Equal(t, receipts[theirs.ID].Balance*2, receipts[first.ID].Balance)
}

// business opens a business with an owner of its own, Ama, and with books.
func (h *house) business(t testing.TB, name string) uuid.UUID {
	t.Helper()
	id, owner := openTenant(t, h.gateway, money.Credits(0)), uuid.New()
	_, err := h.admin.Exec(t.Context(), "insert into accounts.user (id, email, name, password_hash, is_active) values ($1, $2, 'Ama', 'x', true)", owner, name+"@example.com")
	require.NoError(t, err)
	_, err = h.admin.Exec(t.Context(), "insert into accounts.business (id, owner_id, name, email, timezone) values ($1, $2, $3, 'shop@example.com', 'Africa/Accra')", id, owner, name)
	require.NoError(t, err)
	return id
}

func TestAReceiptsBalanceIsWhatMayBeSpent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	shop := h.business(t, "Shop")
	p := buy(t, h.gateway, shop, "value")
	_, err := h.credit(t.Context(), paid(p, "1"))
	require.NoError(t, err)
	balance := func() money.Credits {
		var r map[uuid.UUID]*billing.Receipt
		require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			require.NoError(t, postgres.BindTenants(tx, []uuid.UUID{shop}))
			r, err = billing.ReceiptsFor(tx, []uuid.UUID{p.ID})
			return err
		}))
		return r[p.ID].Balance
	}
	before := balance()
	_, err = h.admin.Exec(t.Context(), "update billing.credit_lot set expires_at = now() - interval '1 second' where tenant_id = $1 and source = 'BONUS'", shop)
	require.NoError(t, err)
	require.Equal(t, before-p.Bonus, balance(), "less what has ended")

	var held *billing.Hold
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), shop), func(tx *gorm.DB) (err error) {
		held, err = billing.Reserve(tx, uuid.New(), "inventory_forecast", time.Now())
		return err
	}))
	require.Equal(t, before-p.Bonus-held.Amount, balance(), "and what is set aside")
	require.NoError(t, h.gateway.InTenant(tenant.With(t.Context(), shop), func(tx *gorm.DB) error {
		b, err := billing.Balance(tx)
		require.Equal(t, b.Total, balance())
		return err
	}))
}
