package postgres_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// TestAPooledConnectionForgetsItsTenant ends transactions in every way on a pool of one connection, and looks what the next user of that connection inherits.
func TestAPooledConnectionForgetsItsTenant(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: postgrestest.New(t).URL("makola_gateway"), MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	id := uuid.New()
	ctx := tenant.With(t.Context(), id)
	ends := map[string]func(tx *gorm.DB) error{
		"commit":   func(tx *gorm.DB) error { return insertTask(tx, id) },
		"rollback": func(tx *gorm.DB) error { return errors.Join(insertTask(tx, id), errors.New("no")) },
		"refused":  func(tx *gorm.DB) error { return tx.Exec("select 1/0").Error },
		"panic":    func(*gorm.DB) error { panic("no") },
	}
	for name, end := range ends {
		for _, in := range []func() error{func() error { return db.InTenant(ctx, end) }, func() error { return db.InSystem(ctx, end) }} {
			func() {
				defer func() { _ = recover() }()
				_ = in() // how it ends is the case's point, not what it returns
			}()
			var bound string
			var rows int
			require.NoError(t, db.Pool().QueryRow(t.Context(), "select coalesce(current_setting('app.tenants', true), '') || coalesce(current_setting('app.scope', true), '')").Scan(&bound), name)
			require.Empty(t, bound, "after %s", name)
			require.NoError(t, db.Pool().QueryRow(t.Context(), "select count(*) from task.task").Scan(&rows))
			require.Zero(t, rows, "after %s", name)
			require.NoError(t, db.InTenant(tenant.With(t.Context(), uuid.New()), func(tx *gorm.DB) error {
				return tx.Raw("select count(*) from task.task").Scan(&rows).Error
			}))
			require.Zero(t, rows, "another tenant after %s", name)
		}
	}
}
