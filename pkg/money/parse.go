package money

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// maxText bounds the text of one amount: 19 digits, sign, point and generous zeros. Longer text is never an amount.
const maxText = 64

// maxTextExponent bounds the exponent of a number in scientific notation, so that "1e999999999" costs nothing.
const maxTextExponent = 30

// Parse reads a decimal string in major units: "96.00", "96.5", "96", "-0.05". It is strict, because it reads what clients type:
// no plus sign, spaces, exponent, separators, bare points or superfluous leading zeros ([ErrSyntax]), no more decimal places than the
// currency has ([ErrPrecision]), nothing beyond 64 bits ([ErrOverflow]).
func Parse(text string, c Currency) (Amount, error) {
	e, err := c.Exponent()
	if err != nil {
		return Amount{}, err
	}
	minor, err := parseFixed(text, e)
	if err != nil {
		return Amount{}, fmt.Errorf("parse %s amount: %w", c, err)
	}
	return Amount{Minor: minor, Currency: c}, nil
}

// FromMinorNumber converts the raw text of a JSON number that counts minor units, as Paystack and Stripe send them. "9600",
// "9600.00" and "9.6e3" are the same 9600; a remaining fraction is refused with [ErrPrecision].
func FromMinorNumber(raw string, c Currency) (Amount, error) {
	return fromNumber(raw, 0, c)
}

// FromMajorNumber converts the raw text of a JSON number in major units, as Flutterwave sends them: for GHS "2500" is 2500.00.
// Digits below the currency's smallest unit are refused with [ErrPrecision], never rounded.
func FromMajorNumber(raw string, c Currency) (Amount, error) {
	e, err := c.Exponent()
	if err != nil {
		return Amount{}, err
	}
	return fromNumber(raw, e, c)
}

func fromNumber(raw string, shift int, c Currency) (Amount, error) {
	if !c.Known() {
		return Amount{}, fmt.Errorf("%w: %.8q", ErrUnknownCurrency, string(c))
	}
	if shift == 0 && plainInteger(raw) { // The usual case, without the decimal library.
		if minor, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return Amount{Minor: minor, Currency: c}, nil
		}
	}
	if len(raw) > maxText || !jsonNumber(raw) {
		return Amount{}, fmt.Errorf("convert provider number: %w", ErrSyntax)
	}
	d, err := decimal.NewFromString(raw)
	if err != nil { // The library refuses absurd exponents; no provider writes them.
		return Amount{}, fmt.Errorf("convert provider number: %w", ErrSyntax)
	}
	if d.Exponent() > maxTextExponent && !d.IsZero() {
		return Amount{}, fmt.Errorf("convert provider number: %w", ErrOverflow)
	}
	if d.Exponent() < -maxText-maxTextExponent && !d.IsZero() {
		return Amount{}, fmt.Errorf("convert provider number: %w", ErrPrecision)
	}
	if d.IsZero() {
		return Amount{Currency: c}, nil
	}
	d = d.Shift(int32(shift))
	if !d.IsInteger() {
		return Amount{}, fmt.Errorf("convert provider number: %w", ErrPrecision)
	}
	whole := d.BigInt()
	if !whole.IsInt64() {
		return Amount{}, fmt.Errorf("convert provider number: %w", ErrOverflow)
	}
	return Amount{Minor: whole.Int64(), Currency: c}, nil
}

// parseFixed reads a strict decimal with at most e decimal places into units of 10^-e.
func parseFixed(text string, e int) (int64, error) {
	if len(text) > maxText {
		return 0, ErrSyntax
	}
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if !allDigits(whole) || (point && !allDigits(fraction)) || (len(whole) > 1 && whole[0] == '0') {
		return 0, ErrSyntax
	}
	if len(fraction) > e {
		return 0, ErrPrecision
	}
	m, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", e-len(fraction)), 10, 64)
	if err != nil {
		return 0, ErrOverflow // Only digits are left, so range is the only possible fault.
	}
	return signed(m, negative)
}

// formatFixed is the inverse of parseFixed, always with e decimal places.
func formatFixed(units int64, e int) string {
	m := magnitude(units)
	unit := uint64(pow10[e])
	text := strconv.FormatUint(m/unit, 10)
	if e > 0 {
		fraction := strconv.FormatUint(m%unit, 10)
		text += "." + strings.Repeat("0", e-len(fraction)) + fraction
	}
	if units < 0 {
		return "-" + text
	}
	return text
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// plainInteger reports whether s is an integer as JSON writes one, without fraction or exponent.
func plainInteger(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return allDigits(s) && (len(s) == 1 || s[0] != '0')
}

// jsonNumber reports whether s is a number by the grammar of RFC 8259, section 6.
func jsonNumber(s string) bool {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(s), "e")
	if scientific {
		exponent = strings.TrimLeft(exponent[:min(1, len(exponent))], "+-") + exponent[min(1, len(exponent)):]
		if !allDigits(exponent) {
			return false
		}
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	return plainInteger(whole) && (!point || allDigits(fraction))
}
