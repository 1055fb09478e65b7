package document

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"makola/pkg/money"
)

// ErrReport reports a report that cannot be written as it is described: no column, an unknown currency, a total of texts.
var ErrReport = errors.New("report is not well formed")

// Align is where a column's cells stand. The zero value is the kind's own: numbers right, everything else left.
type Align uint8

// The alignments.
const (
	AlignByKind Align = iota
	AlignLeft
	AlignRight
	AlignCentre
)

// Column describes one column for all formats.
type Column struct {
	Title string
	Kind  Kind
	Width float64 // In characters: the column of a sheet, and its share of a page. 0: usual for the kind.
	Align Align
	Total bool // Sum the column; integers and money only.
	Codes bool // The texts are codes, such as IN_STOCK. A PDF says "In stock"; the other formats keep what programs compare.
}

// Figure is one line of a summary: "Net sales" and its value.
type Figure struct {
	Label string
	Kind  Kind
	Value Cell
}

// Picture is a PNG between a PDF's summary and its tables: a chart. The other formats leave it out.
type Picture struct {
	Caption string
	PNG     []byte
	Height  float64 // In millimetres; 0: 60. The width follows, up to the page's.
}

// Table is a name, columns and rows. Rows is ranged over once per writer; it may reuse the slice that it yields. An error that
// it yields ends the writing and is returned wrapped. Nil Rows are no rows: a valid empty table.
type Table struct {
	Name    string
	Columns []Column
	Rows    iter.Seq2[[]Cell, error]
}

// Report is what the three writers write. Business, Title and the other texts of the head may be empty; then their lines are left out.
type Report struct {
	Business    string   // The letterhead: who reports.
	Address     []string // Its lines.
	TIN         string
	Title       string
	Period      string // "1 to 30 November 2026", in words.
	Filters     []string
	GeneratedAt time.Time      // Shown in Zone, and the only time in the file.
	Zone        *time.Location // Of the business; nil is UTC.
	Currency    money.Currency // Of every money cell. May be empty when there are none.
	Summary     []Figure
	Pictures    []Picture
	Tables      []Table

	MaxRows int    // Of each table in a PDF; 0: DefaultMaxRows. The other formats are complete.
	Rest    string // Said behind "n more rows" in a PDF: where to find them. Empty: "The CSV and XLSX forms of this report are complete."
}

// DefaultMaxRows is how many rows of a table a PDF shows unless the report says otherwise. A PDF is built in memory.
const DefaultMaxRows = 10_000

// zone is the report's zone, never nil.
func (r *Report) zone() *time.Location {
	if r.Zone == nil {
		return time.UTC
	}
	return r.Zone
}

// exponent is the number of decimal places of the report's money.
func (r *Report) exponent() int {
	e, err := r.Currency.Exponent()
	if err != nil {
		return 0 // Check has seen to it that there is no money then.
	}
	return e
}

// title is the column's heading: money names its currency, because a file outlives the page that it was ordered from.
func (r *Report) title(c Column) string {
	if c.Kind == KindMoney {
		return c.Title + " (" + string(r.Currency) + ")"
	}
	return c.Title
}

// generated is the line that says when.
func (r *Report) generated() string {
	return r.GeneratedAt.In(r.zone()).Format("2006-01-02 15:04 MST")
}

// check reports what is wrong with the description, before anything is written.
func (r *Report) check() error {
	if len(r.Tables) == 0 && len(r.Summary) == 0 {
		return fmt.Errorf("%w: neither tables nor figures", ErrReport)
	}
	if r.Currency != "" && !r.Currency.Known() {
		return fmt.Errorf("%w: unknown currency %.8q", ErrReport, string(r.Currency))
	}
	for _, f := range r.Summary {
		if f.Kind == KindMoney && r.Currency == "" {
			return fmt.Errorf("%w: figure %q is money, and no currency is named", ErrReport, f.Label)
		}
		if err := f.Value.fits(f.Kind, r.Currency); err != nil {
			return fmt.Errorf("figure %q: %w", f.Label, err)
		}
	}
	for _, t := range r.Tables {
		if len(t.Columns) == 0 {
			return fmt.Errorf("%w: table %q has no columns", ErrReport, t.Name)
		}
		for _, c := range t.Columns {
			switch {
			case c.Kind > KindInstant:
				return fmt.Errorf("%w: column %q of unknown %s", ErrReport, c.Title, c.Kind)
			case c.Kind == KindMoney && r.Currency == "":
				return fmt.Errorf("%w: column %q is money, and no currency is named", ErrReport, c.Title)
			case c.Total && c.Kind != KindInteger && c.Kind != KindMoney:
				return fmt.Errorf("%w: column %q cannot be summed", ErrReport, c.Title)
			}
		}
	}
	return nil
}

// reader ranges over the rows of one table, checks each, and adds up its totals.
type reader struct {
	report *Report
	table  *Table
	count  int64   // Rows so far.
	sums   []int64 // One per column; those without total stay 0.
}

func (r *Report) reader(t *Table) *reader {
	return &reader{report: r, table: t, sums: make([]int64, len(t.Columns))}
}

// each calls write for every row, checked. It ends with the first error of the source, of a check or of write.
func (d *reader) each(write func(row []Cell) error) error {
	if d.table.Rows == nil {
		return nil
	}
	for row, err := range d.table.Rows {
		if err != nil {
			return fmt.Errorf("read row %d of table %q: %w", d.count+1, d.table.Name, err)
		}
		if err := d.take(row); err != nil {
			return fmt.Errorf("row %d of table %q: %w", d.count+1, d.table.Name, err)
		}
		if err := write(row); err != nil {
			return err
		}
	}
	return nil
}

func (d *reader) take(row []Cell) error {
	if len(row) != len(d.table.Columns) {
		return fmt.Errorf("%w: %d cells in %d columns", ErrCell, len(row), len(d.table.Columns))
	}
	for i := range row {
		column := &d.table.Columns[i]
		if err := row[i].fits(column.Kind, d.report.Currency); err != nil {
			return fmt.Errorf("column %q: %w", column.Title, err)
		}
		if column.Total {
			n := row[i].number
			if (n > 0 && d.sums[i] > math.MaxInt64-n) || (n < 0 && d.sums[i] < math.MinInt64-n) {
				return fmt.Errorf("column %q: %w", column.Title, money.ErrOverflow)
			}
			d.sums[i] += n
		}
	}
	d.count++
	return nil
}

// totals is the row of sums, or nil when no column asks for one. Its first text column, if that has no sum, says "Total".
func (d *reader) totals() []Cell {
	row := make([]Cell, len(d.table.Columns))
	summed, named := false, false
	for i, c := range d.table.Columns {
		switch {
		case c.Total && c.Kind == KindMoney:
			row[i], summed = Money(money.FromMinor(d.sums[i], d.report.Currency)), true
		case c.Total:
			row[i], summed = Integer(d.sums[i]), true
		case c.Kind == KindText && !named:
			row[i], named = Text("Total"), true
		}
	}
	if !summed {
		return nil
	}
	return row
}

// head is the lines above the tables, as label and text.
func (r *Report) head() [][2]string {
	var lines [][2]string
	add := func(label, text string) {
		if text != "" {
			lines = append(lines, [2]string{label, text})
		}
	}
	add("Business", r.Business)
	for i, line := range r.Address {
		if i == 0 {
			add("Address", line)
		} else {
			lines = append(lines, [2]string{"", line})
		}
	}
	add("TIN", r.TIN)
	add("Report", r.Title)
	add("Period", r.Period)
	for _, f := range r.Filters {
		add("Filter", f)
	}
	add("Currency", string(r.Currency))
	if !r.GeneratedAt.IsZero() {
		add("Generated", r.generated())
	}
	return lines
}
