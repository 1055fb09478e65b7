package accounts_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// What every signed-in request pays for permissions that are never out of date.
func BenchmarkAuthorize(b *testing.B) {
	d := postgrestest.New(b)
	s := &accounts.Sessions{DB: d.Open("makola_gateway"), Keys: mustKeys(b)}
	ctx := tenant.With(b.Context(), uuid.Must(uuid.NewV7()))
	var session *accounts.Session
	require.NoError(b, s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		p, err := accounts.Register(tx, accounts.Registration{Email: "ama@example.com", Name: "Ama", PasswordHash: "!", BusinessName: "Shop"}, time.Now())
		if err != nil {
			return err
		}
		session, err = s.Open(tx, p, accounts.Client{}, time.Now())
		return err
	}))
	who := session.Profile.Principal(session.ID)
	for b.Loop() {
		if _, err := s.Authorize(b.Context(), who); err != nil {
			b.Fatal(err)
		}
	}
}

func mustKeys(b *testing.B) *accounts.Keys {
	b.Helper()
	k, err := accounts.ParseKeys(keyA)
	require.NoError(b, err)
	return k
}
