package tabular_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"makola/pkg/money"
	"makola/pkg/tabular"
)

func TestParseInteger(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		want int64
		err  string
	}{
		{"12", 12, ""},
		{" -3 ", -3, ""},
		{"0", 0, ""},
		{"007", 7, ""},
		{"1,200", 1200, ""},
		{"12.00", 12, ""},
		{"9223372036854775807", 9223372036854775807, ""},
		{"", 0, "empty; a whole number is wanted"},
		{"1.5", 0, `"1.5" has a fraction; a whole number is wanted`},
		{"1e400", 0, `"1e400" is not a whole number`},
		{"1e3", 0, `"1e3" is not a whole number`},
		{"١", 0, `"١" is not a whole number`},
		{"+5", 0, `"+5" is not a whole number`},
		{"--5", 0, `"--5" is not a whole number`},
		{"-", 0, `"-" is not a whole number`},
		{"12,5", 0, `"12,5" is not a whole number`},
		{"0x10", 0, `"0x10" is not a whole number`},
		{"=2", 0, `"=2" is not a whole number`},
		{"9223372036854775808", 0, `"9223372036854775808" is out of range`},
		{"twelve bottles and a half of the old palm wine", 0, `"twelve bottles and a half of the old pal…" is not a whole number`},
	} {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			got, err := tabular.ParseInteger(tc.text)
			check(t, err, tc.err)
			if got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

// check compares an error with the text wanted, "" for none, and insists on its type.
func check(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if err == nil || err.Error() != want {
		t.Fatalf("error %v, want %s", err, want)
	}
	if e, ok := errors.AsType[*tabular.Error](err); !ok || e.Fatal || !errors.Is(err, tabular.ErrCell) {
		t.Fatalf("%#v is not a cell's error", err)
	}
}

func TestParseMoney(t *testing.T) {
	t.Parallel()
	const shape = " is not an amount; write it like 1,234.50 or 1234.50"
	for _, tc := range []struct {
		text     string
		currency money.Currency
		minor    int64
		err      string
	}{
		{"1,234.50", money.GHS, 123450, ""},
		{"1234.5", money.GHS, 123450, ""},
		{"GHS 12", money.GHS, 1200, ""},
		{"ghs12", money.GHS, 1200, ""},
		{"12.00 GHS", money.GHS, 1200, ""},
		{"₵12.00", money.GHS, 1200, ""},
		{"GH₵ 12.00", money.GHS, 1200, ""},
		{"-5", money.GHS, -500, ""},
		{"-₵5.25", money.GHS, -525, ""},
		{"₵-5.25", money.GHS, -525, ""},
		{"012.50", money.GHS, 1250, ""},
		{"12.500", money.GHS, 1250, ""},
		{"2,500.00", money.XOF, 2500, ""},
		{"₦1,000,000", money.NGN, 100000000, ""},
		{"999,999,999,999.99", money.GHS, 99999999999999, ""},
		{"", money.GHS, 0, "empty; an amount is wanted"},
		{"12.505", money.GHS, 0, `"12.505" has more decimal places than GHS has`},
		{"12.50", money.XOF, 0, `"12.50" has more decimal places than XOF has`},
		{"USD 12", money.GHS, 0, `"USD 12" is not an amount in GHS`},
		{"$12", money.GHS, 0, `"$12" is not an amount in GHS`},
		{"12,50", money.GHS, 0, `"12,50"` + shape},
		{"1.234,50", money.GHS, 0, `"1.234,50"` + shape},
		{"1,2345", money.GHS, 0, `"1,2345"` + shape},
		{"1e400", money.GHS, 0, `"1e400"` + shape},
		{"free", money.GHS, 0, `"free"` + shape},
		{"=5", money.GHS, 0, `"=5" is not an amount in GHS`},
		{"١٢", money.GHS, 0, `"١٢"` + shape},
		{".5", money.GHS, 0, `".5"` + shape},
		{"99999999999999999999", money.GHS, 0, `"99999999999999999999" is out of range`},
	} {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			got, err := tabular.ParseMoney(tc.text, tc.currency)
			check(t, err, tc.err)
			if tc.err == "" && got != money.FromMinor(tc.minor, tc.currency) {
				t.Errorf("got %s, want %d", got.Display(), tc.minor)
			}
		})
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	const shape = " is not a date; write it like 2026-12-31 or 31/12/2026"
	for _, tc := range []struct{ text, want, err string }{
		{"2026-11-26", "2026-11-26", ""},
		{"2026-11-26 14:30:00", "2026-11-26", ""},
		{"2026-11-26T23:30:00Z", "2026-11-26", ""},
		{"26/11/2026", "2026-11-26", ""},
		{"03/04/2026", "2026-04-03", ""},
		{"3-4-2026", "2026-04-03", ""},
		{"26.11.2026", "2026-11-26", ""},
		{"26 Nov 2026", "2026-11-26", ""},
		{"November 26, 2026", "2026-11-26", ""},
		{"29/02/2028", "2028-02-29", ""},
		{"", "", "empty; a date is wanted"},
		{"11/26/2026", "", `"11/26/2026" has the month first; write the day first (31/12/2026) or 2026-12-31`},
		{"46352", "", `"46352" is a bare number, not a date; give the cells of the column a date format`},
		{"46352.5", "", `"46352.5" is a bare number, not a date; give the cells of the column a date format`},
		{"29/02/2026", "", `"29/02/2026"` + shape},
		{"26/11/26", "", `"26/11/26"` + shape},
		{"0026-11-26", "", `"0026-11-26": the year is not between 1900 and 2200`},
		{"soon", "", `"soon"` + shape},
	} {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			got, err := tabular.ParseDate(tc.text)
			check(t, err, tc.err)
			if tc.err == "" && got.Format("2006-01-02T15:04:05Z07:00") != tc.want+"T00:00:00Z" {
				t.Errorf("got %v, want %s", got, tc.want)
			}
		})
	}
}

func TestUnprotect(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"'+233244123456": "+233244123456", "'=1": "=1", "'tis": "'tis", "'": "'", "": "", "x": "x", "''+1": "''+1"} {
		if got := tabular.Unprotect(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestMatchFindsColumnsByNameAndAlias(t *testing.T) {
	t.Parallel()
	table := open(t, "a.csv", []byte("Product Name,UNIT_PRICE (GHS),Qty on-hand,Colour,\nGari,\"1,200.50\",x7,white,\n"), tabular.Options{})
	unknown, err := table.Match(
		tabular.Field{Name: "name", Required: true, Aliases: []string{"product", "product name"}},
		tabular.Field{Name: "unit price", Required: true},
		tabular.Field{Name: "quantity", Aliases: []string{"qty_on_hand"}},
		tabular.Field{Name: "expiry"},
	)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Colour"}, unknown); diff != "" {
		t.Error(diff)
	}
	for row, err := range table.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		price, err := row.Money("unit price", money.GHS)
		if err != nil || price.Minor != 120050 || row.Text("name") != "Gari" || row.Has("expiry") {
			t.Errorf("%v %v %v", row, price, err)
		}
		_, err = row.Integer("quantity")
		check(t, err, `line 2, column "Qty on-hand": "x7" is not a whole number`)
		_, err = row.Date("expiry")
		check(t, err, `line 2, column "expiry": empty; a date is wanted`)
		check(t, row.Fault("unit price", "above %d", 5), `line 2, column "UNIT_PRICE (GHS)": above 5`)
	}
}

func TestMatchNamesEveryColumnThatIsMissingOrGivenTwice(t *testing.T) {
	t.Parallel()
	table := open(t, "a.csv", []byte("sku,Name,SKU,product\n"), tabular.Options{})
	_, err := table.Match(
		tabular.Field{Name: "name", Required: true, Aliases: []string{"product"}},
		tabular.Field{Name: "sku"},
		tabular.Field{Name: "price", Required: true},
		tabular.Field{Name: "quantity", Required: true},
	)
	if !errors.Is(err, tabular.ErrHeader) || err.Error() != "line 1: missing columns: price, quantity; columns given twice: sku, name" {
		t.Fatalf("got %v", err)
	}
}
