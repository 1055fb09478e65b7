package tabular

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"makola/pkg/money"
)

// Row is one row of a table, as long as the header.
type Row struct {
	Line  int
	Cells []string // In the order of the header, as the file has them.

	table *Table
}

// Has reports whether the file has the field's column and the row something in it.
func (r Row) Has(field string) bool { return r.Text(field) != "" }

// Text is the field's cell without the spaces around it, or "" when the file lacks the column. A cell that an export of ours
// protected with an apostrophe keeps it; see [Unprotect].
func (r Row) Text(field string) string {
	i, ok := r.table.columns[field]
	if !ok {
		return ""
	}
	return strings.TrimSpace(r.Cells[i])
}

// Integer is the field's cell as a whole number.
func (r Row) Integer(field string) (int64, error) {
	n, err := ParseInteger(r.Text(field))
	return n, r.at(field, err)
}

// Money is the field's cell as an amount in c.
func (r Row) Money(field string, c money.Currency) (money.Amount, error) {
	a, err := ParseMoney(r.Text(field), c)
	return a, r.at(field, err)
}

// Date is the field's cell as a calendar date, at midnight UTC.
func (r Row) Date(field string) (time.Time, error) {
	d, err := ParseDate(r.Text(field))
	return d, r.at(field, err)
}

// Fault is an error at the field's cell with the caller's own reason: a price that may not be negative, a name that is too long.
func (r Row) Fault(field, format string, args ...any) *Error {
	return r.Place(field).Fault(format, args...)
}

// Place is where a cell stands and how it begins. Unlike a row it may be kept, for what is found out about the cell later.
type Place struct {
	Line   int
	Column string // As the header has it.
	Value  string // The beginning of the cell.
}

// Place is the field's place in the row.
func (r Row) Place(field string) Place {
	return Place{Line: r.Line, Column: r.title(field), Value: strings.Clone(beginning(r.Text(field)))}
}

// Fault is an error at the place, with the caller's own reason.
func (p Place) Fault(format string, args ...any) *Error {
	e := bad(p.Line, p.Column, "%s", fmt.Sprintf(format, args...))
	e.Value = p.Value
	return e
}

// title is how the file itself calls the field's column.
func (r Row) title(field string) string {
	if i, ok := r.table.columns[field]; ok {
		return r.table.Header[i]
	}
	return field
}

// at adds the place to the fault of a parser.
func (r Row) at(field string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		e.Line, e.Column, e.Value = r.Line, r.title(field), strings.Clone(beginning(r.Text(field)))
	}
	return err
}
