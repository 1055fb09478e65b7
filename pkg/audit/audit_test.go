package audit_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

func TestRecord_keepsWhatWasDoneAndNobodyCanChangeIt(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db := pg.Open("makola_gateway")
	shop, other, user := uuid.New(), uuid.New(), uuid.New()
	ctx := tenant.With(t.Context(), shop)
	require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) error {
		return audit.Record(tx,
			audit.Entry{Tenant: shop, User: user, Actor: "ama@example.com", Action: audit.Login, Entity: "session"},
			audit.Entry{Tenant: shop, Actor: "task:sales.release", Action: "stock.released", Entity: "reservation", EntityID: "7", Changes: map[string]any{"state": []string{"ACTIVE", "RELEASED"}},
				UserAgent: strings.Repeat("é", 1000)})
	}))
	var n int
	count := `select count(*) from audit.entry where action in ('LOGIN', 'stock.released') and length(user_agent) <= 300`
	require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) error { return postgres.QueryRow(tx, count).Scan(&n) }))
	require.Equal(t, 2, n)
	require.NoError(t, db.InTenant(tenant.With(t.Context(), other), func(tx *gorm.DB) error { return postgres.QueryRow(tx, count).Scan(&n) }))
	require.Zero(t, n, "another business sees nothing")

	require.Error(t, db.InTenant(ctx, func(tx *gorm.DB) error {
		return audit.Record(tx, audit.Entry{Tenant: other, Actor: "ama@example.com", Action: audit.Update})
	}), "nobody writes into another business's log")
	for _, forbidden := range []string{"update audit.entry set actor = 'x'", "delete from audit.entry"} {
		require.ErrorContains(t, db.InTenant(ctx, func(tx *gorm.DB) error { _, err := postgres.Exec(tx, forbidden); return err }), "42501")
	}
}

func TestRecord_refusesAnEntryWithoutActor(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_operator")
	require.Error(t, db.InSystem(t.Context(), func(tx *gorm.DB) error { return audit.Record(tx, audit.Entry{Action: audit.Update}) }))
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
		return audit.Record(tx, audit.Entry{Actor: "operator:kofi", Action: "review.approved", Entity: "payment_review"})
	}))
}
