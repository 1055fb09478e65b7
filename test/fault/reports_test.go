package fault

import (
	"os"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/task"
	"makola/pkg/tenant"
	reportspb "makola/proto/makola/reports/v1"
)

// The two businesses of pkg/reporting/testdata/shop.sql.
var lagos, elsewhere = uuid.MustParse("01900000-0000-7000-8000-000000000010"), uuid.MustParse("01900000-0000-7000-8000-000000000011")

// desk is where reports are asked for, as the gateway does it.
type desk struct {
	w     *world
	db    *postgres.DB
	tasks *reportspb.Tasks
}

// newDesk fills the world with two shops.
func (w *world) newDesk() *desk {
	w.t.Helper()
	sql, err := os.ReadFile("../../pkg/reporting/testdata/shop.sql")
	require.NoError(w.t, err)
	w.exec(string(sql))
	db, err := postgres.Open(w.t.Context(), postgres.Config{URL: w.url("makola_gateway"), MaxConns: 2})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = db.Close() })
	return &desk{w: w, db: db, tasks: reportspb.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))}
}

func (d *desk) ask(business uuid.UUID, o reporting.Order) (r *reporting.Report) {
	d.w.t.Helper()
	ctx := tenant.With(d.w.t.Context(), business)
	require.NoError(d.w.t, d.db.InTenant(ctx, func(tx *gorm.DB) (err error) {
		r, _, err = reporting.Request(ctx, tx, d.tasks, o)
		return err
	}))
	return r
}

func (d *desk) get(business uuid.UUID, r *reporting.Report) *reporting.Report {
	d.w.t.Helper()
	require.NoError(d.w.t, d.db.InTenant(tenant.With(d.w.t.Context(), business), func(tx *gorm.DB) (err error) {
		r, err = reporting.Get(tx, reporting.Reader{All: true}, r.ID)
		return err
	}))
	return r
}

// done waits until the report is complete.
func (d *desk) done(business uuid.UUID, r *reporting.Report) *reporting.Report {
	d.w.t.Helper()
	d.w.await("the report is complete", func() bool { return d.get(business, r).Status == reporting.Completed })
	return d.get(business, r)
}

// worker runs reports-worker, which keeps its files in a folder.
func (d *desk) worker(files string, env ...string) *victim {
	d.w.t.Helper()
	return d.w.service("reports-worker", "services/reports-worker", append([]string{"DATABASE_URL=" + d.w.url("makola_reports"), "STORAGE_URL=file://" + files}, env...))
}
