package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// encoding is how the bytes of a text file spell characters.
type encoding string

const (
	utf8Text    encoding = "UTF-8"
	utf16Little encoding = "UTF-16 little endian"
	utf16Big    encoding = "UTF-16 big endian"
	windows1252 encoding = "Windows-1252"
)

const (
	chunk  = 64 << 10 // What is read at a time.
	sample = 64 << 10 // What the delimiter is guessed from.
)

// decoder reads the file from its beginning, as UTF-8 without byte order mark.
func (e encoding) decoder(r io.ReaderAt, size int64) io.Reader {
	whole := io.NewSectionReader(r, 0, size)
	switch e {
	case utf16Little:
		return transform.NewReader(whole, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder())
	case utf16Big:
		return transform.NewReader(whole, unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder())
	case windows1252:
		return transform.NewReader(whole, charmap.Windows1252.NewDecoder())
	case utf8Text:
	}
	var start [3]byte
	if n, _ := r.ReadAt(start[:min(int64(len(start)), size)], 0); bytes.HasPrefix(start[:n], []byte("\xef\xbb\xbf")) {
		return io.NewSectionReader(r, 3, size-3)
	}
	return whole
}

// detectEncoding looks at every byte: one accented name at the end of a long file decides. Without a byte order mark, text is UTF-8
// when it is valid UTF-8, UTF-16 when every other byte of its beginning is nought, Windows-1252 otherwise. A file that is UTF-8
// nearly everywhere is refused at its first wrong byte: taken for Windows-1252, all its other accents would be mangled silently.
func detectEncoding(r io.ReaderAt, size int64) (encoding, error) {
	buffer := make([]byte, chunk+utf8.UTFMax)
	kept := 0 // Bytes at the front of buffer: the beginning of a character whose end is still to be read.
	var s survey
	for at := int64(0); at < size; {
		n, err := r.ReadAt(buffer[kept:kept+int(min(chunk, size-at))], at)
		if n == 0 && err != nil {
			return "", fmt.Errorf("read uploaded file: %w", noEOF(err))
		}
		if at == 0 {
			if e := wide(buffer[:n]); e != "" {
				return e, nil
			}
		}
		text := buffer[:kept+n]
		rest, nul := s.look(text, at-int64(kept), at+int64(n) == size)
		if nul >= 0 {
			return "", fatal(lineOf(r, nul), ErrFormat, "a NUL byte; this is no text file")
		}
		at += int64(n)
		kept = copy(buffer, text[len(text)-rest:])
	}
	switch {
	case s.wrong == 0:
		return utf8Text, nil
	case s.undefined >= 0:
		return "", fatal(lineOf(r, s.undefined), ErrFormat, "a byte that is neither UTF-8 nor Windows-1252; save the file as UTF-8")
	case s.multibyte > s.wrong:
		return "", fatal(lineOf(r, s.firstWrong), ErrFormat, "a byte that is not UTF-8 in a file that otherwise is; save the file as UTF-8")
	}
	return windows1252, nil
}

// wide recognises UTF-16 by its mark, or by the noughts that Latin text has at every other place.
func wide(start []byte) encoding {
	switch {
	case bytes.HasPrefix(start, []byte("\xff\xfe")):
		return utf16Little
	case bytes.HasPrefix(start, []byte("\xfe\xff")):
		return utf16Big
	}
	start = start[:min(len(start), 1024)&^1]
	var noughts [2]int
	for i, b := range start {
		if b == 0 {
			noughts[i&1]++
		}
	}
	most := len(start) / 2 * 3 / 4 // Three of four characters are Latin; only then are the noughts no accident.
	switch {
	case len(start) < 4:
		return ""
	case noughts[1] > most && noughts[0] == 0:
		return utf16Little
	case noughts[0] > most && noughts[1] == 0:
		return utf16Big
	}
	return ""
}

// survey counts what speaks for and against UTF-8.
type survey struct {
	multibyte  int64 // Characters beyond ASCII that are valid UTF-8.
	wrong      int64 // Bytes that are not.
	firstWrong int64 // Place of the first of them.
	undefined  int64 // Place of the first of them that Windows-1252 does not have either; -1 without.
	begun      bool
}

// look counts text, which begins at place from. It returns how many bytes at its end it left for the next call, and the place of a NUL or -1.
func (s *survey) look(text []byte, from int64, last bool) (rest int, nul int64) {
	if !s.begun {
		s.undefined, s.begun = -1, true
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return 0, from + int64(i)
	}
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		if !last && !utf8.FullRune(text[i:]) {
			return len(text) - i, -1
		}
		r, n := utf8.DecodeRune(text[i:])
		if r != utf8.RuneError || n > 1 {
			s.multibyte++
			i += n
			continue
		}
		if s.wrong == 0 {
			s.firstWrong = from + int64(i)
		}
		s.wrong++
		if s.undefined < 0 && bytes.IndexByte([]byte{0x81, 0x8d, 0x8f, 0x90, 0x9d}, text[i]) >= 0 {
			s.undefined = from + int64(i)
		}
		i++
	}
	return 0, -1
}

// lineOf is the line that holds the byte at a place.
func lineOf(r io.ReaderAt, place int64) int {
	line, before := 1, byte(0)
	buffer := make([]byte, chunk)
	for at := int64(0); at < place; {
		n, err := r.ReadAt(buffer[:min(chunk, place-at)], at)
		for _, b := range buffer[:n] {
			if b == '\r' || b == '\n' && before != '\r' {
				line++
			}
			before = b
		}
		at += int64(n)
		if err != nil {
			break
		}
	}
	return line
}

// noEOF makes an end where none should be an unexpected one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// delimiters are tried in this order; the first of equals wins. Read only.
var delimiters = []byte{',', ';', '\t', '|'}

func delimiterName(comma byte) string {
	if comma == '\t' {
		return "tab"
	}
	return fmt.Sprintf("%q", string(rune(comma)))
}

// detectDelimiter tries each delimiter on the beginning of the file: the one under which most rows are as long as the header, which
// must have two cells at least; then the one with most cells.
func detectDelimiter(start []byte, whole bool, options Options) byte {
	best, bestAlike, bestCells := delimiters[0], -1, 1
	for _, comma := range delimiters {
		cells, alike := try(start, comma, whole, options)
		if cells > 1 && (alike > bestAlike || alike == bestAlike && cells > bestCells) {
			best, bestAlike, bestCells = comma, alike, cells
		}
	}
	return best
}

// tried is how many rows a delimiter is tried on.
const tried = 50

// try counts the cells of the first row, and the rows behind it that have as many.
func try(start []byte, comma byte, whole bool, options Options) (cells, alike int) {
	s := newCSVSource(bytes.NewReader(start), comma, options)
	var lengths []int
	for len(lengths) < tried {
		row, _, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if e, ok := errors.AsType[*Error](err); ok && e.Fatal {
			break
		}
		if err == nil && !blank(row) {
			lengths = append(lengths, len(row))
		}
	}
	if !whole && len(lengths) > 1 && len(lengths) < tried {
		lengths = lengths[:len(lengths)-1] // The sample cut it off.
	}
	if len(lengths) == 0 {
		return 0, 0
	}
	for _, n := range lengths[1:] {
		if n == lengths[0] {
			alike++
		}
	}
	return lengths[0], alike
}
