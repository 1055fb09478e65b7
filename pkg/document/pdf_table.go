package document

import (
	"fmt"
	"strings"
)

// placed is a column on a page.
type placed struct {
	Column
	x, width float64
}

// table sets one table, from where the page is filled to as many pages as it takes.
func (p *pages) table(t *Table) error {
	columns := p.place(t.Columns)
	if p.y+30 > p.bottom() { // Room for the name, the heading and a few rows.
		p.newPage()
	}
	p.heading(t.Name)
	p.tableHead(columns)
	most := p.report.MaxRows
	if most <= 0 {
		most = DefaultMaxRows
	}
	rows := p.report.reader(t)
	err := rows.each(func(row []Cell) error {
		if rows.count <= int64(most) {
			p.row(columns, row, rows.count%2 == 0)
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.tableFoot(columns, rows, int64(most))
	return nil
}

// tableFoot sets what stands under the rows: how many are not shown, and the totals of all of them.
func (p *pages) tableFoot(columns []placed, rows *reader, most int64) {
	if rows.count == 0 {
		p.note("No rows.", ink)
	}
	if more := rows.count - most; more > 0 {
		word := "rows"
		if more == 1 {
			word = "row"
		}
		rest := p.report.Rest
		if rest == "" {
			rest = "The CSV and XLSX forms of this report are complete."
		}
		p.note(fmt.Sprintf("%s more %s. %s", appendFixed(nil, more, 0, true), word, rest), grey)
	}
	if totals := rows.totals(); totals != nil {
		p.totals(columns, totals)
	}
	p.y += 6
}

func (p *pages) note(text string, c colour) {
	lines := p.regular.wrap(nil, p.regular.printable(text), bodySize*pointsToMM, p.inner()-2*cellPad, 6)
	if p.y+float64(len(lines))*bodyLine+2 > p.bottom() {
		p.newPage()
	}
	p.use(p.regular, bodySize, c)
	for _, line := range lines {
		p.y += bodyLine
		p.left(margin+cellPad, p.y+0.4, line)
	}
	p.y += 2
}

// place shares the width of the page among the columns.
func (p *pages) place(columns []Column) []placed {
	widths := columnWidths(columns)
	scale := p.inner() / sum(widths)
	list := make([]placed, len(columns))
	x := margin
	for i, c := range columns {
		list[i] = placed{Column: c, x: x, width: widths[i] * scale}
		x += list[i].width
	}
	return list
}

// tableHead sets the titles; it is repeated on every page.
func (p *pages) tableHead(columns []placed) {
	p.wrapTitles(columns)
	tall := p.tall(2)
	p.box(margin, p.y, p.inner(), tall, accent)
	p.use(p.bold, bodySize-0.5, white)
	for i, c := range columns {
		p.set(c, p.lines[i], p.y)
	}
	p.y += tall
}

func (p *pages) wrapTitles(columns []placed) {
	p.reuse(len(columns))
	for i, c := range columns {
		p.lines[i] = p.bold.wrap(p.lines[i], p.bold.printable(c.Title), (bodySize-0.5)*pointsToMM, c.width-2*cellPad, 4)
	}
}

// reuse makes p.lines as long as the row.
func (p *pages) reuse(n int) {
	for len(p.lines) < n {
		p.lines = append(p.lines, nil)
	}
	p.lines = p.lines[:n]
}

// tall is the height of the row in p.lines.
func (p *pages) tall(pads float64) float64 {
	most := 1
	for _, lines := range p.lines {
		most = max(most, len(lines))
	}
	return float64(most)*bodyLine + pads*rowPad
}

// row sets one row, on a new page under the heading when it does not fit.
func (p *pages) row(columns []placed, row []Cell, striped bool) {
	p.layOut(columns, row, p.regular)
	tall := p.tall(2)
	if p.y+tall > p.bottom() {
		p.newPage()
		p.tableHead(columns)
		p.layOut(columns, row, p.regular)
	}
	if striped {
		p.box(margin, p.y, p.inner(), tall, stripe)
	}
	p.setRow(columns, p.regular)
	p.y += tall
}

// totals sets the sums under a line, never alone on a page without the heading.
func (p *pages) totals(columns []placed, row []Cell) {
	p.layOut(columns, row, p.bold)
	tall := p.tall(3)
	if p.y+tall > p.bottom() {
		p.newPage()
		p.tableHead(columns)
		p.layOut(columns, row, p.bold)
	}
	p.canvas.line(margin, p.y+0.3, p.inner(), 0.5, accent)
	p.y += rowPad
	p.setRow(columns, p.bold)
	p.y += tall - rowPad
	p.canvas.line(margin, p.y, p.inner(), 0.2, accent)
}

// layOut breaks the cells into lines. What is no text stays on one.
func (p *pages) layOut(columns []placed, row []Cell, f *face) {
	p.reuse(len(columns))
	for i, c := range columns {
		cell := row[i]
		if cell.is != isText {
			p.text = cell.appendPretty(p.text[:0], c.Kind, p.report.zone(), p.exponent)
			p.lines[i] = append(p.lines[i][:0], string(p.text))
			continue
		}
		text := cell.text
		if c.Codes {
			text = spoken(text)
		}
		p.lines[i] = f.wrap(p.lines[i], f.printable(text), bodySize*pointsToMM, c.width-2*cellPad, maxLines)
	}
}

// spoken is a code as people say it: IN_STOCK is "In stock". What is no code stays as it is.
func spoken(code string) string {
	if code == "" || strings.ContainsFunc(code, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '_' }) {
		return code
	}
	return code[:1] + strings.ReplaceAll(strings.ToLower(code[1:]), "_", " ")
}

// setRow draws the cells of p.lines, a number that is too wide for its column in smaller type.
func (p *pages) setRow(columns []placed, f *face) {
	for i, c := range columns {
		size := bodySize
		if c.Kind != KindText && len(p.lines[i]) == 1 {
			size = f.fitted(p.lines[i][0], bodySize*pointsToMM, c.width-2*cellPad) / pointsToMM
		}
		p.use(f, size, ink)
		p.set(c, p.lines[i], p.y)
	}
}

// set draws lines in a column from y down, in the type chosen.
func (p *pages) set(c placed, lines []string, y float64) {
	y += rowPad + bodyLine*0.76 // From the top of a line to its base.
	for _, line := range lines {
		switch c.align() {
		case AlignRight:
			p.right(c.x+c.width-cellPad, y, line)
		case AlignCentre:
			p.centre(c.x+c.width/2, y, line)
		case AlignByKind, AlignLeft:
			p.left(c.x+cellPad, y, line)
		}
		y += bodyLine
	}
}

// align is where the column's cells stand.
func (c Column) align() Align {
	if c.Align == AlignByKind && c.Kind.number() {
		return AlignRight
	}
	return c.Align
}
