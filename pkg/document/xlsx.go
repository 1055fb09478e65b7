package document

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// sheetRows is how many rows a sheet holds, by the format's definition.
const sheetRows = 1_048_576

// exactNumber bounds the numbers that a spreadsheet keeps: it has 15 digits. Beyond it a cell is text, so that no digit is lost.
const exactNumber = 1_000_000_000_000_000

// textFormat is the number of the format "@": what is typed into such a cell stays text.
const textFormat = 49

// WriteXLSX writes the report as a workbook: numbers, amounts, rates and dates as what they are, with their formats; text as text, which is
// never evaluated, not even when somebody edits the cell. Each table has a sheet with a frozen heading, filters, column widths and a row of
// totals; a table longer than a sheet goes on in the next. A report of more than one table, or with a summary, begins with a sheet "Summary".
//
// Rows go through temporary files: memory does not grow with them. Nothing is written to w before the last row was read.
func WriteXLSX(w io.Writer, r *Report) error {
	return writeXLSX(w, r, sheetRows)
}

func writeXLSX(w io.Writer, r *Report, limit int) (err error) {
	if err := r.check(); err != nil {
		return err
	}
	x := &xlsxWriter{report: r, file: excelize.NewFile(), limit: limit, exponent: r.exponent(), names: map[string]bool{}}
	defer func() {
		if closed := x.file.Close(); closed != nil && err == nil { // Removes the temporary files.
			err = fmt.Errorf("close workbook: %w", closed)
		}
	}()
	if err := x.styles(); err != nil {
		return fmt.Errorf("write xlsx: %w", err)
	}
	if err := x.properties(); err != nil {
		return fmt.Errorf("write xlsx: %w", err)
	}
	if len(r.Tables) != 1 || len(r.Summary) > 0 {
		if err := x.summary(); err != nil {
			return fmt.Errorf("write xlsx: %w", err)
		}
	}
	for i := range r.Tables {
		if err := x.table(&r.Tables[i]); err != nil {
			return fmt.Errorf("write xlsx: %w", err)
		}
	}
	x.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return newOrderedZip(w) }) // Straight to w: its own way gathers the file in memory.
	if _, err := x.file.WriteTo(w); err != nil {
		return fmt.Errorf("write xlsx: %w", err)
	}
	return nil
}

// xlsxWriter writes one workbook.
type xlsxWriter struct {
	report   *Report
	file     *excelize.File
	limit    int // Rows of a sheet.
	exponent int
	names    map[string]bool // Sheets so far, in lower case.
	style    map[Kind]int
	total    map[Kind]int
	heading  int
	label    int
}

// styles are made once; cells name them by number.
func (x *xlsxWriter) styles() (err error) {
	amount := "#,##0"
	if x.exponent > 0 {
		amount += "." + strings.Repeat("0", x.exponent)
	}
	formats := map[Kind]string{
		KindInteger: "#,##0", KindMoney: amount, KindPercent: "0.00%",
		KindDate: "yyyy-mm-dd", KindTime: "hh:mm:ss", KindInstant: "yyyy-mm-dd hh:mm:ss",
	}
	x.style, x.total = map[Kind]int{}, map[Kind]int{}
	for k := KindText; k <= KindInstant; k++ {
		format := formats[k]
		plain := excelize.Style{CustomNumFmt: &format}
		if k == KindText {
			plain = excelize.Style{NumFmt: textFormat}
		}
		if x.style[k], err = x.file.NewStyle(&plain); err != nil {
			return err
		}
		total := plain
		total.Font, total.Border = boldFont(), []excelize.Border{{Type: "top", Color: hex(accent), Style: 1}}
		if x.total[k], err = x.file.NewStyle(&total); err != nil {
			return err
		}
	}
	heading := boldFont()
	heading.Color = hex(white)
	x.heading, err = x.file.NewStyle(&excelize.Style{
		NumFmt: textFormat,
		Font:   heading, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{hex(accent)}},
		Alignment: &excelize.Alignment{Vertical: "center", WrapText: true},
	})
	if err != nil {
		return err
	}
	x.label, err = x.file.NewStyle(&excelize.Style{NumFmt: textFormat, Font: boldFont()})
	return err
}

// boldFont is the workbook's usual font in bold; without a name every program would choose its own.
func boldFont() *excelize.Font { return &excelize.Font{Family: "Calibri", Size: 11, Bold: true} }

func hex(c colour) string { return fmt.Sprintf("%02X%02X%02X", c[0], c[1], c[2]) }

// properties carry the report's own time, so that the same report gives the same bytes.
func (x *xlsxWriter) properties() error {
	at := x.report.GeneratedAt
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	stamp := at.UTC().Format(time.RFC3339)
	return x.file.SetDocProps(&excelize.DocProperties{
		Title: storable(x.report.Title), Creator: storable(x.report.Business), Created: stamp, Modified: stamp,
	})
}

// sheet begins a sheet. The name is made fit, and unlike all before.
func (x *xlsxWriter) sheet(name string) (*excelize.StreamWriter, error) {
	name = x.unique(name)
	if len(x.names) == 1 {
		if err := x.file.SetSheetName("Sheet1", name); err != nil { // The one that every new workbook has.
			return nil, err
		}
	} else if _, err := x.file.NewSheet(name); err != nil {
		return nil, err
	}
	// Printed, a sheet is as wide as a page, and as many of them long as it takes.
	fit, a4, landscape, wide, long := true, 9, "landscape", 1, 0
	if err := x.file.SetSheetProps(name, &excelize.SheetPropsOptions{FitToPage: &fit}); err != nil {
		return nil, err
	}
	if err := x.file.SetPageLayout(name, &excelize.PageLayoutOptions{Size: &a4, Orientation: &landscape, FitToWidth: &wide, FitToHeight: &long}); err != nil {
		return nil, err
	}
	return x.file.NewStreamWriter(name)
}

// unique is a sheet's name by the rules: at most 31 characters, none of []:*?/\, no apostrophe at an end, no other sheet of the name in any case.
func (x *xlsxWriter) unique(name string) string {
	name = strings.TrimSpace(strings.Trim(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`[]:*?/\`, r) || r < ' ' {
			return ' '
		}
		return r
	}, storable(name)), "' "))
	if name == "" {
		name = "Table"
	}
	for n := 1; ; n++ {
		ending := ""
		if n > 1 {
			ending = fmt.Sprintf(" (%d)", n)
		}
		candidate := shorten(name, 31-len(ending)) + ending
		if key := strings.ToLower(candidate); !x.names[key] {
			x.names[key] = true
			return candidate
		}
	}
}

// shorten cuts s to n UTF-16 units, which is how Excel counts.
func shorten(s string, n int) string {
	for i, r := range s {
		if n -= max(1, utf8.RuneLen(r)-2); n < 0 { // Four bytes are two units; fewer are one.
			return strings.TrimRight(s[:i], " ")
		}
	}
	return s
}

func (x *xlsxWriter) summary() error {
	s, err := x.sheet("Summary")
	if err != nil {
		return err
	}
	if err := s.SetColWidth(1, 2, 32); err != nil {
		return err
	}
	line := 0
	add := func(label string, value *excelize.Cell) error {
		line++
		return s.SetRow(fmt.Sprintf("A%d", line), []any{&excelize.Cell{StyleID: x.label, Value: storable(label)}, value})
	}
	for _, pair := range x.report.head() {
		if err := add(pair[0], &excelize.Cell{StyleID: x.style[KindText], Value: storable(pair[1])}); err != nil {
			return err
		}
	}
	line++ // An empty row between.
	for _, f := range x.report.Summary {
		value := &excelize.Cell{}
		x.fill(value, f.Value, f.Kind, x.style)
		if err := add(x.report.title(Column{Title: f.Label, Kind: f.Kind}), value); err != nil {
			return err
		}
	}
	return s.Flush()
}

// table writes one table to as many sheets as it takes.
func (x *xlsxWriter) table(t *Table) error {
	cells := make([]excelize.Cell, len(t.Columns))
	values := make([]any, len(t.Columns))
	for i := range cells {
		values[i] = &cells[i]
	}
	rows := x.report.reader(t)
	last := x.limit - 1 // The last row of each sheet is kept for the totals.
	var s *excelize.StreamWriter
	line := 0
	write := func(row []Cell, styles map[Kind]int) error {
		line++
		for i := range row {
			x.fill(&cells[i], row[i], t.Columns[i].Kind, styles)
		}
		return s.SetRow(fmt.Sprintf("A%d", line), values)
	}
	begin := func() (err error) {
		if s, err = x.beginTable(t); err != nil {
			return err
		}
		line = 1
		return nil
	}
	if err := begin(); err != nil {
		return err
	}
	err := rows.each(func(row []Cell) error {
		if line == last {
			if err := x.endTable(s, len(cells), line); err != nil {
				return err
			}
			if err := begin(); err != nil {
				return err
			}
		}
		return write(row, x.style)
	})
	if err != nil {
		return err
	}
	filtered := line
	if totals := rows.totals(); totals != nil {
		if err := write(totals, x.total); err != nil {
			return err
		}
	}
	return x.endTable(s, len(cells), filtered)
}

// headingHeight is two lines of the usual font, in points: long titles wrap, and LibreOffice cuts what a row of the usual height does not hold.
const headingHeight = 30

// beginTable begins a sheet with the heading of a table.
func (x *xlsxWriter) beginTable(t *Table) (*excelize.StreamWriter, error) {
	s, err := x.sheet(t.Name)
	if err != nil {
		return nil, err
	}
	for i, width := range columnWidths(t.Columns) {
		if err := s.SetColWidth(i+1, i+1, min(width+3, 255)); err != nil {
			return nil, err
		}
	}
	pane := &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}
	if err := s.SetPanes(pane); err != nil {
		return nil, err
	}
	titles := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = &excelize.Cell{StyleID: x.heading, Value: storable(x.report.title(c))}
	}
	return s, s.SetRow("A1", titles, excelize.RowOpts{Height: headingHeight})
}

// endTable puts filters over the rows up to a line, totals left out, and ends the sheet.
func (x *xlsxWriter) endTable(s *excelize.StreamWriter, columns, line int) error {
	corner, err := excelize.CoordinatesToCellName(columns, line)
	if err != nil {
		return err
	}
	if err := x.file.AutoFilter(s.Sheet, "A1:"+corner, nil); err != nil {
		return err
	}
	// The heading stands on every page that is printed.
	sheet := "'" + strings.ReplaceAll(s.Sheet, "'", "''") + "'"
	if err := x.file.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: sheet + "!$1:$1", Scope: s.Sheet}); err != nil {
		return err
	}
	return s.Flush()
}

// epoch is day 0 of spreadsheets, as they count from March 1900 on; earlier dates are written as text.
var (
	epoch     = time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
	marchNull = time.Date(1900, 3, 1, 0, 0, 0, 0, time.UTC).Unix()
)

// fill sets a spreadsheet's cell from one of ours.
func (x *xlsxWriter) fill(to *excelize.Cell, c Cell, k Kind, styles map[Kind]int) {
	to.StyleID, to.Value = styles[k], nil
	switch c.is {
	case empty:
		return
	case isText:
		to.StyleID, to.Value = styles[KindText], storable(c.text)
	case isInteger, isMoney, isPercent:
		if c.number <= -exactNumber || c.number >= exactNumber {
			to.Value = string(c.appendPlain(nil, k, x.report.zone(), x.exponent))
			return
		}
		to.Value = c.number
		if units := map[content]int{isMoney: x.exponent, isPercent: 4}[c.is]; units > 0 {
			to.Value = float64(c.number) / powersOf10[units] // The nearest double prints as the same 15 digits.
		}
	case isDate, isInstant:
		t := c.moment(x.report.zone())
		_, offset := t.Zone()
		wall := t.Unix() + int64(offset)
		switch {
		case k == KindTime:
			to.Value = serial(((wall % secondsPerDay) + secondsPerDay) % secondsPerDay)
		case wall < marchNull:
			to.Value = t.Format(layouts[k])
		case k == KindDate:
			to.Value = (wall - epoch) / secondsPerDay
		default:
			to.Value = serial(wall - epoch)
		}
	}
}

// serial is seconds in days, a ten-thousandth of a second more unless they are whole days: the nearest double may lie below the
// second, and LibreOffice shows the one before it then.
func serial(seconds int64) float64 {
	if seconds%secondsPerDay == 0 {
		return float64(seconds / secondsPerDay)
	}
	const fine = 1e9
	return (math.Floor(float64(seconds)*(fine/secondsPerDay)) + 1) / fine
}

// powersOf10 are the units of money with up to three decimal places, and of rates with four. Read only.
var powersOf10 = [...]float64{1, 10, 100, 1_000, 10_000}
