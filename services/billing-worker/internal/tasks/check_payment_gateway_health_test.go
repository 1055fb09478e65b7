package tasks_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/notifications"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task/tasktest"
	notificationspb "makola/proto/makola/notifications/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	"makola/services/billing-worker/internal/tasks"
)

// watchtower is billing-worker with a real client of the simulator's, which its breaker observes.
type watchtower struct {
	t      *testing.T
	sim    *fake.Simulator
	client payments.Provider
	h      *tasktest.Harness
	db     *postgres.DB
	admin  *pgx.Conn
}

func newWatchtower(t *testing.T, platform string) *watchtower {
	t.Helper()
	pg := postgrestest.New(t)
	w := &watchtower{t: t, db: pg.Open("makola_billing"), admin: pg.Admin()}
	var err error
	w.sim, err = fake.New(fake.Config{})
	require.NoError(t, err)
	t.Cleanup(w.sim.Close)
	server := httptest.NewServer(w.sim)
	t.Cleanup(server.Close)
	allow := outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true}
	client, err := paystack.New(paystack.Config{BaseURL: server.URL, SecretKeys: []paystack.SecretKey{paystack.SimulatorSecretKey}, Outbound: allow, Observe: (&billing.GatewayHealth{DB: w.db}).Observe})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	w.client = client
	w.h = tasktest.New(t, w.db)
	subscriptionspb.HandleTasks(w.h, &tasks.Subscriptions{
		DB: w.db, Providers: map[string]payments.Provider{"paystack": client}, Tasks: subscriptionspb.NewTasks(w.h.Queue), Mail: notificationspb.NewTasks(w.h.Queue), PlatformEmail: platform,
	})
	return w
}

// check runs the task n times, all enqueued before the first begins, when the probes before are five minutes old; it returns the results in no order.
func (w *watchtower) check(n int) (results []*subscriptionspb.CheckPaymentGatewayHealthResult) {
	w.t.Helper()
	_, err := w.admin.Exec(w.t.Context(), `update billing.gateway_probe set at = at - interval '5 minutes'`)
	require.NoError(w.t, err)
	ids := make([]uuid.UUID, n)
	for i := range ids {
		require.NoError(w.t, w.db.InSystem(w.t.Context(), func(tx *gorm.DB) (err error) {
			ids[i], err = subscriptionspb.NewTasks(w.h.Queue).CheckPaymentGatewayHealth(w.t.Context(), tx, &subscriptionspb.CheckPaymentGatewayHealthArgs{})
			return err
		}))
	}
	w.h.Drain(w.t.Context())
	for _, id := range ids {
		r := &subscriptionspb.CheckPaymentGatewayHealthResult{}
		require.NoError(w.t, protojson.Unmarshal(w.h.View(w.t.Context(), id).Result, r))
		require.Len(w.t, r.GetGateways(), 1)
		results = append(results, r)
	}
	return results
}

// seen is what one run found.
func seen(r *subscriptionspb.CheckPaymentGatewayHealthResult) []any {
	g := r.GetGateways()[0]
	return []any{g.GetProvider(), g.GetState(), g.GetProbe(), int(g.GetConsecutiveFailures()), int(r.GetMails())}
}

// mails are the contents queued for the platform, by key.
func (w *watchtower) mails() map[string]json.RawMessage {
	w.t.Helper()
	rows, err := w.admin.Query(w.t.Context(), `select key, data from notifications.email where tenant_id is null and recipient = $1 and template in ('gateway_down', 'gateway_recovered')`, platformEmail)
	require.NoError(w.t, err)
	all := map[string]json.RawMessage{}
	var key string
	var data json.RawMessage
	_, err = pgx.ForEachRow(rows, []any{&key, &data}, func() error { all[key] = data; return nil })
	require.NoError(w.t, err)
	return all
}

func (w *watchtower) later(d time.Duration) {
	w.t.Helper()
	_, err := w.admin.Exec(w.t.Context(), `update billing.gateway_health set opened_at = opened_at - $1::interval, probed_at = probed_at - $1::interval`, d)
	require.NoError(w.t, err)
}

func (w *watchtower) fault(f fake.Fault) {
	w.t.Helper()
	w.sim.ClearFaults()
	_, err := w.sim.Inject(f)
	require.NoError(w.t, err)
}

func TestAProviderGoesDownAndRecoversAndThePlatformIsToldOfBothOnce(t *testing.T) {
	t.Parallel()
	w := newWatchtower(t, platformEmail)
	once := func() []any { return seen(w.check(1)[0]) }
	require.Equal(t, []any{"paystack", "CLOSED", "ok", 0, 0}, once())

	w.fault(fake.Fault{Operation: fake.OpProbe, Kind: fake.Kind500})
	for failures := range 4 {
		require.Equal(t, []any{"paystack", "CLOSED", "unavailable", failures + 1, 0}, once())
	}
	require.Empty(t, w.mails(), "four failures are no outage")
	require.Equal(t, []any{"paystack", "OPEN", "unavailable", 5, 1}, once())
	for _, r := range w.check(2) {
		require.Equal(t, []any{"paystack", "OPEN", "left_alone", 5, 0}, seen(r))
	}
	mails := w.mails()
	require.Len(t, mails, 1)
	var opened time.Time
	require.NoError(t, w.admin.QueryRow(t.Context(), `select opened_at from billing.gateway_outage`).Scan(&opened))
	key := "gateway:paystack:" + opened.UTC().Format(time.RFC3339Nano)
	var told notifications.GatewayDown
	require.NoError(t, json.Unmarshal(mails[key+":down"], &told))
	require.Equal(t, notifications.GatewayDown{Provider: "paystack", Since: opened.UTC(), Error: "HTTP 500"}, told)

	w.later(billing.ProbeAfter)
	require.Equal(t, []any{"paystack", "OPEN", "unavailable", 6, 0}, once())
	w.later(billing.ProbeAfter)
	w.sim.ClearFaults()
	w.check(2) // of two at once one asks
	mails = w.mails()
	require.Len(t, mails, 2, "one when it went down and one when it recovered")
	var recovered notifications.GatewayRecovered
	require.NoError(t, json.Unmarshal(mails[key+":recovered"], &recovered))
	require.Equal(t, opened.UTC(), recovered.Since)
	require.False(t, recovered.RecoveredAt.IsZero())
	require.Equal(t, []any{"paystack", "CLOSED", "ok", 0, 0}, once())
	require.Len(t, w.mails(), 2)
	var results string
	require.NoError(t, w.admin.QueryRow(t.Context(), `select string_agg(result || ' ' || state, ', ' order by id) from billing.gateway_probe`).Scan(&results))
	require.Equal(t, "ok CLOSED, unavailable CLOSED, unavailable CLOSED, unavailable CLOSED, unavailable CLOSED, unavailable OPEN, unavailable OPEN, ok CLOSED, ok CLOSED", results)
}

func TestAProviderThatSaysThatWeAskTooOftenIsNotDown(t *testing.T) {
	t.Parallel()
	w := newWatchtower(t, platformEmail)
	w.fault(fake.Fault{Operation: fake.OpProbe, Kind: fake.Kind429})
	for range 6 {
		require.Equal(t, []any{"paystack", "CLOSED", "refused", 0, 0}, seen(w.check(1)[0]))
	}
	require.Empty(t, w.mails())
}

func TestWithoutAnAddressNobodyIsMailedAndTheOutageIsKept(t *testing.T) {
	t.Parallel()
	w := newWatchtower(t, "")
	w.fault(fake.Fault{Operation: fake.OpProbe, Kind: fake.Kind500})
	for range 5 {
		w.check(1)
	}
	var n int
	require.NoError(t, w.admin.QueryRow(t.Context(), `select count(*) from billing.gateway_outage where told_down_at is not null and not exists (select from notifications.email)`).Scan(&n))
	require.Equal(t, 1, n)
}
