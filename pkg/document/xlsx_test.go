package document_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"makola/pkg/document"
	"makola/pkg/money"
)

// workbook writes the report and opens what came of it.
func workbook(t *testing.T, r *document.Report) *excelize.File {
	t.Helper()
	var b bytes.Buffer
	if err := document.WriteXLSX(&b, r); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestAWorkbookHoldsWhatTheReportSays(t *testing.T) {
	t.Parallel()
	r := sample(2)
	r.Tables = append(r.Tables, document.Table{Name: "sales [detail]", Columns: []document.Column{{Title: "Nothing"}}})
	f := workbook(t, r)
	if diff := cmp.Diff([]string{"Summary", "Sales Detail", "sales  detail"}, f.GetSheetList()); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct {
		sheet string
		raw   bool
		want  [][]string
	}{
		{"Summary", false, [][]string{
			{"Business", "Adwoa's Provision Store"},
			{"Address", "14 Ring Road Central"},
			{"", "Accra"},
			{"TIN", "C0012345678"},
			{"Report", "Sales"},
			{"Period", "1 to 30 November 2026"},
			{"Filter", "Storefront: Makola Market"},
			{"Currency", "GHS"},
			{"Generated", "2026-11-26 00:30 WAT"},
			nil,
			{"Sales", "1,234"},
			{"Revenue (GHS)", "1,234,567,890,123.45"},
			{"Margin", "23.75%"},
			{"Refunded (GHS)", "-0.50"},
			{"Best day", "2026-11-25"},
		}},
		{"Sales Detail", false, [][]string{
			{"Receipt", "Sold", "Customer", "Items", "Total (GHS)", "Margin", "Day", "At"},
			{"MKL-20261125-0001", "2026-11-26 00:30:05", "Walk-in", "1", "9.99", "-3.00%", "2026-11-26", "00:30:05"},
			{"MKL-20261125-0002", "2026-11-26 01:07:05", "Akosua Ẹ̀bùn Ọláníyan", "2", "133.44", "-1.63%", "2026-11-26", "01:07:05"},
			{"Total", "", "", "3", "143.43"},
		}},
		{"Sales Detail", true, [][]string{
			{"Receipt", "Sold", "Customer", "Items", "Total (GHS)", "Margin", "Day", "At"},
			{"MKL-20261125-0001", "46352.020891204", "Walk-in", "1", "9.99", "-0.03", "46352", "0.020891204"},
			{"MKL-20261125-0002", "46352.046585649", "Akosua Ẹ̀bùn Ọláníyan", "2", "133.44", "-0.0163", "46352", "0.046585649"},
			{"Total", "", "", "3", "143.43"},
		}},
		{"sales  detail", false, [][]string{{"Nothing"}}},
	} {
		got, err := f.GetRows(tc.sheet, excelize.Options{RawCellValue: tc.raw})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.sheet, diff)
		}
	}
	panes, err := f.GetPanes("Sales Detail")
	if err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("panes %+v, %v", panes, err)
	}
	if width, err := f.GetColWidth("Sales Detail", "C"); err != nil || width != 27 {
		t.Errorf("width %v, %v", width, err)
	}
	if names := f.GetDefinedName(); len(names) != 4 || names[0].RefersTo != "'Sales Detail'!$A$1:$H$3" || names[1].RefersTo != "'Sales Detail'!$1:$1" {
		t.Errorf("filters and printed headings %+v", names)
	}
	layout, err := f.GetPageLayout("Sales Detail")
	if err != nil || *layout.Orientation != "landscape" || *layout.FitToWidth != 1 || *layout.FitToHeight != 0 {
		t.Errorf("printed as %+v, %v", layout, err)
	}
}

func TestNoCellOfAWorkbookIsAFormula(t *testing.T) {
	t.Parallel()
	texts := []string{"=1+1", "+233244123456", "-5", "@SUM(A1)", "\t=1", " =1", "＝1", `=HYPERLINK("http://x")`, "a\x00b\x1bc", "_x0041_", "1e5", " spaces "}
	rows := make([][]document.Cell, 0, len(texts))
	for _, text := range texts {
		rows = append(rows, []document.Cell{document.Text(text)})
	}
	f := workbook(t, &document.Report{Tables: []document.Table{{Name: "=T", Columns: []document.Column{{Title: "=Title"}}, Rows: these(rows...)}}})
	want := append([]string{"=Title"}, texts...)
	want[9] = "abc"
	for i, text := range want {
		cell, err := excelize.CoordinatesToCellName(1, i+1)
		if err != nil {
			t.Fatal(err)
		}
		formula, err := f.GetCellFormula("=T", cell)
		if err != nil || formula != "" {
			t.Errorf("%s has the formula %q, %v", cell, formula, err)
		}
		kind, err := f.GetCellType("=T", cell)
		if err != nil || kind != excelize.CellTypeInlineString {
			t.Errorf("%s is of type %v, %v", cell, kind, err)
		}
		if got, err := f.GetCellValue("=T", cell); err != nil || got != text {
			t.Errorf("%s is %q, want %q, %v", cell, got, text, err)
		}
		style, err := f.GetCellStyle("=T", cell)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := f.GetStyle(style); err != nil || s.NumFmt != 49 {
			t.Errorf("%s is formatted by %+v, not as text, %v", cell, s, err)
		}
	}
}

func TestNumbersThatASpreadsheetWouldRoundAreText(t *testing.T) {
	t.Parallel()
	r := &document.Report{Currency: money.GHS, Tables: []document.Table{{
		Columns: []document.Column{{Title: "N", Kind: document.KindInteger}, {Title: "A", Kind: document.KindMoney}, {Title: "D", Kind: document.KindDate}},
		Rows: these(
			[]document.Cell{document.Integer(999_999_999_999_999), document.Money(cedis(-999_999_999_999_999)), document.Date(lateAtNight)},
			[]document.Cell{document.Integer(-1_000_000_000_000_001), document.Money(cedis(9_223_372_036_854_775_807)), document.Date(lateAtNight.AddDate(-127, 0, 0))},
			[]document.Cell{{}, {}, {}},
		),
	}}}
	got, err := workbook(t, r).GetRows("Table", excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"N", "A (GHS)", "D"},
		{"999999999999999", "-9999999999999.99", "46351"},
		{"-1000000000000001", "92233720368547758.07", "1899-11-25"},
	}
	if diff := cmp.Diff(want, got[:3]); diff != "" {
		t.Error(diff)
	}
}

func TestSheetNamesAreMadeFit(t *testing.T) {
	t.Parallel()
	r := &document.Report{}
	for _, name := range []string{"a/b", "A B", strings.Repeat("long ", 10), strings.Repeat("long ", 10), "'x'", "", "😀" + strings.Repeat("y", 40)} {
		r.Tables = append(r.Tables, document.Table{Name: name, Columns: []document.Column{{Title: "x"}}})
	}
	want := []string{
		"Summary", "a b", "A B (2)", "long long long long long long l", "long long long long long lo (2)", "x", "Table", "😀" + strings.Repeat("y", 29),
	}
	if diff := cmp.Diff(want, workbook(t, r).GetSheetList()); diff != "" {
		t.Error(diff)
	}
}
