package money_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"makola/pkg/money"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text     string
		currency money.Currency
		minor    int64
		err      error
	}{
		{"96.00", money.GHS, 9600, nil},
		{"96.5", money.GHS, 9650, nil},
		{"96", money.GHS, 9600, nil},
		{"-0.05", money.GHS, -5, nil},
		{"0", money.GHS, 0, nil},
		{"2500", money.XOF, 2500, nil},
		{"1.234", money.TND, 1234, nil},
		{"92233720368547758.07", money.GHS, math.MaxInt64, nil},
		{"-92233720368547758.08", money.GHS, math.MinInt64, nil},
		{"92233720368547758.08", money.GHS, 0, money.ErrOverflow},
		{"99999999999999999999999", money.GHS, 0, money.ErrOverflow},
		{"96.001", money.GHS, 0, money.ErrPrecision},
		{"96.000", money.GHS, 0, money.ErrPrecision},
		{"2500.0", money.XOF, 0, money.ErrPrecision},
		{"", money.GHS, 0, money.ErrSyntax},
		{"-", money.GHS, 0, money.ErrSyntax},
		{".50", money.GHS, 0, money.ErrSyntax},
		{"50.", money.GHS, 0, money.ErrSyntax},
		{"+5", money.GHS, 0, money.ErrSyntax},
		{" 5", money.GHS, 0, money.ErrSyntax},
		{"1e3", money.GHS, 0, money.ErrSyntax},
		{"1,000.00", money.GHS, 0, money.ErrSyntax},
		{"007", money.GHS, 0, money.ErrSyntax},
		{"٥", money.GHS, 0, money.ErrSyntax},
		{"5.00", "XXX", 0, money.ErrUnknownCurrency},
		{"5.00", "ghs", 0, money.ErrUnknownCurrency},
	} {
		t.Run(fmt.Sprintf("%s %s", tc.text, tc.currency), func(t *testing.T) {
			t.Parallel()
			got, err := money.Parse(tc.text, tc.currency)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if tc.err == nil && got != money.FromMinor(tc.minor, tc.currency) {
				t.Fatalf("got %+v, want %d", got, tc.minor)
			}
		})
	}
}

func TestFromNumber(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		got   func() (money.Amount, error)
		minor int64
		err   error
	}{
		{"minor units as they are", minor("9600", money.GHS), 9600, nil},
		{"minor units with zeros behind the point", minor("9600.00", money.GHS), 9600, nil},
		{"minor units in scientific notation", minor("9.6E+3", money.GHS), 9600, nil},
		{"minor units with half a pesewa", minor("9600.5", money.GHS), 0, money.ErrPrecision},
		{"minor units of a currency without them", minor("2500", money.XOF), 2500, nil},
		{"largest", minor("9223372036854775807", money.GHS), math.MaxInt64, nil},
		{"one beyond the largest", minor("9223372036854775808", money.GHS), 0, money.ErrOverflow},
		{"large exponent", minor("1e40", money.GHS), 0, money.ErrOverflow},
		{"small exponent", minor("1e-40", money.GHS), 0, money.ErrPrecision},
		{"absurdly large exponent", minor("1e999999999", money.GHS), 0, money.ErrSyntax},
		{"absurdly small exponent", minor("1e-999999999", money.GHS), 0, money.ErrSyntax},
		{"exponent beyond 32 bits", minor("1e99999999999", money.GHS), 0, money.ErrSyntax},
		{"zero with an exponent", minor("0e9999", money.GHS), 0, nil},
		{"not a number", minor(`"9600"`, money.GHS), 0, money.ErrSyntax},
		{"empty", minor("", money.GHS), 0, money.ErrSyntax},
		{"null", minor("null", money.GHS), 0, money.ErrSyntax},
		{"leading zero", minor("09600", money.GHS), 0, money.ErrSyntax},
		{"plus sign", minor("+1", money.GHS), 0, money.ErrSyntax},
		{"unknown currency", minor("9600", "XXX"), 0, money.ErrUnknownCurrency},
		{"major units", major("2500", money.GHS), 250000, nil},
		{"major units with a fraction", major("2500.5", money.GHS), 250050, nil},
		{"major units with superfluous zeros", major("2500.5000", money.GHS), 250050, nil},
		{"major units with a third digit", major("2500.505", money.GHS), 0, money.ErrPrecision},
		{"major units of a currency without minor ones", major("2500.00", money.XOF), 2500, nil},
		{"major units out of range", major("92233720368547758.08", money.GHS), 0, money.ErrOverflow},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.got()
			if !errors.Is(err, tc.err) || got.Minor != tc.minor {
				t.Fatalf("got %+v, %v; want %d, %v", got, err, tc.minor, tc.err)
			}
		})
	}
}

func minor(raw string, c money.Currency) func() (money.Amount, error) {
	return func() (money.Amount, error) { return money.FromMinorNumber(raw, c) }
}

func major(raw string, c money.Currency) func() (money.Amount, error) {
	return func() (money.Amount, error) { return money.FromMajorNumber(raw, c) }
}

func TestPercentRoundsHalfUpPerLine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		minor, basisPoints, want int64
	}{
		{8000, 1500, 1200}, {8000, 250, 200}, {10000, 1500, 1500},
		{1, 5000, 1}, {1, 4999, 0}, {-1, 5000, -1}, {3, 5000, 2}, {333, 250, 8}, {340, 250, 9},
		{0, 1500, 0}, {12345, 0, 0}, {math.MaxInt64, 10000, math.MaxInt64}, {math.MinInt64, 10000, math.MinInt64},
	} {
		got, err := money.FromMinor(tc.minor, money.GHS).Percent(tc.basisPoints)
		if err != nil || got.Minor != tc.want {
			t.Errorf("%d at %d bp: got %d, %v; want %d", tc.minor, tc.basisPoints, got.Minor, err, tc.want)
		}
	}
	if _, err := money.FromMinor(math.MaxInt64, money.GHS).Percent(10001); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("overflow: %v", err)
	}
	if _, err := money.FromMinor(math.MaxInt64, money.GHS).Percent(money.MaxBasisPoints); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("overflow at the largest rate: %v", err)
	}
	for _, rate := range []int64{-1, money.MaxBasisPoints + 1} {
		if _, err := money.FromMinor(1, money.GHS).Percent(rate); !errors.Is(err, money.ErrRate) {
			t.Errorf("rate %d: %v", rate, err)
		}
	}
}

func TestArithmeticChecks(t *testing.T) {
	t.Parallel()
	most := money.FromMinor(math.MaxInt64, money.GHS)
	if _, err := most.Add(money.FromMinor(1, money.GHS)); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("add: %v", err)
	}
	if _, err := money.FromMinor(0, money.GHS).Sub(money.FromMinor(math.MinInt64, money.GHS)); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("sub: %v", err)
	}
	if _, err := most.Add(money.FromMinor(1, money.NGN)); !errors.Is(err, money.ErrCurrencyMismatch) {
		t.Errorf("currencies: %v", err)
	}
	if _, err := (money.Amount{}).Add(money.Amount{}); !errors.Is(err, money.ErrUnknownCurrency) {
		t.Errorf("no currency: %v", err)
	}
	if (money.Amount{}) == money.FromMinor(0, money.GHS) {
		t.Error("the zero value must not equal zero cedis")
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	out, err := json.Marshal(struct {
		Price   money.Amount
		Credits money.Credits
	}{money.FromMinor(9600, money.GHS), 5050})
	if err != nil || string(out) != `{"Price":"96.00","Credits":"50.50"}` {
		t.Fatalf("%s, %v", out, err)
	}
	if _, err := json.Marshal(money.Amount{Minor: 1}); err == nil {
		t.Error("an amount without a currency was written")
	}
	price := money.Amount{Currency: money.GHS}
	if err := json.Unmarshal([]byte(`"96.00"`), &price); err != nil || price.Minor != 9600 {
		t.Errorf("%+v, %v", price, err)
	}
	for _, bad := range []string{`96.00`, `{"Minor":1}`, `"96.001"`, `""`} {
		if err := json.Unmarshal([]byte(bad), &price); err == nil {
			t.Errorf("%s was read as an amount", bad)
		}
	}
	var none money.Amount
	if err := json.Unmarshal([]byte(`"96.00"`), &none); !errors.Is(err, money.ErrUnknownCurrency) {
		t.Errorf("amount without a currency: %v", err)
	}
	var c money.Credits
	if err := json.Unmarshal([]byte(`50`), &c); err == nil {
		t.Error("a JSON number was read as credits")
	}
}

func TestCreditsColumn(t *testing.T) {
	t.Parallel()
	v, err := money.Credits(5050).Value()
	if err != nil || v != int64(5050) {
		t.Fatalf("%v, %v", v, err)
	}
	var c money.Credits
	if err := c.Scan(int64(7)); err != nil || c != 7 {
		t.Errorf("%v, %v", c, err)
	}
	if err := c.Scan("7"); err == nil {
		t.Error("a text column was read as credits")
	}
	if _, err := money.WholeCredits(math.MaxInt64 / 50); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("%v", err)
	}
}

func anyAmount(t *rapid.T) money.Amount {
	return money.FromMinor(rapid.Int64().Draw(t, "minor"), rapid.SampledFrom(money.Currencies()).Draw(t, "currency"))
}

func TestPropertyTextRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := anyAmount(t)
		for _, read := range []func(string, money.Currency) (money.Amount, error){money.Parse, money.FromMajorNumber} {
			if got, err := read(a.String(), a.Currency); err != nil || got != a {
				t.Fatalf("%q: %+v, %v", a.String(), got, err)
			}
		}
		c := money.Credits(a.Minor)
		if got, err := money.ParseCredits(c.String()); err != nil || got != c {
			t.Fatalf("%q: %v, %v", c.String(), got, err)
		}
	})
}

func TestPropertyAddAgreesWithBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := anyAmount(t)
		b := money.FromMinor(rapid.Int64().Draw(t, "other"), a.Currency)
		want := new(big.Int).Add(big.NewInt(a.Minor), big.NewInt(b.Minor))
		sum, err := a.Add(b)
		if want.IsInt64() != (err == nil) || (err == nil && sum.Minor != want.Int64()) {
			t.Fatalf("%d + %d = %d, %v", a.Minor, b.Minor, sum.Minor, err)
		}
		want.Sub(big.NewInt(a.Minor), big.NewInt(b.Minor))
		diff, err := a.Sub(b)
		if want.IsInt64() != (err == nil) || (err == nil && diff.Minor != want.Int64()) {
			t.Fatalf("%d - %d = %d, %v", a.Minor, b.Minor, diff.Minor, err)
		}
	})
}

func TestPropertyPercentIsTheNearestUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := anyAmount(t)
		rate := rapid.Int64Range(0, money.MaxBasisPoints).Draw(t, "rate")
		// |a|*rate/10000 half-up is floor((2*|a|*rate + 10000) / 20000).
		want := new(big.Int).Abs(big.NewInt(a.Minor))
		want.Mul(want, big.NewInt(2*rate)).Add(want, big.NewInt(10_000)).Div(want, big.NewInt(20_000))
		if a.Minor < 0 {
			want.Neg(want)
		}
		got, err := a.Percent(rate)
		if want.IsInt64() != (err == nil) || (err == nil && got.Minor != want.Int64()) {
			t.Fatalf("%d bp of %d: got %d, %v; want %v", rate, a.Minor, got.Minor, err, want)
		}
	})
}

func FuzzFromNumber(f *testing.F) {
	for _, seed := range []string{"9600", "9600.00", "1e3", "-0", "1e-1", "9223372036854775808", "1e999999999", "null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := money.FromMinorNumber(raw, money.GHS)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(raw)
		if !ok || want.Cmp(new(big.Rat).SetInt64(got.Minor)) != 0 {
			t.Fatalf("%q became %d", raw, got.Minor)
		}
	})
}

func ExampleAmount_Percent() {
	price := money.FromMinor(8000, money.GHS)
	vat, _ := price.Percent(1500)
	levy, _ := price.Percent(250)
	total, _ := price.Add(vat)
	total, _ = total.Add(levy)
	total, _ = total.Add(levy)
	fmt.Println(vat, levy, total.Display())
	// Output: 12.00 2.00 GHS 96.00
}
