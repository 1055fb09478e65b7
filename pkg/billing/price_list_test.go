package billing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
)

func (h *house) setTier(t testing.TB, id uuid.UUID, tier billing.ListedTier) (fresh bool, err error) {
	t.Helper()
	err = h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		fresh, err = billing.SetTier(tx, id, tier, billing.By{Actor: "esi", Reason: "costs"})
		return err
	})
	return fresh, err
}

func (h *house) prices(t testing.TB, upTo int) (list []int64) {
	t.Helper()
	require.NoError(t, h.gateway.InSystem(t.Context(), func(tx *gorm.DB) error {
		for n := 1; n <= upTo; n++ {
			q, err := billing.PriceSubscription(tx, n, day2026)
			if err != nil {
				return fmt.Errorf("%d storefronts: %w", n, err)
			}
			list = append(list, q.Base.Minor)
		}
		return nil
	}))
	return list
}

// Whatever tiers are put where: a number within the new tier has its price, every other keeps its own, and each has one.
func TestANewTierChangesThePricesOfItsOwnNumbersAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const most = 40
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		want := h.prices(t, most)
		tier := billing.ListedTier{Tier: billing.Tier{MinStorefronts: 1 + r.IntN(20), BaseMinor: int64(1 + r.IntN(50_000)), AdditionalMinor: int64(r.IntN(3) * 1_000)}}
		if r.IntN(3) > 0 {
			last := tier.MinStorefronts + r.IntN(10)
			tier.MaxStorefronts = &last
		}
		for n := tier.MinStorefronts; n <= most && (tier.MaxStorefronts == nil || n <= *tier.MaxStorefronts); n++ {
			want[n-1] = tier.BaseMinor + int64(n-tier.MinStorefronts)*tier.AdditionalMinor
		}
		id := uuid.New()
		for _, first := range []bool{true, false} {
			fresh, err := h.setTier(t, id, tier)
			require.NoError(t, err)
			require.Equal(t, first, fresh)
		}
		require.Equal(t, want, h.prices(t, most), "seed %d", seed)
	}
	require.Equal(t, 30, h.count(t, `select count(*) from audit.entry where action = 'pricing_tier.set' and tenant_id is null`))
}

func TestATierThatMakesNoSenseChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	before := h.prices(t, 10)
	zero, one, many := 0, 1, 1001
	for _, bad := range []billing.ListedTier{
		{Tier: billing.Tier{MinStorefronts: 0, BaseMinor: 1}}, {Tier: billing.Tier{MinStorefronts: 2, MaxStorefronts: &one, BaseMinor: 1}}, {Tier: billing.Tier{MinStorefronts: 1, MaxStorefronts: &many, BaseMinor: 1}},
		{Tier: billing.Tier{MinStorefronts: 1}}, {Tier: billing.Tier{MinStorefronts: 1, BaseMinor: 1, AdditionalMinor: -1}}, {Tier: billing.Tier{MinStorefronts: 1, BaseMinor: 1}, MaxMembers: &zero},
	} {
		_, err := h.setTier(t, uuid.New(), bad)
		require.Error(t, err)
	}
	require.Equal(t, before, h.prices(t, 10))
}

func TestATaxBeginsOnADayToComeAndEndsTheOneBefore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := func(tax billing.DatedTax) (fresh bool, err error) {
		err = h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			fresh, err = billing.SetTax(tx, tax, billing.By{Actor: "esi", Reason: "the law"}, day2026)
			return err
		})
		return fresh, err
	}
	vat := billing.DatedTax{TaxRate: billing.TaxRate{Code: "VAT", Name: "Value Added Tax", BasisPoints: 2000}, Order: 3, From: day2026.AddDate(100, 6, 0)} // a day to come for the database, too
	for _, first := range []bool{true, false} {
		fresh, err := set(vat)
		require.NoError(t, err)
		require.Equal(t, first, fresh)
	}
	require.NoError(t, h.gateway.InSystem(t.Context(), func(tx *gorm.DB) error {
		for day, want := range map[time.Time]string{day2025: "121.90", day2026: "120.00", vat.From.AddDate(0, 0, -1): "120.00", vat.From: "125.00"} {
			q, err := billing.PriceSubscription(tx, 1, day)
			require.NoError(t, err)
			require.Equal(t, want, q.Total.Decimal(), day)
		}
		return nil
	}))
	// It is decided anew before it begins, and the days before it are for what is decided later.
	vat.BasisPoints = 1750
	fresh, err := set(vat)
	require.NoError(t, err)
	require.True(t, fresh, "another rate is no decision that was taken before")
	sooner := vat
	sooner.BasisPoints, sooner.From = 1000, vat.From.AddDate(0, -3, 0)
	fresh, err = set(sooner)
	require.NoError(t, err)
	require.True(t, fresh)
	require.NoError(t, h.gateway.InSystem(t.Context(), func(tx *gorm.DB) error {
		for day, want := range map[time.Time]string{sooner.From.AddDate(0, 0, -1): "120.00", sooner.From: "115.00", vat.From.AddDate(0, 0, -1): "115.00", vat.From: "122.50"} {
			q, err := billing.PriceSubscription(tx, 1, day)
			require.NoError(t, err)
			require.Equal(t, want, q.Total.Decimal(), day)
		}
		return nil
	}))
	require.ErrorContains(t, h.billing.InSystem(t.Context(), func(tx *gorm.DB) error {
		return tx.Exec(`update billing.tax_rate set rate_bp = 0 where effective_from = '2026-01-01'`).Error
	}), "permission denied to change tax")
	sooner.Until = vat.From
	_, err = set(sooner)
	require.ErrorIs(t, err, billing.ErrTaxOverlap, "two of one code on one day")
	past, backwards, absurd := vat, vat, vat
	past.From, absurd.BasisPoints, backwards.From, backwards.Until = day2026, 10_001, vat.From.AddDate(1, 0, 0), vat.From
	for want, bad := range map[error]billing.DatedTax{billing.ErrTaxDate: past, billing.ErrTaxRate: absurd} {
		_, err := set(bad)
		require.ErrorIs(t, err, want)
	}
	_, err = set(backwards)
	require.ErrorIs(t, err, billing.ErrTaxDate)
	require.Equal(t, 3, h.count(t, `select count(*) from audit.entry where action = 'tax.set'`))
}
