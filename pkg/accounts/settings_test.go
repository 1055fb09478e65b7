package accounts_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// settled is a shop whose settings are looked at.
type settled struct {
	t     *testing.T
	pg    *postgrestest.Database
	admin *pgx.Conn
	who   accounts.Principal
}

func newSettled(t *testing.T) *settled {
	t.Helper()
	pg := postgrestest.New(t)
	s := &settled{t: t, pg: pg, admin: pg.Admin()}
	s.who = accounts.Principal{User: uuid.New(), Tenant: s.shop("ama"), Email: "ama@example.com"}
	return s
}

// shop makes a business as yesterday's build does: it says nothing of settings.
func (s *settled) shop(name string) uuid.UUID {
	s.t.Helper()
	shop, owner := uuid.New(), uuid.New()
	s.exec(`insert into accounts.user (id, email, name, password_hash) values ($1, $2 || '@example.com', $2, 'x')`, owner, name)
	s.exec(`insert into accounts.business (id, owner_id, name, email) values ($1, $2, $3, 'shop@example.com')`, shop, owner, name)
	s.exec(`insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, 'OWNER')`, shop, owner)
	return shop
}

func (s *settled) exec(sql string, args ...any) {
	s.t.Helper()
	_, err := s.admin.Exec(s.t.Context(), sql, args...)
	require.NoError(s.t, err)
}

// as runs fn in a transaction of that role, for the shop.
func (s *settled) as(role string, fn func(tx *gorm.DB) error) error {
	s.t.Helper()
	return s.pg.Open(role).InTenant(tenant.With(s.t.Context(), s.who.Tenant), fn)
}

func (s *settled) change(c accounts.SettingsChange) (now accounts.Settings, err error) {
	s.t.Helper()
	err = s.as("makola_gateway", func(tx *gorm.DB) (err error) {
		now, err = accounts.ChangeSettings(tx, s.who, c, accounts.Client{}, nil)
		return err
	})
	return now, err
}

func pointer[T any](v T) *T { return &v }

func TestEveryBusinessHasSettingsFromItsFirstMoment(t *testing.T) {
	t.Parallel()
	s := newSettled(t)
	want := accounts.Settings{
		Tenant: s.who.Tenant, Currency: "GHS", Timezone: "Africa/Accra", Language: "en", ReceiptPaper: "thermal-80mm", ReceiptTaxes: true, ReceiptBarcode: true, ReorderLevel: 10,
		Switches: accounts.Switches{EmailNotifications: true, LowStockAlerts: true, SalesUpdates: true, SystemUpdates: true},
	}
	for _, role := range []string{"makola_gateway", "makola_notifier", "makola_inventory", "makola_reports", "makola_billing"} {
		other := s.shop(role)
		require.NoError(t, s.as(role, func(tx *gorm.DB) error {
			all, err := accounts.SettingsOf(tx, []uuid.UUID{s.who.Tenant, other, uuid.New()})
			require.Equal(t, map[uuid.UUID]accounts.Settings{s.who.Tenant: want}, all, "%s sees the business it works for, and no other", role)
			return err
		}), role)
	}
}

func TestTheApproverFollowsTheNumberOfMembersUntilSomebodyChooses(t *testing.T) {
	t.Parallel()
	s := newSettled(t)
	differs := func(want bool, why string) {
		t.Helper()
		require.NoError(t, s.as("makola_inventory", func(tx *gorm.DB) error {
			now, err := accounts.SettingsOfBusiness(tx, s.who.Tenant)
			require.Equal(t, want, now.ApproverDiffers, why)
			return err
		}))
	}
	differs(false, "nobody else is there")
	clerk := uuid.New()
	s.exec(`insert into accounts.user (id, email, name, password_hash) values ($1, 'kofi@example.com', 'Kofi', 'x')`, clerk)
	s.exec(`insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, 'STAFF')`, s.who.Tenant, clerk)
	differs(true, "two are")
	now, err := s.change(accounts.SettingsChange{Approver: pointer(pointer(false))})
	require.NoError(t, err)
	require.False(t, *now.ApproverChosen)
	differs(false, "chosen")
	_, err = s.change(accounts.SettingsChange{Approver: pointer[*bool](nil)})
	require.NoError(t, err)
	differs(true, "automatic again")
	s.exec(`update accounts.membership set is_active = false where user_id = $1`, clerk)
	differs(false, "the other has left")
}

func TestAChangeOfSettingsLeavesTheRestAndIsWrittenDown(t *testing.T) {
	t.Parallel()
	s := newSettled(t)
	before, err := s.change(accounts.SettingsChange{})
	require.NoError(t, err)
	now, err := s.change(accounts.SettingsChange{
		Timezone: pointer(" Europe/London "), ReceiptFooter: pointer("Akwaaba!\nCome again."), SalesTaxBP: pointer(1500), LowStockAlerts: pointer(false),
		Quiet: pointer(&accounts.QuietHours{Start: "21:00", End: "06:00"}),
	})
	require.NoError(t, err)
	want := before
	want.Timezone, want.ReceiptFooter, want.SalesTaxBP, want.Switches.LowStockAlerts, want.Quiet = "Europe/London", "Akwaaba!\nCome again.", 1500, false, &accounts.QuietHours{Start: "21:00", End: "06:00"}
	require.Equal(t, want, now)
	require.NotEqual(t, before.Version(), now.Version())

	var entries int
	var changes string
	require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*) over (), changes::text from audit.entry where tenant_id = $1 and entity = 'settings' and action = 'UPDATE' and actor = 'ama@example.com'`,
		s.who.Tenant).Scan(&entries, &changes))
	require.Equal(t, 1, entries, "what changes nothing is not written down")
	require.JSONEq(t, `{"regional.timezone": ["Africa/Accra", "Europe/London"], "receipt.footer": ["", "Akwaaba!\nCome again."], "sales.default_tax_rate_bp": [0, 1500],
		"notifications.lowStockAlerts": [true, false], "notifications.quiet_hours": [null, "21:00-06:00"]}`, changes)

	require.NoError(t, s.as("makola_gateway", func(tx *gorm.DB) (err error) {
		now, err = accounts.ResetSettings(tx, s.who, accounts.Client{})
		return err
	}))
	require.Equal(t, before, now)
	require.Equal(t, before.Version(), now.Version())
	require.NoError(t, s.admin.QueryRow(t.Context(), `select changes::text from audit.entry where tenant_id = $1 and action = 'settings.reset'`, s.who.Tenant).Scan(&changes))
	require.Contains(t, changes, "Europe/London")
}

func TestSettingsThatCannotBeAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	s := newSettled(t)
	quiet := func(start, end string) **accounts.QuietHours {
		return pointer(&accounts.QuietHours{Start: start, End: end})
	}
	before, err := s.change(accounts.SettingsChange{})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change accounts.SettingsChange
		want   error
	}{
		"a zone that nobody knows":        {accounts.SettingsChange{Timezone: pointer("Africa/Atlantis")}, accounts.ErrSettingsTimezone},
		"the server's own zone":           {accounts.SettingsChange{Timezone: pointer("Local")}, accounts.ErrSettingsTimezone},
		"no zone":                         {accounts.SettingsChange{Timezone: pointer(" ")}, accounts.ErrSettingsTimezone},
		"a currency that nobody knows":    {accounts.SettingsChange{Currency: pointer("XXX")}, accounts.ErrSettingsCurrency},
		"quiet hours that end at once":    {accounts.SettingsChange{Quiet: quiet("06:00", "06:00")}, accounts.ErrQuietHours},
		"quiet hours of a longer day":     {accounts.SettingsChange{Quiet: quiet("24:00", "06:00")}, accounts.ErrQuietHours},
		"quiet hours in words":            {accounts.SettingsChange{Quiet: quiet("9:00", "six")}, accounts.ErrQuietHours},
		"a good value beside a wrong one": {accounts.SettingsChange{Timezone: pointer("x"), ReorderLevel: pointer(int64(5))}, accounts.ErrSettingsTimezone},
	} {
		_, err := s.change(c.change)
		require.ErrorIs(t, err, c.want, name)
	}
	now, err := s.change(accounts.SettingsChange{})
	require.NoError(t, err)
	require.Equal(t, before, now)
}

// Two people read, both change: the slower one is told, whatever the order in which their transactions come.
func TestAChangeOfWhatHasChangedMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	s := newSettled(t)
	read, err := s.change(accounts.SettingsChange{})
	require.NoError(t, err)
	same := func(version string) bool { return version == read.Version() }
	results := make(chan error, 8)
	for i := range cap(results) {
		db := s.pg.Open("makola_gateway")
		go func() {
			results <- db.InTenant(tenant.With(context.WithoutCancel(t.Context()), s.who.Tenant), func(tx *gorm.DB) error {
				_, err := accounts.ChangeSettings(tx, s.who, accounts.SettingsChange{ReorderLevel: pointer(int64(20 + i))}, accounts.Client{}, same)
				return err
			})
		}()
	}
	done := 0
	for range cap(results) {
		if err := <-results; err == nil {
			done++
		} else {
			require.ErrorIs(t, err, accounts.ErrSettingsChanged)
		}
	}
	require.Equal(t, 1, done)
}
