package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
)

// The limits that apply where [Options] says nothing.
const (
	DefaultMaxBytes   = 512 << 20 // Two million lines of products are about 200 MB.
	DefaultMaxRows    = 2_000_000 // An XLSX sheet ends at 1,048,576 by itself.
	DefaultMaxColumns = 256
	DefaultMaxCell    = 32_767 // Characters: as many as a cell of Excel holds.
)

// Options narrows what is read. The zero value is right for most callers.
type Options struct {
	Sheet string // Name of the sheet, in any case. Empty: the first that is visible.

	MaxBytes   int64 // Of the file as uploaded. 0: DefaultMaxBytes.
	MaxRows    int   // Behind the header. 0: DefaultMaxRows.
	MaxColumns int   // 0: DefaultMaxColumns.
	MaxCell    int   // Characters of a cell. 0: DefaultMaxCell.
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxRows <= 0 {
		o.MaxRows = DefaultMaxRows
	}
	if o.MaxColumns <= 0 {
		o.MaxColumns = DefaultMaxColumns
	}
	if o.MaxCell <= 0 {
		o.MaxCell = DefaultMaxCell
	}
	return o
}

// Format is what kind of file a table came from.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	XLSX Format = "xlsx"
)

// Table is an opened file whose header has been read. It is used by one goroutine.
type Table struct {
	Format  Format
	Details string // How it was read, for the report to its author: `UTF-8, separated by ";"`, or `sheet "Products"`.
	Header  []string

	options    Options
	headerLine int
	source     source
	columns    map[string]int // From the name of a field to its place; set by Match.
	ranged     bool
}

// source is what both formats come down to: rows, one after another. The cells are valid until the next call; io.EOF ends them.
// It counts no rows and knows no header. Implemented by csvSource and xlsxSource.
type source interface {
	next() (cells []string, line int, err error)
	close() error
}

// Open finds out what the file is, checks it against the limits, and reads its header, the first row that is not empty. The
// name is the one that the file was uploaded under; its ending is only believed when the content agrees. The reader is used until
// Close. Errors are of type [*Error] unless r itself fails.
func Open(r io.ReaderAt, size int64, name string, options Options) (*Table, error) {
	options = options.withDefaults()
	if size > options.MaxBytes {
		return nil, fatal(0, ErrLimit, "the file has %d bytes; at most %d are read", size, options.MaxBytes)
	}
	if size <= 0 {
		return nil, fatal(0, ErrFormat, "the file is empty")
	}
	var start [8]byte
	n, err := r.ReadAt(start[:min(int64(len(start)), size)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read uploaded file: %w", err)
	}
	t := &Table{options: options}
	if err := t.open(r, size, start[:n], strings.ToLower(path.Ext(name))); err != nil {
		return nil, err
	}
	if err := t.readHeader(); err != nil {
		_ = t.source.close() // The header's fault is what counts.
		return nil, err
	}
	return t, nil
}

func (t *Table) open(r io.ReaderAt, size int64, start []byte, ending string) error {
	switch {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		s, err := openXLSX(r, size, t.options)
		if err != nil {
			return err
		}
		t.Format, t.Details, t.source = XLSX, fmt.Sprintf("sheet %q", s.sheet), s
		return nil
	case bytes.HasPrefix(start, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return fatal(0, ErrFormat, "this is a workbook of Excel 97 to 2003, or one with a password; save it as .xlsx without password, or as CSV")
	case bytes.HasPrefix(start, []byte("%PDF-")):
		return fatal(0, ErrFormat, "this is a PDF; save the table as .xlsx or CSV")
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		return fatal(0, ErrFormat, "the file is compressed; unpack it first")
	case ending == ".xlsx" || ending == ".xlsm":
		return fatal(0, ErrFormat, "the name ends in %s, but the content is no workbook", ending)
	}
	s, err := openCSV(r, size, t.options)
	if err != nil {
		return err
	}
	t.Format, t.source = CSV, s
	t.Details = fmt.Sprintf("%s, separated by %s", s.encoding, delimiterName(s.comma))
	return nil
}

// readHeader takes the first row that is not empty.
func (t *Table) readHeader() error {
	cells, line, err := t.nextRow()
	if errors.Is(err, io.EOF) {
		return fatal(0, ErrFormat, "the file has no rows")
	}
	if err != nil {
		return asFatal(err)
	}
	t.headerLine = line
	t.Header = make([]string, len(cells))
	for i, cell := range cells {
		t.Header[i] = strings.Clone(strings.TrimSpace(cell))
	}
	for n := len(t.Header); n > 0 && t.Header[n-1] == ""; n-- { // Spreadsheets write separators behind the last column.
		t.Header = t.Header[:n-1]
	}
	return nil
}

// asFatal makes any fault of a header one that ends the reading.
func asFatal(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Fatal = true
	}
	return err
}

// nextRow is the next row that is not empty.
func (t *Table) nextRow() ([]string, int, error) {
	for {
		cells, line, err := t.source.next()
		if err != nil || !blank(cells) {
			return cells, line, err
		}
	}
}

func blank(cells []string) bool {
	for _, cell := range cells {
		if strings.TrimSpace(cell) != "" {
			return false
		}
	}
	return true
}

// Rows yields the rows behind the header, empty ones left out. A row is valid until the next; clone what must live longer.
// A fault comes as an [*Error] beside a row that has only its Line. The loop goes on behind it unless the error is Fatal.
// Rows can be ranged over once.
func (t *Table) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if t.ranged {
			yield(Row{}, fatal(0, ErrFormat, "the rows were read before"))
			return
		}
		t.ranged = true
		for count := 0; ; {
			cells, line, err := t.nextRow()
			if errors.Is(err, io.EOF) {
				return
			}
			if count++; count > t.options.MaxRows {
				yield(Row{Line: line}, fatal(line, ErrLimit, "more than %d rows", t.options.MaxRows))
				return
			}
			if err == nil {
				cells, err = t.fit(cells, line)
			}
			if err != nil {
				e, known := errors.AsType[*Error](err)
				if known && e.place > 0 {
					e.Column = t.columnName(e.place - 1)
				}
				if !yield(Row{Line: line}, err) || !known || e.Fatal {
					return
				}
				continue
			}
			if !yield(Row{Line: line, Cells: cells, table: t}, nil) {
				return
			}
		}
	}
}

// fit makes the row as long as the header. Cells beyond it must be empty; a missing one is only forgiven in a workbook, which
// leaves out empty cells, or where the row's rest is empty anyway.
func (t *Table) fit(cells []string, line int) ([]string, error) {
	want := len(t.Header)
	for i := want; i < len(cells); i++ {
		if strings.TrimSpace(cells[i]) != "" {
			return nil, bad(line, "", "the row has %d cells, the header %d; is a quote or a separator missing?", len(cells), want)
		}
	}
	if len(cells) >= want {
		return cells[:want], nil
	}
	if t.Format == CSV {
		return nil, bad(line, "", "the row has only %d cells, the header %d", len(cells), want)
	}
	for len(cells) < want {
		cells = append(cells, "")
	}
	return cells, nil
}

// columnName is what the header calls a column, or its letter in a spreadsheet when it calls it nothing.
func (t *Table) columnName(place int) string {
	if place < len(t.Header) && t.Header[place] != "" {
		return t.Header[place]
	}
	return columnLetters(place)
}

// Close lets go of what the reading needed. The reader given to Open is its owner's to close.
func (t *Table) Close() error {
	if err := t.source.close(); err != nil {
		return fmt.Errorf("close uploaded file: %w", err)
	}
	return nil
}
