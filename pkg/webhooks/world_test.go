package webhooks_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
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
