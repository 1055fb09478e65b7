package money

import (
	"fmt"
	"maps"
	"slices"
)

// Currency is an ISO 4217 alphabetic code in capitals, such as "GHS". The zero value is no currency: amounts in it cannot be
// parsed, added or formatted with decimals. Being a string, it maps to a char(3) column.
type Currency string

// The currencies that shops are priced and paid in.
const (
	GHS Currency = "GHS" // Ghanaian cedi, 100 pesewas; the default of the product.
	NGN Currency = "NGN" // Nigerian naira, 100 kobo.
	USD Currency = "USD" // United States dollar, 100 cents.
	EUR Currency = "EUR" // Euro, 100 cents.
	GBP Currency = "GBP" // Pound sterling, 100 pence.
	KES Currency = "KES" // Kenyan shilling, 100 cents.
	ZAR Currency = "ZAR" // South African rand, 100 cents.
	XOF Currency = "XOF" // West African CFA franc, no minor unit.
	XAF Currency = "XAF" // Central African CFA franc, no minor unit.
	RWF Currency = "RWF" // Rwandan franc, no minor unit.
	UGX Currency = "UGX" // Ugandan shilling, no minor unit since 2013.
	TZS Currency = "TZS" // Tanzanian shilling, 100 cents.
	EGP Currency = "EGP" // Egyptian pound, 100 piastres.
	JPY Currency = "JPY" // Yen, no minor unit.
	TND Currency = "TND" // Tunisian dinar, 1000 millimes.
)

// exponents is the number of decimal places of each known currency: the "minor unit" column of ISO 4217, list one. Read only.
var exponents = map[Currency]int{
	GHS: 2, NGN: 2, USD: 2, EUR: 2, GBP: 2, KES: 2, ZAR: 2, TZS: 2, EGP: 2,
	XOF: 0, XAF: 0, RWF: 0, UGX: 0, JPY: 0,
	TND: 3,
}

// maxExponent is the largest value in exponents; pow10 reaches as far.
const maxExponent = 3

// pow10 holds 10^n for every exponent in use. Read only.
var pow10 = [maxExponent + 1]int64{1, 10, 100, 1000}

// ParseCurrency returns the currency with that code. Codes are exact: "ghs" is refused, as is a code outside the table.
func ParseCurrency(code string) (Currency, error) {
	c := Currency(code)
	if !c.Known() {
		return "", fmt.Errorf("%w: %.8q", ErrUnknownCurrency, code)
	}
	return c, nil
}

// Known reports whether the exponent table has the currency.
func (c Currency) Known() bool {
	_, ok := exponents[c]
	return ok
}

// Exponent is the number of decimal places of the currency: 2 for GHS, 0 for XOF. An unknown currency gives [ErrUnknownCurrency].
func (c Currency) Exponent() (int, error) {
	e, ok := exponents[c]
	if !ok {
		return 0, fmt.Errorf("%w: %.8q", ErrUnknownCurrency, string(c))
	}
	return e, nil
}

// Currencies lists every known currency in alphabetical order.
func Currencies() []Currency {
	return slices.Sorted(maps.Keys(exponents))
}
