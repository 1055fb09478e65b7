package inventory

import (
	"errors"
	"strings"
	"unicode/utf8"

	"makola/pkg/tabular"
)

// errImportChanged reports rows that cannot be written any more as they were checked.
var errImportChanged = errors.New("products, suppliers or places have changed since the file was checked")

// importText reads a text of at most so many characters that must or need not be there, and adds what is wrong with it to faults.
func importText(row tabular.Row, field string, required bool, most int, faults *[]*tabular.Error) string {
	text := strings.TrimSpace(tabular.Unprotect(row.Text(field)))
	switch {
	case text == "" && required:
		*faults = append(*faults, row.Fault(field, "must not be empty"))
	case utf8.RuneCountInString(text) > most:
		*faults = append(*faults, row.Fault(field, "has %d characters; at most %d are allowed", utf8.RuneCountInString(text), most))
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		*faults = append(*faults, row.Fault(field, "has a line break or another control character"))
	default:
		return strings.Clone(text)
	}
	return ""
}

// addFault adds the fault of a parser.
func addFault(faults *[]*tabular.Error, err error) {
	if e, ok := errors.AsType[*tabular.Error](err); ok {
		*faults = append(*faults, e)
	}
}

// nullable is a text as the database has it: an empty one is none.
func nullable(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
