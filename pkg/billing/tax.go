package billing

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// TaxRate is one tax as it applies on a day. Rates are dated rows of billing.tax_rate; nothing about a country's taxes is in code.
type TaxRate struct {
	Code string
	Name string
	// BasisPoints is the rate: 1500 is 15 %.
	BasisPoints int64
	// Cumulative taxes are charged on the price and the taxes before them, others on the price alone.
	Cumulative bool
}

// TaxLine is one tax of one charge. In JSON, as stored with a purchase, Amount is a decimal string.
type TaxLine struct {
	Code        string       `json:"code"`
	Name        string       `json:"name"`
	BasisPoints int64        `json:"rate_bp"`
	Amount      money.Amount `json:"amount"`
}

// TaxRatesOn returns the taxes in force on day, in the order in which they are charged. Only day's calendar date counts. Any scope.
func TaxRatesOn(tx *gorm.DB, day time.Time) ([]TaxRate, error) {
	var rates []TaxRate
	err := query(tx, "read tax rates", `
		select code, name, rate_bp, applies_to = 'CUMULATIVE'
		  from billing.tax_rate
		 where effective_from <= $1::date and (effective_until is null or effective_until >= $1::date)
		 order by calculation_order, code`,
		func(rows pgx.Rows) error {
			var r TaxRate
			if err := rows.Scan(&r.Code, &r.Name, &r.BasisPoints, &r.Cumulative); err != nil {
				return err
			}
			rates = append(rates, r)
			return nil
		}, day.Format(time.DateOnly))
	return rates, err
}

// ApplyTaxes computes one line for each rate, rounded half-up to one minor unit, and the sum of the lines. Charging base plus tax
// therefore always equals the lines that are printed. Errors are those of package money.
func ApplyTaxes(base money.Amount, rates []TaxRate) (lines []TaxLine, tax money.Amount, err error) {
	tax = money.FromMinor(0, base.Currency)
	for _, r := range rates {
		on := base
		if r.Cumulative {
			if on, err = base.Add(tax); err != nil {
				return nil, tax, fmt.Errorf("tax %s: %w", r.Code, err)
			}
		}
		amount, err := on.Percent(r.BasisPoints)
		if err != nil {
			return nil, tax, fmt.Errorf("tax %s: %w", r.Code, err)
		}
		if tax, err = tax.Add(amount); err != nil {
			return nil, tax, fmt.Errorf("tax %s: %w", r.Code, err)
		}
		lines = append(lines, TaxLine{Code: r.Code, Name: r.Name, BasisPoints: r.BasisPoints, Amount: amount})
	}
	return lines, tax, nil
}
