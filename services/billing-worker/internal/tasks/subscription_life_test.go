package tasks_test

import (
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

// sweeps runs what cron runs on a day, each twice.
func (s *shop) sweeps(t *testing.T) {
	t.Helper()
	s.sweep(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
		return tasks.ProcessTrialExpirations(t.Context(), tx, &subscriptionspb.ProcessTrialExpirationsArgs{})
	})
	for _, fn := range []func(*testing.T) func(*gorm.DB, *subscriptionspb.Tasks) (contract.ID, error){endSweep, renewSweep, invoiceSweep, trialSweep, expirySweep, dunSweep, usageSweep} {
		s.sweep(t, fn(t))
	}
}

// A whole life, through the tasks, by a clock that is moved: trial, paid, renewed, past due, expired, reactivated, suspended, cancelled.
func TestAWholeLifeOfASubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	trial := s.subscription(t).PeriodEnd
	is := func(want billing.SubscriptionStatus) {
		t.Helper()
		require.Equal(t, want, s.subscription(t).StatusAt(s.clock))
		require.Equal(t, want, s.subscription(t).Stored, "the sweep has written it down")
	}
	stages := []struct {
		name string
		do   func()
		want []string // what is told newly
	}{
		{"the trial ends soon", func() { s.clock = trial.AddDate(0, 0, -3); s.sweeps(t); is(billing.SubTrial) }, []string{"subscription_reminder trial"}},
		{"it is paid for before its end", func() { s.clock = trial.AddDate(0, 0, -1); s.paid(t); s.sweeps(t); is(billing.SubActive) }, []string{"subscription_activated"}},
		{"the owner wants it to renew", func() {
			require.True(t, s.subscription(t).PeriodEnd.After(trial.AddDate(0, 0, 27)), "no day of the trial was lost")
			s.exec(t, `update billing.subscription set auto_renew = true`)
			s.clock = s.subscription(t).PeriodEnd.AddDate(0, 0, -1)
			s.sweeps(t)
			is(billing.SubActive)
		}, []string{"invoice"}},
		{"it is renewed by a payment", func() {
			end := s.subscription(t).PeriodEnd
			s.paid(t)
			require.True(t, s.subscription(t).PeriodEnd.After(end.AddDate(0, 0, 27)))
			s.clock = end.Add(time.Hour)
			s.sweeps(t)
			is(billing.SubActive)
		}, []string{"subscription_activated"}},
		{"the next one is not paid", func() {
			s.clock = s.subscription(t).PeriodEnd.AddDate(0, 0, -1)
			s.sweeps(t)
			s.clock = s.subscription(t).PeriodEnd.Add(time.Minute)
			s.sweeps(t)
			is(billing.SubPastDue)
		}, []string{"invoice", "subscription_state PAST_DUE"}},
		{"days of grace", func() {
			end := s.subscription(t).PeriodEnd
			for day := 1; day <= 7; day++ {
				s.clock = end.AddDate(0, 0, day)
				s.sweeps(t)
				is(billing.SubPastDue)
			}
		}, []string{"invoice 1", "invoice 2", "invoice 3"}},
		{"it expires", func() {
			s.clock = s.subscription(t).PeriodEnd.AddDate(0, 0, 10)
			s.sweeps(t)
			is(billing.SubExpired)
		}, []string{"subscription_state EXPIRED"}},
		{"it is reactivated by a payment", func() {
			s.paid(t)
			require.Equal(t, s.clock.UTC().Truncate(time.Microsecond), s.subscription(t).PeriodStart.UTC(), "from today on")
			s.sweeps(t)
			is(billing.SubActive)
		}, []string{"subscription_activated"}},
		{"it is suspended", func() {
			s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
				return tasks.SuspendSubscription(t.Context(), tx, &subscriptionspb.SuspendSubscriptionArgs{BusinessId: s.tenant.String(), Actor: "esi", Reason: "fraud"})
			})
			s.h.Drain(t.Context())
			s.clock = s.clock.AddDate(0, 0, 2)
			s.sweeps(t)
			is(billing.SubSuspended)
		}, []string{"subscription_state SUSPENDED"}},
		{"the suspension is lifted", func() {
			s.enqueue(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
				return tasks.ActivateSubscription(t.Context(), tx, &subscriptionspb.ActivateSubscriptionArgs{BusinessId: s.tenant.String(), Actor: "esi", Reason: "cleared"})
			})
			s.h.Drain(t.Context())
			s.sweeps(t)
			is(billing.SubActive)
		}, []string{"subscription_state ACTIVE"}},
		{"its owner cancels it for the end of the period", func() {
			require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), func(tx *gorm.DB) error {
				_, _, err := billing.CancelSubscription(tx, audit.Entry{Actor: "ama"}, s.owner, false, "closing", s.clock)
				return err
			}))
			s.sweep(t, func(tx *gorm.DB, tasks *subscriptionspb.Tasks) (contract.ID, error) {
				return tasks.SendCancellationNotice(t.Context(), tx, &subscriptionspb.SendCancellationNoticeArgs{BusinessId: s.tenant.String()})
			})
			s.sweeps(t)
			is(billing.SubActive)
		}, []string{"subscription_state CANCELLING"}},
		{"the period is over", func() {
			s.clock = s.subscription(t).PeriodEnd.Add(time.Minute)
			s.sweeps(t)
			is(billing.SubCancelled)
			s.clock = s.clock.AddDate(0, 2, 0)
			s.sweeps(t)
			is(billing.SubCancelled)
		}, []string{"subscription_state CANCELLED"}},
	}
	for _, stage := range stages {
		before := len(s.lifeMails(t))
		stage.do()
		require.Equal(t, stage.want, s.lifeMails(t)[before:], stage.name)
	}
	rows, err := s.admin.Query(t.Context(), `select status from billing.invoice order by id`)
	require.NoError(t, err)
	invoices, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"PAID", "PAID", "PAID"}, invoices, "one for each of the three months")
	rows, err = s.admin.Query(t.Context(), `select key from notifications.email group by key having count(*) > 1`)
	require.NoError(t, err)
	twice, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, twice)
	var untold int
	require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*) from notifications.email e where template <> 'subscription_activated' and not exists (select from notifications.notice n where n.dedupe_key = e.key)`).Scan(&untold))
	require.Zero(t, untold, "what is mailed is told in the application, too")
}

// lifeMails lists what the owner was mailed, oldest first.
func (s *shop) lifeMails(t *testing.T) []string {
	t.Helper()
	rows, err := s.admin.Query(t.Context(), `select concat_ws(' ', template, coalesce(data ->> 'kind', data ->> 'state', data ->> 'reminder')) from notifications.email
		where template like 'subscription%' or template = 'invoice' order by id`)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}
