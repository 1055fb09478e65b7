package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// newRow is deferred work: one row of task.task.
type newRow struct{ id, tenant uuid.UUID }

func (r newRow) Statements(others ...postgres.Deferred) []postgres.Statement {
	ids, tenants := []uuid.UUID{r.id}, []uuid.UUID{r.tenant}
	for _, o := range others {
		ids, tenants = append(ids, o.(newRow).id), append(tenants, o.(newRow).tenant)
	}
	return []postgres.Statement{{SQL: `insert into task.task (id, tenant_id, name, queue) select v.id, nullif(v.tenant, '00000000-0000-0000-0000-000000000000'), 'x.y', 'x'
		from unnest($1::uuid[], $2::uuid[]) v(id, tenant)`, Args: []any{ids, tenants}}}
}

func leave(db *postgres.DB, ctx context.Context, r newRow) error {
	in := db.InTenant
	if _, ok := tenant.From(ctx); !ok {
		in = db.InSystem
	}
	return in(ctx, func(tx *gorm.DB) error {
		postgres.AtCommit(tx, r)
		return nil
	})
}

// stall keeps every insert into task.task waiting until the returned function is called.
func stall(t *testing.T, pg *postgrestest.Database) (release func()) {
	t.Helper()
	blocker := pg.Admin()
	_, err := blocker.Exec(t.Context(), "begin; lock table task.task in share mode")
	require.NoError(t, err)
	return func() {
		_, err := blocker.Exec(t.Context(), "rollback")
		require.NoError(t, err)
	}
}

func blocked(t *testing.T, c *pgx.Conn, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		var waiting int
		require.NoError(t, c.QueryRow(t.Context(), "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").Scan(&waiting))
		return waiting == n
	}, time.Minute, 5*time.Millisecond)
}

func TestTransactionsThatArriveTogetherCommitTogether(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db, admin := pg.Open("makola_billing"), pg.Admin()
	release := stall(t, pg)
	shops := []uuid.UUID{uuid.New(), uuid.New(), uuid.Nil}
	var wg, arriving sync.WaitGroup
	arriving.Add(100)
	errs := make(chan error, 100)
	for i := range 100 {
		wg.Go(func() {
			shop := shops[i%3]
			in, ctx := db.InSystem, t.Context()
			if shop != uuid.Nil {
				in, ctx = db.InTenant, tenant.With(ctx, shop)
			}
			errs <- in(ctx, func(tx *gorm.DB) error {
				postgres.AtCommit(tx, newRow{uuid.Must(uuid.NewV7()), shop})
				arriving.Done()
				return nil
			})
		})
	}
	arriving.Wait()
	blocked(t, admin, 2) // two commits are under way; everybody else gathers behind them
	release()
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	var rows, commits int
	require.NoError(t, admin.QueryRow(t.Context(), "select count(*), count(distinct xmin::text) from task.task").Scan(&rows, &commits))
	require.Equal(t, 100, rows)
	require.Less(t, commits, 50)
}

func TestATransactionThatIsRefusedHarmsNoneItSharesACommitWith(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db, admin := pg.Open("makola_billing"), pg.Admin()
	taken, mine, theirs := uuid.New(), uuid.New(), uuid.New()
	require.NoError(t, leave(db, t.Context(), newRow{taken, uuid.Nil}))
	release := stall(t, pg)
	var wg sync.WaitGroup
	var good, duplicate, foreign sync.Map
	for i := range 60 {
		wg.Go(func() {
			switch {
			case i%20 == 7: // an id that is taken
				duplicate.Store(i, leave(db, t.Context(), newRow{taken, uuid.Nil}))
			case i%20 == 13: // another tenant's row: its neighbours' tenants do not open the wall for it
				foreign.Store(i, leave(db, tenant.With(t.Context(), mine), newRow{uuid.New(), theirs}))
			case i%2 == 0:
				good.Store(i, leave(db, tenant.With(t.Context(), theirs), newRow{uuid.New(), theirs}))
			default:
				good.Store(i, leave(db, tenant.With(t.Context(), mine), newRow{uuid.New(), mine}))
			}
		})
	}
	blocked(t, admin, 2)
	release()
	wg.Wait()
	n := 0
	good.Range(func(_, err any) bool { n++; return err == nil })
	require.Equal(t, 54, n, "all good ones committed")
	duplicate.Range(func(_, err any) bool { require.ErrorContains(t, err.(error), "23505"); return true })
	foreign.Range(func(_, err any) bool { require.ErrorContains(t, err.(error), "row-level security"); return true })
	var rows int
	require.NoError(t, admin.QueryRow(t.Context(), "select count(*) from task.task").Scan(&rows))
	require.Equal(t, 55, rows)
}

func TestACancelledTransactionIsCommittedOrSaysThatItIsNot(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db, admin := pg.Open("makola_billing"), pg.Admin()
	type outcome struct {
		id  uuid.UUID
		err error
	}
	var mu sync.Mutex
	var outcomes []outcome
	for round := range 5 { // the lead must survive whoever gives up holding it
		release := stall(t, pg)
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				ctx, cancel := context.WithCancelCause(t.Context())
				id := uuid.Must(uuid.NewV7())
				if i%2 == 0 {
					time.AfterFunc(time.Duration(rand.IntN(30))*time.Millisecond, func() { cancel(errors.New("gone")) })
				}
				err := leave(db, ctx, newRow{id, uuid.Nil})
				cancel(nil)
				mu.Lock()
				outcomes = append(outcomes, outcome{id, err})
				mu.Unlock()
			})
		}
		released := make(chan struct{})
		time.AfterFunc(time.Duration(10+rand.IntN(20))*time.Millisecond, func() {
			defer close(released)
			release()
		})
		wg.Wait()
		<-released
		require.Len(t, outcomes, 40*(round+1))
	}
	for _, o := range outcomes {
		var there bool
		require.NoError(t, admin.QueryRow(t.Context(), "select exists (select from task.task where id = $1)", o.id).Scan(&there))
		switch {
		case o.err == nil:
			require.True(t, there)
		case !errors.Is(o.err, postgres.ErrOutcomeUnknown):
			require.False(t, there, "%v", o.err)
		}
	}
	require.NoError(t, leave(db, t.Context(), newRow{uuid.New(), uuid.Nil}), "somebody still leads")
}

func TestALoneTransactionIsCommittedAtOnce(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_billing")
	for i := range 20 {
		require.NoError(t, leave(db, t.Context(), newRow{uuid.New(), uuid.Nil}), fmt.Sprint(i))
	}
}

func BenchmarkSharedCommit(b *testing.B) {
	db := postgrestest.New(b).Open("makola_billing")
	for _, producers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("%d_producers", producers), func(b *testing.B) {
			b.SetParallelism(producers)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := leave(db, b.Context(), newRow{uuid.Must(uuid.NewV7()), uuid.Nil}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
