package tabular

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxToken = 1 << 20 // Bytes of XML that one tag or one text may take; a full cell of Excel takes 200 kB at worst.
	maxDepth = 32      // Elements within elements; a sheet's cell is five deep.
)

// token is a tag or a text of a part. It is valid until the next.
type token struct {
	name  string // Of the element, without prefix. Of text: "".
	start bool
	text  []byte // Non-nil for text only.
	attrs []xml.Attr
}

func (t token) attr(name string) string {
	for _, a := range t.attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// xmlReader reads a part of a workbook tag by tag, in bounded memory: no tag or text is longer than maxToken, none lies deeper than maxDepth.
type xmlReader struct {
	content io.ReadCloser
	tokens  *xml.Decoder
	left    int // Bytes that the token being read may still take.
	depth   int
}

func newXMLReader(content io.ReadCloser) *xmlReader {
	x := &xmlReader{content: content}
	x.tokens = xml.NewDecoder(x)
	return x
}

var errTokenTooLong = errors.New("a text is too long")

// Read passes bytes on to the decoder, as many as the token may take.
func (x *xmlReader) Read(p []byte) (int, error) {
	if x.left <= 0 {
		return 0, errTokenTooLong
	}
	n, err := x.content.Read(p)
	x.left -= n
	return n, err
}

func (x *xmlReader) next() (token, error) {
	for {
		x.left = maxToken
		raw, err := x.tokens.RawToken()
		if errors.Is(err, io.EOF) && x.depth > 0 {
			return token{}, io.ErrUnexpectedEOF
		}
		if err != nil {
			return token{}, err
		}
		switch t := raw.(type) {
		case xml.StartElement:
			if x.depth++; x.depth > maxDepth {
				return token{}, errors.New("elements are nested too deeply")
			}
			return token{name: t.Name.Local, start: true, attrs: t.Attr}, nil
		case xml.EndElement:
			if x.depth--; x.depth < 0 {
				return token{}, errors.New("an element ends that did not begin")
			}
			return token{name: t.Name.Local}, nil
		case xml.CharData:
			if len(t) > 0 {
				return token{text: t}, nil
			}
		case xml.Directive:
			return token{}, errors.New("a document type is declared")
		}
	}
}

// each calls f for every token up to the end of the part.
func (x *xmlReader) each(f func(token) error) error {
	for {
		t, err := x.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(t)
		}
		if err != nil {
			return describe(err)
		}
	}
}

func (x *xmlReader) close() { _ = x.content.Close() } // Only read from: nothing can be lost.

// richText gathers the texts of a string item: those of its runs in a row, without phonetic hints.
type richText struct {
	b        []byte
	inText   bool
	phonetic int
}

func (r *richText) reset() { r.b, r.inText, r.phonetic = r.b[:0], false, 0 }

func (r *richText) take(t token) {
	switch {
	case t.text != nil:
		if r.inText && r.phonetic == 0 && len(r.b) < maxToken {
			r.b = append(r.b, t.text...)
		}
	case t.name == "t":
		r.inText = t.start
	case t.name == "rPh" && t.start:
		r.phonetic++
	case t.name == "rPh":
		r.phonetic--
	}
}

// value is the text with the escapes of ECMA-376, 22.4.2.4, undone: "_x000D_" stands for a character that XML cannot hold.
func (r *richText) value() string {
	s := string(r.b)
	if !strings.Contains(s, "_x") {
		return s
	}
	var out strings.Builder
	for {
		i := strings.Index(s, "_x")
		if i < 0 || len(s) < i+7 {
			out.WriteString(s)
			return out.String()
		}
		code, err := strconv.ParseUint(s[i+2:i+6], 16, 16)
		if err != nil || s[i+6] != '_' {
			out.WriteString(s[:i+2])
			s = s[i+2:]
			continue
		}
		out.WriteString(s[:i])
		if c := rune(code); c != 0 && utf8.ValidRune(c) {
			out.WriteRune(c)
		}
		s = s[i+7:]
	}
}
