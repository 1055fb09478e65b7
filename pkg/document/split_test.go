package document

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// LibreOffice cuts a moment off at its second instead of rounding it.
func TestEverySecondOfADayIsNotBelowItself(t *testing.T) {
	t.Parallel()
	const day = 46_352
	for second := range int64(secondsPerDay) {
		if got := int64(serial(day*secondsPerDay+second) * secondsPerDay); got != day*secondsPerDay+second {
			t.Fatalf("second %d is shown as %d", second, got-day*secondsPerDay)
		}
	}
}

func TestATableLongerThanASheetGoesOnInTheNext(t *testing.T) {
	t.Parallel()
	rows := func(yield func([]Cell, error) bool) {
		for i := range int64(7) {
			if !yield([]Cell{Text("row"), Integer(i + 1)}, nil) {
				return
			}
		}
	}
	var b bytes.Buffer
	r := &Report{Tables: []Table{{Name: "Long", Columns: []Column{{Title: "Text"}, {Title: "N", Kind: KindInteger, Total: true}}, Rows: rows}}}
	if err := writeXLSX(&b, r, 5); err != nil { // A heading, three rows, and one for the totals.
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	var got [][][]string
	for _, sheet := range f.GetSheetList() {
		rows, err := f.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rows)
	}
	head := []string{"Text", "N"}
	want := [][][]string{
		{head, {"row", "1"}, {"row", "2"}, {"row", "3"}},
		{head, {"row", "4"}, {"row", "5"}, {"row", "6"}},
		{head, {"row", "7"}, {"Total", "28"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Long", "Long (2)", "Long (3)"}, f.GetSheetList()); diff != "" {
		t.Error(diff)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
