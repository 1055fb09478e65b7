package document

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/jung-kurt/gofpdf"
)

// pointsToMM turns sizes of type, which are in points, into millimetres.
const pointsToMM = 25.4 / 72

// colour is red, green and blue.
type colour [3]int

// The colours of our papers: dark enough for a photocopier. Read only.
var (
	ink    = colour{33, 37, 41}
	grey   = colour{95, 103, 112}
	white  = colour{255, 255, 255}
	accent = colour{22, 78, 99}
	stripe = colour{243, 246, 248}
	rule   = colour{190, 198, 206}
)

// canvas draws on the pages of one PDF, in millimetres from the top left. It is the only thing that touches gofpdf, whose drop-in
// successor codeberg.org/go-pdf/fpdf takes another import path here.
type canvas struct {
	f             *gofpdf.Fpdf
	regular, bold *face
	width, height float64 // Of the page.
	face          *face   // Chosen last, with its size.
	size          float64
	text, fill    colour // Chosen last.
	chosen        bool
}

// newCanvas begins a document without pages. The moment goes into the file, so that the same report gives the same bytes.
func newCanvas(width, height float64, title, author string, at time.Time) (*canvas, error) {
	pair, err := faces()
	if err != nil {
		return nil, err
	}
	f := gofpdf.NewCustom(&gofpdf.InitType{UnitStr: "mm", Size: gofpdf.SizeType{Wd: width, Ht: height}})
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	f.SetCreationDate(at.UTC())
	f.SetModificationDate(at.UTC())
	f.SetCatalogSort(true)
	f.SetTitle(pair[0].printable(title), true)
	f.SetAuthor(pair[0].printable(author), true)
	f.SetAutoPageBreak(false, 0)
	f.SetMargins(0, 0, 0)
	// Copies: gofpdf rounds the tables of a font up to whole words in place, and others may be doing so.
	f.AddUTF8FontFromBytes(family, "", bytes.Clone(regularTTF))
	f.AddUTF8FontFromBytes(family, "B", bytes.Clone(boldTTF))
	return &canvas{f: f, regular: pair[0], bold: pair[1], width: width, height: height}, nil
}

const family = "dejavu"

// addPage begins a page of the canvas's size.
func (c *canvas) addPage() {
	c.f.AddPageFormat("P", gofpdf.SizeType{Wd: c.width, Ht: c.height})
	c.chosen = false
}

// revisit goes back to a page to add to it.
func (c *canvas) revisit(page int) {
	c.f.SetPage(page)
	c.chosen = false
}

// use chooses the type that the next texts are set in.
func (c *canvas) use(f *face, size float64, ink colour) {
	if !c.chosen || c.face != f || c.size != size {
		c.f.SetFont(family, f.style, size)
	}
	if !c.chosen || c.text != ink {
		c.f.SetTextColor(ink[0], ink[1], ink[2])
	}
	c.face, c.size, c.text, c.chosen = f, size, ink, true
}

// left sets printable text with its left end at x, on the base line y; right and centre do as they say.
func (c *canvas) left(x, y float64, s string) {
	if s != "" {
		c.f.Text(x, y, s)
	}
}

func (c *canvas) right(x, y float64, s string) { c.left(x-c.measure(s), y, s) }

func (c *canvas) centre(x, y float64, s string) { c.left(x-c.measure(s)/2, y, s) }

// measure is the width of s in the type chosen last.
func (c *canvas) measure(s string) float64 { return c.face.width(s, c.size*pointsToMM) }

// box fills a rectangle.
func (c *canvas) box(x, y, width, height float64, fill colour) {
	if c.fill != fill || !c.chosen {
		c.f.SetFillColor(fill[0], fill[1], fill[2])
		c.fill = fill
	}
	c.f.Rect(x, y, width, height, "F")
}

// line draws a horizontal line.
func (c *canvas) line(x, y, width, thickness float64, ink colour) {
	c.f.SetDrawColor(ink[0], ink[1], ink[2])
	c.f.SetLineWidth(thickness)
	c.f.Line(x, y, x+width, y)
}

// dashes draws a dashed horizontal line, as receipts have them.
func (c *canvas) dashes(x, y, width float64) {
	c.f.SetDashPattern([]float64{0.8, 0.8}, 0)
	c.line(x, y, width, 0.2, ink)
	c.f.SetDashPattern(nil, 0)
}

// write ends the document.
func (c *canvas) write(w io.Writer) error {
	if err := c.f.Error(); err != nil {
		return fmt.Errorf("draw pdf: %w", err)
	}
	if err := c.f.Output(w); err != nil {
		return fmt.Errorf("write pdf: %w", err)
	}
	return nil
}
