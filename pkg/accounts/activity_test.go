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

func TestTheLastWeekIsTheLastThatIsOver(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return v
	}
	for _, tc := range []struct{ name, now, zone, from, to string }{
		{"on Monday at seven", "2026-03-30T07:00:00Z", "Africa/Accra", "2026-03-23T00:00:00Z", "2026-03-30T00:00:00Z"},
		{"at Monday's first instant", "2026-03-30T00:00:00Z", "UTC", "2026-03-23T00:00:00Z", "2026-03-30T00:00:00Z"},
		{"at Sunday's last", "2026-03-29T23:59:59Z", "UTC", "2026-03-16T00:00:00Z", "2026-03-23T00:00:00Z"},
		{"on a Thursday", "2026-04-02T12:00:00Z", "UTC", "2026-03-23T00:00:00Z", "2026-03-30T00:00:00Z"},
		{"in Lagos it is Monday already", "2026-03-29T23:30:00Z", "Africa/Lagos", "2026-03-22T23:00:00Z", "2026-03-29T23:00:00Z"},
		{"in New York it is Sunday still", "2026-03-30T03:00:00Z", "America/New_York", "2026-03-16T04:00:00Z", "2026-03-23T04:00:00Z"},
		{"where the clock was set forward the week has an hour less", "2026-03-30T07:00:00Z", "Europe/Berlin", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"where it was set back an hour more", "2026-10-26T07:00:00Z", "Europe/Berlin", "2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"over the new year", "2026-01-01T07:00:00Z", "UTC", "2025-12-22T00:00:00Z", "2025-12-29T00:00:00Z"},
		{"a zone that nobody knows", "2026-03-30T07:00:00Z", "Nowhere/City", "2026-03-23T00:00:00Z", "2026-03-30T00:00:00Z"},
		{"the server's own zone is nobody's", "2026-03-30T07:00:00Z", "Local", "2026-03-23T00:00:00Z", "2026-03-30T00:00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			from, to := accounts.LastWeek(at(tc.now), tc.zone)
			require.Equal(t, []string{tc.from, tc.to}, []string{from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339)})
			require.Equal(t, time.Monday, from.Weekday())
		})
	}
}

func TestAWeekIsCountedOnceAndToItsEdges(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	ama, kofi, yaw := y.account(t, left{true, true, 0}), y.account(t, left{true, true, 0}), y.account(t, left{true, true, 0})
	shop, other := y.shop(t, true, ama), y.shop(t, true, yaw)
	from, to := time.Date(2026, 3, 23, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 30, 0, 0, 0, 0, time.UTC)
	entry := func(at time.Time, tenant, user any, action string) {
		t.Helper()
		// The id is made a little before or after the entry's time, as that of a process whose clock is wrong.
		id := uuid.Must(uuid.NewV7())
		ms := at.Add(time.Duration(y.n%3-1) * 10 * time.Minute).UnixMilli()
		y.n++
		for i := range 6 {
			id[i] = byte(ms >> (40 - 8*i))
		}
		y.exec(t, `insert into audit.entry (id, tenant_id, at, user_id, actor, action, entity) values ($1, $2, $3, $4, 'somebody', $5, 'thing')`, id, tenant, at, user, action)
	}
	entry(from.Add(-time.Microsecond), shop, ama, "LOGIN")
	entry(to, shop, ama, "LOGIN")
	for range 3 {
		entry(from, shop, ama, "LOGIN")
	}
	entry(to.Add(-time.Microsecond), shop, ama, "LOGOUT")
	for range 5 {
		entry(from.Add(time.Hour), shop, kofi, "SALE")
	}
	entry(from.Add(time.Hour), shop, nil, "stock.released")
	entry(from.Add(time.Hour), other, yaw, "LOGIN")
	entry(from.Add(time.Hour), nil, nil, "review.approved")

	record := func() (a accounts.Activity, fresh bool) {
		require.NoError(t, y.notifier.InTenant(tenant.With(t.Context(), shop), func(tx *gorm.DB) (err error) {
			a, fresh, err = accounts.RecordActivity(tx, shop, from, to)
			return err
		}))
		return a, fresh
	}
	a, fresh := record()
	require.True(t, fresh)
	require.Equal(t, []int64{3, 1, 2, 10}, []int64{a.Logins, a.Logouts, a.People, a.Actions})
	require.JSONEq(t, `{"LOGIN": 3, "LOGOUT": 1, "SALE": 5, "stock.released": 1}`, string(a.ByAction))
	require.Equal(t, "2026-03-23", a.Week.Format(time.DateOnly))
	entry(from.Add(2*time.Hour), shop, kofi, "SALE")
	again, fresh := record()
	require.False(t, fresh)
	require.Equal(t, a, again, "a week that was counted stays as it was")

	require.NoError(t, y.notifier.InTenant(tenant.With(t.Context(), shop), func(tx *gorm.DB) error {
		most, err := accounts.MostActive(tx, shop, from, to, 10)
		require.Equal(t, []accounts.Active{{Name: "Person 2", Actions: 6}, {Name: "Person 1", Logins: 3, Actions: 4}}, most)
		return err
	}))
	everybody := func() (p accounts.Activity, fresh bool) {
		require.NoError(t, y.notifier.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			p, fresh, err = accounts.RecordPlatformActivity(tx, from, to)
			return err
		}))
		return p, fresh
	}
	p, fresh := everybody()
	require.True(t, fresh)
	require.Equal(t, []int64{2, 4, 1, 3, 13}, []int64{p.Businesses, p.Logins, p.Logouts, p.People, p.Actions})
	_, fresh = everybody()
	require.False(t, fresh)
	require.Equal(t, 1, y.count(t, `select count(*) from accounts.platform_activity`))
}

func TestAReportIsItsBusinesssOwn(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	y := &yard{admin: pg.Admin(), notifier: pg.Open("makola_notifier")}
	gateway, operator := pg.Open("makola_gateway"), pg.Open("makola_operator")
	shops := []uuid.UUID{y.shop(t, true, y.account(t, left{true, true, 0})), y.shop(t, true, y.account(t, left{true, true, 0}))}
	monday := time.Date(2026, 3, 23, 0, 0, 0, 0, time.UTC)
	for _, shop := range shops {
		for week := range 3 {
			from := monday.AddDate(0, 0, 7*week)
			require.NoError(t, y.notifier.InTenant(tenant.With(t.Context(), shop), func(tx *gorm.DB) error {
				a, _, err := accounts.RecordActivity(tx, shop, from, from.AddDate(0, 0, 7))
				require.Zero(t, a.Actions)
				require.JSONEq(t, `{}`, string(a.ByAction))
				return err
			}))
		}
	}
	require.NoError(t, gateway.InTenant(tenant.With(t.Context(), shops[0]), func(tx *gorm.DB) error {
		list, err := accounts.ListActivity(tx, uuid.Nil, 2)
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, "2026-04-06", list[0].Week.Format(time.DateOnly))
		rest, err := accounts.ListActivity(tx, list[1].ID, 2)
		require.Len(t, rest, 1, "and none of the other business's")
		return err
	}))
	require.Error(t, y.notifier.InTenant(tenant.With(t.Context(), shops[0]), func(tx *gorm.DB) error {
		_, _, err := accounts.RecordActivity(tx, shops[1], monday.AddDate(1, 0, -1), monday.AddDate(1, 0, 6))
		return err
	}), "nobody writes another business's report")
	require.NoError(t, operator.InSystem(t.Context(), func(tx *gorm.DB) error {
		list, err := accounts.ListPlatformActivity(tx, 10)
		require.Empty(t, list)
		return err
	}))
}
