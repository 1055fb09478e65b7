package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

func insertTask(tx *gorm.DB, tenantID any) error {
	return tx.Exec("insert into task.task (id, tenant_id, name, queue) values (?, ?, 'x.y', 'x')", uuid.Must(uuid.NewV7()), tenantID).Error
}

func TestTransactionsSeeOnlyTheirTenantsRows(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_gateway")
	a, b := uuid.New(), uuid.New()
	for _, id := range []uuid.UUID{a, b} {
		require.NoError(t, db.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error { return insertTask(tx, id) }))
	}
	count := func(in func(context.Context, func(*gorm.DB) error) error, ctx context.Context) (n int64) {
		require.NoError(t, in(ctx, func(tx *gorm.DB) error { return tx.Raw("select count(*) from task.task").Scan(&n).Error }))
		return n
	}
	require.EqualValues(t, 1, count(db.InTenant, tenant.With(t.Context(), a)))
	require.EqualValues(t, 0, count(db.InTenant, tenant.With(t.Context(), uuid.New())))
	require.EqualValues(t, 2, count(db.InSystem, t.Context()))
	require.ErrorIs(t, db.InTenant(t.Context(), func(*gorm.DB) error { return nil }), postgres.ErrNoTenant)
	err := db.InTenant(tenant.With(t.Context(), a), func(tx *gorm.DB) error { return insertTask(tx, b) })
	require.ErrorContains(t, err, "row-level security")
	var n int64 // the same pooled connections, without any binding
	require.NoError(t, db.Pool().QueryRow(t.Context(), "select count(*) from task.task").Scan(&n))
	require.Zero(t, n)
}

func TestAnErrorOrPanicLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_gateway")
	boom := errors.New("boom")
	ran := false
	require.ErrorIs(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
		require.True(t, postgres.AfterCommit(tx, func() { ran = true }))
		require.NoError(t, insertTask(tx, nil))
		return boom
	}), boom)
	require.Panics(t, func() {
		_ = db.InSystem(t.Context(), func(tx *gorm.DB) error { _ = insertTask(tx, nil); panic("x") })
	})
	require.False(t, ran)
	for range 30 { // more often than there are connections: none may have leaked
		require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
			var n int64
			require.NoError(t, tx.Raw("select count(*) from task.task").Scan(&n).Error)
			require.Zero(t, n)
			return nil
		}))
	}
}

func TestAFailedStatementCannotBeCommitted(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_gateway")
	err := db.InSystem(t.Context(), func(tx *gorm.DB) error {
		require.NoError(t, insertTask(tx, nil))
		_ = tx.Exec("select 1/0").Error // swallowed by a careless caller
		return nil
	})
	require.ErrorContains(t, err, "rolled back")
}

func TestACancelledContextRollsBack(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_gateway")
	ctx, cancel := context.WithCancel(t.Context())
	err := db.InSystem(ctx, func(tx *gorm.DB) error {
		require.NoError(t, insertTask(tx, nil))
		cancel()
		return tx.Exec("select 1").Error
	})
	require.Error(t, err)
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
		var n int64
		require.NoError(t, tx.Raw("select count(*) from task.task").Scan(&n).Error)
		require.Zero(t, n)
		return nil
	}))
}

func TestRequireTxRefusesPlainHandles(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_gateway")
	require.ErrorIs(t, postgres.RequireTx(nil), postgres.ErrNoTransaction)
	require.NoError(t, db.InSystem(t.Context(), postgres.RequireTx))
	_, err := postgres.Do(nil, "mend it", "select 1")
	require.EqualError(t, err, "mend it: "+postgres.ErrNoTransaction.Error())
	err = postgres.Each(nil, "look", "select 1", nil)
	require.EqualError(t, err, "look: "+postgres.ErrNoTransaction.Error())
	_, err = postgres.Owner(nil)
	require.ErrorIs(t, err, postgres.ErrNoTransaction)
}

func TestErrorsNameTheDeed(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_gateway")
	failed := errors.New("failed")
	for name, do := range map[string]func(tx *gorm.DB) error{
		"statement": func(tx *gorm.DB) error { _, err := postgres.Do(tx, "mend it", "select 1 / 0"); return err },
		"query": func(tx *gorm.DB) error {
			return postgres.Each(tx, "mend it", "select 1 / 0", func(pgx.Rows) error { return nil })
		},
		"row": func(tx *gorm.DB) error {
			return postgres.Each(tx, "mend it", "select 1", func(pgx.Rows) error { return failed })
		},
	} {
		err := db.InSystem(t.Context(), do)
		require.ErrorContains(t, err, "mend it: ", name)
		require.Equal(t, name == "row", errors.Is(err, failed))
	}
	sum := 0
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
		return postgres.Each(tx, "sum up", "select generate_series(1, 3)", func(rows pgx.Rows) error {
			var n int
			err := rows.Scan(&n)
			sum += n
			return err
		})
	}))
	require.Equal(t, 6, sum, "each row is read once")
}
