package tasks_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/pkg/tenant"
	"makola/proto/contract"
	inventorypb "makola/proto/makola/inventory/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	salespb "makola/proto/makola/sales/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/inventory-worker/internal/tasks"
)

// worker is inventory-worker on a database of its own, without a broker.
type worker struct {
	t         *testing.T
	pg        *postgrestest.Database
	db        *postgres.DB
	h         *tasktest.Harness
	look      *pgx.Conn
	inventory *inventorypb.Tasks
	sales     *salespb.Tasks
}

func register(pg *postgrestest.Database, r contract.Registrar, q *task.Queue) {
	uploads := &tasks.Imports{DB: pg.Open("makola_inventory"), Files: filesOf(pg), Bell: q}
	inventorypb.HandleTasks(r, &tasks.Inventory{Instance: "inventory-1", Tasks: inventorypb.NewTasks(q), Mail: notificationspb.NewTasks(q), Webhooks: webhookspb.NewTasks(q), Bell: q, Imports: uploads})
	salespb.HandleTasks(r, &tasks.Sales{Tasks: salespb.NewTasks(q), Imports: uploads})
}

func newWorker(t *testing.T) *worker {
	t.Helper()
	pg := postgrestest.New(t)
	w := &worker{t: t, pg: pg, db: pg.Open("makola_inventory"), look: pg.Admin()}
	w.h = tasktest.New(t, w.db)
	register(pg, w.h, w.h.Queue)
	w.inventory, w.sales = inventorypb.NewTasks(w.h.Queue), salespb.NewTasks(w.h.Queue)
	return w
}

func (w *worker) exec(sql string, args ...any) { w.t.Helper(); exec(w.t, w.look, sql, args...) }

func exec(t testing.TB, c *pgx.Conn, sql string, args ...any) {
	t.Helper()
	_, err := c.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (w *worker) count(sql string, args ...any) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.look.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

// run enqueues a task for a business, or for the platform when that is uuid.Nil, drains, and decodes its result into result.
func run[A, R proto.Message](w *worker, business uuid.UUID, enqueue func(context.Context, *gorm.DB, A, ...contract.Option) (contract.ID, error), args A, result R) R {
	w.t.Helper()
	ctx, in := w.t.Context(), w.db.InSystem
	if business != uuid.Nil {
		ctx, in = tenant.With(ctx, business), w.db.InTenant
	}
	var id contract.ID
	require.NoError(w.t, in(ctx, func(tx *gorm.DB) (err error) {
		id, err = enqueue(ctx, tx, args)
		return err
	}))
	w.h.Drain(w.t.Context())
	v := w.h.View(w.t.Context(), id)
	require.Equal(w.t, "completed", v.Status(), v.Error)
	require.NoError(w.t, json.Unmarshal(v.Result, result))
	return result
}

// shop is one business with a storefront, written past the gateway.
type shop struct {
	t           testing.TB
	c           *pgx.Conn
	id, owner   uuid.UUID
	place       uuid.UUID
	ownersEmail string
}

func openShop(t testing.TB, c *pgx.Conn, name string) *shop {
	t.Helper()
	s := &shop{t: t, c: c, id: uuid.Must(uuid.NewV7()), ownersEmail: "owner@" + name + ".example"}
	s.owner = s.member("OWNER", s.ownersEmail, func() {
		exec(t, c, `insert into accounts.business (id, owner_id, name, email) values ($1, (select id from accounts.user where email = $2), $3, $2)`, s.id, s.ownersEmail, name)
	})
	s.place = s.location("STOREFRONT", "MAIN", nil)
	return s
}

func (s *shop) member(role, email string, between func()) uuid.UUID {
	s.t.Helper()
	id := uuid.Must(uuid.NewV7())
	exec(s.t, s.c, `insert into accounts.user (id, email, name, password_hash) values ($1, $2, 'Ama', '')`, id, email)
	if between != nil {
		between()
	}
	exec(s.t, s.c, `insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, $3)`, s.id, id, role)
	return id
}

func (s *shop) location(kind, code string, manager *uuid.UUID) uuid.UUID {
	s.t.Helper()
	id := uuid.Must(uuid.NewV7())
	exec(s.t, s.c, `insert into inventory.location (id, tenant_id, kind, name, code, manager_id) values ($1, $2, $3, 'Place ' || $4::text, $4, $5)`, id, s.id, kind, code, manager)
	return id
}

func (s *shop) product(name string, level int64) uuid.UUID {
	s.t.Helper()
	id := uuid.Must(uuid.NewV7())
	exec(s.t, s.c, `insert into inventory.product (id, tenant_id, name, sku, reorder_level) values ($1, $2, $3, 'SKU-' || $3::text, $4)`, id, s.id, name, level)
	return id
}

// stock brings n units to a place, at 2.00 each, that expire in some days; more than 900 is never.
func (s *shop) stock(product, place uuid.UUID, n int64, days int) uuid.UUID {
	s.t.Helper()
	id, batch := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	exec(s.t, s.c, `insert into inventory.stock_batch (id, tenant_id, arrival_date, created_by) values ($1, $2, '2026-01-01', $3)`, batch, s.id, s.owner)
	exec(s.t, s.c, `insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, quantity_received, currency, unit_cost_minor, retail_price_minor, expiry_date)
		values ($1, $2, $3, $4, $5, $6, 'GHS', 200, 300, case when $7::int <= 900 then (now() at time zone 'UTC')::date + $7::int end)`, id, s.id, batch, place, product, n, days)
	s.move(id, n, "INTAKE", 0)
	return id
}

// move posts one movement of an item, some days ago.
func (s *shop) move(item uuid.UUID, delta int64, kind string, daysAgo int) {
	s.t.Helper()
	exec(s.t, s.c, `select set_config('app.tenants', array[$1::uuid]::text, false)`, s.id)
	exec(s.t, s.c, `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id, at)
		select $1, tenant_id, product_id, location_id, id, $2, $3, 'test', $1, now() - $5::int * interval '1 day' from inventory.stock_item where id = $4`,
		uuid.Must(uuid.NewV7()), delta, kind, item, daysAgo)
}
