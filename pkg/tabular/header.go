package tabular

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"makola/pkg/money"
)

// Field is a column that the caller wants. Name is what rows are asked for; the header may say the name or an alias, in
// any case, with spaces, underscores, hyphens, dots or nothing between the words, and with a currency behind it: "Unit Price (GHS)".
type Field struct {
	Name     string
	Aliases  []string
	Required bool
}

// HeaderError says all that is wrong with a header at once.
type HeaderError struct {
	Line      int
	Missing   []string // Names of required fields that no column names.
	Duplicate []string // Names of fields that two columns name.
}

// Error names the columns.
func (e *HeaderError) Error() string {
	var faults []string
	if len(e.Missing) > 0 {
		faults = append(faults, "missing columns: "+strings.Join(e.Missing, ", "))
	}
	if len(e.Duplicate) > 0 {
		faults = append(faults, "columns given twice: "+strings.Join(e.Duplicate, ", "))
	}
	return fmt.Sprintf("line %d: %s", e.Line, strings.Join(faults, "; "))
}

// Unwrap makes it an [ErrHeader].
func (e *HeaderError) Unwrap() error { return ErrHeader }

// Match finds the fields in the header, after which rows can be asked by name. It returns the titles of columns that no field
// names, for the caller to mention, and a [*HeaderError] that names every column that is missing or given twice.
func (t *Table) Match(fields ...Field) (unknown []string, err error) {
	wanted := map[string]string{} // From the key of a name or alias to the field.
	for _, f := range fields {
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			wanted[key(name)] = f.Name
		}
	}
	columns := map[string]int{}
	fault := &HeaderError{Line: t.headerLine}
	for i, title := range t.Header {
		name, ok := wanted[key(title)]
		if !ok {
			name, ok = wanted[key(withoutCurrency(title))]
		}
		if !ok {
			if title != "" {
				unknown = append(unknown, title)
			}
			continue
		}
		if _, twice := columns[name]; twice {
			if !slices.Contains(fault.Duplicate, name) {
				fault.Duplicate = append(fault.Duplicate, name)
			}
			continue
		}
		columns[name] = i
	}
	for _, f := range fields {
		if _, ok := columns[f.Name]; f.Required && !ok {
			fault.Missing = append(fault.Missing, f.Name)
		}
	}
	if fault.Missing != nil || fault.Duplicate != nil {
		return unknown, fault
	}
	t.columns = columns
	return unknown, nil
}

// key is what two spellings of a title have in common: their letters and digits, in lower case.
func key(title string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}

// withoutCurrency cuts a known currency in parentheses off the end of a title.
func withoutCurrency(title string) string {
	if before, code, ok := strings.Cut(strings.TrimSuffix(title, ")"), "("); ok && money.Currency(strings.TrimSpace(code)).Known() {
		return before
	}
	return title
}
