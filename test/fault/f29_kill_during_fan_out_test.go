package fault

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/task"
	"makola/proto/makola/selftest/v1"
)

// TestF29 kills the worker between the statements of a fan-out over 2,500 businesses, and its successor when all is inserted and nothing committed, while there is other work.
// A second process relays and works meanwhile; the schedule asks for the same slot again. Each business gets one task, and no business that has closed.
func TestF29KillDuringFanOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`insert into accounts.user (id, email, name, password_hash) values ('01900000-0000-7000-8000-000000000000', 'ama@example.com', 'Ama', 'x')`)
	w.exec(`insert into accounts.business (id, owner_id, name, email, is_active)
		select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '01900000-0000-7000-8000-000000000000', 'Shop ' || n, 'shop@example.com', n % 100 <> 0 from generate_series(1, 2525) n`)
	ask := func() (id uuid.UUID) {
		require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			id, err = w.tasks.Echo(t.Context(), tx, &selftest.EchoArgs{Text: "for every business"}, task.Unique(task.SlotKey("stock", time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC))))
			return err
		}))
		return id
	}
	sweep := ask()
	w.mu.Lock()
	w.accepted[sweep] = outcome{}
	w.mu.Unlock()
	v := w.start("victim", nil, "each.chunk:2", "each.chunk:3")
	w.await("it is killed in the middle", func() bool { return v.deaths() >= 1 })
	require.Equal(t, sweep, ask())
	w.accept(100)
	w.await("its successor is killed before the commit", func() bool { return v.deaths() >= 2 })
	w.start("neighbour", nil)
	w.accept(100)
	w.settle()
	require.Equal(t, sweep, ask(), "the slot is over")

	const children = `select id from task.task where parent_id = $1`
	rows, err := w.look.Query(t.Context(), children, sweep)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	require.Len(t, ids, 2500)
	require.Equal(t, 2500, w.count(`select count(*) from accounts.business b where is_active and 1 =
		(select count(*) from task.task t where t.tenant_id = b.id and t.parent_id = $1 and t.unique_key = 'stock@2026-11-23T07:00:00Z:' || b.id)`, sweep))
	w.mu.Lock()
	for _, id := range ids {
		w.accepted[id] = outcome{}
	}
	w.mu.Unlock()
	w.finish(0)
}
