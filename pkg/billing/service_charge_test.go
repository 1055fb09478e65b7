package billing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
)

func TestServiceChargesAreShownChargedAndInvoiced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.renews(t, day2026)
	price := func(provider string, day time.Time) (q billing.SubscriptionQuote) {
		require.NoError(t, h.gateway.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			q, err = billing.PriceSubscription(tx, 1, provider, day)
			return err
		}))
		return q
	}
	require.Equal(t, "120.00", price("paystack", day2026).Total.Decimal(), "as long as there are none")
	h.exec(t, `insert into billing.service_charge (code, name, kind, rate_bp, amount_minor, applies_to, provider, effective_from, effective_until) values
		('CARD', 'Card fee', 'PERCENTAGE', 195, null, 'TOTAL', 'paystack', '2026-01-01', null), ('SMS', 'Messages', 'FIXED', null, 150, 'SUBTOTAL', null, '2026-01-01', '2026-06-30'),
		('OLD', 'Over', 'FIXED', null, 100, 'SUBTOTAL', null, '2025-01-01', '2025-12-31'), ('NEVER', 'Taken back', 'FIXED', null, 100, 'SUBTOTAL', null, '2026-01-01', '2025-12-31')`)
	for _, tc := range []struct {
		provider string
		day      time.Time
		want     string
	}{{"paystack", day2026, "123.84"}, {"stripe", day2026, "121.50"}, {"", day2026, "121.50"}, {"paystack", day2026.AddDate(0, 6, 0), "122.34"}, {"paystack", day2025, "122.90"}} {
		require.Equal(t, tc.want, price(tc.provider, tc.day).Total.Decimal(), "%s on %v", tc.provider, tc.day)
	}
	q := price("paystack", day2026)
	require.Equal(t, []string{"100.00", "20.00", "3.84"}, []string{q.Base.Decimal(), q.Tax.Decimal(), q.Charged.Decimal()}, "taxes are of the price alone")
	require.Equal(t, []string{"SENT 121.50 2026-01-01 to 2026-02-01"}, summary(h.issue(t, day2026)), "with whom it will be paid nobody knows")

	p := h.order(t, id, 1)
	require.Equal(t, q.Total, p.Total)
	h.settled(t, day2026, paidMonth(p), billing.Credited)
	require.Equal(t, q.Charges, h.payment(t, p).Charges)
	list := h.invoices(t, id)
	require.Equal(t, []string{"CANCELLED 121.50 2026-01-01 to 2026-02-01", "PAID 123.84 2026-01-01 to 2026-02-01"}, summary(list))
	require.Equal(t, q, list[1].SubscriptionQuote)
	var page []string
	for _, table := range list[1].Document().Tables {
		for row, err := range table.Rows {
			require.NoError(t, err)
			page = append(page, fmt.Sprint(row))
		}
	}
	require.Contains(t, strings.Join(page, " "), "Card fee")
}

func TestAServiceChargeThatMakesNoSenseChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := time.Now()
	tomorrow := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	set := func(c billing.ServiceCharge, from time.Time) (fresh bool, err error) {
		c.Code, c.Name = "CARD", "Card fee"
		err = h.billing.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			fresh, err = billing.SetServiceCharge(tx, billing.DatedCharge{ServiceCharge: c, From: from}, billing.By{Actor: "esi", Reason: "fees"}, now)
			return err
		})
		return fresh, err
	}
	for _, bad := range []billing.ServiceCharge{
		{}, {Kind: billing.ChargeFixed}, {Kind: billing.ChargePercentage}, {Kind: billing.ChargeFixed, AmountMinor: 1, BasisPoints: 1}, {Kind: billing.ChargePercentage, BasisPoints: 10_001},
		{Kind: billing.ChargePercentage, BasisPoints: -1}, {Kind: billing.ChargeFixed, AmountMinor: billing.MaxChargeMinor + 1}, {Kind: "SURPRISE", AmountMinor: 1},
	} {
		_, err := set(bad, tomorrow)
		require.ErrorIs(t, err, billing.ErrChargeAmount, bad)
	}
	_, err := set(billing.ServiceCharge{Kind: billing.ChargeFixed, AmountMinor: 150}, tomorrow.AddDate(0, 0, -1))
	require.ErrorIs(t, err, billing.ErrDates)
	require.Zero(t, h.count(t, `select count(*) from billing.service_charge`))
	fixed := billing.ServiceCharge{Kind: billing.ChargeFixed, AmountMinor: 150}
	for _, first := range []bool{true, false} {
		fresh, err := set(fixed, tomorrow)
		require.NoError(t, err)
		require.Equal(t, first, fresh)
	}
	kind, rate := billing.ChargePercentage, int64(195)
	require.NoError(t, h.gateway.InSystem(t.Context(), func(tx *gorm.DB) error {
		got, err := billing.ChangedServiceCharge(tx, "CARD", tomorrow, billing.ServiceChargeChange{Kind: &kind, BasisPoints: &rate}, now)
		require.NoError(t, err)
		require.Equal(t, billing.ServiceCharge{Code: "CARD", Name: "Card fee", Kind: kind, BasisPoints: rate}, got.ServiceCharge)
		_, err = billing.ChangedServiceCharge(tx, "CARD", tomorrow, billing.ServiceChargeChange{Kind: &kind}, now)
		require.ErrorIs(t, err, billing.ErrChargeAmount)
		return nil
	}))
	percentage := billing.ServiceCharge{Kind: kind, BasisPoints: rate, Provider: "paystack"}
	_, err = set(percentage, tomorrow)
	require.NoError(t, err)
	require.Equal(t, 1, h.count(t, `select count(*) from billing.service_charge where rate_bp = 195 and amount_minor is null and provider = 'paystack'`))
	require.Equal(t, 2, h.count(t, `select count(*) from audit.entry where action = 'service_charge.set' and tenant_id is null`))
}
