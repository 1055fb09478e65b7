package document

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"makola/pkg/money"
)

// ErrCell reports a cell that its column cannot show: the caller's mistake, never the shop's.
var ErrCell = errors.New("cell does not fit its column")

// Kind is what a column holds. The zero value is text.
type Kind uint8

// The kinds of columns.
const (
	KindText    Kind = iota
	KindInteger      // Whole numbers: quantities, counts.
	KindMoney        // Amounts in the report's currency.
	KindPercent      // Hundredths of a percent, shown with two decimal places.
	KindDate         // A calendar date; of an instant, its date in the report's zone.
	KindTime         // The time of day of an instant in the report's zone.
	KindInstant      // Date and time of day of an instant in the report's zone.
)

// String names the kind in errors.
func (k Kind) String() string {
	switch k {
	case KindText:
		return "text"
	case KindInteger:
		return "integer"
	case KindMoney:
		return "money"
	case KindPercent:
		return "percent"
	case KindDate:
		return "date"
	case KindTime:
		return "time"
	case KindInstant:
		return "instant"
	default:
		return "kind " + strconv.Itoa(int(k))
	}
}

// number reports whether cells of the kind are set flush right.
func (k Kind) number() bool { return k == KindInteger || k == KindMoney || k == KindPercent }

// content is what a cell was made from.
type content uint8

const (
	empty content = iota
	isText
	isInteger
	isMoney
	isPercent
	isDate
	isInstant
)

// Cell is one value of a row. It is a small value without pointers of its own, so a source can fill the same slice again and
// again. The zero value is an empty cell, which fits every column.
type Cell struct {
	text   string // The text; of money, the currency.
	number int64  // The number, minor units, basis points; of a date, days since 1970; of an instant, its microseconds since 1970.
	is     content
}

// Text is a cell of text. Line breaks are kept in CSV and XLSX, and are spaces in a PDF.
func Text(s string) Cell { return Cell{text: s, is: isText} }

// Integer is a cell of a whole number.
func Integer(n int64) Cell { return Cell{number: n, is: isInteger} }

// Money is a cell of an amount, which must be in the report's currency.
func Money(a money.Amount) Cell {
	return Cell{text: string(a.Currency), number: a.Minor, is: isMoney}
}

// Percent is a cell of a rate in basis points: 1500 is shown as 15.00 %.
func Percent(basisPoints int64) Cell { return Cell{number: basisPoints, is: isPercent} }

// Date is a cell of the calendar date that t shows where it stands: the zone of t is not converted.
func Date(t time.Time) Cell {
	y, m, d := t.Date()
	return Cell{number: time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay, is: isDate}
}

// Instant is a cell of a moment, shown in the report's zone. It fits columns of dates, times and instants.
func Instant(t time.Time) Cell { return Cell{number: t.UnixMicro(), is: isInstant} }

// Empty reports whether the cell holds nothing.
func (c Cell) Empty() bool { return c.is == empty }

const secondsPerDay = 24 * 60 * 60

// fits reports why the cell cannot stand in a column of kind k, or nil.
func (c Cell) fits(k Kind, currency money.Currency) error {
	var ok bool
	switch c.is {
	case empty:
		ok = true
	case isText:
		ok = k == KindText
	case isInteger:
		ok = k == KindInteger
	case isPercent:
		ok = k == KindPercent
	case isDate:
		ok = k == KindDate
	case isInstant:
		ok = k == KindDate || k == KindTime || k == KindInstant
	case isMoney:
		if k == KindMoney && c.text != string(currency) {
			return fmt.Errorf("%w: an amount in %.8q in a report in %.8q", ErrCell, c.text, string(currency))
		}
		ok = k == KindMoney
	}
	if !ok {
		return fmt.Errorf("%w: %s column", ErrCell, k)
	}
	return nil
}

// moment is the wall clock that a date or an instant shows in zone.
func (c Cell) moment(zone *time.Location) time.Time {
	if c.is == isDate {
		return time.Unix(c.number*secondsPerDay, 0).UTC()
	}
	return time.UnixMicro(c.number).In(zone)
}

// appendPlain appends the cell as CSV carries it: dates in ISO 8601, numbers without separators, text as it is.
func (c Cell) appendPlain(b []byte, k Kind, zone *time.Location, exponent int) []byte {
	switch c.is {
	case isText:
		return append(b, c.text...)
	case isInteger:
		return strconv.AppendInt(b, c.number, 10)
	case isMoney:
		return appendFixed(b, c.number, exponent, false)
	case isPercent:
		return appendFixed(b, c.number, 2, false)
	case isDate, isInstant:
		return c.moment(zone).AppendFormat(b, layouts[k])
	case empty:
	}
	return b
}

// appendPretty appends the cell as people read it: thousands separated, percentages with their sign.
func (c Cell) appendPretty(b []byte, k Kind, zone *time.Location, exponent int) []byte {
	switch c.is {
	case isInteger:
		return appendFixed(b, c.number, 0, true)
	case isMoney:
		return appendFixed(b, c.number, exponent, true)
	case isPercent:
		return append(appendFixed(b, c.number, 2, true), " %"...)
	case isDate, isInstant:
		return c.moment(zone).AppendFormat(b, prettyLayouts[k])
	case empty, isText:
	}
	return append(b, c.text...)
}

// layouts are the forms of dates and times in CSV, and prettyLayouts those in a PDF. Read only.
var (
	layouts       = [...]string{KindDate: time.DateOnly, KindTime: time.TimeOnly, KindInstant: time.DateTime}
	prettyLayouts = [...]string{KindDate: time.DateOnly, KindTime: "15:04", KindInstant: "2006-01-02 15:04"}
)

// appendFixed appends n units of 10^-exponent, with commas between thousands when grouped.
func appendFixed(b []byte, n int64, exponent int, grouped bool) []byte {
	m := uint64(n)
	if n < 0 {
		b = append(b, '-')
		m = -m // Two's complement: right for the smallest int64 too.
	}
	var space [32]byte
	digits := space[:]
	at := len(digits)
	for place := 0; m > 0 || place <= exponent; place++ {
		switch {
		case place == exponent && exponent > 0:
			at--
			digits[at] = '.'
		case grouped && place > exponent && (place-exponent)%3 == 0:
			at--
			digits[at] = ','
		}
		at--
		digits[at] = byte('0' + m%10)
		m /= 10
	}
	return append(b, digits[at:]...)
}
