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
	// shares are percentages.
	shares = regexp.MustCompile(`(?i)([0-9]+(?:[.,][0-9]+)*)\s?(?:%|percent\b|per ?cent\b|pour ?cent\b|pct\b)`)
	// places are numbers that count nothing: those of customers, and of what stands in a list.
	places = regexp.MustCompile(`(?i)\bcustomers? [0-9]{1,3}(?:(?:,|,? and) [0-9]{1,3})*\b|\b[0-9]{1,2}(?:st|nd|rd|th)\b|#[0-9]{1,2}\b|\b(?:no\.?|number|top) [0-9]{1,2}\b|(?:^|[.:;,!?] )[0-9]{1,2}[.)] `)
	// addresses lead out of the answer.
	addresses = regexp.MustCompile(`(?i)https?:|www\.|[a-z0-9]@[a-z0-9]|\b[a-z0-9-]+\.[a-z]{2,}/|\b[a-z0-9-]+\.(?:` + domains + `)\b`)
)

// domains are ends of names that lead somewhere: those that shops of the region have, and those that swindlers like. A name that ends otherwise is taken for an address before a slash alone, because
// goods have dots in their names too.
const domains = `com|net|org|edu|gov|io|co|gh|ng|ke|za|ci|tg|bj|uk|eu|us|ca|fr|de|ru|cn|in|info|biz|name|pro|mobi|app|dev|shop|store|online|site|website|web|xyz|top|vip|club|live|life|world|link|click|page|blog|tech|` +
	`cloud|space|fun|icu|cyou|win|bid|loan|work|today|digital|agency|africa|me|ly|to|cc|tv|ws|gg|ai|sh|st|so|tk|ml|ga|cf|gq|su|pw|pay|money|cash|bank|support|help`

// saysOnly reports whether words may stand beside the tables: they are short, lead nowhere, and every number in them is in the tables or in the question.
func saysOnly(words, question string, tables []Table) bool {
	known := map[string]bool{}
	learn(known, question)
	people, longest := len(customers(tables)), 0
	for _, t := range tables {
		learn(known, t.Title)
		listed := len(t.Rows)
		for _, row := range t.Rows {
			if row[0] == total {
				listed--
			}
			for j, cell := range row {
				if t.Columns[j].Kind != Customer {
					learn(known, cell)
				}
			}
		}
		known[strconv.Itoa(listed)] = true
		longest = max(longest, listed)
	}
	return decent(words, question) && supported(withoutPlaces(words, people, longest), known)
}

// total is the first cell of the row that sums a table.
const total = "All"

// withoutPlaces takes the numbers out of words that count nothing, as far as there is a customer or a row of that number.
func withoutPlaces(words string, people, rows int) string {
	return places.ReplaceAllStringFunc(words, func(place string) string {
		most := rows
		if place[0] == 'c' || place[0] == 'C' {
			most = people
		}
		for _, text := range numbers.FindAllString(place, -1) {
			if n, err := strconv.Atoi(text); err != nil || n < 1 || n > most {
				return place
			}
		}
		return " "
	})
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
	for _, share := range shares.FindAllStringSubmatch(words, -1) {
		if !known[canonical(share[1])+"%"] { // no figure has one, so only a name or the question can
			return false
		}
	}
	return true
}

// learn adds the numbers in a text, and its percentages.
func learn(known map[string]bool, text string) {
	for _, n := range numbers.FindAllString(text, -1) {
		known[canonical(n)] = true
	}
	for _, share := range shares.FindAllStringSubmatch(text, -1) {
		known[canonical(share[1])+"%"] = true
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
