package document

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jung-kurt/gofpdf"
)

// A4, and what is left free around the text: a binder's hole and every office printer fit. In millimetres.
const (
	a4Short  = 210.0
	a4Long   = 297.0
	margin   = 12.0
	footRoom = 10.0 // Above the lower margin, for the foot.
)

// Type sizes in points, and the lines that belong to them in millimetres.
const (
	bodySize  = 8.0
	bodyLine  = 3.7
	cellPad   = 1.2
	rowPad    = 0.9 // Above and below the lines of a row.
	maxLines  = 12  // Of one cell: a name of 200 characters in the narrowest column has ten.
	portraits = 105 // Characters of columns that fit a page held upright.
)

// WritePDF writes the report as A4 pages: the letterhead, the summary, the pictures, then each table with its heading repeated on
// every page, long texts wrapped, numbers flush right, and totals of all rows, shown or not. Of each table the first MaxRows rows are
// shown; a last line says how many more there are and where. Every page says its number and how many there are.
//
// The document is built in memory. Nothing is written before it is complete.
func WritePDF(w io.Writer, r *Report) error {
	if err := r.check(); err != nil {
		return err
	}
	width, height := a4Short, a4Long
	for _, t := range r.Tables {
		if sum(columnWidths(t.Columns)) > portraits {
			width, height = height, width
			break
		}
	}
	c, err := newCanvas(width, height, r.Title, r.Business, r.GeneratedAt)
	if err != nil {
		return err
	}
	p := &pages{canvas: c, report: r, exponent: r.exponent()}
	c.addPage()
	p.letterhead()
	p.summary()
	if err := p.pictures(); err != nil {
		return err
	}
	for i := range r.Tables {
		if err := p.table(&r.Tables[i]); err != nil {
			return err
		}
	}
	p.feet()
	return c.write(w)
}

// pages fills the pages of a report from top to bottom.
type pages struct {
	*canvas
	report   *Report
	exponent int
	y        float64 // Where the next thing goes.

	lines [][]string // Of the row being set, by column; reused.
	text  []byte     // Reused.
}

func (p *pages) inner() float64 { return p.width - 2*margin }

// bottom is where the foot begins.
func (p *pages) bottom() float64 { return p.height - margin - footRoom }

func (p *pages) letterhead() {
	r, left, right := p.report, margin, p.width-margin
	half := p.inner()/2 - 4
	p.y = margin
	titleY := margin
	p.use(p.bold, 15, accent)
	for _, line := range p.bold.wrap(nil, p.bold.printable(r.Business), 15*pointsToMM, half, 3) {
		if line != "" {
			p.y += 6
			p.left(left, p.y, line)
		}
	}
	p.use(p.regular, bodySize, grey)
	under := append([]string{}, r.Address...)
	if r.TIN != "" {
		under = append(under, "TIN "+r.TIN)
	}
	for _, text := range under {
		for _, line := range p.regular.wrap(nil, p.regular.printable(text), bodySize*pointsToMM, half, 3) {
			p.y += bodyLine
			p.left(left, p.y+0.6, line)
		}
	}
	p.use(p.bold, 13, ink)
	for _, line := range p.bold.wrap(nil, p.bold.printable(r.Title), 13*pointsToMM, half, 3) {
		titleY += 5.6
		p.right(right, titleY, line)
	}
	about := []string{r.Period}
	about = append(about, r.Filters...)
	if r.Currency != "" {
		about = append(about, "Amounts in "+string(r.Currency))
	}
	if !r.GeneratedAt.IsZero() {
		about = append(about, "Generated "+r.generated())
	}
	for i, text := range about {
		if text == "" {
			continue
		}
		p.use(p.regular, bodySize, grey)
		if i == 0 {
			p.use(p.regular, bodySize+1, ink)
		}
		for _, line := range p.face.wrap(nil, p.face.printable(text), p.size*pointsToMM, half, 4) {
			titleY += bodyLine + 0.3
			p.right(right, titleY+0.6, line)
		}
	}
	p.y = max(p.y, titleY) + 4
	p.canvas.line(left, p.y, p.inner(), 0.6, accent)
	p.y += 5
}

// summary sets the figures in columns, like the cards of a dashboard.
func (p *pages) summary() {
	figures := p.report.Summary
	if len(figures) == 0 {
		return
	}
	const gap, tall = 3.0, 12.0
	perRow := int(p.inner() / 45)
	wide := (p.inner() - gap*float64(perRow-1)) / float64(perRow)
	for i, f := range figures {
		place := i % perRow
		if place == 0 && p.y+tall > p.bottom() {
			p.newPage()
		}
		x := margin + float64(place)*(wide+gap)
		p.box(x, p.y, wide, tall, stripe)
		p.box(x, p.y, 0.8, tall, accent)
		label := p.regular.wrap(nil, p.regular.printable(f.Label), 7*pointsToMM, wide-5, 1)[0]
		p.use(p.regular, 7, grey)
		p.left(x+3, p.y+4.2, label)
		value := p.bold.printable(string(f.Value.appendPretty(nil, f.Kind, p.report.zone(), p.exponent)))
		size := p.bold.fitted(value, 10.5*pointsToMM, wide-5) / pointsToMM
		value = p.bold.wrap(nil, value, size*pointsToMM, wide-4.9, 1)[0]
		p.use(p.bold, size, ink)
		p.left(x+3, p.y+9.6, value)
		if place == perRow-1 || i == len(figures)-1 {
			p.y += tall + gap
		}
	}
	p.y += 2
}

func (p *pages) pictures() error {
	for i, picture := range p.report.Pictures {
		name := "picture" + strconv.Itoa(i)
		info := p.f.RegisterImageOptionsReader(name, gofpdf.ImageOptions{ImageType: "PNG"}, bytes.NewReader(picture.PNG))
		if err := p.f.Error(); err != nil {
			return fmt.Errorf("picture %q: %w", picture.Caption, err)
		}
		tall := picture.Height
		if tall <= 0 {
			tall = 60
		}
		wide := tall * info.Width() / info.Height()
		if wide > p.inner() {
			wide, tall = p.inner(), tall*p.inner()/wide
		}
		if p.y+tall+6 > p.bottom() {
			p.newPage()
		}
		p.heading(picture.Caption)
		p.f.ImageOptions(name, margin, p.y, wide, tall, false, gofpdf.ImageOptions{ImageType: "PNG"}, 0, "")
		p.y += tall + 4
	}
	return nil
}

// heading sets the name of what follows.
func (p *pages) heading(text string) {
	if text == "" {
		return
	}
	p.use(p.bold, 10.5, accent)
	p.left(margin, p.y+3.6, p.bold.wrap(nil, p.bold.printable(text), 10.5*pointsToMM, p.inner(), 1)[0])
	p.y += 6
}

func (p *pages) newPage() {
	p.addPage()
	p.y = margin + 2
}

// feet goes over all pages once their number is known.
func (p *pages) feet() {
	count := p.f.PageCount()
	about := make([]string, 0, 3)
	for _, text := range []string{p.report.Business, p.report.Title, p.report.Period} {
		if text != "" {
			about = append(about, text)
		}
	}
	left := p.regular.printable(strings.Join(about, " · "))
	for page := 1; page <= count; page++ {
		p.revisit(page)
		y := p.height - margin
		p.canvas.line(margin, y-4.5, p.inner(), 0.2, rule)
		p.use(p.regular, 7, grey)
		p.left(margin, y-1, p.regular.wrap(nil, left, 7*pointsToMM, p.inner()-35, 1)[0])
		p.right(p.width-margin, y-1, fmt.Sprintf("Page %d of %d", page, count))
	}
}

// columnWidths are the widths of columns in characters.
func columnWidths(columns []Column) []float64 {
	widths := make([]float64, len(columns))
	for i, c := range columns {
		widths[i] = c.Width
		if c.Width <= 0 {
			widths[i] = usualWidths[c.Kind]
		}
	}
	return widths
}

// usualWidths are in characters. Read only.
var usualWidths = map[Kind]float64{KindText: 20, KindInteger: 9, KindMoney: 15, KindPercent: 9, KindDate: 11, KindTime: 8, KindInstant: 16}

func sum(widths []float64) float64 {
	total := 0.0
	for _, w := range widths {
		total += w
	}
	return total
}
