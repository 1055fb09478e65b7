package tasks_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/outbound"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// loopback is what a test may dial.
var loopback = outbound.Config{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPlainHTTP: true}

func hookKeys(t *testing.T) *webhooks.Keys {
	t.Helper()
	keys, err := webhooks.ParseKeys(linkKey)
	require.NoError(t, err)
	return keys
}

// tell registers an endpoint as the gateway does, and has it told of a report. It returns the endpoint's secret and the delivery.
func tell(t *testing.T, pg *postgrestest.Database, shop, owner uuid.UUID, url string) (secret string, delivery uuid.UUID) {
	t.Helper()
	gateway := pg.Open("makola_gateway")
	ctx := tenant.With(t.Context(), shop)
	require.NoError(t, gateway.InTenant(ctx, func(tx *gorm.DB) (err error) {
		endpoints := &webhooks.Endpoints{Keys: hookKeys(t), Outbound: loopback}
		_, secret, err = endpoints.Create(tx, audit.Entry{User: owner, Actor: "ama@example.com"}, webhooks.Wish{URL: &url, Kinds: &[]webhooks.Kind{webhooks.KindReportReady}})
		require.NoError(t, err)
		tasks := webhookspb.NewTasks(task.NewQueue(gateway, nil, task.QueueConfig{}))
		require.NoError(t, webhooks.Emit(ctx, tx, tasks, []webhooks.Event{{Tenant: shop, At: time.Now(), Data: webhooks.ReportReady{FileName: "sales.csv"}}}))
		list, err := webhooks.Deliveries(tx, webhooks.Filter{Limit: 1})
		delivery = list[0].ID
		return err
	}))
	return secret, delivery
}

func TestAnEventIsTriedUntilItIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var requests atomic.Int32
	var secret atomic.Pointer[string]
	ids := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		hook, err := standardwebhooks.NewWebhook(*secret.Load())
		if err != nil || hook.Verify(body, r.Header) != nil {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		ids <- r.Header.Get("webhook-id")
		if requests.Add(1) < 3 {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(receiver.Close)
	made, delivery := tell(t, w.pg, w.shop, w.owner, receiver.URL)
	secret.Store(&made)
	w.Drain(t.Context())
	for range 3 {
		w.Advance(t.Context(), 2*time.Minute)
		w.Drain(t.Context())
	}
	require.EqualValues(t, 3, requests.Load())
	require.Equal(t, 1, w.count(`select count(*) from webhooks.delivery where id = $1 and state = 'DELIVERED' and attempts = 3 and jsonb_array_length(log) = 3`, delivery))
	require.Equal(t, 3, w.count(`select count(*) from task.task where name = 'webhooks.deliver_event' and state = 'succeeded' and attempt = 1`), "each attempt is a task that succeeds")
	require.Equal(t, 2, w.count(`select count(*) from task.task t where name = 'webhooks.deliver_event' and exists (select from task.task p where p.id = t.parent_id)`), "each names the one before")
	first := <-ids
	require.Equal(t, first, <-ids)
	require.Equal(t, first, <-ids)
	require.Empty(t, w.server.Mails())
}

func TestAnEndpointThatIsGoneIsSwitchedOffAndItsOwnerTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusGone) }))
	t.Cleanup(receiver.Close)
	_, delivery := tell(t, w.pg, w.shop, w.owner, receiver.URL+"/token")
	w.Drain(t.Context())
	require.Equal(t, 1, w.count(`select count(*) from webhooks.delivery where id = $1 and state = 'FAILED'`, delivery))
	require.Equal(t, 1, w.count(`select count(*) from webhooks.endpoint where state = 'DISABLED' and reason = 'GONE'`))
	require.Equal(t, 1, w.count(`select count(*) from notifications.notice where tenant_id = $1 and kind = 'WEBHOOK_DISABLED' and permission = 'can_manage_settings' and priority = 'HIGH'`, w.shop))
	mails := w.server.To("ama@example.com")
	require.Len(t, mails, 1)
	require.Contains(t, mails[0].Subject, "were switched off")
	require.Contains(t, mails[0].Text, "410")
	require.NotContains(t, mails[0].Text, "token", "an address may hold a secret")
}

func TestADeliveryThatCannotBeSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := map[string]uuid.UUID{}
	ctx := tenant.With(t.Context(), w.shop)
	calls := webhookspb.NewTasks(w.Queue)
	require.NoError(t, w.db.InTenant(ctx, func(tx *gorm.DB) error {
		for name, args := range map[string]*webhookspb.DeliverEventArgs{
			"delivery_id is not a UUID":  {DeliveryId: "x", Attempt: 1},
			"attempt is less than 1":     {DeliveryId: uuid.NewString()},
			"There is no such delivery.": {DeliveryId: uuid.NewString(), Attempt: 1},
		} {
			id, err := calls.DeliverEvent(ctx, tx, args)
			if err != nil {
				return err
			}
			ids[name] = id
		}
		return nil
	}))
	require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		ids["given to a task of none"], err = calls.DeliverEvent(t.Context(), tx, &webhookspb.DeliverEventArgs{DeliveryId: uuid.NewString(), Attempt: 1})
		return err
	}))
	w.Drain(t.Context())
	for want, id := range ids {
		v := w.View(t.Context(), id)
		require.Equal(t, "failed", v.Status(), want)
		require.Contains(t, v.Error, want)
	}
}
