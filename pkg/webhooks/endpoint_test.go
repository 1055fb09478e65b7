package webhooks_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
)

func TestAnEndpointToWhichNothingGetsThroughIsDisabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	w.emit(w.gateway, w.report(w.shop), w.report(w.shop))
	w.ears.says(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) })
	list := w.deliveries(w.shop)
	first, second := list[1].ID, list[0].ID
	for n := 1; n <= 3; n++ {
		_, c := w.attempt(first, n)
		require.Equal(t, webhooks.OutcomeRetrying, c.Outcome)
	}
	require.Equal(t, 1, w.count(`select count(*) from webhooks.endpoint where failures = 3 and retry_at is not null`))
	w.exec(`update webhooks.endpoint set retry_at = now() + interval '1 hour'`) // however slow this machine is
	b, _ := w.attempt(second, 1)
	require.Greater(t, b.Wait, time.Duration(0), "it is left alone for a while")
	require.LessOrEqual(t, b.Wait, time.Hour)
	w.exec(`update webhooks.endpoint set retry_at = now() - interval '1 second'`)
	b, c := w.attempt(second, 1)
	require.Equal(t, webhooks.OutcomeRetrying, c.Outcome, "one is let through")
	require.NotNil(t, b.Attempt)
	past := time.Now().Add(-24 * time.Hour)
	w.exec(`update webhooks.endpoint set retry_at = $1`, past)
	require.NoError(t, w.as(w.notifier, w.shop, func(_ context.Context, tx *gorm.DB) (err error) {
		b, err = webhooks.Begin(tx, w.keys, first, 4)
		return err
	}))
	require.NotNil(t, b.Attempt)
	n := w.count(`with later as (update webhooks.endpoint set retry_at = now() + interval '1 hour' where retry_at > $1 returning 1) select count(*) from later`, past)
	require.Equal(t, 1, n, "it is noted that one is let through")
	other, _ := w.attempt(second, 2)
	require.Greater(t, other.Wait, time.Duration(0), "and the others wait for it")

	// One that gets through makes it as good as new.
	w.ears.says(nil)
	w.exec(`update webhooks.endpoint set retry_at = null`)
	_, c = w.attempt(second, 2)
	require.Equal(t, webhooks.OutcomeDelivered, c.Outcome)
	require.Equal(t, 1, w.count(`select count(*) from webhooks.endpoint where failures = 0 and failing_since is null and retry_at is null`))

	// Three days later.
	w.emit(w.gateway, w.report(w.shop))
	third := w.deliveries(w.shop)[0].ID
	w.ears.says(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotFound) })
	w.attempt(first, 4)
	w.exec(`update webhooks.endpoint set failing_since = now() - interval '72 hours'`)
	w.exec(`update webhooks.delivery set created_at = created_at - interval '72 hours' where id = $1`, first)
	_, c = w.attempt(first, 5)
	require.Equal(t, webhooks.OutcomeFailed, c.Outcome)
	require.NotNil(t, c.Disabled)
	require.Equal(t, webhooks.Failing, c.Disabled.Reason)
	require.Equal(t, webhooks.Failed, w.delivery(first).State)
	require.Equal(t, webhooks.Cancelled, w.delivery(third).State, "what waited is given up")
	b, _ = w.attempt(third, 1)
	require.Equal(t, webhooks.OutcomeCancelled, b.Over)

	// Enabled again, it begins anew, and what was missed can be sent again.
	yes := true
	require.NoError(t, w.as(w.gateway, w.shop, func(ctx context.Context, tx *gorm.DB) error {
		_, err := webhooks.Replay(ctx, tx, w.tasks, w.who(), third)
		require.ErrorIs(t, err, webhooks.ErrDisabled)
		now, err := w.endpoints.Change(tx, w.who(), e.ID, webhooks.Wish{Enabled: &yes})
		require.NoError(t, err)
		require.Equal(t, webhooks.Active, now.State)
		require.Nil(t, now.FailingSince)
		again, err := webhooks.Replay(ctx, tx, w.tasks, w.who(), third)
		require.NoError(t, err)
		require.Equal(t, w.delivery(third).Event, again.Event, "under the same webhook-id")
		require.Equal(t, webhooks.CauseReplay, again.Cause)
		_, err = webhooks.Replay(ctx, tx, w.tasks, w.who(), again.ID)
		require.ErrorIs(t, err, webhooks.ErrStillPending)
		return nil
	}))
	w.ears.says(nil)
	_, c = w.attempt(w.deliveries(w.shop)[0].ID, 1)
	require.Equal(t, webhooks.OutcomeDelivered, c.Outcome)
}

func TestAnEndpointThatIsGoneIsDisabledAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	w.emit(w.gateway, w.report(w.shop))
	w.ears.says(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusGone) })
	_, c := w.attempt(w.deliveries(w.shop)[0].ID, 1)
	require.Equal(t, webhooks.OutcomeFailed, c.Outcome)
	require.Equal(t, webhooks.Gone, c.Disabled.Reason)
}

func TestAnotherBusinessSeesAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	w.emit(w.gateway, w.report(w.shop))
	d := w.deliveries(w.shop)[0].ID
	yes := false
	require.NoError(t, w.as(w.gateway, w.other, func(ctx context.Context, tx *gorm.DB) error {
		_, err := webhooks.Get(tx, e.ID)
		require.ErrorIs(t, err, webhooks.ErrNotFound)
		_, err = w.endpoints.Change(tx, w.who(), e.ID, webhooks.Wish{Enabled: &yes})
		require.ErrorIs(t, err, webhooks.ErrNotFound)
		_, _, err = w.endpoints.Rotate(tx, w.who(), e.ID)
		require.ErrorIs(t, err, webhooks.ErrNotFound)
		require.ErrorIs(t, webhooks.Delete(tx, w.who(), e.ID), webhooks.ErrNotFound)
		_, err = webhooks.SendTest(ctx, tx, w.tasks, e.ID, time.Now())
		require.ErrorIs(t, err, webhooks.ErrNotFound)
		_, err = webhooks.Replay(ctx, tx, w.tasks, w.who(), d)
		require.ErrorIs(t, err, webhooks.ErrDeliveryNotFound)
		_, err = webhooks.DeliveryByID(tx, d)
		require.ErrorIs(t, err, webhooks.ErrDeliveryNotFound)
		return nil
	}))
	require.Empty(t, w.deliveries(w.other))
	require.NoError(t, w.as(w.notifier, w.other, func(_ context.Context, tx *gorm.DB) error {
		_, err := webhooks.Begin(tx, w.keys, d, 1)
		require.ErrorIs(t, err, webhooks.ErrDeliveryNotFound)
		return nil
	}))
}

func TestAnEndpointThatIsTakenAwayLeavesItsLogAndNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	w.emit(w.gateway, w.report(w.shop))
	require.NoError(t, w.as(w.gateway, w.shop, func(_ context.Context, tx *gorm.DB) error { return webhooks.Delete(tx, w.who(), e.ID) }))
	require.Equal(t, webhooks.Cancelled, w.deliveries(w.shop)[0].State)
	b, _ := w.attempt(w.deliveries(w.shop)[0].ID, 1)
	require.Equal(t, webhooks.OutcomeCancelled, b.Over)
	require.Equal(t, 1, w.count(`select count(*) from webhooks.endpoint where state = 'DELETED' and url = '' and secret = '' and previous_secret is null`))
	require.NoError(t, w.as(w.gateway, w.shop, func(_ context.Context, tx *gorm.DB) error {
		list, err := webhooks.List(tx)
		require.Empty(t, list)
		require.ErrorIs(t, webhooks.Delete(tx, w.who(), e.ID), webhooks.ErrNotFound)
		return err
	}))
	// A month later cron takes the rest away.
	prune := func(ago time.Duration) (n int64) {
		require.NoError(t, w.pg.Open("makola_cron").InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			n, err = webhooks.Prune(tx, time.Now().Add(-ago), 1000)
			return err
		}))
		return n
	}
	require.Zero(t, prune(webhooks.Keep))
	w.exec(`update webhooks.event set created_at = now() - interval '31 days'`)
	require.EqualValues(t, 1, prune(webhooks.Keep))
	require.Zero(t, w.count(`select count(*) from webhooks.delivery`))
	require.Equal(t, 1, w.count(`select count(*) from webhooks.endpoint`))
	w.exec(`update webhooks.endpoint set disabled_at = now() - interval '35 days'`)
	require.Zero(t, prune(webhooks.Keep))
	require.Zero(t, w.count(`select count(*) from webhooks.endpoint`))
}

func TestABusinessHasTenEndpointsAtMostHoweverManyAskAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range webhooks.MaxEndpoints - 1 {
		w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	}
	url, kinds := w.ears.URL, []webhooks.Kind{webhooks.KindReportReady}
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			ctx := tenant.With(t.Context(), w.shop)
			errs <- w.gateway.InTenant(ctx, func(tx *gorm.DB) error {
				_, _, err := w.endpoints.Create(tx, w.who(), webhooks.Wish{URL: &url, Kinds: &kinds})
				return err
			})
		}()
	}
	made := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			made++
		} else {
			require.ErrorIs(t, err, webhooks.ErrTooMany)
		}
	}
	require.Equal(t, 1, made)
	require.Equal(t, webhooks.MaxEndpoints, w.count(`select count(*) from webhooks.endpoint`))
}

func TestWhatIsDoneToEndpointsIsInTheLogWithoutAddressesAndSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, secret := w.register(w.shop, w.ears.URL+"/services/T000/token", webhooks.KindReportReady)
	url, words := w.ears.URL+"/other?key=token", "Bookkeeping"
	require.NoError(t, w.as(w.gateway, w.shop, func(_ context.Context, tx *gorm.DB) error {
		_, err := w.endpoints.Change(tx, w.who(), e.ID, webhooks.Wish{URL: &url, Description: &words})
		require.NoError(t, err)
		_, err = w.endpoints.Change(tx, w.who(), e.ID, webhooks.Wish{URL: &url, Description: &words}) // changes nothing
		require.NoError(t, err)
		_, _, err = w.endpoints.Rotate(tx, w.who(), e.ID)
		require.NoError(t, err)
		return webhooks.Delete(tx, w.who(), e.ID)
	}))
	rows, err := w.admin.Query(t.Context(), `select action from audit.entry where entity = 'webhook_endpoint' and entity_id = $1 and tenant_id = $2 and user_id = $3 order by id`, e.ID.String(), w.shop, w.owner)
	require.NoError(t, err)
	actions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{audit.Create, audit.Update, "webhook_endpoint.secret_rotated", audit.Delete}, actions)
	require.Zero(t, w.count(`select count(*) from audit.entry where changes::text like '%token%' or changes::text like '%' || $1 || '%'`, secret))
}
