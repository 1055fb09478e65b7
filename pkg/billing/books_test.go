package billing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

var (
	day2025 = time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC)
	day2026 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// openTenant opens the books of a new business as the gateway does.
func openTenant(t testing.TB, gateway *postgres.DB, trial money.Credits) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	require.NoError(t, gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		return billing.OpenTenant(tx, id, trial, day2026)
	}))
	return id
}

// buy creates a pending purchase as the gateway does.
func buy(t testing.TB, gateway *postgres.DB, id uuid.UUID, pkg string) *billing.Purchase {
	t.Helper()
	var p *billing.Purchase
	require.NoError(t, gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) (err error) {
		p, err = billing.CreatePurchase(tx, billing.NewPurchase{Tenant: id, User: uuid.New(), Package: pkg, Provider: "paystack", Method: "card", Now: day2026})
		return err
	}))
	return p
}

//nolint:tparallel // the cases share one database and follow each other
func TestTaxesFollowTheDateOfTheCharge(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_gateway")
	for _, tc := range []struct {
		name string
		base int64
		day  time.Time
		tax  int64
		line map[string]int64
	}{
		{"last day of 2025: levies, then VAT on top of them", 100_00, day2025, 21_90, map[string]int64{"NHIL": 2_50, "GETFUND": 2_50, "COVID": 1_00, "VAT": 15_90}},
		{"first day of 2026: all on the base, no COVID levy", 100_00, day2026, 20_00, map[string]int64{"NHIL": 2_50, "GETFUND": 2_50, "VAT": 15_00}},
		{"value package in 2026", 80_00, day2026, 16_00, map[string]int64{"NHIL": 2_00, "GETFUND": 2_00, "VAT": 12_00}},
		{"each line is rounded half-up by itself", 33_33, day2026, 83 + 83 + 500, map[string]int64{"NHIL": 83, "GETFUND": 83, "VAT": 500}},
		{"half a pesewa goes up on each line", 10_20, day2026, 26 + 26 + 153, map[string]int64{"NHIL": 26, "GETFUND": 26, "VAT": 153}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
				rates, err := billing.TaxRatesOn(tx, tc.day)
				require.NoError(t, err)
				lines, tax, err := billing.ApplyTaxes(money.FromMinor(tc.base, money.GHS), rates)
				require.NoError(t, err)
				require.Equal(t, tc.tax, tax.Minor)
				got := map[string]int64{}
				for _, l := range lines {
					got[l.Code] = l.Amount.Minor
				}
				require.Equal(t, tc.line, got)
				return nil
			}))
		})
	}
}

func TestPackagesAndPrices(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_gateway")
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
		quotes, err := billing.PackagesOn(tx, day2026)
		require.NoError(t, err)
		var got [][5]any
		for _, q := range quotes {
			got = append(got, [5]any{q.Package, q.Base.Decimal(), q.Total.Decimal(), q.Credits.String(), q.Bonus.String()})
		}
		require.Equal(t, [][5]any{
			{"starter", "30.00", "36.00", "30.00", "0.00"},
			{"value", "80.00", "96.00", "80.00", "20.00"},
			{"premium", "180.00", "216.00", "180.00", "70.00"},
		}, got)
		custom := func(minor int64) *money.Amount { a := money.FromMinor(minor, money.GHS); return &a }
		q, err := billing.Price(tx, billing.PackageCustom, custom(10_55), day2026)
		require.NoError(t, err)
		require.Equal(t, money.Credits(10_55), q.Credits)
		for _, bad := range []*money.Amount{nil, custom(9_99), custom(billing.MaxCustomMinor + 1), {Minor: 20_00, Currency: money.NGN}} {
			_, err := billing.Price(tx, billing.PackageCustom, bad, day2026)
			require.ErrorIs(t, err, billing.ErrCustomAmount)
		}
		_, err = billing.Price(tx, billing.PackageValue, custom(20_00), day2026)
		require.ErrorIs(t, err, billing.ErrCustomAmount)
		_, err = billing.Price(tx, "gold", nil, day2026)
		require.ErrorIs(t, err, billing.ErrUnknownPackage)
		return nil
	}))
}

func TestOpeningABusinessGrantsTheTrialOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	gateway := h.gateway
	id := openTenant(t, gateway, 50_00)
	ctx := tenant.With(t.Context(), id)
	require.NoError(t, gateway.InTenant(ctx, func(tx *gorm.DB) error {
		b, err := billing.Balance(tx)
		require.NoError(t, err)
		require.Equal(t, money.Credits(50_00), b.Total)
		require.Len(t, b.Lots, 1)
		require.Equal(t, "TRIAL", b.Lots[0].Source)
		require.False(t, b.Low)
		lines, next, err := billing.Ledger(tx, billing.LedgerCursor{}, time.Time{}, 10)
		require.NoError(t, err)
		require.Nil(t, next)
		require.Len(t, lines, 1)
		require.Equal(t, "trial", lines[0].Kind)
		require.Equal(t, money.Credits(50_00), lines[0].Delta)
		return nil
	}))
	require.Error(t, gateway.InTenant(ctx, func(tx *gorm.DB) error { return billing.OpenTenant(tx, id, 50_00, day2026) }))
	other := openTenant(t, gateway, 0)
	require.NoError(t, gateway.InTenant(tenant.With(t.Context(), other), func(tx *gorm.DB) error {
		b, err := billing.Balance(tx)
		require.NoError(t, err)
		require.Zero(t, b.Total)
		require.True(t, b.Low)
		return nil
	}))
	requireBooksBalance(t, h.operator)
}

func TestAPurchaseIsPendingUntilPaid(t *testing.T) {
	t.Parallel()
	gateway := postgrestest.New(t).Open("makola_gateway")
	id := openTenant(t, gateway, 0)
	var bought []*billing.Purchase
	for range 3 {
		bought = append(bought, buy(t, gateway, id, billing.PackageValue))
	}
	require.NoError(t, gateway.InTenant(tenant.With(t.Context(), id), func(tx *gorm.DB) error {
		ok, err := billing.AttachCheckout(tx, bought[0].ID, "https://checkout.example/1", "code")
		require.NoError(t, err)
		require.True(t, ok)
		p, err := billing.PurchaseByReference(tx, bought[0].Reference)
		require.NoError(t, err)
		require.Equal(t, "https://checkout.example/1", p.CheckoutURL)
		require.Equal(t, bought[0].Quote, p.Quote)
		require.Equal(t, billing.Pending, p.Status)
		require.Empty(t, strings.Trim(p.Reference, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"))
		require.True(t, strings.HasPrefix(p.Reference, billing.ReferencePrefix))

		page, next, err := billing.Purchases(tx, uuid.Nil, 2)
		require.NoError(t, err)
		require.Equal(t, []uuid.UUID{bought[2].ID, bought[1].ID}, []uuid.UUID{page[0].ID, page[1].ID})
		page, next, err = billing.Purchases(tx, next, 2)
		require.NoError(t, err)
		require.Len(t, page, 1)
		require.Equal(t, bought[0].ID, page[0].ID)
		require.Equal(t, uuid.Nil, next)
		return nil
	}))
	stranger := openTenant(t, gateway, 0)
	require.NoError(t, gateway.InTenant(tenant.With(t.Context(), stranger), func(tx *gorm.DB) error {
		_, err := billing.PurchaseByReference(tx, bought[0].Reference)
		require.ErrorIs(t, err, billing.ErrNotFound)
		ok, err := billing.AttachCheckout(tx, bought[0].ID, "https://evil.example", "x")
		require.NoError(t, err)
		require.False(t, ok)
		return nil
	}))
	unopened := uuid.New()
	require.ErrorIs(t, gateway.InTenant(tenant.With(t.Context(), unopened), func(tx *gorm.DB) error {
		_, err := billing.CreatePurchase(tx, billing.NewPurchase{Tenant: unopened, User: uuid.New(), Package: "starter", Provider: "paystack", Method: "card", Now: day2026})
		return err
	}), billing.ErrNoAccount)
}
