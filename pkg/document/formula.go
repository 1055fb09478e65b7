package document

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// protect makes text safe for spreadsheets, which take a cell that begins with = + - @, a tab or a line end for a formula or a
// command, also behind spaces and also in the full-width forms of East Asian keyboards. Such text gets a leading apostrophe.
// Only text passes here: a negative number is a number. What it returns it leaves alone the next time.
func protect(s string) string {
	if s == "" {
		return s
	}
	if c := s[0]; c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
		return s // Nearly all text.
	}
	if formula(s) {
		return "'" + s
	}
	return s
}

// formula reports whether a spreadsheet may evaluate s.
func formula(s string) bool {
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		switch r {
		case '=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '﹢', '﹣', '﹦', '﹫', '−':
			return true
		}
		if !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) && !unicode.IsControl(r) {
			return false
		}
		s = s[size:]
	}
	return false
}

// storable is text as a file can hold it: valid UTF-8 without the control characters that XML forbids and terminals obey.
func storable(s string) string {
	for i := 0; ; i++ {
		if i == len(s) {
			return s
		}
		if c := s[i]; c < ' ' && c != '\n' && c != '\t' && c != '\r' || c >= 0x7f {
			break
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return r
		case r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff:
			return -1
		}
		return r // Invalid bytes come as U+FFFD.
	}, s)
}
