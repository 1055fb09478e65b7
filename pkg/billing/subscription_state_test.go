package billing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/billing"
	"makola/pkg/tenant"
)

// Invariant 10.
func TestASuspensionIsLiftedByAnOperatorAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.subscriber(t, "Africa/Accra", day2026)
	before := h.order(t, id, 1)
	by := billing.By{Actor: "esi", Reason: "fraud"}
	inBilling := func(fn func(tx *gorm.DB) error) {
		require.NoError(t, h.billing.InTenant(tenant.With(t.Context(), id), fn))
	}
	inBilling(func(tx *gorm.DB) error {
		_, fresh, err := billing.SuspendSubscription(tx, by)
		require.True(t, fresh)
		return err
	})
	h.settled(t, day2026, paidMonth(before), billing.Credited)
	s := h.subscription(t, id)
	require.Equal(t, billing.SubSuspended, s.StatusAt(day2026), "the payment counts, and lifts nothing")
	require.Equal(t, "2026-02-01", s.PeriodEnd.UTC().Format(time.DateOnly))
	err := h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		_, err := billing.CreateSubscriptionPayment(tx, billing.NewSubscriptionPayment{Tenant: id, User: uuid.New(), Storefronts: 1, Provider: "paystack", Now: day2026})
		return err
	})
	require.ErrorIs(t, err, billing.ErrSuspended)
	err = h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		_, _, err := billing.CancelSubscription(tx, audit.Entry{Actor: "ama"}, uuid.New(), true, "", day2026)
		return err
	})
	require.ErrorIs(t, err, billing.ErrNotCancellable)
	for role, statement := range map[string]string{
		"makola_gateway": "update billing.subscription set status = 'CANCELLED'", "makola_billing": "update billing.subscription set status = 'ACTIVE', suspended_at = null",
	} {
		db := h.gateway
		if role == "makola_billing" {
			db = h.billing
		}
		require.ErrorContains(t, db.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error { return tx.Exec(statement).Error }), "this way", role)
	}
	inBilling(func(tx *gorm.DB) error {
		s, err := billing.ActivateSubscription(tx, by, day2026)
		require.NoError(t, err)
		require.Equal(t, billing.SubActive, s.StatusAt(day2026))
		return nil
	})
	require.Equal(t, billing.SubActive, h.subscription(t, id).StatusAt(day2026))
	require.Equal(t, 2, h.count(t, "select count(*) from audit.entry where tenant_id = $1 and actor = 'operator:esi' and action like 'subscription.%'", id))
	err = h.billing.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		_, err := billing.ActivateSubscription(tx, by, day2026)
		return err
	})
	require.ErrorIs(t, err, billing.ErrNotSuspended)
	// One that never paid, and has no trial, has no days of grace either.
	h.set(t, `update billing.subscription set status = 'SUSPENDED', suspended_at = now() where tenant_id = $1`, id)
	h.set(t, `update billing.subscription set is_trial = false, anchor_day = null where tenant_id = $1`, id)
	inBilling(func(tx *gorm.DB) error {
		s, err := billing.ActivateSubscription(tx, by, s.PeriodEnd.Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, billing.SubInactive, s.Stored)
		return nil
	})
}

func TestCancellingEndsAnActiveSubscription(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id, now := h.subscriber(t, "Africa/Accra", day2026), time.Now().UTC()
	cancel := func(atOnce bool) (s *billing.Subscription, err error) {
		err = h.gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) (err error) {
			s, _, err = billing.CancelSubscription(tx, audit.Entry{Actor: "ama"}, uuid.New(), atOnce, "closing", now)
			return err
		})
		return s, err
	}
	_, err := cancel(true)
	require.ErrorIs(t, err, billing.ErrNotCancellable, "a trial that is over")
	p := h.order(t, id, 1)
	h.settled(t, now, paidMonth(p), billing.Credited)
	pending := h.order(t, id, 1)
	s, err := cancel(false)
	require.NoError(t, err)
	require.Equal(t, billing.SubActive, s.StatusAt(now))
	require.Equal(t, billing.SubCancelled, s.StatusAt(s.PeriodEnd), "without days of grace")
	s, err = cancel(true)
	require.NoError(t, err)
	require.Equal(t, billing.SubCancelled, s.StatusAt(now))
	require.Equal(t, billing.SubPaymentCancelled, h.payment(t, pending).Status)
	o := h.settled(t, now, paidMonth(pending), billing.InReview)
	require.Equal(t, billing.ReasonCancelled, o.Reason)
	require.Equal(t, billing.SubCancelled, h.subscription(t, id).StatusAt(now))
	h.settled(t, now, paidMonth(h.order(t, id, 1)), billing.Credited) // who pays again is back
	require.Equal(t, billing.SubActive, h.subscription(t, id).StatusAt(now))
	require.False(t, h.subscription(t, id).CancelAtPeriodEnd)
	requireBooksBalance(t, h.operator)
}

// Invariant 9: rows are never deleted, and states move along the arrows only.
func TestStatesOfPaymentsMoveAlongTheArrowsOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	all := []string{"PENDING", "SUCCESSFUL", "FAILED", "CANCELLED", "REFUNDED", "REVIEW", "EXPIRED", "DISPUTED"}
	arrows := map[string]string{
		"PENDING": "SUCCESSFUL FAILED CANCELLED EXPIRED REVIEW REFUNDED", "FAILED": "SUCCESSFUL REVIEW REFUNDED", "EXPIRED": "SUCCESSFUL REVIEW REFUNDED", "CANCELLED": "REVIEW REFUNDED",
		"REVIEW": "SUCCESSFUL FAILED REFUNDED", "SUCCESSFUL": "REFUNDED DISPUTED", "DISPUTED": "REFUNDED",
	}
	id := h.subscriber(t, "Africa/Accra", day2026)
	for _, from := range all {
		for _, to := range all {
			p := h.order(t, id, 1)
			_, err := h.admin.Exec(t.Context(), "alter table billing.subscription_payment disable trigger subscription_payment_arrows")
			require.NoError(t, err)
			_, err = h.admin.Exec(t.Context(), "update billing.subscription_payment set status = $2 where id = $1", p.ID, from)
			require.NoError(t, err)
			_, err = h.admin.Exec(t.Context(), "alter table billing.subscription_payment enable trigger subscription_payment_arrows")
			require.NoError(t, err)
			err = h.billing.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
				return tx.Exec("update billing.subscription_payment set status = ? where id = ?", to, p.ID).Error
			})
			if from == to || slices.Contains(strings.Fields(arrows[from]), to) {
				require.NoError(t, err, "%s to %s", from, to)
			} else {
				require.ErrorContains(t, err, "this way", "%s to %s", from, to)
			}
		}
	}
}

// Invariant 36, and that SQL and Go agree about it.
func TestWhatASubscriptionIsFollowsFromItsPeriod(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	full, read := billing.Access{Change: true, Automation: true, Reports: true, Exports: true}, billing.Access{Reports: true, Exports: true}
	day := 24 * time.Hour
	for _, c := range []struct {
		name   string
		stored billing.SubscriptionStatus
		ended  time.Duration // before now
		atEnd  bool
		want   billing.SubscriptionStatus
		access billing.Access
	}{
		{"a trial that runs", billing.SubTrial, -day, false, billing.SubTrial, full},
		{"a trial that is over", billing.SubTrial, time.Second, false, billing.SubInactive, billing.Access{}},
		{"a paid month that runs", billing.SubActive, -time.Minute, false, billing.SubActive, full},
		{"over today", billing.SubActive, time.Second, false, billing.SubPastDue, read},
		{"grace day 1", billing.SubActive, day, false, billing.SubPastDue, read},
		{"grace day 7", billing.SubActive, 7 * day, false, billing.SubPastDue, read},
		{"grace day 8", billing.SubActive, 8 * day, false, billing.SubExpired, billing.Access{}},
		{"written down as past due, day 7", billing.SubPastDue, 7 * day, false, billing.SubPastDue, read},
		{"written down as past due, day 8", billing.SubPastDue, 8 * day, false, billing.SubExpired, billing.Access{}},
		{"to be cancelled, still running", billing.SubActive, -day, true, billing.SubActive, full},
		{"cancelled at its end", billing.SubActive, time.Second, true, billing.SubCancelled, billing.Access{}},
		{"inactive", billing.SubInactive, -day, false, billing.SubInactive, billing.Access{}},
		{"expired", billing.SubExpired, 30 * day, false, billing.SubExpired, billing.Access{}},
		{"suspended, though paid", billing.SubSuspended, -day, false, billing.SubSuspended, billing.Access{}},
		{"cancelled", billing.SubCancelled, -day, false, billing.SubCancelled, billing.Access{}},
	} {
		for _, zone := range []string{"Africa/Accra", "Pacific/Kiritimati", "America/Los_Angeles"} {
			now := time.Now().UTC()
			id := h.subscriber(t, zone, now)
			loc, err := time.LoadLocation(zone)
			require.NoError(t, err)
			end := now.In(loc).AddDate(0, 0, -int(c.ended/day)).Add(-c.ended % day) // days of the calendar: not all of them have 24 hours
			_, err = h.admin.Exec(t.Context(), `alter table billing.subscription disable trigger subscription_arrows`)
			require.NoError(t, err)
			_, err = h.admin.Exec(t.Context(), `update billing.subscription set status = $2, period_start = $3::timestamptz - interval '1 year', period_end = $3, cancel_at_period_end = $4,
				suspended_at = case when $2 = 'SUSPENDED' then now() end where tenant_id = $1`, id, string(c.stored), end, c.atEnd)
			require.NoError(t, err)
			_, err = h.admin.Exec(t.Context(), `alter table billing.subscription enable trigger subscription_arrows`)
			require.NoError(t, err)
			got := h.subscription(t, id).StatusAt(now)
			require.Equal(t, c.want, got, "%s in %s", c.name, zone)
			require.Equal(t, c.access, billing.AccessOf(got), c.name)
			var inSQL string
			require.NoError(t, h.admin.QueryRow(t.Context(), "select status from billing.subscription_standing where tenant_id = $1", id).Scan(&inSQL))
			require.Equal(t, string(c.want), inSQL, "%s in %s: the view says otherwise", c.name, zone)
		}
	}
	_, err := h.admin.Exec(t.Context(), `select set_config('app.scope', 'system', false)`)
	require.NoError(t, err)
	require.Positive(t, h.count(t, `select count(*) from billing.v_platform_subscriptions`))
	require.Zero(t, h.count(t, `select count(*) from (select status, count(*) as n from billing.subscription_standing group by 1) a
		full join (select status, sum(businesses) as n from billing.v_platform_subscriptions group by 1) b using (status) where a.n is distinct from b.n`), "the platform's sums say the same")
}

func TestPeriodsThatAreOverAreWrittenDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	day := 24 * time.Hour
	want := map[uuid.UUID]string{}
	for _, c := range []struct {
		stored string
		ended  time.Duration
		atEnd  bool
		want   string
	}{
		{"TRIAL", -day, false, "TRIAL"}, {"TRIAL", day, false, "INACTIVE"}, {"ACTIVE", -day, false, "ACTIVE"}, {"ACTIVE", day, false, "PAST_DUE"},
		{"ACTIVE", 30 * day, false, "EXPIRED"}, {"ACTIVE", day, true, "CANCELLED"}, {"PAST_DUE", 3 * day, false, "PAST_DUE"},
		{"PAST_DUE", 8 * day, false, "EXPIRED"}, {"PAST_DUE", 10 * day, false, "EXPIRED"},
		{"EXPIRED", 30 * day, false, "EXPIRED"}, {"SUSPENDED", 30 * day, false, "SUSPENDED"},
	} {
		id := h.subscriber(t, "Africa/Accra", day2026)
		for _, statement := range []string{`alter table billing.subscription disable trigger subscription_arrows`, fmt.Sprintf(`update billing.subscription set status = '%[2]s',
			period_start = now() - interval '1 year', period_end = now() - %[3]d * interval '1 second', cancel_at_period_end = %[4]v, suspended_at = case when '%[2]s' = 'SUSPENDED' then now() end
			where tenant_id = '%[1]s'`, id, c.stored, int(c.ended.Seconds()), c.atEnd), `alter table billing.subscription enable trigger subscription_arrows`} {
			_, err := h.admin.Exec(t.Context(), statement)
			require.NoError(t, err)
		}
		want[id] = c.want
	}
	for i := range 20 {
		var more bool
		require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			_, more, err = billing.EndPeriods(tx, time.Now(), false, 2)
			return err
		}))
		if !more {
			break
		}
		require.Less(t, i, 10, "it ends")
	}
	for id, status := range want {
		require.Equal(t, status, string(h.subscription(t, id).Stored))
	}
}

func TestASubscriptionPaymentThatNobodyTellsOfIsAskedAboutAndGivenUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.order(t, h.subscriber(t, "Africa/Accra", day2026), 1)
	due := func() (doubts []billing.Doubt, expired int) {
		require.NoError(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			doubts, expired, err = billing.DueSubscriptionDoubts(tx, 10)
			return err
		}))
		return doubts, expired
	}
	age := func(created, checked string) {
		_, err := h.admin.Exec(t.Context(), "update billing.subscription_payment set created_at = now() - $2::interval, checked_at = now() - nullif($3, '')::interval where id = $1", p.ID, created, checked)
		require.NoError(t, err)
	}
	doubts, expired := due()
	require.Empty(t, doubts, "its webhook may still come")
	require.Zero(t, expired)
	age("11 minutes", "")
	doubts, _ = due()
	require.Equal(t, []billing.Doubt{{Reference: p.Reference, Provider: "paystack", Check: 1}}, doubts)
	doubts, _ = due()
	require.Empty(t, doubts, "asked just now")
	age("73 hours", "11 minutes")
	_, expired = due()
	require.Equal(t, 1, expired)
	require.Equal(t, billing.SubPaymentExpired, h.payment(t, p).Status)
	require.Equal(t, 1, h.count(t, "select count(*) from billing.payment_review where payment_id = $1 and reason = $2", p.ID, billing.ReasonUnsettled))
	h.settled(t, day2026, paidMonth(p), billing.Credited) // late success
	require.Equal(t, billing.SubPaymentSuccessful, h.payment(t, p).Status)
}
