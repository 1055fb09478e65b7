package cli

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/tenant"
)

func TestOperatorsLookAtAndDecideAboutASubscription(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop, _ := r.openShop()
	owner := uuid.New()
	for _, statement := range []string{
		"insert into accounts.user (id, email, name, password_hash) values ('" + owner.String() + "', 'ama@example.com', 'Ama', 'x')",
		"insert into accounts.business (id, owner_id, name, email) values ('" + shop.String() + "', '" + owner.String() + "', 'Shop', 'shop@example.com')",
	} {
		_, err := r.look.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	var p *billing.SubscriptionPayment
	require.NoError(t, r.pg.Open("makola_gateway").InTenant(tenant.With(t.Context(), shop), func(tx *gorm.DB) (err error) {
		p, err = billing.CreateSubscriptionPayment(tx, billing.NewSubscriptionPayment{Tenant: shop, User: owner, Storefronts: 1, Provider: "paystack", Now: time.Now()})
		return err
	}))
	shown := decode[map[string]any](r, "subscription", "show", shop.String())
	require.Equal(t, "TRIAL", shown["status"])
	require.Equal(t, p.Reference, shown["payments"].([]any)[0].(map[string]any)["reference"])
	require.Contains(t, r.ok("subscription", "show", shop.String()), p.Reference)
	for _, word := range []string{"suspend", "activate"} {
		code, _, _ := r.run("subscription", word, shop.String())
		require.Equal(t, exitUsage, code, "without a reason")
		code, _, _ = r.run("subscription", word, "shop", "--reason", "x")
		require.Equal(t, exitUsage, code)
		require.Zero(t, r.count("select count(*) from task.task where name like 'subscriptions.%' and name like '%' || $1 || '%'", word))
		r.ok("subscription", word, shop.String(), "--reason", "it was asked for", "--wait", "0")
		require.Equal(t, map[string]string{"business_id": shop.String(), "actor": "ama", "reason": "it was asked for"}, asked[map[string]string](r, "subscriptions."+word+"_subscription"))
	}
	code, _, _ := r.run("subscription", "show", uuid.NewString())
	require.Equal(t, exitNotFound, code)

	code, _, _ = r.run("subscription", "refund", "SUB-NONE", "--reason", "x")
	require.Equal(t, exitNotFound, code)
	code, _, _ = r.run("subscription", "refund", p.Reference)
	require.Equal(t, exitUsage, code, "without a reason")
	_, err := r.look.Exec(t.Context(), "update billing.subscription_payment set amount_received = amount_expected, currency_received = currency, amount_returned = 2000")
	require.NoError(t, err)
	require.Contains(t, r.ok("subscription", "show", shop.String()), "GHS 20.00 went back")
	code, _, _ = r.run("subscription", "refund", p.Reference, "--reason", "x", "--amount", "100.01")
	require.Equal(t, exitUsage, code, "more than is left")
	require.Zero(t, r.count("select count(*) from task.task where name = 'subscriptions.refund_payment'"))
	r.ok("subscription", "refund", p.Reference, "--reason", "asked for", "--amount", "40", "--wait", "0")
	require.Equal(t, map[string]string{"payment_reference": p.Reference, "actor": "ama", "reason": "asked for", "amount": "40"}, asked[map[string]string](r, "subscriptions.refund_payment"))
}
