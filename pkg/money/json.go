package money

import "fmt"

// MarshalText writes the decimal string without the currency, so the JSON form of an amount is "96.00". An unknown currency is
// an error: its exponent, and so the place of the decimal point, is not known.
func (a Amount) MarshalText() ([]byte, error) {
	e, err := a.Currency.Exponent()
	if err != nil {
		return nil, err
	}
	return []byte(formatFixed(a.Minor, e)), nil
}

// UnmarshalText reads a decimal string into an amount whose Currency is already set, because the text does not carry one; an
// amount without a currency refuses. Reading a request body, prefer a string field and [Parse].
func (a *Amount) UnmarshalText(text []byte) error {
	if a.Currency == "" {
		return fmt.Errorf("read amount: %w: set Currency first", ErrUnknownCurrency)
	}
	parsed, err := Parse(string(text), a.Currency)
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
