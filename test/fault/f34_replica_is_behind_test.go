package fault

import (
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"makola/pkg/postgres"
	"makola/pkg/reporting"
)

// TestF34ReplicaIsBehind reads reports from a replica that follows, one that stands still, and one that is gone. None of them lacks what was there when it was asked for.
func TestF34ReplicaIsBehind(t *testing.T) {
	t.Parallel()
	w := newOwnWorld(t)
	d := w.newDesk()
	replica, err := w.pg.StartReplica(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = replica.Kill() })
	address := replica.At(w.url("makola_reader"))
	open := func(url string) *postgres.DB {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 2})
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	both := reporting.Databases{Primary: open(w.url("makola_reports")), Read: open(address)}
	admin, err := pgx.Connect(t.Context(), replica.At(w.base))
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close(t.Context()) })
	customers := 1
	join := func() {
		customers++
		w.exec(`insert into sales.customer (id, tenant_id, name, phone, type, currency) values (gen_random_uuid(), $1, 'New', $2, 'RETAIL', 'GHS')`, elsewhere, "0200"+strconv.Itoa(100_000+customers))
	}
	current := func() *postgres.DB {
		db, err := both.Current(t.Context())
		require.NoError(t, err)
		return db
	}
	read := 0
	for range 20 {
		join()
		if current() != both.Read { // a busy machine may keep it waiting too long; then it is not read
			continue
		}
		read++
		var n int
		require.NoError(t, admin.QueryRow(t.Context(), `select count(*) from sales.customer where tenant_id = $1`, elsewhere).Scan(&n))
		require.Equal(t, customers, n, "the replica has what was there before it was asked")
	}
	require.Positive(t, read)

	_, err = admin.Exec(t.Context(), `select pg_wal_replay_pause()`)
	require.NoError(t, err)
	w.await("it stands still", func() bool {
		var state string
		return admin.QueryRow(t.Context(), `select pg_get_wal_replay_pause_state()`).Scan(&state) == nil && state == "paused"
	})
	join()
	require.Same(t, both.Primary, current())
	v := d.worker(t.TempDir(), "READ_DATABASE_URL="+address)
	order := reporting.Order{Kind: reporting.Customers, Format: reporting.CSV}
	require.EqualValues(t, customers, d.done(elsewhere, d.ask(elsewhere, order)).RecordCount)
	require.True(t, v.has("replica is behind"))
	_, err = admin.Exec(t.Context(), `select pg_wal_replay_resume()`)
	require.NoError(t, err)
	w.await("it follows again", func() bool { return current() == both.Read })

	require.NoError(t, admin.Close(t.Context()))
	require.NoError(t, replica.Kill())
	join()
	require.Same(t, both.Primary, current())
	require.EqualValues(t, customers, d.done(elsewhere, d.ask(elsewhere, order)).RecordCount)
	require.True(t, v.has("replica does not answer"))
}
