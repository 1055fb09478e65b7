package mail

import (
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// linked is what mail programs make a link of: "shop.example/offer", "pay@bank.com", "t.co", also in other scripts. Sums, dates, "A.B. Mensah", "K.Mensah" and "Ama's No. 1" are none.
var linked = regexp.MustCompile(`://|\bwww\.|[^\s@]@[^\s@]|[\pL\pN_-]{2,}\.(?:\pL{2,}|xn--[a-z0-9-]+)|\b[\pL\pN]\.(?:com?|net|org|io|me|ly|be|gd|gl|cc|app|link|shop|site|top|xyz)\b`)

// dots are those that a browser takes for one in a name (RFC 3490, section 3.1).
var dots = strings.NewReplacer("。", ".", "．", ".", "｡", ".")

// HasLink reports whether text has something in it that a mail program would make into a link, or that is a mail address. It keeps addresses out of text that a stranger will read;
// it cannot keep out words. A full stop without a space behind it, between two words, counts as an address.
func HasLink(text string) bool {
	return linked.MatchString(strings.ToLower(dots.Replace(norm.NFKC.String(text))))
}
