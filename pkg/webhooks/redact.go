package webhooks

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAnswer is how much of an answer is kept, in characters: enough to see whose error page it is.
const maxAnswer = 300

// readAnswer is how much of an answer is read, in bytes.
const readAnswer = 4 << 10

// anySize is the longest answer that may be announced: any, because no more than readAnswer is read of it and the status is what counts.
const anySize = 1 << 62

// secretText finds what must not be kept of an answer, which may repeat what we sent or show what its server knows: what looks like a token, a signature or a key; mail addresses;
// and telephone or card numbers.
var secretText = regexp.MustCompile(`whsec_[A-Za-z0-9+/=_-]*|v1,[A-Za-z0-9+/=]+|(?i:bearer|basic)\s+\S+|[A-Za-z0-9+/_=.-]{24,}|[\p{L}\p{N}._%+\-]+@[\p{L}\p{N}.\-]+|\+?\d(?:[ ().\-]{0,2}\d){8,}`)

// redact returns the beginning of an answer as one line of text, without what looks secret or personal. It looks before it cuts, so that half a token is not mistaken for a word.
func redact(raw []byte) string {
	text := strings.ToValidUTF8(string(raw), "")
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(secretText.ReplaceAllString(text, "…")), " ")
	if utf8.RuneCountInString(text) > maxAnswer {
		text = string([]rune(text)[:maxAnswer])
	}
	return text
}
