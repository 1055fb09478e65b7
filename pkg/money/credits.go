package money

import (
	"database/sql/driver"
	"fmt"
)

// creditExponent makes a unit of Credits a hundredth of a credit: the cheapest AI feature costs 0.10.
const creditExponent = 2

// Credits is an amount of AI credits in centicredits: 100 is one credit. It maps to a bigint column, and to a decimal string
// ("50.00") in JSON and text. It is not a currency: credits and money never add up, the compiler sees to that.
type Credits int64

// ParseCredits reads a decimal string of credits with at most two decimal places, as strictly as [Parse].
func ParseCredits(text string) (Credits, error) {
	units, err := parseFixed(text, creditExponent)
	if err != nil {
		return 0, fmt.Errorf("parse credits: %w", err)
	}
	return Credits(units), nil
}

// WholeCredits returns n credits, or [ErrOverflow].
func WholeCredits(n int64) (Credits, error) {
	unit := pow10[creditExponent]
	if c := n * unit; c/unit == n {
		return Credits(c), nil
	}
	return 0, ErrOverflow
}

// Add returns c + d, or [ErrOverflow].
func (c Credits) Add(d Credits) (Credits, error) {
	sum, err := addInt64(int64(c), int64(d))
	return Credits(sum), err
}

// Sub returns c - d, or [ErrOverflow]. The result may be negative; whether a balance may be is the ledger's rule.
func (c Credits) Sub(d Credits) (Credits, error) {
	diff, err := subInt64(int64(c), int64(d))
	return Credits(diff), err
}

// String formats the credits with two decimal places: "50.00".
func (c Credits) String() string { return formatFixed(int64(c), creditExponent) }

// MarshalText writes the decimal string, which also makes the JSON form a string.
func (c Credits) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes. A JSON number is refused by encoding/json: credits are strings there.
func (c *Credits) UnmarshalText(text []byte) error {
	parsed, err := ParseCredits(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// Value stores the centicredits as a bigint.
func (c Credits) Value() (driver.Value, error) { return int64(c), nil }

// Scan reads a bigint column. Any other column type is refused, a numeric one above all.
func (c *Credits) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan credits: column is %T, want bigint", src)
	}
	*c = Credits(n)
	return nil
}
