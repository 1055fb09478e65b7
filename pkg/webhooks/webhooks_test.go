package webhooks_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/outbound"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// loopback is what a test may dial.
var loopback = outbound.Config{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPlainHTTP: true}

// world is two shops, the roles that work with endpoints, and somebody who listens.
type world struct {
	t                 *testing.T
	pg                *postgrestest.Database
	gateway, notifier *postgres.DB
	admin             *pgx.Conn
	keys              *webhooks.Keys
	endpoints         *webhooks.Endpoints
	sender            *webhooks.Sender
	tasks             *webhookspb.Tasks
	shop, other       uuid.UUID
	owner             uuid.UUID
	ears              *ears
}

// ears is an endpoint's server: it remembers what it heard, and answers what it is told to.
type ears struct {
	*httptest.Server
	mu    sync.Mutex
	heard []heard
	// answer answers instead of 204.
	answer http.HandlerFunc
}

type heard struct {
	header http.Header
	body   []byte
}

func (e *ears) all() []heard {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]heard(nil), e.heard...)
}

// says makes e answer otherwise from now on; nil is 204 again.
func (e *ears) says(answer http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func newEars(t *testing.T) *ears {
	t.Helper()
	e := &ears{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.heard = append(e.heard, heard{r.Header.Clone(), body})
		answer := e.answer
		e.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(e.Close)
	return e
}

func newWorld(t *testing.T) *world {
	t.Helper()
	pg := postgrestest.New(t)
	w := &world{t: t, pg: pg, gateway: pg.Open("makola_gateway"), notifier: pg.Open("makola_notifier"), admin: pg.Admin(), shop: uuid.New(), other: uuid.New(), owner: uuid.New(), ears: newEars(t)}
	var err error
	w.keys, err = webhooks.ParseKeys("0123456789abcdef0123456789abcdef")
	require.NoError(t, err)
	w.endpoints = &webhooks.Endpoints{Keys: w.keys, Outbound: loopback}
	w.sender = webhooks.NewSender(loopback, 4)
	t.Cleanup(w.sender.Close)
	w.tasks = webhookspb.NewTasks(task.NewQueue(w.gateway, nil, task.QueueConfig{}))
	for i, shop := range []uuid.UUID{w.shop, w.other} {
		owner := []uuid.UUID{w.owner, uuid.New()}[i]
		w.exec(`insert into accounts.user (id, email, name, password_hash) values ($1, $2, 'Ama', 'x')`, owner, owner.String()+"@example.com")
		w.exec(`insert into accounts.business (id, owner_id, name, email) values ($1, $2, $3, 'shop@example.com')`, shop, owner, "Shop "+shop.String())
	}
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.admin.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.admin.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

// as runs fn for a shop in a role's transaction.
func (w *world) as(db *postgres.DB, shop uuid.UUID, fn func(ctx context.Context, tx *gorm.DB) error) error {
	w.t.Helper()
	ctx := tenant.With(w.t.Context(), shop)
	return db.InTenant(ctx, func(tx *gorm.DB) error { return fn(ctx, tx) })
}

func (w *world) who() audit.Entry { return audit.Entry{User: w.owner, Actor: "ama@example.com"} }

func (w *world) register(shop uuid.UUID, url string, kinds ...webhooks.Kind) (e *webhooks.Endpoint, secret string) {
	w.t.Helper()
	require.NoError(w.t, w.as(w.gateway, shop, func(_ context.Context, tx *gorm.DB) (err error) {
		e, secret, err = w.endpoints.Create(tx, w.who(), webhooks.Wish{URL: &url, Kinds: &kinds})
		return err
	}))
	return e, secret
}

func (w *world) emit(db *postgres.DB, events ...webhooks.Event) {
	w.t.Helper()
	require.NoError(w.t, db.InSystem(w.t.Context(), func(tx *gorm.DB) error {
		if err := postgres.BindTenants(tx, []uuid.UUID{w.shop, w.other}); err != nil {
			return err
		}
		return webhooks.Emit(w.t.Context(), tx, w.tasks, events)
	}))
}

func (w *world) report(shop uuid.UUID) webhooks.Event {
	return webhooks.Event{Tenant: shop, At: time.Now(), Data: webhooks.ReportReady{ReportID: uuid.New(), Kind: "sales", FileName: "sales <&>.csv"}}
}

func (w *world) deliveries(shop uuid.UUID) (list []webhooks.Delivery) {
	w.t.Helper()
	require.NoError(w.t, w.as(w.gateway, shop, func(_ context.Context, tx *gorm.DB) (err error) {
		list, err = webhooks.Deliveries(tx, webhooks.Filter{Limit: 100})
		return err
	}))
	return list
}

// attempt makes one attempt at a delivery, as the task does; beginning is what it was told first.
func (w *world) attempt(id uuid.UUID, number int) (b webhooks.Beginning, c webhooks.Conclusion) {
	w.t.Helper()
	require.NoError(w.t, w.as(w.notifier, w.shop, func(_ context.Context, tx *gorm.DB) (err error) {
		b, err = webhooks.Begin(tx, w.keys, id, number)
		return err
	}))
	if b.Attempt == nil {
		return b, c
	}
	now := time.Now()
	answer, err := w.sender.Send(w.t.Context(), b.Attempt, now)
	require.NoError(w.t, err)
	require.NoError(w.t, w.as(w.notifier, w.shop, func(ctx context.Context, tx *gorm.DB) (err error) {
		c, err = b.Conclude(ctx, tx, w.tasks, answer, now)
		return err
	}))
	return b, c
}

func (w *world) delivery(id uuid.UUID) (d *webhooks.Delivery) {
	w.t.Helper()
	require.NoError(w.t, w.as(w.gateway, w.shop, func(_ context.Context, tx *gorm.DB) (err error) {
		d, err = webhooks.DeliveryByID(tx, id)
		return err
	}))
	return d
}

func verify(t *testing.T, secret string, h heard) error {
	t.Helper()
	hook, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	return hook.Verify(h.body, h.header)
}

func TestAnEventIsKeptForThoseWhoWantToKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.emit(w.gateway, w.report(w.shop), w.report(w.other))
	require.Zero(t, w.count(`select count(*) from webhooks.event`)+w.count(`select count(*) from task.task`), "nobody listens")

	one, _ := w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	two, _ := w.register(w.shop, w.ears.URL+"/two", webhooks.KindReportReady, webhooks.KindStockLow)
	w.register(w.other, w.ears.URL, webhooks.KindStockLow)
	for _, role := range []string{"makola_gateway", "makola_billing", "makola_inventory", "makola_reports"} {
		before := w.count(`select count(*) from webhooks.delivery`)
		w.emit(w.pg.Open(role), w.report(w.shop), w.report(w.other), webhooks.Event{Tenant: w.other, At: time.Now(), Data: webhooks.StockLow{}})
		require.Equal(t, before+3, w.count(`select count(*) from webhooks.delivery`), role)
	}
	list := w.deliveries(w.shop)
	require.Len(t, list, 8)
	require.Equal(t, list[0].Event, list[1].Event, "one event, two endpoints")
	require.ElementsMatch(t, []uuid.UUID{one.ID, two.ID}, []uuid.UUID{list[0].Endpoint, list[1].Endpoint})
	require.Equal(t, 12, w.count(`select count(*) from task.task t join webhooks.delivery d on t.args ->> 'delivery_id' = d.id::text and t.tenant_id = d.tenant_id where t.name = 'webhooks.deliver_event' and t.queue = 'webhooks'`))
	require.Len(t, w.deliveries(w.other), 4)

	_, err := w.pg.Admin().Exec(t.Context(), `update webhooks.endpoint set state = 'DISABLED', reason = 'OWNER', disabled_at = now()`)
	require.NoError(t, err)
	w.emit(w.gateway, w.report(w.shop))
	require.Len(t, w.deliveries(w.shop), 8, "a disabled endpoint is not told")
}

func TestAnEventThatIsRolledBackNeverWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	require.ErrorIs(t, w.as(w.gateway, w.shop, func(ctx context.Context, tx *gorm.DB) error {
		require.NoError(t, webhooks.Emit(ctx, tx, w.tasks, []webhooks.Event{w.report(w.shop)}))
		return io.ErrUnexpectedEOF
	}), io.ErrUnexpectedEOF)
	require.Zero(t, w.count(`select count(*) from webhooks.event`)+w.count(`select count(*) from task.task`))
}

func TestADeliveryIsSignedAsTheConventionHasIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, secret := w.register(w.shop, w.ears.URL+"/hook?token=x", webhooks.KindReportReady)
	require.Zero(t, w.count(`select count(*) from webhooks.endpoint where endpoint::text like '%' || $1 || '%' or secret = convert_to($1, 'utf8')`, secret), "no row holds the secret")
	w.emit(w.gateway, w.report(w.shop))
	d := w.deliveries(w.shop)[0]
	_, c := w.attempt(d.ID, 1)
	require.Equal(t, webhooks.OutcomeDelivered, c.Outcome)
	got := w.ears.all()
	require.Len(t, got, 1)
	require.NoError(t, verify(t, secret, got[0]))
	require.Error(t, verify(t, "whsec_"+strings.Repeat("A", 43)+"=", got[0]))
	require.Equal(t, d.Event.String(), got[0].header.Get("Webhook-Id"))
	require.Equal(t, "application/json", got[0].header.Get("Content-Type"))
	var body map[string]any
	require.NoError(t, json.Unmarshal(got[0].body, &body))
	require.Equal(t, d.Event.String(), body["id"])
	require.Equal(t, "report.ready", body["type"])
	require.Contains(t, string(got[0].body), "sales <&>.csv", "nothing is escaped that need not be")
	now := w.delivery(d.ID)
	require.Equal(t, webhooks.Delivered, now.State)
	require.Equal(t, string(got[0].body), now.Body)
	require.Len(t, now.Log, 1)
	require.Equal(t, 204, now.Log[0].Status)
	require.NotNil(t, now.EndedAt)
	require.Nil(t, now.NextAttemptAt)

	// For a day the secret before signs as well, and the one before that does not.
	secrets := []string{secret}
	for range 2 {
		require.NoError(t, w.as(w.gateway, w.shop, func(_ context.Context, tx *gorm.DB) error {
			now, fresh, err := w.endpoints.Rotate(tx, w.who(), e.ID)
			secrets = append(secrets, fresh)
			require.WithinDuration(t, time.Now().Add(webhooks.Overlap), *now.RotatedUntil, time.Hour)
			return err
		}))
		w.emit(w.gateway, w.report(w.shop))
		w.attempt(w.deliveries(w.shop)[0].ID, 1)
		got = w.ears.all()
		last := got[len(got)-1]
		require.Len(t, strings.Fields(last.header.Get("Webhook-Signature")), 2)
		n := len(secrets)
		require.NoError(t, verify(t, secrets[n-1], last))
		require.NoError(t, verify(t, secrets[n-2], last))
		if n > 2 {
			require.Error(t, verify(t, secrets[n-3], last))
		}
	}
	w.exec(`update webhooks.endpoint set previous_until = now() - interval '1 second'`)
	w.emit(w.gateway, w.report(w.shop))
	w.attempt(w.deliveries(w.shop)[0].ID, 1)
	got = w.ears.all()
	require.NoError(t, verify(t, secrets[2], got[len(got)-1]))
	require.Error(t, verify(t, secrets[1], got[len(got)-1]), "its day is over")
}

func TestAnAttemptIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	w.emit(w.gateway, w.report(w.shop))
	w.ears.says(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "7200")
		http.Error(rw, "busy, Bearer abcdef", http.StatusServiceUnavailable)
	})
	d := w.deliveries(w.shop)[0]
	_, c := w.attempt(d.ID, 1)
	require.Equal(t, webhooks.OutcomeRetrying, c.Outcome)
	b, _ := w.attempt(d.ID, 1)
	require.Equal(t, webhooks.OutcomeSuperseded, b.Over)
	now := w.delivery(d.ID)
	require.Equal(t, webhooks.Pending, now.State)
	require.Len(t, now.Log, 1)
	require.Equal(t, "busy, …", now.Log[0].Answer)
	require.Equal(t, 503, *now.LastStatus)
	require.Equal(t, 1, w.count(`select count(*) from task.task where args ->> 'attempt' = '2' and available_at - created_at between interval '119 minutes' and interval '121 minutes'`), "it asked for two hours")
	require.Len(t, w.ears.all(), 1)

	// Two workers made the second attempt, and the slower one comes too late.
	w.ears.says(nil)
	var slow webhooks.Beginning
	require.NoError(t, w.as(w.notifier, w.shop, func(_ context.Context, tx *gorm.DB) (err error) {
		slow, err = webhooks.Begin(tx, w.keys, d.ID, 2)
		return err
	}))
	_, c = w.attempt(d.ID, 2)
	require.Equal(t, webhooks.OutcomeDelivered, c.Outcome)
	require.NoError(t, w.as(w.notifier, w.shop, func(ctx context.Context, tx *gorm.DB) error {
		c, err := slow.Conclude(ctx, tx, w.tasks, webhooks.Answer{Status: 500}, time.Now())
		require.Equal(t, webhooks.OutcomeSuperseded, c.Outcome)
		return err
	}))
	require.Equal(t, webhooks.Delivered, w.delivery(d.ID).State)
	require.Len(t, w.delivery(d.ID).Log, 2)
}

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
