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
		fresh, err = billing.SetTier(tx, id, uuid.Nil, tier, billing.By{Actor: "esi", Reason: "costs"})
		return err
	})
	return fresh, err
}

func (h *house) prices(t testing.TB, upTo int) (list []int64) {
	t.Helper()
	require.NoError(t, h.gateway.InSystem(t.Context(), func(tx *gorm.DB) error {
		for n := 1; n <= upTo; n++ {
			q, err := billing.PriceSubscription(tx, n, "", day2026)
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

func TestAChangeOfATierThatIsRetiredComesTooLate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	one := uuid.MustParse("00000000-0000-7000-8000-000000000101")
	raise := func(id, replaces uuid.UUID, base int64) (fresh bool, err error) {
		last := 1
		err = h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			tier := billing.ListedTier{Tier: billing.Tier{MinStorefronts: 1, MaxStorefronts: &last, BaseMinor: base}}
			fresh, err = billing.SetTier(tx, id, replaces, tier, billing.By{Actor: "esi", Reason: "costs"})
			return err
		})
		return fresh, err
	}
	first := uuid.New()
	for _, fresh := range []bool{true, false} {
		got, err := raise(first, one, 110_00)
		require.NoError(t, err)
		require.Equal(t, fresh, got)
	}
	_, err := raise(uuid.New(), one, 90_00)
	require.ErrorIs(t, err, billing.ErrTierRetired)
	_, err = raise(uuid.New(), uuid.New(), 90_00)
	require.ErrorIs(t, err, billing.ErrNoSuchTier)
	require.Equal(t, []int64{110_00, 150_00, 180_00}, h.prices(t, 3))
}

func TestATaxBeginsOnADayToComeAndEndsTheOneBefore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := time.Now() // the database looks at its own clock, too
	today := now.UTC().Truncate(24 * time.Hour)
	set := func(tax billing.DatedTax) (fresh bool, err error) {
		err = h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			fresh, err = billing.SetTax(tx, tax, billing.By{Actor: "esi", Reason: "the law"}, now)
			return err
		})
		return fresh, err
	}
	vat := billing.DatedTax{TaxRate: billing.TaxRate{Code: "VAT", Name: "Value Added Tax", BasisPoints: 3000}, Order: 3, From: today.AddDate(0, 6, 0)}
	right := vat
	right.BasisPoints = 2000
	for _, step := range []struct {
		tax   billing.DatedTax
		fresh bool
	}{{vat, true}, {vat, false}, {right, true}, {right, false}} {
		fresh, err := set(step.tax)
		require.NoError(t, err)
		require.Equal(t, step.fresh, fresh)
	}
	sooner := vat
	sooner.From, sooner.BasisPoints = today.AddDate(0, 1, 0), 1000
	_, err := set(sooner)
	require.NoError(t, err)
	require.NoError(t, h.gateway.InSystem(t.Context(), func(tx *gorm.DB) error {
		for day, want := range map[time.Time]string{
			day2025: "121.90", day2026: "120.00", sooner.From.AddDate(0, 0, -1): "120.00", sooner.From: "115.00", vat.From.AddDate(0, 0, -1): "115.00", vat.From: "125.00",
		} {
			q, err := billing.PriceSubscription(tx, 1, "", day)
			require.NoError(t, err)
			require.Equal(t, want, q.Total.Decimal(), day)
		}
		change, rate, end := billing.TaxChange{}, int64(1700), today
		_, err := billing.ChangedTax(tx, "VAT", vat.From.AddDate(0, 0, 1), change, now)
		require.ErrorIs(t, err, billing.ErrNoDated)
		change.BasisPoints = &rate
		_, err = billing.ChangedTax(tx, "VAT", day2026, change, now)
		require.ErrorIs(t, err, billing.ErrCharged)
		change.From = &end
		_, err = billing.ChangedTax(tx, "VAT", day2026, change, now)
		require.ErrorIs(t, err, billing.ErrDates)
		begin := today.AddDate(0, 0, 3)
		change.From = &begin
		got, err := billing.ChangedTax(tx, "VAT", day2026, change, now)
		require.NoError(t, err)
		require.Equal(t, billing.DatedTax{TaxRate: billing.TaxRate{Code: "VAT", Name: "Value Added Tax", BasisPoints: 1700}, Order: 3, From: begin, Until: sooner.From.AddDate(0, 0, -1)}, got)
		return nil
	}))
	absurd := vat
	absurd.BasisPoints = 10_001
	_, err = set(absurd)
	require.ErrorIs(t, err, billing.ErrTaxRate)
	require.Equal(t, 3, h.count(t, `select count(*) from audit.entry where action = 'tax.set'`))
	_, err = h.admin.Exec(t.Context(), `update billing.tax_rate set rate_bp = 1 where code = 'VAT' and effective_from <= current_date`)
	require.ErrorContains(t, err, "charged already")
	_, err = h.admin.Exec(t.Context(), `update billing.tax_rate set effective_until = current_date - 2 where code = 'VAT' and effective_from = '2026-01-01'`)
	require.ErrorContains(t, err, "charged already")
}
