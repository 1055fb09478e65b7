package document

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// byteOrderMark makes Excel read the file as UTF-8.
const byteOrderMark = "\ufeff"

// csvBuffer is how much is gathered before the underlying writer is called.
const csvBuffer = 64 << 10

// WriteCSV writes the report as RFC 4180 asks: UTF-8 with a byte order mark, comma, CRLF, every field quoted. It streams: memory
// does not grow with the rows. Text that could act as a formula gets a leading apostrophe, numbers never do.
//
// A report of one table and no summary is that table alone, its first line the titles, so that programs can read it. Otherwise the
// file has sections, each begun by its name and separated by an empty line: the head, "Summary", then the tables.
func WriteCSV(w io.Writer, r *Report) error {
	if err := r.check(); err != nil {
		return err
	}
	c := &csvWriter{report: r, out: bufio.NewWriterSize(w, csvBuffer), exponent: r.exponent(), zone: r.zone()}
	c.line = append(c.line, byteOrderMark...)
	sections := len(r.Tables) != 1 || len(r.Summary) > 0
	if sections {
		c.summary()
	}
	for i := range r.Tables {
		if err := c.table(&r.Tables[i], sections); err != nil {
			return err
		}
	}
	if err := c.flush(); err != nil {
		return err
	}
	if err := c.out.Flush(); err != nil {
		return fmt.Errorf("write csv: %w", err)
	}
	return nil
}

// csvWriter builds lines in one buffer that it reuses.
type csvWriter struct {
	report   *Report
	out      *bufio.Writer
	line     []byte // What is not yet handed to out.
	fields   int    // Fields of the line so far.
	begun    bool   // A line was ended: the next section is set off by an empty one.
	exponent int
	zone     *time.Location
}

func (c *csvWriter) summary() {
	for _, pair := range c.report.head() {
		c.text(pair[0])
		c.text(pair[1])
		c.end()
	}
	if len(c.report.Summary) == 0 {
		return
	}
	c.end()
	c.text("Summary")
	c.end()
	for _, f := range c.report.Summary {
		c.text(c.report.title(Column{Title: f.Label, Kind: f.Kind}))
		c.cell(f.Value, f.Kind)
		c.end()
	}
}

func (c *csvWriter) table(t *Table, section bool) error {
	if section {
		if c.begun {
			c.end()
		}
		c.text(t.Name)
		c.end()
	}
	for _, column := range t.Columns {
		c.text(c.report.title(column))
	}
	c.end()
	rows := c.report.reader(t)
	if err := rows.each(func(row []Cell) error { return c.row(t, row) }); err != nil {
		return err
	}
	if section { // A plain table is for programs, which would count the totals twice.
		if totals := rows.totals(); totals != nil {
			return c.row(t, totals)
		}
	}
	return nil
}

func (c *csvWriter) row(t *Table, row []Cell) error {
	for i := range row {
		c.cell(row[i], t.Columns[i].Kind)
	}
	c.end()
	return c.flush()
}

func (c *csvWriter) cell(v Cell, k Kind) {
	if v.is == isText {
		c.text(v.text)
		return
	}
	c.open()
	c.line = v.appendPlain(c.line, k, c.zone, c.exponent)
	c.line = append(c.line, '"')
}

func (c *csvWriter) text(s string) {
	c.open()
	s = protect(storable(s))
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			break
		}
		c.line = append(append(c.line, s[:i+1]...), '"')
		s = s[i+1:]
	}
	c.line = append(append(c.line, s...), '"')
}

func (c *csvWriter) open() {
	if c.fields > 0 {
		c.line = append(c.line, ',')
	}
	c.fields++
	c.line = append(c.line, '"')
}

func (c *csvWriter) end() {
	c.line = append(c.line, "\r\n"...)
	c.fields, c.begun = 0, true
}

func (c *csvWriter) flush() error {
	_, err := c.out.Write(c.line)
	c.line = c.line[:0]
	if err != nil {
		return fmt.Errorf("write csv: %w", err)
	}
	return nil
}
