package tasks_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	accountspb "makola/proto/makola/accounts/v1"
)

// renewals runs the hourly sweep and returns how many owners it mailed.
func (w *world) renewals() (sent string) {
	w.t.Helper()
	var id uuid.UUID
	w.inPlatform(func(ctx context.Context, tx *gorm.DB) (err error) {
		id, err = accountspb.NewTasks(w.Queue).CheckSubscriptionRenewals(ctx, tx, &accountspb.CheckSubscriptionRenewalsArgs{})
		return err
	})
	w.Drain(w.t.Context())
	require.Equal(w.t, "completed", w.View(w.t.Context(), id).Status(), w.View(w.t.Context(), id).Error)
	return string(w.View(w.t.Context(), id).Result)
}

// Invariant 26: a reminder is sent once, however often the sweep runs and whichever of its hours it misses.
func TestAnOwnerIsToldOnceOfEachRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	end := time.Date(2026, 3, 31, 10, 0, 0, 0, time.UTC)
	clock := end
	w.users.Now = func() time.Time { return clock }
	w.exec(`insert into billing.subscription (tenant_id, status, auto_renew, storefronts, next_storefronts, period_start, period_end) values ($1, 'ACTIVE', true, 1, 2, $2::timestamptz - interval '1 month', $2)`, w.shop, end)
	clock = end.AddDate(0, 0, -8)
	require.JSONEq(t, `{"status": "done", "sent": 0}`, w.renewals())
	clock = end.AddDate(0, 0, -5) // cron was away when seven days were left
	require.JSONEq(t, `{"status": "done", "sent": 1}`, w.renewals())
	for range 3 {
		clock = clock.Add(time.Hour)
		require.JSONEq(t, `{"status": "done", "sent": 0}`, w.renewals())
	}
	mails := w.server.Mails()
	require.Len(t, mails, 1)
	var key, amount, currency string
	require.NoError(t, w.admin.QueryRow(t.Context(), `select key, data ->> 'amount_minor', data ->> 'currency' from notifications.email where template = 'subscription_reminder'`).Scan(&key, &amount, &currency))
	require.Equal(t, "renewal:"+w.shop.String()+":2026-03-31T10:00:00Z", key)
	require.Equal(t, "18000 GHS", amount+" "+currency, "two storefronts with the taxes of that day, from the price list")
	w.exec(`update billing.subscription set period_end = $1`, end.AddDate(0, 1, 0)) // it was paid
	clock = end.AddDate(0, 1, -2)
	require.JSONEq(t, `{"status": "done", "sent": 1}`, w.renewals(), "the next period is told of, too")
}

func TestNobodyIsToldOfARenewalThatWillNotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`insert into billing.subscription (tenant_id, status, auto_renew, period_start, period_end) values ($1, 'ACTIVE', true, now() - interval '25 days', now() + interval '5 days')`, w.shop)
	for name, set := range map[string]string{
		"it does not renew":                `auto_renew = false`,
		"it is cancelled":                  `cancel_at_period_end = true`,
		"it is suspended":                  `status = 'SUSPENDED', suspended_at = now()`,
		"there is no price for its number": `next_storefronts = 900`,
	} {
		if set == `next_storefronts = 900` {
			w.exec(`update billing.pricing_tier set max_storefronts = 800 where max_storefronts is null`)
		}
		w.exec(`alter table billing.subscription disable trigger subscription_arrows`)
		w.exec(`update billing.subscription set status = 'ACTIVE', suspended_at = null, auto_renew = true, cancel_at_period_end = false, next_storefronts = null`)
		w.exec(`update billing.subscription set ` + set)
		w.exec(`alter table billing.subscription enable trigger subscription_arrows`)
		require.JSONEq(t, `{"status": "done", "sent": 0}`, w.renewals(), name)
	}
}
