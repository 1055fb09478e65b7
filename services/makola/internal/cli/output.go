package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// print writes value as JSON where --output json was given, and the table otherwise. The table may be nil when there is nothing to show but
// the line that said writes.
func (e *env) print(value any, header []string, rows [][]string) error {
	if e.format == "json" {
		enc := json.NewEncoder(e.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(value)
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	if header != nil {
		_, _ = fmt.Fprintln(w, strings.Join(header, "\t"))
	}
	for _, r := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// clock writes an instant in UTC to the millisecond; nothing for none.
func clock(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000")
}

// oneLine shortens s to n runes on a single line.
func oneLine(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
