package tasks_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/assist"
	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/billing-worker/internal/tasks"
)

// platformEmail is told what waits for a person.
const platformEmail = "platform@makola.example"

// shop is a business with its books open, and the worker that serves it.
type shop struct {
	tenant, owner uuid.UUID
	gateway       *postgres.DB
	webhook       *postgres.DB
	worker        *postgres.DB
	h             *tasktest.Harness
	provider      *provider
	impl          *tasks.AIFeatures
	subs          *tasks.Subscriptions
	admin         *pgx.Conn
	pg            *postgrestest.Database
	clock         time.Time // What the tasks on subscriptions take for now; it is moved by hand.
}

// provider answers verify with what a test put there; everything else of it is unused here. The real client's tests are beside it.
type provider struct {
	answer payments.Verification
	only   string // The one reference that it knows; empty means that it knows all.
	refund payments.Refund
	list   []payments.Verification
	err    error
	asked  int
	opened []payments.Opening // As it was told last.
}

func (p *provider) Name() string { return "paystack" }

func (p *provider) Refund(ctx context.Context, r payments.RefundRequest) (payments.Refund, error) {
	p.asked++
	if err := ctx.Err(); err != nil {
		return payments.Refund{}, err
	}
	a := p.refund
	a.Amount = r.Amount
	return a, p.err
}

// List answers with one payment on each page.
func (p *provider) List(ctx context.Context, r payments.ListRequest) (payments.ListPage, error) {
	if err := ctx.Err(); err != nil || len(p.list) == 0 {
		return payments.ListPage{}, err
	}
	at := len(r.Cursor)
	page := payments.ListPage{Payments: p.list[at : at+1]}
	if at+1 < len(p.list) {
		page.Next = r.Cursor + "."
	}
	return page, nil
}

func (p *provider) Initialize(context.Context, payments.InitRequest) (payments.Checkout, error) {
	return payments.Checkout{}, payments.ErrInvalidRequest
}

func (p *provider) Probe(ctx context.Context) error {
	p.asked++
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.err
}

func (p *provider) VerifyWebhook([]byte, http.Header) (payments.Event, error) {
	return payments.Event{}, payments.ErrSignature
}

func (p *provider) Verify(ctx context.Context, reference string, opened ...payments.Opening) (payments.Verification, error) {
	p.asked++
	p.opened = opened
	if err := ctx.Err(); err != nil {
		return payments.Verification{}, err
	}
	if p.only != "" && reference != p.only {
		return payments.Verification{}, payments.ErrUnknownReference
	}
	a := p.answer
	a.Reference = reference
	return a, p.err
}

func openShop(t *testing.T, pg *postgrestest.Database) (id, owner uuid.UUID) {
	t.Helper()
	id, owner = uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	admin := pg.Admin()
	_, err := admin.Exec(t.Context(), "insert into accounts.user (id, email, name, password_hash, is_active) values ($1, $2, 'Ama', 'x', true)", owner, owner.String()+"@example.com")
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), "insert into accounts.business (id, owner_id, name, email) values ($1, $2, $3, 'shop@example.com')", id, owner, "Shop "+id.String())
	require.NoError(t, err)
	require.NoError(t, pg.Open("makola_gateway").InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		return billing.OpenTenant(tx, id, 0, time.Now())
	}))
	return id, owner
}

func newShop(t *testing.T) *shop {
	t.Helper()
	pg := postgrestest.New(t)
	s := &shop{pg: pg, clock: time.Now(), gateway: pg.Open("makola_gateway"), webhook: pg.Open("makola_webhook"), worker: pg.Open("makola_billing"), provider: &provider{}, admin: pg.Admin()}
	s.tenant, s.owner = openShop(t, pg)
	s.h = tasktest.New(t, s.worker)
	s.impl, s.subs = register(s.h, s.worker, s.h.Queue, s.provider)
	s.subs.Now = func() time.Time { return s.clock }
	return s
}

func register(r contract.Registrar, db *postgres.DB, q *task.Queue, p payments.Provider) (*tasks.AIFeatures, *tasks.Subscriptions) {
	all := map[string]payments.Provider{"paystack": p}
	impl := &tasks.AIFeatures{DB: db, Providers: all, Tasks: aifeatures.NewTasks(q), Mail: notificationspb.NewTasks(q), Subscriptions: subscriptionspb.NewTasks(q), Webhooks: webhookspb.NewTasks(q), PlatformEmail: platformEmail}
	impl.Assist, impl.Lanes = &assist.Model{DB: db}, tasks.NewLanes(4)
	aifeatures.HandleTasks(r, impl)
	subs := &tasks.Subscriptions{DB: db, Providers: all, Tasks: subscriptionspb.NewTasks(q), Mail: impl.Mail, Credits: impl.Tasks, Webhooks: impl.Webhooks, PlatformEmail: platformEmail}
	subscriptionspb.HandleTasks(r, subs)
	return impl, subs
}

func (s *shop) buy(t *testing.T) (p *billing.Purchase) {
	t.Helper()
	require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), func(tx *gorm.DB) (err error) {
		p, err = billing.CreatePurchase(tx, billing.NewPurchase{Tenant: s.tenant, User: s.owner, Package: "value", Provider: "paystack", Method: "card", Now: time.Now()})
		return err
	}))
	return p
}

// event stores a provider's event, as the gateway does, and enqueues the task that settles it.
func (s *shop) event(t *testing.T, e billing.Event) contract.ID {
	t.Helper()
	require.NoError(t, s.webhook.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := billing.RecordEvents(tx, []billing.Event{e})
		return err
	}))
	return s.process(t, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: e.Reference, EventId: e.ID.String()})
}

func (s *shop) process(t *testing.T, args *aifeatures.ProcessPaymentWebhookArgs) (id contract.ID) {
	t.Helper()
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = aifeatures.NewTasks(s.h.Queue).ProcessPaymentWebhook(t.Context(), tx, args)
		return err
	}))
	return id
}

// success is a genuine event that says p was paid as asked.
func success(p *billing.Purchase) billing.Event {
	return billing.Event{
		ID: uuid.Must(uuid.NewV7()), Provider: "paystack", DedupeKey: "charge.success:" + p.Reference, Type: "charge.success", Reference: p.Reference, Body: []byte("{}"),
		Trusted: true, Status: payments.StatusSucceeded, Amount: p.Total, TransactionID: "txn-" + p.Reference,
	}
}

func (s *shop) result(t *testing.T, id contract.ID) string {
	t.Helper()
	return string(s.h.View(t.Context(), id).Result)
}

func (s *shop) balance(t *testing.T) (c money.Credits) {
	t.Helper()
	require.NoError(t, s.gateway.InTenant(tenant.With(t.Context(), s.tenant), func(tx *gorm.DB) error {
		b, err := billing.Balance(tx)
		c = b.Total
		return err
	}))
	return c
}
