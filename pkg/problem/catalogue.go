package problem

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Entry documents one code a client may meet.
type Entry struct {
	Code   string
	Status int
	Detail string
}

// Catalogue lists every general code, those From makes of plumbing errors, and the declared ones (the sentinels of the contexts), ordered
// by status and code. A declared error that is not an Error is left out.
func Catalogue(declared ...error) []Entry {
	own := []error{
		New(Malformed, "malformed_json", "The body is not valid JSON."),
		New(Unavailable, "timeout", "This took too long. Try again shortly."),
		New(Conflict, "already_exists", "Something with the same identity already exists."),
	}
	for k := range kinds {
		own = append(own, &Error{Kind: Kind(k)})
	}
	var entries []Entry
	for _, err := range append(own, declared...) {
		var e *Error
		if errors.As(err, &e) {
			p := fromError(e)
			entries = append(entries, Entry{p.Code, p.Status, p.Detail})
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.Compact(entries)
}

// Markdown renders a catalogue as a table.
func Markdown(entries []Entry) string {
	var b strings.Builder
	b.WriteString("| status | code | meaning |\n|---|---|---|\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", e.Status, e.Code, strings.ReplaceAll(e.Detail, "|", `\|`))
	}
	return b.String()
}
