package tasks_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/billing"
	"makola/pkg/tenant"
	"makola/proto/contract"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// sweep runs one of the tasks that look at all subscriptions, twice, as a broker may deliver it; the second run must not change anything.
func (s *shop) sweep(t *testing.T, fn func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error)) (result string) {
	t.Helper()
	id := s.enqueue(t, fn)
	s.h.Drain(t.Context())
	require.Equal(t, "completed", s.h.View(t.Context(), id).Status(), s.h.View(t.Context(), id).Error)
	mails, notices := s.mails(t), s.notices(t)
	again := s.enqueue(t, fn)
	s.h.Drain(t.Context())
	require.Equal(t, "completed", s.h.View(t.Context(), again).Status())
	require.Equal(t, mails, s.mails(t), "nobody is told twice")
	require.Equal(t, notices, s.notices(t))
	return strings.ReplaceAll(s.result(t, id), " ", "")
}

func expirySweep(t *testing.T) func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
	t.Helper()
	return func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.SendSubscriptionExpiryReminders(t.Context(), tx, &subscriptionspb.SendSubscriptionExpiryRemindersArgs{})
	}
}

func trialSweep(t *testing.T) func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
	t.Helper()
	return func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.CheckTrialExpirations(t.Context(), tx, &subscriptionspb.CheckTrialExpirationsArgs{})
	}
}

func endSweep(t *testing.T) func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
	t.Helper()
	return func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.CleanupExpiredSubscriptions(t.Context(), tx, &subscriptionspb.CleanupExpiredSubscriptionsArgs{})
	}
}

// mails lists what was mailed, oldest first, as "template kind" with what of the key tells two mails apart.
func (s *shop) mails(t *testing.T) []string {
	t.Helper()
	rows, err := s.admin.Query(t.Context(), `select template || coalesce(' ' || nullif(concat(data ->> 'kind', data ->> 'state'), ''), '') from notifications.email where template like 'subscription%' order by id`)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}

// paid pays for a month, at the shop's clock.
func (s *shop) paid(t *testing.T) *billing.SubscriptionPayment {
	t.Helper()
	p := s.order(t)
	s.act(t, successOfMonth(p))
	s.h.Drain(t.Context())
	return p
}

func TestAnOwnerIsRemindedOfEachThresholdOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid(t)
	end := s.subscription(t).PeriodEnd
	told := map[int]string{}
	for days := 20; days >= -1; days-- {
		s.clock = end.AddDate(0, 0, -days).Add(-time.Hour)
		before := len(s.mails(t))
		s.sweep(t, expirySweep(t))
		if len(s.mails(t)) > before {
			told[days] = s.notices(t)[len(s.notices(t))-1]
		}
	}
	const title = " can_manage_payments Your subscription ends on "
	on := end.UTC().Format("2 January 2006")
	require.Equal(t, map[int]string{14: "SUBSCRIPTION_EXPIRING MEDIUM" + title + on, 7: "SUBSCRIPTION_EXPIRING MEDIUM" + title + on, 3: "SUBSCRIPTION_EXPIRING HIGH" + title + on}, told)
}

func TestAReminderThatCronMissedIsGivenWhenItRunsAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid(t)
	s.clock = s.subscription(t).PeriodEnd.AddDate(0, 0, -2)
	require.JSONEq(t, `{"status":"done","sent":1}`, s.sweep(t, expirySweep(t)))
	var key, days string
	require.NoError(t, s.admin.QueryRow(t.Context(), `select key, data ->> 'days' from notifications.email where template = 'subscription_reminder'`).Scan(&key, &days))
	require.True(t, strings.HasSuffix(key, ":3"), "of several that were missed the smallest: %s", key)
	require.Equal(t, "2", days)
	s.exec(t, `update billing.subscription set auto_renew = true`)
	s.exec(t, `delete from notifications.email`)
	require.JSONEq(t, `{"status":"done","sent":0}`, s.sweep(t, expirySweep(t)), "it renews")
}

func TestATrialIsToldOfBeforeAndAfterItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	end := s.subscription(t).PeriodEnd
	s.exec(t, `insert into inventory.location (id, tenant_id, kind, name, code) select gen_random_uuid(), $1, 'STOREFRONT', n, n from unnest('{AA,BB,CC}'::text[]) n`, s.tenant)
	s.clock = end.AddDate(0, 0, -4)
	require.Contains(t, s.sweep(t, trialSweep(t)), `"sent":0`)
	s.clock = end.AddDate(0, 0, -3)
	require.Contains(t, s.sweep(t, trialSweep(t)), `"sent":1`)
	var storefronts, minor int
	require.NoError(t, s.admin.QueryRow(t.Context(), `select (data ->> 'storefronts')::int, (data ->> 'amount_minor')::int from notifications.email where template = 'subscription_reminder'`).Scan(&storefronts, &minor))
	require.Equal(t, [2]int{3, 216_00}, [2]int{storefronts, minor}, "what is open is what is to be paid for")
	s.clock = end
	require.Contains(t, s.sweep(t, trialSweep(t)), `"sent":0`)
	require.Contains(t, s.sweep(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.ProcessTrialExpirations(t.Context(), tx, &subscriptionspb.ProcessTrialExpirationsArgs{})
	}), `"changed":1`)
	require.Equal(t, billing.SubInactive, s.subscription(t).Stored)
	require.Equal(t, []string{"subscription_reminder trial", "subscription_state INACTIVE"}, s.mails(t))
	require.Equal(t, []string{"TRIAL_ENDING HIGH can_manage_payments Your trial ends on " + end.UTC().Format("2 January 2006"), "TRIAL_EXPIRED CRITICAL can_view_financial_data Your trial is over"}, s.notices(t))
}

func TestATrialThatWasPaidForDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	end := s.subscription(t).PeriodEnd
	s.paid(t) // long before the trial's end
	s.clock = end.Add(time.Hour)
	require.Contains(t, s.sweep(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.ProcessTrialExpirations(t.Context(), tx, &subscriptionspb.ProcessTrialExpirationsArgs{})
	}), `"status":"done"`)
	require.Equal(t, billing.SubActive, s.subscription(t).StatusAt(s.clock))
	require.Equal(t, []string{"subscription_activated"}, s.mails(t))
}

func TestOneBusinessThatCannotBeToldKeepsNoOtherFromBeing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	mute, mutesOwner := openShop(t, s.pg)
	closed, _ := openShop(t, s.pg)
	s.exec(t, `update accounts.user set email = 'nobody at all' where id = $1`, mutesOwner)
	s.exec(t, `update accounts.business set is_active = false where id = $1`, closed)
	s.clock = s.subscription(t).PeriodEnd.Add(time.Hour)
	s.exec(t, `update billing.subscription set period_end = $1`, s.clock.Add(-time.Minute))
	require.JSONEq(t, `{"status":"done","changed":3}`, s.sweep(t, endSweep(t)))
	require.Equal(t, []string{"subscription_state INACTIVE"}, s.mails(t), "the address of one is none, and another is closed")
	var notices int
	require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*) from notifications.notice where tenant_id = $1`, mute).Scan(&notices))
	require.Equal(t, 1, notices, "the application can tell what a mail cannot")
	var inactive int
	require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*) from billing.subscription where status = 'INACTIVE'`).Scan(&inactive))
	require.Equal(t, 3, inactive)
}

func TestACancellationIsToldUnlessItWasTakenBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid(t)
	cancel := func(atOnce bool) string {
		require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), func(tx *gorm.DB) error {
			_, _, err := billing.CancelSubscription(tx, audit.Entry{Actor: "ama"}, s.owner, atOnce, "closing", s.clock)
			return err
		}))
		return s.sweep(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
			return tasks.SendCancellationNotice(t.Context(), tx, &subscriptionspb.SendCancellationNoticeArgs{BusinessId: s.tenant.String(), AtOnce: atOnce, DecidedAt: s.clock.Format(time.RFC3339Nano)})
		})
	}
	require.Contains(t, cancel(false), `"queued"`)
	s.exec(t, `update billing.subscription set cancel_at_period_end = false`)
	id := s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.SendCancellationNotice(t.Context(), tx, &subscriptionspb.SendCancellationNoticeArgs{BusinessId: s.tenant.String()})
	})
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, id), `"taken_back"`)
	s.clock = s.clock.Add(time.Second)
	require.Contains(t, cancel(false), `"queued"`, "it is another decision")
	require.Contains(t, cancel(true), `"queued"`)
	require.Equal(t, []string{"subscription_activated", "subscription_state CANCELLING", "subscription_state CANCELLING", "subscription_state CANCELLED"}, s.mails(t))
}
