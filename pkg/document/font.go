package document

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"
)

// The embedded fonts; font/LICENSE says where they come from and font/subset.sh how they were reduced.
var (
	//go:embed font/DejaVuSansCondensed.ttf
	regularTTF []byte
	//go:embed font/DejaVuSansCondensed-Bold.ttf
	boldTTF []byte
)

// face is what layout needs to know of a font: the widths of its characters. gofpdf knows them too, but gives every combining
// accent and every missing character half a letter, which no column of money can bear.
type face struct {
	style  string   // As gofpdf calls it.
	widths []uint16 // By character, in thousandths of the size. 0: none, or an accent on the character before.
	has    []bool   // By character.
}

// faces are read from the fonts once per process.
var faces = sync.OnceValues(func() (pair [2]*face, err error) {
	for i, f := range []struct {
		style string
		ttf   []byte
	}{{"", regularTTF}, {"B", boldTTF}} {
		if pair[i], err = readFace(f.style, f.ttf); err != nil {
			return pair, fmt.Errorf("read embedded font: %w", err)
		}
	}
	return pair, nil
})

var errFont = errors.New("not a TrueType font with a Unicode table")

// readFace reads the character map (format 4, which covers the basic plane) and the advance widths of a TrueType font.
func readFace(style string, ttf []byte) (*face, error) {
	u16 := binary.BigEndian.Uint16
	table := func(tag string) []byte {
		for i := range int(u16(ttf[4:])) {
			entry := ttf[12+16*i:]
			if string(entry[:4]) == tag {
				from := binary.BigEndian.Uint32(entry[8:])
				return ttf[from : from+binary.BigEndian.Uint32(entry[12:])]
			}
		}
		return nil
	}
	head, hhea, hmtx, cmap := table("head"), table("hhea"), table("hmtx"), table("cmap")
	if head == nil || hhea == nil || hmtx == nil || cmap == nil {
		return nil, errFont
	}
	perEm, metrics := int(u16(head[18:])), int(u16(hhea[34:]))
	var characters []byte
	for i := range int(u16(cmap[2:])) {
		if t := cmap[binary.BigEndian.Uint32(cmap[4+8*i+4:]):]; u16(t) == 4 {
			characters = t
		}
	}
	if characters == nil {
		return nil, errFont
	}
	f := &face{style: style, widths: make([]uint16, 1<<16), has: make([]bool, 1<<16)}
	size := int(u16(characters[6:])) // Twice the number of segments.
	ends, starts := characters[14:], characters[16+size:]
	deltas, offsets := characters[16+2*size:], characters[16+3*size:]
	for s := 0; s < size; s += 2 {
		for c := int(u16(starts[s:])); c <= int(u16(ends[s:])) && c < 0xffff; c++ {
			glyph := uint16(c)
			if offset := int(u16(offsets[s:])); offset != 0 {
				if glyph = u16(offsets[s+offset+2*(c-int(u16(starts[s:]))):]); glyph == 0 {
					continue
				}
			}
			if glyph += u16(deltas[s:]); glyph == 0 {
				continue
			}
			f.has[c] = true
			f.widths[c] = uint16(int(u16(hmtx[4*min(int(glyph), metrics-1):])) * 1000 / perEm)
		}
	}
	return f, nil
}

// width is how wide s is at a size, in units of the size.
func (f *face) width(s string, size float64) float64 {
	sum := 0
	for _, r := range s {
		if r < 1<<16 {
			sum += int(f.widths[r])
		}
	}
	return float64(sum) * size / 1000
}

// missing stands for a character that the font does not have: better a visible box than a silent gap.
const missing = '□'

// printable is s on one line as the font can show it. Line ends and tabs become spaces; controls and invisible marks go.
func (f *face) printable(s string) string {
	for i := 0; ; i++ {
		if i == len(s) {
			return s
		}
		if s[i] < ' ' || s[i] > '~' {
			break
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || unicode.Is(unicode.Zs, r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r >= 0xfe00 && r <= 0xfe0f: // Variation selectors follow emoji.
			return -1
		case r < 1<<16 && f.has[r]:
			return r
		}
		return missing
	}, s)
}

// wrap breaks printable text into lines of at most width at a size: between words, or within one that is longer than a line. Text
// beyond most lines is cut, and the last line then ends in an ellipsis.
func (f *face) wrap(lines []string, s string, size, width float64, most int) []string {
	limit := width * 1000 / size
	lines = lines[:0]
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " ") {
		end, space, sum := len(s), -1, 0.0
		for i, r := range s {
			w := 0.0
			if r < 1<<16 {
				w = float64(f.widths[r])
			}
			if r == ' ' {
				space = i
			}
			if sum+w > limit && i > 0 && w > 0 {
				end = i
				break
			}
			sum += w
		}
		if end < len(s) && space > 0 && s[end] != ' ' {
			end = space
		}
		if len(lines) == most-1 && end < len(s) {
			return append(lines, f.cut(s[:end], size, width))
		}
		lines = append(lines, strings.TrimRight(s[:end], " "))
		s = s[end:]
	}
	if len(lines) == 0 {
		lines = append(lines, "")
	}
	return lines
}

// cut shortens s until it has room for an ellipsis.
func (f *face) cut(s string, size, width float64) string {
	const ellipsis = "…"
	runes := []rune(strings.TrimRight(s, " "))
	for len(runes) > 0 && f.width(string(runes)+ellipsis, size) > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + ellipsis
}

// fitted is the largest size up to size at which s is no wider than width, but not less than half: numbers do not wrap.
func (f *face) fitted(s string, size, width float64) float64 {
	if w := f.width(s, size); w > width {
		return max(size*width/w, size/2)
	}
	return size
}
