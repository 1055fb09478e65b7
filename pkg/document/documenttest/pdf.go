// Package documenttest reads documents back, so that a test can say what stands on a page.
package documenttest

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

var (
	streams   = regexp.MustCompile(`(?s)<</Filter /FlateDecode /Length (\d+)>>\nstream\n`)
	pageSize  = regexp.MustCompile(`/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]`)
	textShown = regexp.MustCompile(`(?s)BT ([0-9.-]+) ([0-9.-]+) Td \(((?:\\.|[^\\)])*)\) Tj ET`)
)

// Text is a piece of text on a page, in points from the lower left.
type Text struct {
	X, Y float64
	Text string
}

// Pages reads the texts of every page out of a PDF, without the library that made it: the streams are inflated, and the texts are
// UTF-16 in their operators.
func Pages(t testing.TB, pdf []byte) (pages [][]Text) {
	t.Helper()
	for _, at := range streams.FindAllSubmatchIndex(pdf, -1) {
		size, err := strconv.Atoi(string(pdf[at[2]:at[3]]))
		if err != nil {
			t.Fatal(err)
		}
		z, err := zlib.NewReader(bytes.NewReader(pdf[at[1] : at[1]+size]))
		if err != nil {
			continue // A font or a picture.
		}
		content, err := io.ReadAll(z)
		if err != nil || !bytes.Contains(content, []byte("BT ")) {
			continue
		}
		var page []Text
		for _, m := range textShown.FindAllSubmatch(content, -1) {
			page = append(page, Text{X: Number(t, m[1]), Y: Number(t, m[2]), Text: decode(m[3])})
		}
		pages = append(pages, page)
	}
	return pages
}

// Outline is the golden form of a document: each page's size, and its texts with their places in whole points.
func Outline(t testing.TB, pdf []byte) string {
	t.Helper()
	sizes := pageSize.FindAllSubmatch(pdf, -1)
	var b strings.Builder
	for i, page := range Pages(t, pdf) {
		size := sizes[len(sizes)-1] // Pages of the document's own size leave theirs to the root.
		if len(sizes) > i {
			size = sizes[i]
		}
		fmt.Fprintf(&b, "page %d, %s x %s\n", i+1, size[1], size[2])
		for _, s := range page {
			fmt.Fprintf(&b, "%5.0f %5.0f  %s\n", math.Round(s.X), math.Round(s.Y), s.Text)
		}
	}
	return b.String()
}

// Number reads a number that a PDF has as text; one that is none fails the test.
func Number(t testing.TB, b []byte) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func decode(escaped []byte) string {
	var raw []byte
	for i := 0; i < len(escaped); i++ {
		if escaped[i] == '\\' {
			i++
			if escaped[i] == 'r' {
				raw = append(raw, '\r')
				continue
			}
		}
		raw = append(raw, escaped[i])
	}
	units := make([]uint16, 0, len(raw)/2)
	for i := 0; i+1 < len(raw); i += 2 {
		units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
	}
	return string(utf16.Decode(units))
}

// After returns the text that stands after a label on any page: the value of a figure. It fails the test when the label is nowhere.
func After(t testing.TB, pdf []byte, label string) string {
	t.Helper()
	for _, page := range Pages(t, pdf) {
		for i, piece := range page[:max(0, len(page)-1)] {
			if piece.Text == label {
				return page[i+1].Text
			}
		}
	}
	t.Fatalf("no page says %q", label)
	return ""
}
