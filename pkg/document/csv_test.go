package document_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"makola/pkg/document"
	"makola/pkg/money"
	"makola/pkg/tabular"
)

func csvOf(t *testing.T, r *document.Report) string {
	t.Helper()
	var b strings.Builder
	if err := document.WriteCSV(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestACSVOfOneTableIsThatTable(t *testing.T) {
	t.Parallel()
	r := sample(2)
	r.Summary = nil
	want := "\ufeff" + strings.Join([]string{
		`"Receipt","Sold","Customer","Items","Total (GHS)","Margin","Day","At"`,
		`"MKL-20261125-0001","2026-11-26 00:30:05","Walk-in","1","9.99","-3.00","2026-11-26","00:30:05"`,
		`"MKL-20261125-0002","2026-11-26 01:07:05","Akosua Ẹ̀bùn Ọláníyan","2","133.44","-1.63","2026-11-26","01:07:05"`,
		``,
	}, "\r\n")
	if diff := cmp.Diff(want, csvOf(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestACSVOfSeveralPartsHasSections(t *testing.T) {
	t.Parallel()
	r := sample(1)
	r.Tables = append(r.Tables, document.Table{Name: "Nothing", Columns: []document.Column{{Title: "Title"}}})
	want := "\ufeff" + strings.Join([]string{
		`"Business","Adwoa's Provision Store"`,
		`"Address","14 Ring Road Central"`,
		`"","Accra"`,
		`"TIN","C0012345678"`,
		`"Report","Sales"`,
		`"Period","1 to 30 November 2026"`,
		`"Filter","Storefront: Makola Market"`,
		`"Currency","GHS"`,
		`"Generated","2026-11-26 00:30 WAT"`,
		``,
		`"Summary"`,
		`"Sales","1234"`,
		`"Revenue (GHS)","1234567890123.45"`,
		`"Margin","23.75"`,
		`"Refunded (GHS)","-0.50"`,
		`"Best day","2026-11-25"`,
		``,
		`"Sales Detail"`,
		`"Receipt","Sold","Customer","Items","Total (GHS)","Margin","Day","At"`,
		`"MKL-20261125-0001","2026-11-26 00:30:05","Walk-in","1","9.99","-3.00","2026-11-26","00:30:05"`,
		`"Total","","","1","9.99","","",""`,
		``,
		`"Nothing"`,
		`"Title"`,
		``,
	}, "\r\n")
	if diff := cmp.Diff(want, csvOf(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestACSVProtectsTextAndLeavesNumbersAlone(t *testing.T) {
	t.Parallel()
	r := &document.Report{Currency: money.XOF, Tables: []document.Table{{
		Columns: []document.Column{{Title: "=Text"}, {Title: "-N", Kind: document.KindInteger}, {Title: "A", Kind: document.KindMoney}},
		Rows: these(
			[]document.Cell{document.Text("=cmd|' /C calc'!A0"), document.Integer(-5), document.Money(money.FromMinor(-2500, money.XOF))},
			[]document.Cell{document.Text("+233244123456"), document.Integer(-9_223_372_036_854_775_808), {}},
			[]document.Cell{document.Text("  @x"), {}, {}},
			[]document.Cell{document.Text("say \"a, b\"\nand\r\nc"), {}, {}},
			[]document.Cell{document.Text("\x00\x1b=1"), {}, {}},
			[]document.Cell{document.Text("'tis"), {}, {}},
			[]document.Cell{document.Text("\xff=1"), {}, {}},
		),
	}}}
	want := "\ufeff" + strings.Join([]string{
		`"'=Text","'-N","A (XOF)"`,
		`"'=cmd|' /C calc'!A0","-5","-2500"`,
		`"'+233244123456","-9223372036854775808",""`,
		`"'  @x","",""`,
		"\"say \"\"a, b\"\"\nand\r\nc\",\"\",\"\"",
		`"'=1","",""`,
		`"'tis","",""`,
		"\"\ufffd=1\",\"\",\"\"",
		``,
	}, "\r\n")
	if diff := cmp.Diff(want, csvOf(t, r)); diff != "" {
		t.Error(diff)
	}
}

// Whatever a shop calls its goods, no cell of the file begins like a formula, and a reader of CSV gets the text back but for the apostrophe.
func TestNoTextActsAsAFormula(t *testing.T) {
	t.Parallel()
	trigger := rapid.SampledFrom([]string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", " ", "\u00a0", "\u200b", "\ufeff", "'", `"`, ",", "a", ""})
	rapid.Check(t, func(t *rapid.T) {
		text := trigger.Draw(t, "first") + trigger.Draw(t, "second") + rapid.String().Draw(t, "rest")
		var b bytes.Buffer
		r := &document.Report{Tables: []document.Table{{Columns: []document.Column{{Title: "x"}}, Rows: these([]document.Cell{document.Text(text)})}}}
		if err := document.WriteCSV(&b, r); err != nil {
			t.Fatal(err)
		}
		rows := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), "\ufeff")))
		if _, err := rows.Read(); err != nil {
			t.Fatal(err)
		}
		row, err := rows.Read()
		if err != nil || len(row) != 1 {
			t.Fatalf("%q, %v", row, err)
		}
		seen := strings.TrimLeftFunc(row[0], func(r rune) bool {
			return unicode.IsSpace(r) && r != '\t' && r != '\n' && r != '\r' || unicode.Is(unicode.Cf, r)
		})
		if seen != "" && strings.ContainsAny(seen[:1], "=+-@\t\r\n") || strings.HasPrefix(seen, "＝") || strings.HasPrefix(seen, "＋") || strings.HasPrefix(seen, "－") || strings.HasPrefix(seen, "＠") {
			t.Fatalf("%q begins like a formula", row[0])
		}
	})
}

func TestAnExportReadsBackAsItWas(t *testing.T) {
	t.Parallel()
	r := sample(500)
	r.Summary = nil
	r.Tables[0].Columns = saleColumns
	for _, name := range []string{"sales.csv", "sales.xlsx"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			write := document.WriteCSV
			if strings.HasSuffix(name, "xlsx") {
				write = document.WriteXLSX
			}
			if err := write(&b, r); err != nil {
				t.Fatal(err)
			}
			table, err := tabular.Open(bytes.NewReader(b.Bytes()), int64(b.Len()), name, tabular.Options{})
			if err != nil {
				t.Fatal(err)
			}
			unknown, err := table.Match(tabular.Field{Name: "receipt"}, tabular.Field{Name: "total"}, tabular.Field{Name: "items"}, tabular.Field{Name: "day"}, tabular.Field{Name: "customer"})
			if err != nil || len(unknown) != 3 {
				t.Fatal(unknown, err)
			}
			i := 0
			row := make([]document.Cell, len(saleColumns))
			for got, err := range table.Rows() {
				if err != nil {
					t.Fatal(err)
				}
				if got.Text("receipt") == "Total" {
					break // Of the workbook.
				}
				fillSale(i, row)
				total, err := got.Money("total", money.GHS)
				if err != nil || document.Money(total) != row[4] {
					t.Fatalf("row %d: total %v, %v", i, total, err)
				}
				items, err := got.Integer("items")
				if err != nil || document.Integer(items) != row[3] || document.Text(got.Text("customer")) != row[2] {
					t.Fatalf("row %d: %v, %v", i, got.Cells, err)
				}
				day, err := got.Date("day")
				if err != nil || !day.Equal(lateAtNight.Add(time.Duration(i)*37*time.Minute+time.Hour).Truncate(24*time.Hour)) {
					t.Fatalf("row %d: day %v, %v", i, day, err)
				}
				i++
			}
			if i != 500 {
				t.Fatalf("%d rows", i)
			}
			if err := table.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// writers are the three formats.
var writers = map[string]func(io.Writer, *document.Report) error{"csv": document.WriteCSV, "xlsx": document.WriteXLSX, "pdf": document.WritePDF}

func TestTheSameReportGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	for name, write := range writers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sample(300)
			for range 3 { // Several sheets: their order must not be that of a map.
				r.Tables = append(r.Tables, r.Tables[0])
			}
			var first, again bytes.Buffer
			for i := range 8 {
				b := &again
				if i == 0 {
					b = &first
				}
				again.Reset()
				if err := write(b, r); err != nil {
					t.Fatal(err)
				}
				if i > 0 && !bytes.Equal(first.Bytes(), again.Bytes()) {
					t.Fatalf("attempt %d differs", i)
				}
			}
		})
	}
}

func TestAReportThatCannotBeWrittenSaysWhy(t *testing.T) {
	t.Parallel()
	source := errors.New("cursor lost")
	one := func(c document.Column, cells ...document.Cell) *document.Report {
		return &document.Report{Currency: money.GHS, Tables: []document.Table{{Name: "T", Columns: []document.Column{c}, Rows: these(cells)}}}
	}
	for _, tc := range []struct {
		name   string
		report *document.Report
		is     error
		want   string
	}{
		{"nothing to say", &document.Report{}, document.ErrReport, "report is not well formed: neither tables nor figures"},
		{"no columns", &document.Report{Tables: []document.Table{{Name: "T"}}}, document.ErrReport, `report is not well formed: table "T" has no columns`},
		{
			"money without currency", &document.Report{Tables: []document.Table{{Columns: []document.Column{{Title: "A", Kind: document.KindMoney}}}}},
			document.ErrReport, `report is not well formed: column "A" is money, and no currency is named`,
		},
		{"a total of texts", one(document.Column{Title: "A", Total: true}), document.ErrReport, `report is not well formed: column "A" cannot be summed`},
		{"unknown currency", &document.Report{Currency: "XXX", Tables: []document.Table{{}}}, document.ErrReport, `report is not well formed: unknown currency "XXX"`},
		{"a number among texts", one(document.Column{Title: "A"}, document.Integer(1)), document.ErrCell, `row 1 of table "T": column "A": cell does not fit its column: text column`},
		{
			"another currency", one(document.Column{Title: "A", Kind: document.KindMoney}, document.Money(money.FromMinor(1, money.NGN))), document.ErrCell,
			`row 1 of table "T": column "A": cell does not fit its column: an amount in "NGN" in a report in "GHS"`,
		},
		{"too many cells", one(document.Column{Title: "A"}, document.Text("a"), document.Text("b")), document.ErrCell, `row 1 of table "T": cell does not fit its column: 2 cells in 1 columns`},
		{"a date as time of day", one(document.Column{Title: "A", Kind: document.KindTime}, document.Date(lateAtNight)), document.ErrCell, `row 1 of table "T": column "A": cell does not fit its column: time column`},
		{
			"totals beyond 64 bits",
			&document.Report{Tables: []document.Table{{Name: "T", Columns: []document.Column{{Title: "A", Kind: document.KindInteger, Total: true}}, Rows: these(
				[]document.Cell{document.Integer(9_223_372_036_854_775_807)}, []document.Cell{document.Integer(1)},
			)}}}, money.ErrOverflow, `row 2 of table "T": column "A": amount out of range`,
		},
		{"a source that fails", &document.Report{Tables: []document.Table{{Name: "T", Columns: []document.Column{{Title: "A"}}, Rows: func(yield func([]document.Cell, error) bool) {
			_ = yield([]document.Cell{document.Text("a")}, nil) && yield(nil, source)
		}}}}, source, `read row 2 of table "T": cursor lost`},
	} {
		for format, write := range writers {
			t.Run(tc.name+" in "+format, func(t *testing.T) {
				t.Parallel()
				err := write(io.Discard, tc.report)
				if !errors.Is(err, tc.is) || !strings.HasSuffix(err.Error(), tc.want) {
					t.Fatalf("got %v, want %s", err, tc.want)
				}
			})
		}
	}
}

// full is a disk without room for more.
type full struct{ left int }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestAFullDiskIsReported(t *testing.T) {
	t.Parallel()
	for format, write := range writers {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			if err := write(&full{left: 1000}, sample(2000)); !errors.Is(err, errFull) {
				t.Fatalf("got %v", err)
			}
		})
	}
}
