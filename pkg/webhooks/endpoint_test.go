package webhooks_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
)

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
