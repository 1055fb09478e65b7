package tabular

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// xlsxSource reads one sheet of a workbook from its beginning to its end.
//
// excelize, which writes our workbooks, does not serve here: it loads the whole file, and while streaming tells a cell's text or its
// raw number but not whether that number is a date. What is read by hand is tags and attributes; archive and XML are the library's.
type xlsxSource struct {
	sheet   string
	options Options

	book   *workbook
	shared *sharedStrings
	dates  []bool
	xml    *xmlReader

	line  int
	cells []string
	used  int // Cells up to the last that is not empty.
	ended bool
}

// openXLSX checks the archive, reads its small parts and the shared strings, and stands before the sheet's first row.
func openXLSX(r io.ReaderAt, size int64, options Options) (*xlsxSource, error) {
	book, err := openWorkbook(r, size)
	if err != nil {
		return nil, err
	}
	_, roots, err := book.relations("")
	if err != nil {
		return nil, err
	}
	main := roots["officeDocument"]
	if main == "" {
		main = "xl/workbook.xml"
	}
	list, err := book.sheets(main)
	if err != nil {
		return nil, err
	}
	parts, kinds, err := book.relations(main)
	if err != nil {
		return nil, err
	}
	chosen, part, err := choose(list, options.Sheet, parts)
	if err != nil {
		return nil, err
	}
	s := &xlsxSource{sheet: chosen.name, options: options, book: book}
	if s.dates, err = book.dateStyles(kinds["styles"]); err != nil {
		return nil, err
	}
	if s.shared, err = book.shared(kinds["sharedStrings"]); err != nil {
		return nil, err
	}
	if s.xml, err = book.part(part, maxUnpacked); err != nil {
		return nil, err
	}
	if s.xml == nil {
		return nil, fatal(0, ErrFormat, "the workbook is damaged: the sheet %s is missing", quoted(s.sheet))
	}
	return s, nil
}

func (s *xlsxSource) close() error {
	s.xml.close()
	return nil
}

// next reads up to the end of a row.
func (s *xlsxSource) next() ([]string, int, error) {
	for !s.ended {
		t, err := s.xml.next()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // The sheet's rows were not closed.
		}
		if err != nil {
			return nil, s.line, s.located(describe(err))
		}
		switch {
		case t.name == "sheetData" && !t.start:
			s.ended = true
		case t.name == "row" && t.start:
			if err := s.startRow(t); err != nil {
				return nil, s.line, err
			}
			fault, err := s.readRow()
			if err != nil {
				return nil, s.line, s.located(describe(err))
			}
			if fault != nil {
				return nil, s.line, fault
			}
			return s.cells[:s.used], s.line, nil
		}
	}
	return nil, s.line, io.EOF
}

// located adds the row to a fault of the XML.
func (s *xlsxSource) located(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Line == 0 {
		e.Line = s.line
	}
	return err
}

// startRow reads the row's number, which may skip empty rows but not go back.
func (s *xlsxSource) startRow(t token) error {
	line := s.line + 1
	if r := t.attr("r"); r != "" {
		n, err := strconv.Atoi(r)
		if err != nil || n < line || n > 1<<20 {
			return fatal(line, ErrFormat, "the workbook is damaged: rows are out of order")
		}
		line = n
	}
	s.line, s.used, s.cells = line, 0, s.cells[:0]
	return nil
}

// readRow reads the cells up to the end of the row. The first fault of a cell is kept while the rest of the row is passed over.
func (s *xlsxSource) readRow() (*Error, error) {
	var first *Error
	for place := 0; ; place++ {
		t, err := s.xml.next()
		if err != nil {
			return nil, noEOF(err)
		}
		switch {
		case t.name == "row" && !t.start:
			return first, nil
		case t.name != "c" || !t.start:
			place--
			continue
		}
		if r := t.attr("r"); r != "" {
			at, ok := columnOf(r)
			if !ok || at < place {
				return nil, errors.New("cells are out of order")
			}
			place = at
		}
		style, kind := t.attr("s"), t.attr("t")
		value, text, err := s.readCell()
		if err != nil {
			return nil, err
		}
		if first != nil {
			continue
		}
		cell, fault := s.cell(place, style, kind, value, text)
		if fault == nil && cell != "" {
			fault = s.put(place, cell)
		}
		first = fault
	}
}

// readCell reads a cell's value and its own text up to its end.
func (s *xlsxSource) readCell() (value string, text string, err error) {
	var own richText
	var v []byte
	inValue := false
	for {
		t, err := s.xml.next()
		if err != nil {
			return "", "", noEOF(err)
		}
		own.take(t)
		switch {
		case t.text != nil:
			if inValue && len(v) < maxToken {
				v = append(v, t.text...)
			}
		case t.name == "v":
			inValue = t.start
		case t.name == "c" && !t.start:
			return string(v), own.value(), nil
		}
	}
}

// put stores a cell, filling up the empty ones before it.
func (s *xlsxSource) put(place int, cell string) *Error {
	if place >= s.options.MaxColumns {
		return &Error{Line: s.line, Reason: fmt.Sprintf("more than %d columns", s.options.MaxColumns), Cause: ErrLimit}
	}
	if utf8.RuneCountInString(cell) > s.options.MaxCell {
		return badCell(s.line, place, ErrLimit, "more than %d characters in one cell", s.options.MaxCell)
	}
	for len(s.cells) <= place {
		s.cells = append(s.cells, "")
	}
	s.cells[place] = cell
	s.used = place + 1
	return nil
}

// cell is what a cell shows, as text.
func (s *xlsxSource) cell(place int, style, kind, value, text string) (string, *Error) {
	switch kind {
	case "s":
		if value == "" {
			return "", nil
		}
		shared, ok := s.shared.get(strings.TrimSpace(value))
		if !ok {
			return "", fatal(s.line, ErrFormat, "the workbook is damaged: a cell names a text that it does not have")
		}
		return shared, nil
	case "inlineStr":
		return text, nil
	case "str":
		unescaped := richText{b: []byte(value)}
		return unescaped.value(), nil
	case "b":
		return map[string]string{"1": "TRUE", "0": "FALSE"}[value], nil
	case "d":
		return strings.TrimSuffix(strings.Replace(value, "T", " ", 1), " 00:00:00"), nil
	case "e":
		return "", badCell(s.line, place, ErrCell, "the cell shows the error %s", quoted(value))
	case "n", "":
		return s.number(place, style, strings.TrimSpace(value))
	}
	return "", badCell(s.line, place, ErrCell, "a cell of unknown type %s", quoted(kind))
}

func (s *xlsxSource) number(place int, style, value string) (string, *Error) {
	if value == "" {
		return "", nil
	}
	if n, err := strconv.Atoi(style); err == nil && n >= 0 && n < len(s.dates) && s.dates[n] {
		date, ok := serialDate(value, s.book.from1904)
		if !ok {
			return "", badCell(s.line, place, ErrCell, "%s is formatted as a date, but is none", quoted(value))
		}
		return date, nil
	}
	number, ok := plainNumber(value)
	if !ok {
		return "", badCell(s.line, place, ErrCell, "%s is not a number", quoted(value))
	}
	return number, nil
}

// exactDigits is how many digits a spreadsheet keeps of a number: what is beyond them is noise of binary floating point.
const exactDigits = 15

// plainNumber writes a number without exponent and without noise: "0.30000000000000004" is 0.3, "1.2E3" is 1200.
func plainNumber(s string) (string, bool) {
	digits := strings.TrimPrefix(s, "-")
	if whole, fraction, _ := strings.Cut(digits, "."); len(digits) <= exactDigits && allDigits(whole) && (fraction == "" || allDigits(fraction)) {
		return strings.TrimSuffix(s, "."), true
	}
	if len(s) > 64 || s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return "", false
	}
	d, err := decimal.NewFromString(s)
	if err != nil || d.Exponent() > 400 || d.Exponent() < -400 {
		return "", false
	}
	if excess := int32(d.NumDigits() - exactDigits); excess > 0 && d.Exponent() < 0 {
		d = d.Round(-d.Exponent() - excess)
	}
	return d.String(), true
}

// serialDate turns the number of a date cell into ISO 8601: a date, a date and time, or a time of day alone when the day is 0.
func serialDate(s string, from1904 bool) (string, bool) {
	serial, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(serial) || serial < 0 || serial >= 2_958_466 { // The last is 9999-12-31.
		return "", false
	}
	day := math.Floor(serial)
	seconds := int(math.Round((serial - day) * 24 * 60 * 60))
	start := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case from1904:
		start = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case day == 60: // 29 February 1900, which Excel believes in.
		return "", false
	case day < 60:
		start = time.Date(1899, 12, 31, 0, 0, 0, 0, time.UTC)
	}
	t := start.AddDate(0, 0, int(day)).Add(time.Duration(seconds) * time.Second)
	switch {
	case day == 0 && !from1904:
		return t.Format(time.TimeOnly), true
	case seconds == 0:
		return t.Format(time.DateOnly), true
	default:
		return t.Format(time.DateTime), true
	}
}

// columnOf is the place of a cell by its reference: 0 of "A7", 26 of "AA1".
func columnOf(reference string) (int, bool) {
	n := 0
	for i := range len(reference) {
		c := reference[i] &^ 0x20
		if c < 'A' || c > 'Z' {
			return n - 1, i > 0
		}
		if n = n*26 + int(c-'A') + 1; n > 1<<14 {
			return 0, false
		}
	}
	return n - 1, n > 0
}
