package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
)

func TestIDsTravelAsTheyAre(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_billing")
	one, two := uuid.Must(uuid.NewV7()), uuid.New()
	for name, c := range map[string]struct {
		arg  any
		want string // as PostgreSQL writes it
	}{
		"an id":                {one, one.String()},
		"the zero id":          {uuid.Nil, uuid.Nil.String()},
		"a pointer":            {&two, two.String()},
		"a nil pointer":        {(*uuid.UUID)(nil), "NULL"},
		"a null id":            {uuid.NullUUID{}, "NULL"},
		"a valid nullable id":  {uuid.NullUUID{UUID: one, Valid: true}, one.String()},
		"an id as text":        {one.String(), one.String()},
		"some ids":             {[]uuid.UUID{one, uuid.Nil, two}, "{" + one.String() + "," + uuid.Nil.String() + "," + two.String() + "}"},
		"no ids":               {[]uuid.UUID{}, "{}"},
		"a nil slice":          {[]uuid.UUID(nil), "NULL"},
		"ids and nil pointers": {[]*uuid.UUID{&one, nil}, "{" + one.String() + ",NULL}"},
		"ids of another type":  {[]uuid.NullUUID{{}, {UUID: two, Valid: true}}, "{NULL," + two.String() + "}"},
		"many ids":             {many(5000, one), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := "uuid"
			switch c.arg.(type) {
			case []uuid.UUID, []*uuid.UUID, []uuid.NullUUID:
				kind = "uuid[]"
			}
			require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
				var got string
				require.NoError(t, postgres.Query(tx, func(rows pgx.Rows) error {
					require.True(t, rows.Next())
					return rows.Scan(&got)
				}, "select coalesce(($1::"+kind+")::text, 'NULL')", c.arg))
				if c.want == "" {
					require.Len(t, got, 5000*37+1)
					return nil
				}
				require.Equal(t, c.want, got)
				return nil
			}))
		})
	}
}

func many(n int, id uuid.UUID) []uuid.UUID {
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = id
	}
	return ids
}

func TestIDsComeBackAsTheyAre(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_billing")
	id := uuid.Must(uuid.NewV7())
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
		var plain, null uuid.UUID
		var pointer, none *uuid.UUID
		var nullable uuid.NullUUID
		var ids []uuid.UUID
		var text string
		require.NoError(t, postgres.Query(tx, func(rows pgx.Rows) error {
			require.True(t, rows.Next())
			return rows.Scan(&plain, &null, &pointer, &none, &nullable, &ids, &text)
		}, "select $1::uuid, null::uuid, $1::uuid, null::uuid, $1::uuid, array[$1::uuid, $1::uuid], $1::uuid", id))
		require.Equal(t, id, plain)
		require.Equal(t, uuid.Nil, null)
		require.Equal(t, &id, pointer)
		require.Nil(t, none)
		require.Equal(t, uuid.NullUUID{UUID: id, Valid: true}, nullable)
		require.Equal(t, []uuid.UUID{id, id}, ids)
		require.Equal(t, id.String(), text)

		var through uuid.UUID // through database/sql, as gorm scans
		require.NoError(t, postgres.QueryRow(tx, "select $1::uuid", id).Scan(&through))
		require.Equal(t, id, through)
		require.NoError(t, tx.Raw("select ?::uuid", id).Row().Scan(&through))
		require.Equal(t, id, through)
		return nil
	}))
}
