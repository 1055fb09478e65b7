package tabular

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// csvSource reads RFC 4180 and its usual dialects: lines end in LF, CRLF or CR, any delimiter of one byte, quotes doubled within
// quotes. A quote anywhere else is refused with its line, not guessed at.
//
// encoding/csv does not serve here: it gathers a cell whose closing quote is missing up to the end of the file, and knows no bare CR.
type csvSource struct {
	encoding encoding
	comma    byte
	options  Options

	in   *bufio.Reader
	line int    // Line that the next byte stands on.
	text []byte // The row's cells, one behind the other.
	ends []int  // Where each ends in text.
	row  []string

	characters int // Of the cell so far.
	quotedFrom int // Line on which the open quote stands.
}

func newCSVSource(r io.Reader, comma byte, options Options) *csvSource {
	return &csvSource{comma: comma, options: options, in: bufio.NewReaderSize(r, chunk), line: 1}
}

// openCSV finds out the encoding and the delimiter.
func openCSV(r io.ReaderAt, size int64, options Options) (*csvSource, error) {
	e, err := detectEncoding(r, size)
	if err != nil {
		return nil, err
	}
	start := make([]byte, sample)
	n, err := io.ReadFull(e.decoder(r, size), start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read uploaded file: %w", err)
	}
	start = start[:n]
	comma, told := toldDelimiter(start)
	if !told {
		comma = detectDelimiter(start, n < sample, options)
	}
	s := newCSVSource(e.decoder(r, size), comma, options)
	s.encoding = e
	if told {
		if _, _, err := s.next(); err != nil {
			return nil, asFatal(err)
		}
	}
	return s, nil
}

// toldDelimiter reads the line "sep=;" that Excel understands at the beginning of a file.
func toldDelimiter(start []byte) (comma byte, told bool) {
	end := bytes.IndexAny(start, "\r\n")
	if end < 0 {
		return 0, false
	}
	line := bytes.Trim(start[:end], `"`)
	if len(line) == 5 && bytes.EqualFold(line[:4], []byte("sep=")) && bytes.IndexByte(delimiters, line[4]) >= 0 {
		return line[4], true
	}
	return 0, false
}

// The states between two bytes.
type csvState int

const (
	cellStart csvState = iota
	inCell
	inQuotes
	afterQuote // A quote within quotes: the end, or half of a doubled one.
)

func (s *csvSource) next() ([]string, int, error) {
	s.text, s.ends, s.characters = s.text[:0], s.ends[:0], 0
	first, state := s.line, cellStart
	for {
		b, err := s.in.ReadByte()
		if err != nil {
			return s.atEnd(first, state, err)
		}
		if b == 0 {
			return nil, first, fatal(s.line, ErrFormat, "a NUL character; this is no text file")
		}
		newline := b == '\n' || b == '\r'
		if newline {
			s.endLine(b)
			b = '\n'
		}
		var fault *Error
		switch state {
		case inQuotes:
			if b == '"' {
				state = afterQuote
			} else {
				fault = s.add(b, first, true)
			}
		case afterQuote:
			switch {
			case b == '"':
				state, fault = inQuotes, s.add(b, first, true)
			case b == s.comma:
				state, fault = cellStart, s.endCell(first)
			case newline:
				return s.finish(first)
			default:
				fault = badCell(first, len(s.ends), ErrCell, "text behind a closing quote; double the quotes within a quoted cell")
			}
		case cellStart, inCell:
			switch {
			case b == s.comma:
				state, fault = cellStart, s.endCell(first)
			case newline:
				return s.finish(first)
			case b == '"' && state == cellStart:
				state, s.quotedFrom = inQuotes, s.line
			case b == '"':
				fault = badCell(first, len(s.ends), ErrCell, "a quote within a cell that is not quoted; quote the cell and double the quote")
			default:
				state, fault = inCell, s.add(b, first, false)
			}
		}
		if fault != nil {
			if !fault.Fatal && !newline {
				if err := s.skipLine(); err != nil {
					return nil, first, err
				}
			}
			return nil, first, fault
		}
	}
}

// endLine counts the line that b ends, taking the LF of a CRLF along.
func (s *csvSource) endLine(b byte) {
	s.line++
	if b == '\r' {
		if following, err := s.in.Peek(1); err == nil && following[0] == '\n' {
			_, _ = s.in.Discard(1) // It was just seen.
		}
	}
}

// add appends a byte to the cell.
func (s *csvSource) add(b byte, first int, quoted bool) *Error {
	if utf8.RuneStart(b) {
		s.characters++
	}
	if s.characters > s.options.MaxCell {
		if quoted {
			return fatal(s.quotedFrom, ErrLimit, "a quoted cell of more than %d characters begins here; is its closing quote missing?", s.options.MaxCell)
		}
		return badCell(first, len(s.ends), ErrLimit, "more than %d characters in one cell", s.options.MaxCell)
	}
	s.text = append(s.text, b)
	return nil
}

func (s *csvSource) endCell(first int) *Error {
	if len(s.ends) == s.options.MaxColumns {
		return &Error{Line: first, Reason: fmt.Sprintf("more than %d columns", s.options.MaxColumns), Cause: ErrLimit}
	}
	s.ends = append(s.ends, len(s.text))
	s.characters = 0
	return nil
}

// finish ends the last cell and cuts the row out of one string.
func (s *csvSource) finish(first int) ([]string, int, error) {
	if fault := s.endCell(first); fault != nil {
		return nil, first, fault
	}
	text, from := string(s.text), 0
	s.row = s.row[:0]
	for _, end := range s.ends {
		s.row = append(s.row, text[from:end])
		from = end
	}
	return s.row, first, nil
}

// atEnd is what the end of the file means in a state.
func (s *csvSource) atEnd(first int, state csvState, err error) ([]string, int, error) {
	switch {
	case !errors.Is(err, io.EOF):
		return nil, first, fmt.Errorf("read uploaded file: %w", err)
	case state == inQuotes:
		return nil, first, fatal(s.quotedFrom, ErrFormat, "the quote that opens here is never closed")
	case state == cellStart && len(s.ends) == 0:
		return nil, first, io.EOF
	}
	return s.finish(first)
}

// skipLine goes to the next line, keeping nothing of what is between.
func (s *csvSource) skipLine() error {
	for {
		b, err := s.in.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read uploaded file: %w", err)
		}
		if b == '\n' || b == '\r' {
			s.endLine(b)
			return nil
		}
	}
}

func (*csvSource) close() error { return nil }

// columnLetters is what a spreadsheet calls the column at a place from 0: A, Z, AA.
func columnLetters(place int) string {
	var b strings.Builder
	if place >= 26 {
		b.WriteString(columnLetters(place/26 - 1))
	}
	b.WriteByte(byte('A' + place%26))
	return b.String()
}
