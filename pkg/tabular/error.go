package tabular

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels that an [Error] or an error of [Open] wraps. Callers compare with errors.Is; the text is for the file's author.
var (
	// ErrFormat reports a file that is neither CSV nor XLSX, or is damaged.
	ErrFormat = errors.New("file cannot be read as a table")
	// ErrLimit reports a file or a cell beyond the limits.
	ErrLimit = errors.New("beyond the limits")
	// ErrHeader reports a first row that does not name the columns wanted.
	ErrHeader = errors.New("header does not fit")
	// ErrCell reports a cell or a row that cannot be used. The rows behind it can.
	ErrCell = errors.New("cell cannot be used")
)

// Error is one fault in the file, for its author to mend.
type Error struct {
	Line   int    // Line of a CSV file as an editor counts it, row of a sheet; from 1. 0: the file as a whole.
	Column string // Name of the column as the header has it. Empty: the whole line.
	Value  string // The beginning of the cell, where one is at fault.
	Reason string // In words; never holds more than the beginning of a cell.
	Fatal  bool   // No row follows: what stands behind cannot be read.
	Cause  error  // One of the sentinels, or the error of the reader beneath.

	place int // Of the column, from 1, where a source knows it but not the header; Rows turns it into Column.
}

// Error says where and why.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d", e.Line)
	}
	if e.Column != "" {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "column %q", e.Column)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// fatal is an error behind which nothing can be read.
func fatal(line int, cause error, format string, args ...any) *Error {
	return &Error{Line: line, Reason: fmt.Sprintf(format, args...), Fatal: true, Cause: cause}
}

// bad is an error of one line or cell.
func bad(line int, column, format string, args ...any) *Error {
	return &Error{Line: line, Column: column, Reason: fmt.Sprintf(format, args...), Cause: ErrCell}
}

// badCell is an error of the cell at a place from 0.
func badCell(line, place int, cause error, format string, args ...any) *Error {
	return &Error{Line: line, Reason: fmt.Sprintf(format, args...), Cause: cause, place: place + 1}
}
