package tabular

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"makola/pkg/money"
)

// shown bounds how much of a cell an error repeats.
const shown = 40

// beginning is the first characters of a cell.
func beginning(s string) string {
	if utf8.RuneCountInString(s) > shown {
		return string([]rune(s[:min(len(s), shown*utf8.UTFMax)])[:shown]) + "…"
	}
	return s
}

// quoted is the beginning of a cell, for an error.
func quoted(s string) string { return strconv.Quote(beginning(s)) }

// ParseInteger reads a whole number: "12", "-3", "1,200", "12.00". It refuses fractions, exponents, other scripts' digits and
// whatever does not fit 64 bits, each with its reason. Errors are of type [*Error].
func ParseInteger(s string) (int64, error) {
	s = strings.TrimSpace(s)
	plain, ok := ungroup(s)
	if whole, fraction, point := strings.Cut(plain, "."); ok && point && fraction != "" && strings.Trim(fraction, "0") == "" {
		plain = whole // Spreadsheets show whole numbers with decimal places.
	}
	digits := strings.TrimPrefix(plain, "-")
	switch {
	case s == "":
		return 0, bad(0, "", "empty; a whole number is wanted")
	case !ok || digits == "":
		return 0, bad(0, "", "%s is not a whole number", quoted(s))
	case strings.Contains(digits, "."):
		return 0, bad(0, "", "%s has a fraction; a whole number is wanted", quoted(s))
	case !allDigits(digits):
		return 0, bad(0, "", "%s is not a whole number", quoted(s))
	}
	n, err := strconv.ParseInt(plain, 10, 64)
	if err != nil {
		return 0, bad(0, "", "%s is out of range", quoted(s))
	}
	return n, nil
}

// signs are the currency signs that price lists carry. Read only.
var signs = map[string]money.Currency{"₵": money.GHS, "GH₵": money.GHS, "GHC": money.GHS, "GH¢": money.GHS, "₦": money.NGN, "$": money.USD, "€": money.EUR, "£": money.GBP}

// ParseMoney reads an amount in c: "12", "1,234.50", "GHS 12", "₵12.00", "12.00 GHS", "-5". Another currency's code or sign, more decimal
// places than the currency has (zeros aside), exponents and badly grouped digits are refused. Errors are of type [*Error].
func ParseMoney(s string, c money.Currency) (money.Amount, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return money.Amount{}, bad(0, "", "empty; an amount is wanted")
	}
	number, unit := splitUnit(s)
	if unit != "" {
		named, known := signs[strings.ToUpper(unit)]
		if !known {
			named = money.Currency(strings.ToUpper(unit))
		}
		if named != c {
			return money.Amount{}, bad(0, "", "%s is not an amount in %s", quoted(s), c)
		}
	}
	exponent, err := c.Exponent()
	if err != nil {
		return money.Amount{}, err
	}
	plain, ok := ungroup(number)
	if !ok {
		return money.Amount{}, bad(0, "", "%s is not an amount; write it like 1,234.50 or 1234.50", quoted(s))
	}
	if whole, fraction, point := strings.Cut(plain, "."); point && fraction != "" {
		for len(fraction) > exponent && fraction[len(fraction)-1] == '0' {
			fraction = fraction[:len(fraction)-1]
		}
		plain = whole
		if fraction != "" {
			plain += "." + fraction
		}
	}
	amount, err := money.Parse(unpad(plain), c)
	switch {
	case err == nil:
		return amount, nil
	case errors.Is(err, money.ErrPrecision):
		return money.Amount{}, bad(0, "", "%s has more decimal places than %s has", quoted(s), c)
	case errors.Is(err, money.ErrOverflow):
		return money.Amount{}, bad(0, "", "%s is out of range", quoted(s))
	default:
		return money.Amount{}, bad(0, "", "%s is not an amount; write it like 1,234.50 or 1234.50", quoted(s))
	}
}

// splitUnit parts what is not the number before or behind an amount from it, the sign staying with the number.
func splitUnit(s string) (number, unit string) {
	negative := strings.HasPrefix(s, "-")
	rest := strings.TrimSpace(strings.TrimPrefix(s, "-"))
	first := strings.IndexFunc(rest, isDigit)
	last := strings.LastIndexFunc(rest, isDigit)
	if first < 0 {
		return s, ""
	}
	before, behind := strings.TrimSpace(rest[:first]), strings.TrimSpace(rest[last+1:])
	if before != "" && behind != "" || strings.ContainsAny(before+behind, ".,'") {
		return s, ""
	}
	if !negative && strings.HasSuffix(before, "-") { // "GHS -5".
		negative, before = true, strings.TrimSpace(strings.TrimSuffix(before, "-"))
	}
	number = rest[first : last+1]
	if negative {
		number = "-" + number
	}
	return number, before + behind
}

// ungroup takes the commas out of a number whose commas all stand between thousands. ok is false when one does not.
func ungroup(s string) (string, bool) {
	if !strings.Contains(s, ",") {
		return s, true
	}
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	groups := strings.Split(whole, ",")
	for i, g := range groups {
		if !allDigits(g) || len(g) > 3 || (i > 0 && len(g) != 3) {
			return "", false
		}
	}
	plain := strings.Join(groups, "")
	if negative {
		plain = "-" + plain
	}
	if point {
		plain += "." + fraction
	}
	return plain, true
}

// unpad takes superfluous zeros off the front, which labels carry and money.Parse refuses.
func unpad(s string) string {
	digits, negative := strings.CutPrefix(s, "-")
	for len(digits) > 1 && digits[0] == '0' && isDigit(rune(digits[1])) {
		digits = digits[1:]
	}
	if negative {
		return "-" + digits
	}
	return digits
}

// dateLayouts are tried in this order. Read only.
var dateLayouts = []string{
	"2006-01-02", "2006/01/02", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", time.RFC3339,
	"2/1/2006", "2-1-2006", "2.1.2006", "2 Jan 2006", "2-Jan-2006", "2 January 2006", "Jan 2, 2006", "January 2, 2006",
}

// ParseDate reads a calendar date and gives its midnight in UTC: ISO 8601 ("2026-11-26", a time of day behind it is dropped), or day
// first as Ghana writes it ("26/11/2026"; "03/04/2026" is the third of April), or with the month in English letters. A bare number is
// refused as the serial of a spreadsheet whose cell lost its format; two-digit years, month-first dates and years outside
// 1900 to 2200 are refused too. Errors are of type [*Error].
func ParseDate(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, bad(0, "", "empty; a date is wanted")
	}
	for _, layout := range dateLayouts {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if t.Year() < 1900 || t.Year() > 2200 {
			return time.Time{}, bad(0, "", "%s: the year is not between 1900 and 2200", quoted(s))
		}
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), nil
	}
	switch {
	case allDigits(strings.Replace(s, ".", "", 1)):
		return time.Time{}, bad(0, "", "%s is a bare number, not a date; give the cells of the column a date format", quoted(s))
	case monthFirst(s):
		return time.Time{}, bad(0, "", "%s has the month first; write the day first (31/12/2026) or 2026-12-31", quoted(s))
	default:
		return time.Time{}, bad(0, "", "%s is not a date; write it like 2026-12-31 or 31/12/2026", quoted(s))
	}
}

func monthFirst(s string) bool {
	for _, layout := range []string{"1/2/2006", "1-2-2006", "1.2.2006"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// Unprotect takes the apostrophe off that exports put before text which a spreadsheet could take for a formula ("'+233244123456"), so
// that an exported file can be read again. Any other text is returned as it is.
func Unprotect(s string) string {
	if len(s) > 1 && s[0] == '\'' && strings.ContainsRune("=+-@\t\r\n", rune(s[1])) {
		return s[1:]
	}
	return s
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(rune(s[i])) {
			return false
		}
	}
	return s != ""
}
