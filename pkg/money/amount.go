package money

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
)

// Errors of this package. Each is wrapped with the offending facts; callers compare with errors.Is.
var (
	// ErrSyntax reports text that is not a plain decimal number.
	ErrSyntax = errors.New("not a decimal amount")
	// ErrPrecision reports digits below the smallest unit of the currency: the amount cannot be held exactly.
	ErrPrecision = errors.New("more decimal places than the currency has")
	// ErrOverflow reports a result that does not fit 64 bits.
	ErrOverflow = errors.New("amount out of range")
	// ErrUnknownCurrency reports a code that is not in the exponent table.
	ErrUnknownCurrency = errors.New("unknown currency")
	// ErrCurrencyMismatch reports arithmetic or comparison between two currencies.
	ErrCurrencyMismatch = errors.New("currencies differ")
	// ErrRate reports a percentage outside 0 to MaxBasisPoints.
	ErrRate = errors.New("percentage out of range")
)

// basisPointsPerWhole is 100 %: a basis point is a hundredth of a percent.
const basisPointsPerWhole = 10_000

// MaxBasisPoints is the largest rate that Percent takes, 1000 %. No tax or fee comes near it; a larger one is a unit mistake.
const MaxBasisPoints = 100_000

// Amount is a sum of money: a count of the currency's smallest units. It is a value: comparable with == (same count, same
// currency), safe to copy and to share. The zero value has no currency and equals no real amount, not even zero cedis.
type Amount struct {
	Minor    int64    // Smallest units: pesewas for GHS, whole francs for XOF. Negative for refunds and reversals.
	Currency Currency // ISO 4217 code.
}

// FromMinor returns minor smallest units of c. It does not check the currency; every operation that needs the exponent does.
func FromMinor(minor int64, c Currency) Amount {
	return Amount{Minor: minor, Currency: c}
}

// Zero reports whether the amount is nothing, in any currency.
func (a Amount) Zero() bool { return a.Minor == 0 }

// Positive reports whether the amount is greater than nothing.
func (a Amount) Positive() bool { return a.Minor > 0 }

// Compare returns -1, 0 or +1 as a is less than, equal to or greater than b; it fails with [ErrCurrencyMismatch] across currencies.
func (a Amount) Compare(b Amount) (int, error) {
	if err := sameCurrency(a, b); err != nil {
		return 0, err
	}
	return cmp.Compare(a.Minor, b.Minor), nil
}

// Add returns a + b, or [ErrCurrencyMismatch], or [ErrOverflow].
func (a Amount) Add(b Amount) (Amount, error) {
	if err := sameCurrency(a, b); err != nil {
		return Amount{}, err
	}
	sum, err := addInt64(a.Minor, b.Minor)
	if err != nil {
		return Amount{}, err
	}
	return Amount{Minor: sum, Currency: a.Currency}, nil
}

// Sub returns a - b, or [ErrCurrencyMismatch], or [ErrOverflow].
func (a Amount) Sub(b Amount) (Amount, error) {
	if err := sameCurrency(a, b); err != nil {
		return Amount{}, err
	}
	diff, err := subInt64(a.Minor, b.Minor)
	if err != nil {
		return Amount{}, err
	}
	return Amount{Minor: diff, Currency: a.Currency}, nil
}

// Percent returns basisPoints hundredths of a percent of a (1500 = 15 %), rounded half-up to one minor unit; a negative amount
// rounds like its positive twin, so that a reversal undoes exactly what was charged. Compute each tax line with it, then add
// the lines: rounding the total instead gives another sum. Rates outside 0 to MaxBasisPoints give [ErrRate].
func (a Amount) Percent(basisPoints int64) (Amount, error) {
	if !a.Currency.Known() {
		return Amount{}, fmt.Errorf("%w: %.8q", ErrUnknownCurrency, string(a.Currency))
	}
	if basisPoints < 0 || basisPoints > MaxBasisPoints {
		return Amount{}, fmt.Errorf("%w: %d basis points", ErrRate, basisPoints)
	}
	hi, lo := bits.Mul64(magnitude(a.Minor), uint64(basisPoints))
	lo, carry := bits.Add64(lo, basisPointsPerWhole/2, 0)
	hi += carry
	if hi >= basisPointsPerWhole { // The quotient would need more than 64 bits.
		return Amount{}, ErrOverflow
	}
	quotient, _ := bits.Div64(hi, lo, basisPointsPerWhole)
	minor, err := signed(quotient, a.Minor < 0)
	if err != nil {
		return Amount{}, err
	}
	return Amount{Minor: minor, Currency: a.Currency}, nil
}

// Decimal formats the amount without its currency, with all decimal places of the currency: "96.00", "-0.05", "2500" (XOF).
// An amount in an unknown currency is shown as a bare count of units, which Parse refuses: it must not pass for major units.
func (a Amount) Decimal() string {
	e, err := a.Currency.Exponent()
	if err != nil {
		return strconv.FormatInt(a.Minor, 10) + " minor units"
	}
	return formatFixed(a.Minor, e)
}

// String is Decimal, so that an amount prints as it travels. Use Display where a person must see the currency.
func (a Amount) String() string { return a.Decimal() }

// Display formats the amount for people and logs: "GHS 96.00".
func (a Amount) Display() string { return string(a.Currency) + " " + a.Decimal() }

func sameCurrency(a, b Amount) error {
	if !a.Currency.Known() {
		return fmt.Errorf("%w: %.8q", ErrUnknownCurrency, string(a.Currency))
	}
	if a.Currency != b.Currency {
		return fmt.Errorf("%w: %.8q and %.8q", ErrCurrencyMismatch, string(a.Currency), string(b.Currency))
	}
	return nil
}

func addInt64(a, b int64) (int64, error) {
	sum := a + b
	if (b > 0 && sum < a) || (b < 0 && sum > a) {
		return 0, ErrOverflow
	}
	return sum, nil
}

func subInt64(a, b int64) (int64, error) {
	diff := a - b
	if (b > 0 && diff > a) || (b < 0 && diff < a) {
		return 0, ErrOverflow
	}
	return diff, nil
}

// magnitude is |n|; two's complement makes it right for the smallest int64 too.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// signed is the inverse of magnitude.
func signed(m uint64, negative bool) (int64, error) {
	switch {
	case negative && m <= 1<<63:
		return int64(-m), nil
	case !negative && m <= math.MaxInt64:
		return int64(m), nil
	default:
		return 0, ErrOverflow
	}
}
