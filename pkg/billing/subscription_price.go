package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// MaxStorefronts is the most storefronts that a subscription is priced for. No shop has more; a larger number is a typing mistake.
const MaxStorefronts = 1000

// Errors of PriceSubscription.
var (
	// ErrStorefronts reports a number of storefronts that is not between 1 and MaxStorefronts.
	ErrStorefronts = problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/storefronts", Field: "storefronts", Code: "out_of_range", Message: "must be from 1 to 1000"})
	// ErrNoTier reports a number of storefronts that the price list has no tier for.
	ErrNoTier = problem.New(problem.NotFound, "no_pricing_tier", "There is no price for this number of storefronts.")
)

// Tier is one line of the price list, as it is kept with a payment. Amounts are in minor units of Currency.
type Tier struct {
	ID              uuid.UUID `json:"id"`
	MinStorefronts  int       `json:"min_storefronts"`
	MaxStorefronts  *int      `json:"max_storefronts"` // nil: no end
	BaseMinor       int64     `json:"base_minor"`
	AdditionalMinor int64     `json:"additional_minor"`
	Currency        string    `json:"currency"`
}

// Price is what a month costs before tax with n storefronts, at least MinStorefronts: the base, and AdditionalMinor for each beyond MinStorefronts.
func (t Tier) Price(n int) money.Amount {
	return money.FromMinor(t.BaseMinor+int64(max(0, n-t.MinStorefronts))*t.AdditionalMinor, money.Currency(t.Currency))
}

// SubscriptionQuote is the price of one month on one day.
type SubscriptionQuote struct {
	Storefronts int
	Tier        Tier
	// Base is the price before tax, Tax the sum of Taxes, Charged that of Charges, Total what the provider is asked to collect.
	Base, Tax, Charged, Total money.Amount
	Taxes                     []TaxLine
	Charges                   []ChargeLine
}

// PriceSubscription returns the price of a month for that many storefronts, with the taxes of day and the service charges of a payment with provider; without a provider, with those
// that every payment has. Any scope. Errors: ErrStorefronts, ErrNoTier.
func PriceSubscription(tx *gorm.DB, storefronts int, provider string, day time.Time) (SubscriptionQuote, error) {
	q := SubscriptionQuote{Storefronts: storefronts}
	if storefronts < 1 || storefronts > MaxStorefronts {
		return q, fmt.Errorf("price subscription for %d storefronts: %w", storefronts, ErrStorefronts)
	}
	err := query(tx, "read price list", `
		select id, min_storefronts, max_storefronts, base_minor, additional_minor, currency from billing.pricing_tier
		 where is_active and min_storefronts <= $1 and (max_storefronts is null or max_storefronts >= $1)`,
		func(rows pgx.Rows) error {
			return rows.Scan(&q.Tier.ID, &q.Tier.MinStorefronts, &q.Tier.MaxStorefronts, &q.Tier.BaseMinor, &q.Tier.AdditionalMinor, &q.Tier.Currency)
		}, storefronts)
	if err != nil {
		return q, err
	}
	if q.Tier.ID == uuid.Nil {
		return q, fmt.Errorf("price subscription for %d storefronts: %w", storefronts, ErrNoTier)
	}
	rates, err := TaxRatesOn(tx, day)
	if err != nil {
		return q, err
	}
	charges, err := ServiceChargesOn(tx, provider, day)
	if err != nil {
		return q, err
	}
	q.Base = q.Tier.Price(storefronts)
	if q.Taxes, q.Tax, err = ApplyTaxes(q.Base, rates); err == nil {
		q.Charges, q.Charged, err = ApplyCharges(q.Base, q.Tax, charges)
	}
	if err == nil {
		q.Total, err = q.Base.Add(q.Tax)
	}
	if err == nil {
		q.Total, err = q.Total.Add(q.Charged)
	}
	if err != nil {
		return q, fmt.Errorf("price subscription: %w", err)
	}
	return q, nil
}
