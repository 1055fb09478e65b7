package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"makola/pkg/problem"
)

// MaxBody is the most bytes of a request body. The largest request there is has a few hundred.
const MaxBody = 1 << 20

// maxDepth is how deep a body may nest. Requests are nearly flat; a deep one only costs us.
const maxDepth = 16

// readJSON reads the body of a JSON request: of the right content type, at most MaxBody bytes, one value, no member twice. The body can be read again afterwards.
func readJSON(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength > MaxBody {
		return &http.MaxBytesError{Limit: MaxBody}
	}
	if r.ContentLength == 0 && r.Header.Get("Content-Type") == "" {
		return problem.New(problem.Malformed, "body_missing", "This address wants a JSON body.")
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || (params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8")) {
		return problem.New(problem.UnsupportedMedia, "", "The body must be application/json in UTF-8.")
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return problem.New(problem.UnsupportedMedia, "", "The body must not be compressed.")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		return bodyError(err)
	}
	if err := checkJSON(raw); err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
	r.ContentLength = int64(len(raw))
	return nil
}

// checkFile looks at the headers of a request whose body is a file. Its bytes are left to the handler.
func checkFile(r *http.Request, types []string) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(types, media) {
		return problem.New(problem.UnsupportedMedia, "", "The body must be a file of one of the types "+strings.Join(types, ", ")+".")
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return problem.New(problem.UnsupportedMedia, "", "The body must not be compressed.")
	}
	if r.ContentLength == 0 {
		return problem.New(problem.Malformed, "body_missing", "This address wants a file.")
	}
	return nil
}

// BodyError is the answer to a body that cannot be read to its end: one that is too large, or one that never arrived in full, which is the client's doing and not ours.
func BodyError(err error) error { return bodyError(err) }

// bodyError tells a body that is too large from one that never arrived in full, which is the client's doing and not ours.
func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return problem.New(problem.Malformed, "body_incomplete", "The body did not arrive in full.")
}

// maxNumber is the most characters of a number. Nothing we read has more than twenty.
const maxNumber = 64

// checkJSON refuses what a decoder would let pass: text that is not UTF-8, half a surrogate pair, a zero character, a second value, a member that is there twice,
// nesting without end, a number beyond all bounds.
func checkJSON(raw []byte) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return problem.New(problem.Malformed, "body_missing", "This address wants a JSON body.")
	}
	if !utf8.Valid(raw) {
		return problem.New(problem.Malformed, "malformed_json", "The body is not valid UTF-8.")
	}
	if err := json.Unmarshal(raw, &json.RawMessage{}); err != nil {
		if _, ok := errors.AsType[*json.SyntaxError](err); ok {
			return err
		}
		return problem.New(problem.Malformed, "malformed_json", "The body is not valid JSON.")
	}
	if hasLoneSurrogate(raw) {
		return problem.New(problem.Malformed, "malformed_json", "The body is not valid Unicode: half a surrogate pair.")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return walkJSON(d)
}

// level is one object or array that is open during walkJSON.
type level struct {
	seen map[string]bool // nil in an array
	key  string          // the member at hand; "" between members
	next int             // the index of the next item of an array
	want bool            // in an object: a key comes next
}

func walkJSON(d *json.Decoder) error {
	var open []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return problem.New(problem.Malformed, "malformed_json", "The body is not valid JSON.")
		}
		if key, ok := token.(string); ok && len(open) > 0 && open[len(open)-1].want {
			top := &open[len(open)-1]
			if top.key = key; top.seen[key] {
				at := pointer(open)
				return problem.New(problem.Malformed, "duplicate_member", "A member is there twice.",
					problem.FieldError{Pointer: at, Field: key, Code: "duplicate", Message: "is there twice"})
			}
			top.seen[key], top.want = true, false
			continue
		}
		delim, isDelim := token.(json.Delim)
		switch {
		case isDelim && (delim == '{' || delim == '['):
			if len(open) == maxDepth {
				return problem.New(problem.Malformed, "too_deep", fmt.Sprintf("The body nests deeper than %d levels.", maxDepth))
			}
			l := level{}
			if delim == '{' {
				l.seen, l.want = map[string]bool{}, true
			}
			open = append(open, l)
			continue
		case isDelim:
			open = open[:len(open)-1]
		}
		if err := checkScalar(token, open); err != nil {
			return err
		}
		if len(open) > 0 { // a value ended
			top := &open[len(open)-1]
			top.want = top.seen != nil
			top.next++
		}
	}
}

// checkScalar refuses values that nothing behind us can hold: PostgreSQL has no text with a zero character, and no number type of ours goes beyond a float64.
func checkScalar(token json.Token, open []level) error {
	code, message := "", ""
	switch v := token.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			code, message = "invalid", "must not have a zero character"
		}
	case json.Number:
		if _, err := v.Float64(); err != nil || len(v) > maxNumber {
			code, message = "out_of_range", "is a number beyond all bounds"
		}
	}
	if code == "" {
		return nil
	}
	f := problem.FieldError{Pointer: pointer(open), Code: code, Message: message}
	if len(open) > 0 {
		f.Field = open[len(open)-1].key
	}
	return problem.New(problem.Invalid, "", "", f)
}

// hasLoneSurrogate looks for \ud800 to \udfff outside a pair, which a decoder silently replaces: two different texts would become the same. raw must be valid JSON.
func hasLoneSurrogate(raw []byte) bool {
	unit := func(i int) (rune, bool) { // the \uXXXX that begins at i
		if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 32)
		return rune(n), err == nil
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		high, ok := unit(i)
		if !ok {
			i++ // another escape: two bytes
			continue
		}
		i += 5
		if !utf16.IsSurrogate(high) {
			continue
		}
		low, ok := unit(i + 1)
		if !ok || utf16.DecodeRune(high, low) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

func pointer(open []level) string {
	var b strings.Builder
	for _, l := range open {
		b.WriteByte('/')
		if l.seen == nil {
			b.WriteString(strconv.Itoa(l.next))
			continue
		}
		b.WriteString(escapePointer(l.key))
	}
	return b.String()
}

// escapePointer writes one part of a JSON pointer (RFC 6901, section 3).
func escapePointer(part string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
}
