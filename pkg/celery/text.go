package celery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
)

// wireTime has exactly six decimals: a Python worker discards a message with more ("microsecond must be in 0..999999").
const wireTime = "2006-01-02T15:04:05.000000Z07:00"

func formatTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format(wireTime)
}

// parseTime reads what Python's isoformat writes: with zone, or naive when the client runs with enable_utc=False. Years outside 1..9999 (UTC)
// are refused, because neither Python nor RFC 3339 can say them.
func parseTime(s string, naive *time.Location) (time.Time, error) {
	if naive == nil {
		naive = time.UTC
	}
	t, err := time.Parse("2006-01-02T15:04:05Z07:00", s)
	if err != nil {
		t, err = time.ParseInLocation("2006-01-02T15:04:05", s, naive)
	}
	if err != nil {
		return time.Time{}, errors.New("not an ISO 8601 time")
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errors.New("year out of range")
	}
	return t, nil
}

// encodeJSON is json.Marshal without HTML escaping, which Python would show as noise in task arguments and results.
func encodeJSON(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// first gives the first significant byte of a JSON text, which tells its type: [ { " t f n, a digit or a minus; 0 when there is none.
func first(raw json.RawMessage) byte {
	if t := bytes.TrimLeft(raw, " \t\r\n"); len(t) > 0 {
		return t[0]
	}
	return 0
}

// absent is true for a missing value and for null.
func absent(raw json.RawMessage) bool { c := first(raw); return c == 0 || c == 'n' }

type member struct {
	name string
	raw  json.RawMessage
}

// members splits a JSON object, in order, with duplicates: Python can write {1: …, "1": …} as one key twice.
func members(raw json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	var out []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, errors.New("not an object")
		}
		m := member{name: name}
		if err := d.Decode(&m.raw); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	return out, nil
}

// checkText refuses what JSON allows and PostgreSQL's text and jsonb do not: invalid UTF-8, NUL and lone surrogates.
// encoding/json would replace the first and the last silently.
func checkText(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("not UTF-8")
	}
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		i++ // the escaped character; a backslash that escapes itself ends here
		r, ok := hex4(b, i)
		switch {
		case !ok:
		case r == 0:
			return errors.New("holds a NUL character")
		case r >= 0xDC00 && r <= 0xDFFF:
			return errors.New("holds half a surrogate pair")
		case r >= 0xD800 && r <= 0xDBFF:
			low, paired := hex4(b, i+6)
			if !paired || b[i+5] != '\\' || low < 0xDC00 || low > 0xDFFF {
				return errors.New("holds half a surrogate pair")
			}
			i += 6
		}
	}
	return nil
}

// hex4 reads uXXXX at b[i:]. Letters that are no hex digits are left to the JSON decoder to refuse.
func hex4(b []byte, i int) (rune, bool) {
	if i+5 > len(b) || b[i] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[i+1 : i+5] {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// plain turns an AMQP field value into one that can be written as JSON; false for what cannot (bytes, decimals, NaN, bad text).
func plain(v any, depth int) (any, bool) {
	if depth > 8 {
		return nil, false
	}
	if n, ok := integer(v); ok {
		return n, true
	}
	switch v := v.(type) {
	case nil, bool:
		return v, true
	case string:
		return v, utf8.ValidString(v) && strings.IndexByte(v, 0) < 0
	case float32:
		return plain(float64(v), depth)
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case time.Time:
		return v.UTC().Format(wireTime), true
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			p, ok := plain(e, depth+1)
			if !ok {
				return nil, false
			}
			out = append(out, p)
		}
		return out, true
	case amqp.Table:
		out := make(map[string]any, len(v))
		for k, e := range v {
			p, ok := plain(e, depth+1)
			if _, text := plain(k, depth); !ok || !text {
				return nil, false
			}
			out[k] = p
		}
		return out, true
	default:
		return nil, false
	}
}

// field is plain's inverse: it gives nested maps the type that amqp091-go can write.
func field(v any) (any, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case map[string]any:
		out := make(amqp.Table, len(v))
		for k, e := range v {
			f, err := field(e)
			if err != nil {
				return nil, err
			}
			out[k] = f
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			f, err := field(e)
			if err != nil {
				return nil, err
			}
			out = append(out, f)
		}
		return out, nil
	}
	if _, ok := plain(v, 0); !ok {
		return nil, fmt.Errorf("a %T cannot travel in a header", v)
	}
	return v, nil
}

// number reads a JSON value for a header, integers as int64.
func number(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return denumber(v)
}

func denumber(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return v.Float64()
	case []any:
		for i := range v {
			e, err := denumber(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = e
		}
	case map[string]any:
		for k := range v {
			e, err := denumber(v[k])
			if err != nil {
				return nil, err
			}
			v[k] = e
		}
	}
	return v, nil
}

// exactSeconds reads a non-negative number of seconds without a float, to the nanosecond. Exponents are refused.
func exactSeconds(s string) (time.Duration, bool) {
	if !decimalText.MatchString(s) || strings.HasPrefix(s, "-") {
		return 0, false
	}
	intPart, _, _ := strings.Cut(s, ".")
	if len(intPart) > 9 { // as large as maxSeconds, or larger
		return maxSeconds * time.Second, true
	}
	d, err := time.ParseDuration(s + "s")
	return d, err == nil
}

// integer reads any AMQP integer width; clients choose the smallest that fits.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int8:
		return int64(v), true
	case uint8:
		return int64(v), true
	case int16:
		return int64(v), true
	case uint16:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint32:
		return int64(v), true
	case int64:
		return v, true
	case int:
		return int64(v), true
	default:
		return 0, false
	}
}
