package celery

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// mask stands in place of what monitors must not see; it is Celery's own.
const mask = "********"

// MaxShown is how much of an argument, a result or an error monitors are shown, in bytes.
const MaxShown = 1024

// maxLooked is how much of a body is looked at for monitors. Larger ones are only told by their size, so that looking stays cheap.
const maxLooked = 32 << 10

// hidden are the names whose values monitors are not shown: secrets, and what tells who somebody is. A name counts when it is one of these or ends in one after an
// underscore (db_password, customer_email).
var hidden = []string{
	"password", "passwd", "secret", "token", "authorization", "cookie", "api_key", "apikey", "secret_key", "private_key", "signature", "dsn", "pin", "otp", "cvv",
	"card_number", "email", "phone",
}

func hides(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	for _, word := range hidden {
		if strings.HasSuffix(name, word) && (len(name) == len(word) || name[len(name)-len(word)-1] == '_') {
			return true
		}
	}
	return false
}

// spilled finds secrets and mail addresses in running text. What the first group matches stays. Without one of the hints in the text a pattern cannot match, and looking for
// those is a hundred times cheaper.
var spilled = []struct {
	hints   []string
	pattern *regexp.Regexp
}{
	{[]string{"://"}, regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*:)[^\s@/]*`)}, // the password in an address
	{[]string{"=", ":"}, regexp.MustCompile(`(?i)(\b[a-z_]*(?:password|passwd|secret|token|api_?key|signature)["']?\s*[=:]\s*["']?)[^\s&,;"'}]+`)},
	{[]string{"earer", "EARER"}, regexp.MustCompile(`(?i)(\bbearer\s+)\S+`)},
	{[]string{"eyJ"}, regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)},                            // a JSON Web Token
	{[]string{"sk_", "sk-", "rk_", "whsec_", "FLWSECK"}, regexp.MustCompile(`()\b(?:sk|rk|whsec|FLWSECK)[_-][A-Za-z0-9_-]{8,}`)}, // a payment provider's key
	{[]string{"@"}, regexp.MustCompile(`()[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}`)},
}

// Shown makes a text fit for monitors: secrets and mail addresses masked, at most MaxShown bytes, valid UTF-8.
func Shown(s string) string {
	cut := len(s) > MaxShown
	if cut {
		s = s[:MaxShown]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	for _, leak := range spilled {
		if slices.ContainsFunc(leak.hints, func(hint string) bool { return strings.Contains(s, hint) }) {
			s = leak.pattern.ReplaceAllString(s, "${1}"+mask)
		}
	}
	if cut {
		s += "…"
	}
	return s
}

// Repr is a JSON value as Python's repr would print it, made fit for monitors as by Shown; values under names that are hidden are masked. What is no JSON is told by its size.
func Repr(raw json.RawMessage) string {
	if len(raw) > maxLooked {
		return "<" + strconv.Itoa(len(raw)) + " bytes>"
	}
	r := renderer{python: true}
	if r.render(raw) != nil {
		return "<" + strconv.Itoa(len(raw)) + " bytes>"
	}
	return string(r.out)
}

// Redacted is a JSON value with secrets masked and long texts cut, still JSON. What weighs more than a few kilobytes then, or is no JSON, becomes the fallback.
func Redacted(raw json.RawMessage, fallback string) json.RawMessage {
	if absent(raw) || len(raw) > maxLooked {
		return json.RawMessage(fallback)
	}
	r := renderer{}
	if err := r.render(raw); err != nil || r.cut {
		return json.RawMessage(fallback)
	}
	return r.out
}

// renderer writes a JSON value anew, as JSON or as Python. It reads bytes that are known to be JSON; a json.Decoder would cost several times as much, and this runs for
// every task while somebody watches.
type renderer struct {
	python bool
	in     []byte
	out    []byte
	cut    bool // it did not fit
}

func (r *renderer) render(raw json.RawMessage) error {
	if !json.Valid(raw) {
		return errors.New("not JSON")
	}
	r.in, r.out = raw, make([]byte, 0, len(raw)+16)
	var objects []bool // for each open bracket whether it is an object's
	name := false      // the next text is a member's name
	hide := false      // the next value is hidden
	for {
		r.space()
		if len(r.in) == 0 {
			return nil
		}
		switch c := r.in[0]; c {
		case '}', ']':
			r.out, r.in = append(r.out, c), r.in[1:]
			objects = objects[:len(objects)-1]
			continue
		case ',':
			r.out, r.in = append(r.out, ", "...), r.in[1:]
			name = objects[len(objects)-1]
			continue
		case ':':
			r.out, r.in = append(r.out, ": "...), r.in[1:]
			continue
		}
		if r.full() {
			return nil
		}
		switch c := r.in[0]; {
		case name:
			text := r.takeText()
			r.text(Shown(text))
			name, hide = false, hides(text)
		case hide:
			if c != 'n' {
				r.text(mask)
				r.skip()
			} else {
				r.scalar()
			}
			hide = false
		case c == '{' || c == '[':
			r.out, r.in = append(r.out, c), r.in[1:]
			objects, name = append(objects, c == '{'), c == '{'
			if r.space(); name && r.in[0] == '}' {
				name = false
			}
		case c == '"':
			r.text(Shown(r.takeText()))
		default:
			r.scalar()
		}
	}
}

func (r *renderer) space() {
	for len(r.in) > 0 && (r.in[0] == ' ' || r.in[0] == '\n' || r.in[0] == '\t' || r.in[0] == '\r') {
		r.in = r.in[1:]
	}
}

// takeText takes a text off the front.
func (r *renderer) takeText() string {
	end, plain := 1, true
	for r.in[end] != '"' {
		if r.in[end] == '\\' {
			plain = false
			end++
		}
		end++
	}
	raw := r.in[:end+1]
	r.in = r.in[end+1:]
	if plain {
		return string(raw[1:end])
	}
	var s string
	if json.Unmarshal(raw, &s) != nil { // it was found to be JSON
		return mask
	}
	return s
}

// takeWord takes a number, true, false or null off the front.
func (r *renderer) takeWord() []byte {
	end := bytes.IndexAny(r.in, ",]} \n\t\r")
	if end < 0 {
		end = len(r.in)
	}
	word := r.in[:end]
	r.in = r.in[end:]
	return word
}

// scalar takes a number, true, false or null off the front and writes it.
func (r *renderer) scalar() {
	word := r.takeWord()
	if r.python {
		switch word[0] {
		case 't':
			word = []byte("True")
		case 'f':
			word = []byte("False")
		case 'n':
			word = []byte("None")
		}
	}
	r.out = append(r.out, word...)
}

// skip takes a whole value off the front and writes nothing.
func (r *renderer) skip() {
	for depth := 0; ; {
		r.space()
		switch r.in[0] {
		case '{', '[':
			depth++
			r.in = r.in[1:]
		case '}', ']':
			depth--
			r.in = r.in[1:]
		case ',', ':':
			r.in = r.in[1:]
		case '"':
			r.takeText()
		default:
			r.takeWord()
		}
		if depth == 0 {
			return
		}
	}
}

// full reports that nothing more fits, and says so in the text.
func (r *renderer) full() bool {
	most := MaxShown
	if !r.python {
		most *= 4
	}
	if len(r.out) < most {
		return false
	}
	r.cut = true
	r.out = append(r.out, "…"...)
	return true
}

func (r *renderer) text(s string) {
	if r.python {
		r.out = appendPyString(r.out, s)
		return
	}
	raw, err := encodeJSON(s)
	if err != nil {
		raw = json.RawMessage(`""`) // a text always encodes
	}
	r.out = append(r.out, raw...)
}

// PyString is a text as Python's repr prints it.
func PyString(s string) string { return string(appendPyString(nil, s)) }

func appendPyString(b []byte, s string) []byte {
	quote := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		quote = '"'
	}
	b = append(b, quote)
	for _, c := range s {
		switch {
		case c == rune(quote) || c == '\\':
			b = append(b, '\\', byte(c))
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < 0x20 || c == 0x7f:
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return append(b, quote)
}
