package templates

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"makola/pkg/mail"
	"makola/pkg/money"
)

// Longest texts that are printed, in characters; people's own words beyond them are cut.
const (
	maxSubject  = 120
	maxName     = 60
	maxBusiness = 80
	maxWord     = 60
	maxLabel    = 44
	// lineWidth is where the text part breaks: RFC 5322, section 2.1.1, asks for 78 at most, and replies quote with two more.
	lineWidth = 72
)

// plain makes one printable line of text: white space and control characters become one space, invisible and direction-changing
// characters vanish (they would let a name forge a line, a header or the reading order), and at most limit characters stay.
func plain(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		default:
			return r
		}
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > limit {
		text = strings.TrimSpace(string(runes[:limit-1])) + "…"
	}
	return text
}

// called is plain for names that people chose for themselves. A name that looks like a link or an address is replaced by instead: anybody may
// register with another person's address, and the name must not carry an advertisement there.
func called(name string, limit int, instead string) string {
	name = plain(name, limit)
	if strings.Contains(name, "@") || mail.HasLink(name) {
		return instead
	}
	if name == "" {
		return instead
	}
	return name
}

// business is the name of a business whose own people read the mail.
func business(name string) string {
	if name = plain(name, maxBusiness); name == "" {
		return "your business"
	}
	return name
}

// greeting is the first line of a mail.
func greeting(name string) string {
	if name = called(name, maxName, ""); name == "" {
		return "Hello,"
	}
	return "Hello " + name + ","
}

// credits prints whole credits without decimals: "80", "0.50".
func credits(c money.Credits) string { return strings.TrimSuffix(c.String(), ".00") }

// amount prints money with its currency and commas: "GHS 12,345.60".
func amount(minor int64, c money.Currency) string {
	text := plain(money.FromMinor(minor, c).Display(), maxWord)
	code, figure, found := strings.Cut(text, " ")
	whole, fraction, _ := strings.Cut(figure, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if !found || err != nil {
		return text
	}
	sign := ""
	if strings.HasPrefix(whole, "-") && n == 0 {
		sign = "-"
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return code + " " + sign + number(n) + fraction
}

// percent prints a rate in basis points: 1500 is "15%", 250 is "2.5%".
func percent(basisPoints int64) string {
	whole, rest := basisPoints/100, basisPoints%100
	if rest == 0 {
		return strconv.FormatInt(whole, 10) + "%"
	}
	fraction := strings.TrimRight(string([]byte{byte('0' + rest/10), byte('0' + rest%10)}), "0")
	return strconv.FormatInt(whole, 10) + "." + fraction + "%"
}

// in gives t in the business's time zone, or in UTC when the zone is not known.
func in(t time.Time, zone string) time.Time {
	where, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		where = time.UTC
	}
	return t.In(where)
}

// date prints a day of the business's calendar, moment a time of its day with the zone's name.
func date(t time.Time, zone string) string   { return in(t, zone).Format("2 January 2006") }
func moment(t time.Time, zone string) string { return in(t, zone).Format("2 January 2006, 15:04 MST") }

// wrap breaks text into lines of lineWidth characters, each after the first led by indent.
func wrap(indent, text string) string {
	var b strings.Builder
	used := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case used == 0:
			used = utf8.RuneCountInString(indent)
		case used+1+n > lineWidth:
			b.WriteString("\n" + indent)
			used = utf8.RuneCountInString(indent)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}

// pad fills a label up to the width of its column.
func pad(width int, label string) string {
	return label + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(label)))
}

// beside is what stands between a label and its link: a link that does not fit into the line has one of its own, and is never broken.
func beside(label, url string) string {
	if utf8.RuneCountInString(label+": "+url) > lineWidth {
		return "\n"
	}
	return " "
}

// capital writes the first letter large.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
