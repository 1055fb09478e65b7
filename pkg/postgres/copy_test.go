package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

func TestCopiedRowsAreOfTheTransaction(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_owner")
	ctx := tenant.With(t.Context(), uuid.New())
	rows := [][]any{{uuid.New(), "one"}, {uuid.New(), nil}}
	columns := []string{"id", "word"}
	require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) error {
		if _, err := postgres.Exec(tx, `create temporary table copied (id uuid not null, word text) on commit delete rows`); err != nil {
			return err
		}
		n, err := postgres.CopyFrom(tx, "copied", columns, pgx.CopyFromRows(rows))
		require.EqualValues(t, 2, n)
		if err != nil {
			return err
		}
		var there int
		require.NoError(t, postgres.QueryRow(tx, `select count(*) from copied where id = any ($1)`, []uuid.UUID{rows[0][0].(uuid.UUID), rows[1][0].(uuid.UUID)}).Scan(&there))
		require.Equal(t, 2, there)
		return nil
	}))
	err := db.InTenant(ctx, func(tx *gorm.DB) error {
		_, err := postgres.CopyFrom(tx, "no_such_table", columns, pgx.CopyFromRows(rows))
		return err
	})
	require.ErrorContains(t, err, "no_such_table")
	_, err = postgres.CopyFrom(&gorm.DB{Statement: &gorm.Statement{}}, "copied", columns, pgx.CopyFromRows(rows))
	require.ErrorIs(t, err, postgres.ErrNoTransaction)
}
