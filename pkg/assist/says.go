package assist

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// maxAnswer is the most characters of words that are kept; three sentences have 400.
const maxAnswer = 1200

var (
	// numbers are runs of digits with what people put between them.
	numbers = regexp.MustCompile(`[0-9]+(?:[.,'\x{2019}\x{a0}\x{202f}][0-9]+)*`)
	// rounded are words and letters that make another number of one: 12k, 3 thousand, 1e6, half.
	rounded = regexp.MustCompile(`(?i)\b(hundreds?|thousands?|millions?|billions?|dozens?|twice|double[ds]?|triple[ds]?)\b|[0-9]\s?(k|m|bn|mio)\b|[0-9]e[0-9]`)
	// addresses lead out of the answer.
	addresses = regexp.MustCompile(`(?i)https?:|www\.|[a-z0-9]@[a-z0-9]|\b[a-z0-9-]+\.(com|net|org|io|gh|info|xyz|me|ly)\b`)
)

// saysOnly reports whether words may stand beside the tables: they are short, lead nowhere, and every number in them is in the tables or in the question.
func saysOnly(words, question string, tables []Table) bool {
	known := map[string]bool{}
	learn(known, question)
	for i := range customers(tables) {
		known[strconv.Itoa(i+1)] = true
	}
	for _, t := range tables {
		learn(known, t.Title)
		for i, row := range t.Rows {
			known[strconv.Itoa(i+1)] = true // a place in the list
			for j, cell := range row {
				if t.Columns[j].Kind != Customer {
					learn(known, cell)
				}
			}
		}
	}
	return decent(words, question) && supported(words, known)
}

// decent reports whether words are short and lead nowhere. A place that whoever asked has named may be named again.
func decent(words, given string) bool {
	if words == "" || len([]rune(words)) > maxAnswer {
		return false
	}
	for _, found := range addresses.FindAllString(words, -1) {
		if !strings.Contains(strings.ToLower(given), strings.ToLower(found)) {
			return false
		}
	}
	return true
}

// supported reports whether every number in words is known.
func supported(words string, known map[string]bool) bool {
	if rounded.MatchString(words) {
		return false
	}
	for _, r := range words {
		if unicode.IsNumber(r) && (r < '0' || r > '9') { // ½, ², and the digits of other scripts
			return false
		}
	}
	for _, text := range numbers.FindAllString(words, -1) {
		if !known[canonical(text)] {
			return false
		}
	}
	return true
}

// learn adds the numbers in a text.
func learn(known map[string]bool, text string) {
	for _, n := range numbers.FindAllString(text, -1) {
		known[canonical(n)] = true
	}
}

// canonical writes a number in one way: without separators of thousands, without zeros that say nothing. A comma or a point before exactly three digits at the end separates
// thousands when there is another before it, or when it is a comma.
func canonical(text string) string {
	text = strings.Map(func(r rune) rune {
		switch r {
		case '\'', '\u2019', '\u00a0', '\u202f':
			return -1
		}
		return r
	}, text)
	whole, fraction := text, ""
	if at := strings.LastIndexAny(text, ".,"); at >= 0 {
		tail := text[at+1:]
		if thousands := len(tail) == 3 && (text[at] == ',' || strings.Count(text, string(text[at])) > 1); !thousands {
			whole, fraction = text[:at], tail
		}
	}
	whole = strings.TrimLeft(strings.NewReplacer(".", "", ",", "").Replace(whole), "0")
	fraction = strings.TrimRight(fraction, "0")
	switch {
	case fraction != "":
		return whole + "." + fraction
	case whole == "":
		return "0"
	}
	return whole
}
