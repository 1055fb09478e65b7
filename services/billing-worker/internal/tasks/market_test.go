package tasks_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/assist"
	"makola/pkg/billing"
	"makola/pkg/chat"
	"makola/pkg/chat/fake"
	"makola/pkg/money"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/sales"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/pkg/tenant"
	aifeatures "makola/proto/makola/ai_features/v1"
	"makola/services/billing-worker/internal/tasks"
)

// id is one of pkg/reporting/testdata/shop.sql: 10 and 11 are businesses, 01 and 03 their owners, 21 and 22 storefronts of the first.
func id(end string) uuid.UUID {
	return uuid.MustParse("01900000-0000-7000-8000-" + strings.Repeat("0", 12-len(end)) + end)
}

// ours and theirs are the two businesses.
var ours, theirs = id("10"), id("11")

// openMarket makes the businesses of pkg/reporting/testdata/shop.sql, with credits, and everything that was sold there sold within the last fortnight.
func openMarket(t *testing.T, pg *postgrestest.Database) {
	t.Helper()
	raw, err := os.ReadFile("../../../../pkg/reporting/testdata/shop.sql")
	require.NoError(t, err)
	admin := pg.Admin()
	_, err = admin.Exec(t.Context(), string(raw))
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), `update sales.sale set completed_at = completed_at + (date_trunc('hour', now()) - '2026-03-12 12:00+00'::timestamptz) where completed_at is not null`)
	require.NoError(t, err)
	for _, business := range []uuid.UUID{ours, theirs} {
		require.NoError(t, pg.Open("makola_gateway").InTenant(tenant.With(t.Context(), business), func(tx *gorm.DB) error {
			return billing.OpenTenant(tx, business, 50_00, time.Now())
		}))
	}
}

// market is the worker on a database with two businesses, and a model that does as the test says.
type market struct {
	t       *testing.T
	h       *tasktest.Harness
	gateway *postgres.DB
	admin   *pgx.Conn
	model   *fake.Server
	impl    *tasks.AIFeatures
	tasks   *aifeatures.Tasks
}

func newMarket(t *testing.T) *market {
	t.Helper()
	pg := postgrestest.New(t)
	m := &market{t: t, gateway: pg.Open("makola_gateway"), admin: pg.Admin(), model: &fake.Server{Key: fake.DefaultKey}}
	openMarket(t, pg)
	db := pg.Open("makola_billing")
	m.h = tasktest.New(t, db)
	m.impl, _ = register(m.h, db, m.h.Queue, &provider{})
	m.impl.Assist = modelOf(t, db, m.model)
	m.tasks = aifeatures.NewTasks(m.h.Queue)
	return m
}

// modelOf is a model at a server of its own.
func modelOf(t *testing.T, db *postgres.DB, handler http.Handler, change ...func(*chat.Config)) *assist.Model {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg := chat.Config{URL: server.URL, Key: fake.DefaultKey, Model: fake.Model, Timeout: time.Minute, TokenField: "max_tokens", AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, fn := range change {
		fn(&cfg)
	}
	client, err := chat.New(cfg)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return &assist.Model{Chat: client, DB: db, Prices: assist.Prices{Input: 10_00, Output: 40_00}}
}

// everything are the permissions of an owner, as names of figures.
func everything() []string { return assist.FiguresFor(func(string) bool { return true }) }

// wide are limits that no test reaches by chance.
var wide = assist.Limits{PerMinute: 1000, PerHour: 1000, PerDay: 1000, BusinessDay: 1000, BusinessMonth: 1000, PlatformMonth: 10_000}

// place records a request as the gateway does, and enqueues its task.
func place(t *testing.T, gateway *postgres.DB, list *aifeatures.Tasks, business uuid.UUID, o assist.Order) (r *assist.Request) {
	t.Helper()
	ctx := tenant.With(t.Context(), business)
	o.Task = uuid.Must(uuid.NewV7())
	o.User = map[uuid.UUID]uuid.UUID{ours: id("01"), theirs: id("03")}[business]
	o.Budget = assist.Prices{Input: 10_00, Output: 40_00}.Budget(o.Feature)
	require.NoError(t, gateway.InTenant(ctx, func(tx *gorm.DB) error {
		h, err := billing.Reserve(tx, o.User, string(o.Feature), time.Now())
		if err != nil {
			return err
		}
		o.Hold = h.ID
		if r, err = assist.Ask(tx, wide, o); err != nil {
			return err
		}
		if o.Feature == assist.Description {
			_, err = list.DescribeProduct(ctx, tx, &aifeatures.DescribeProductArgs{RequestId: r.ID.String()}, task.WithID(o.Task))
			return err
		}
		_, err = list.AnswerQuestion(ctx, tx, &aifeatures.AnswerQuestionArgs{RequestId: r.ID.String()}, task.WithID(o.Task))
		return err
	}))
	return r
}

func (m *market) ask(business uuid.UUID, question string) *assist.Request {
	m.t.Helper()
	return place(m.t, m.gateway, m.tasks, business, assist.Order{Feature: assist.Question, Input: assist.Input{Question: question}, Figures: everything(), Scope: assist.Scope{All: true}})
}

// settle runs what there is to run, and what is tried again.
func (m *market) settle() {
	m.t.Helper()
	for range 4 {
		m.h.Drain(m.t.Context())
		m.h.Advance(m.t.Context(), time.Minute)
	}
}

func (m *market) read(business uuid.UUID, r *assist.Request) (now *assist.Request) {
	m.t.Helper()
	require.NoError(m.t, m.gateway.InTenant(tenant.With(m.t.Context(), business), func(tx *gorm.DB) (err error) {
		now, err = assist.Get(tx, r.ID)
		return err
	}))
	return now
}

func (m *market) balance(business uuid.UUID) (c money.Credits) {
	m.t.Helper()
	require.NoError(m.t, m.gateway.InTenant(tenant.With(m.t.Context(), business), func(tx *gorm.DB) error {
		b, err := billing.Balance(tx)
		c = b.Total
		return err
	}))
	return c
}

func (m *market) count(sql string, args ...any) (n int) {
	m.t.Helper()
	require.NoError(m.t, m.admin.QueryRow(m.t.Context(), sql, args...).Scan(&n))
	return n
}

// sent is everything that the model was shown so far.
func (m *market) sent() string {
	var all strings.Builder
	for _, r := range m.model.Requests() {
		all.Write(r.Raw)
	}
	return all.String()
}

// summary is what GET /api/v1/sales/summary sums.
func (m *market) summary(business uuid.UUID, scope sales.Scope) (s *sales.Summary) {
	m.t.Helper()
	require.NoError(m.t, m.gateway.InTenant(tenant.With(m.t.Context(), business), func(tx *gorm.DB) error {
		clock, err := sales.ClockOf(tx)
		if err != nil {
			return err
		}
		s, err = sales.Summarize(tx, scope, nil, clock, time.Now().Add(-20*24*time.Hour), time.Now())
		return err
	}))
	return s
}

// sampleOf arranges a request for the trial that every task passes.
func sampleOf(feature assist.Feature, args func(id string) proto.Message) func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
	return func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
		t.Helper()
		openMarket(t, pg)
		q := task.NewQueue(pg.Open("makola_gateway"), nil, task.QueueConfig{})
		o := assist.Order{Feature: feature, Input: assist.Input{Question: "How much do customers owe?", Product: &assist.Product{Name: "Milo"}}, Figures: everything(), Scope: assist.Scope{All: true}}
		r := place(t, pg.Open("makola_gateway"), aifeatures.NewTasks(q), ours, o)
		_, err := pg.Admin().Exec(t.Context(), `delete from task.task`) // the trial enqueues its own
		require.NoError(t, err)
		return tasktest.Sample{Args: args(r.ID.String()), Tenant: ours}
	}
}
