package document

import (
	"fmt"
	"io"
	"strings"
	"time"

	"makola/pkg/money"
)

// Receipt is what a till hands out. Every amount is in Currency; an amount that is the zero value of its type is left out.
type Receipt struct {
	Shop     string
	Header   string // A line of the shop's own under its name.
	Address  []string
	TIN      string
	Title    string // Empty: "Receipt".
	Number   string
	At       time.Time      // Shown in Zone, and the only time in the file.
	Zone     *time.Location // Of the business; nil is UTC.
	Cashier  string
	Customer string
	Currency money.Currency
	Lines    []ReceiptLine
	Subtotal money.Amount
	Discount money.Amount // As a positive amount; shown with a minus.
	Taxes    []ReceiptAmount
	Total    money.Amount
	Payments []ReceiptAmount
	Change   money.Amount
	Due      money.Amount
	Footer   string
}

// ReceiptLine is one thing sold.
type ReceiptLine struct {
	Name     string
	Note     string // Under the name: a size, a batch. May be empty.
	Quantity int64
	Price    money.Amount // Of one.
	Discount money.Amount // Of the line, positive; the zero value leaves it out.
	Total    money.Amount
}

// ReceiptAmount is a named amount: a tax, a payment.
type ReceiptAmount struct {
	Label  string
	Amount money.Amount
}

// The roll is 80 mm wide, of which usual heads print 72. Type is a little larger than in reports: thermal heads have 203 dots an inch.
const (
	rollWidth  = 80.0
	rollMargin = 4.0
	rollInner  = rollWidth - 2*rollMargin
	rollSize   = 8.0
	rollLine   = 3.8
	rollLonger = 4_900.0 // The longest page, in millimetres; readers refuse pages of more than 5,080.
)

// WriteReceiptPDF writes the receipt for a thermal printer: 80 mm wide and as long as it takes, one page unless it is longer than a PDF's page may be.
func WriteReceiptPDF(w io.Writer, r *Receipt) error {
	if err := r.check(); err != nil {
		return err
	}
	title := r.Title
	if title == "" {
		title = "Receipt"
	}
	c, err := newCanvas(rollWidth, rollWidth, strings.TrimSpace(title+" "+r.Number), r.Shop, r.At)
	if err != nil {
		return err
	}
	roll := &roll{canvas: c, receipt: r}
	roll.head(title)
	roll.items()
	roll.sums()
	roll.foot()
	roll.draw()
	return c.write(w)
}

// check refuses amounts in another currency before anything is drawn.
func (r *Receipt) check() error {
	if !r.Currency.Known() {
		return fmt.Errorf("%w: unknown currency %.8q", ErrReport, string(r.Currency))
	}
	amounts := []money.Amount{r.Subtotal, r.Discount, r.Total, r.Change, r.Due}
	for _, line := range r.Lines {
		amounts = append(amounts, line.Price, line.Discount, line.Total)
	}
	for _, list := range [][]ReceiptAmount{r.Taxes, r.Payments} {
		for _, a := range list {
			amounts = append(amounts, a.Amount)
		}
	}
	for _, a := range amounts {
		if a != (money.Amount{}) && a.Currency != r.Currency {
			return fmt.Errorf("%w: an amount in %.8q on a receipt in %.8q", ErrCell, string(a.Currency), string(r.Currency))
		}
	}
	if r.Total == (money.Amount{}) {
		return fmt.Errorf("%w: a receipt without total", ErrReport)
	}
	return nil
}

// strip is one line of the roll. The whole roll is laid out before it is drawn, because its length is the page's.
type strip struct {
	height      float64
	face        *face
	size        float64
	left, right string
	centred     bool
	rule        bool
	indent      float64
}

// roll gathers strips and draws them.
type roll struct {
	*canvas
	receipt *Receipt
	strips  []strip
}

func (r *roll) rule() { r.strips = append(r.strips, strip{height: 3, rule: true}) }

func (r *roll) gap(height float64) { r.strips = append(r.strips, strip{height: height}) }

// centred adds text across the roll, in as many lines as it takes.
func (r *roll) centred(f *face, size float64, text string) {
	for _, paragraph := range strings.Split(text, "\n") {
		if text = strings.TrimSpace(f.printable(paragraph)); text == "" {
			continue
		}
		for _, line := range f.wrap(nil, text, size*pointsToMM, rollInner, 12) {
			r.strips = append(r.strips, strip{height: rollLine * size / rollSize, face: f, size: size, left: line, centred: true})
		}
	}
}

// pair adds text at the left, which wraps, and text at the right, which does not.
func (r *roll) pair(f *face, size float64, left, right string, indent float64) {
	left, right = f.printable(left), f.printable(right)
	room := rollInner - indent
	if right != "" {
		room -= f.width(right, size*pointsToMM) + 2
	}
	height := rollLine * size / rollSize
	for i, line := range f.wrap(nil, left, size*pointsToMM, max(room, 20), 12) {
		s := strip{height: height, face: f, size: size, left: line, indent: indent}
		if i == 0 {
			s.right = right
		}
		r.strips = append(r.strips, s)
	}
}

// amount is an amount as the roll shows it, without the currency, which stands beside the total.
func (r *roll) amount(a money.Amount) string {
	exponent, _ := r.receipt.Currency.Exponent() // Known, says check.
	return string(appendFixed(nil, a.Minor, exponent, true))
}

func (r *roll) head(title string) {
	t := r.receipt
	r.gap(2)
	r.centred(r.bold, 12, t.Shop)
	r.centred(r.regular, rollSize, t.Header)
	for _, line := range t.Address {
		r.centred(r.regular, rollSize, line)
	}
	if t.TIN != "" {
		r.centred(r.regular, rollSize, "TIN "+t.TIN)
	}
	r.rule()
	zone := t.Zone
	if zone == nil {
		zone = time.UTC
	}
	r.pair(r.bold, rollSize, title, t.Number, 0)
	r.pair(r.regular, rollSize, "Date", t.At.In(zone).Format("2006-01-02 15:04"), 0)
	r.named("Cashier", t.Cashier)
	r.named("Customer", t.Customer)
	r.rule()
}

// named adds a label and a text that may be long.
func (r *roll) named(label, text string) {
	if text == "" {
		return
	}
	lines := r.regular.wrap(nil, r.regular.printable(text), rollSize*pointsToMM, rollInner-20, 4)
	for i, line := range lines {
		if i > 0 {
			label = ""
		}
		r.pair(r.regular, rollSize, label, line, 0)
	}
}

func (r *roll) items() {
	for _, line := range r.receipt.Lines {
		r.pair(r.regular, rollSize, line.Name, "", 0)
		if line.Note != "" {
			r.pair(r.regular, rollSize-1, line.Note, "", 3)
		}
		count := string(appendFixed(nil, line.Quantity, 0, true)) + " × " + r.amount(line.Price)
		if line.Discount != (money.Amount{}) {
			r.pair(r.regular, rollSize, count, "", 3)
			r.pair(r.regular, rollSize, "Discount -"+r.amount(line.Discount), r.amount(line.Total), 3)
		} else {
			r.pair(r.regular, rollSize, count, r.amount(line.Total), 3)
		}
		r.gap(0.8)
	}
	if len(r.receipt.Lines) > 0 {
		r.rule()
	}
}

func (r *roll) sums() {
	t := r.receipt
	if t.Subtotal != (money.Amount{}) {
		r.pair(r.regular, rollSize, "Subtotal", r.amount(t.Subtotal), 0)
	}
	if t.Discount != (money.Amount{}) {
		r.pair(r.regular, rollSize, "Discount", "-"+r.amount(t.Discount), 0)
	}
	for _, tax := range t.Taxes {
		r.pair(r.regular, rollSize, tax.Label, r.amount(tax.Amount), 0)
	}
	r.gap(0.8)
	r.pair(r.bold, 11, "TOTAL "+string(t.Currency), r.amount(t.Total), 0)
	r.rule()
	for _, payment := range t.Payments {
		r.pair(r.regular, rollSize, payment.Label, r.amount(payment.Amount), 0)
	}
	if t.Change != (money.Amount{}) {
		r.pair(r.regular, rollSize, "Change", r.amount(t.Change), 0)
	}
	if t.Due != (money.Amount{}) {
		r.pair(r.bold, rollSize, "Still to pay", r.amount(t.Due), 0)
	}
}

func (r *roll) foot() {
	if r.receipt.Footer != "" {
		r.rule()
		r.centred(r.regular, rollSize, r.receipt.Footer)
	}
	r.gap(6) // The cutter's.
}

// draw cuts the strips into pages and draws each.
func (r *roll) draw() {
	for rest := r.strips; len(rest) > 0; {
		n, long := 0, 0.0
		for n < len(rest) && long+rest[n].height <= rollLonger {
			long += rest[n].height
			n++
		}
		r.height = max(long, rollWidth) // A shorter page would count as turned.
		r.addPage()
		y := 0.0
		for _, s := range rest[:n] {
			r.drawStrip(s, y)
			y += s.height
		}
		rest = rest[n:]
	}
}

func (r *roll) drawStrip(s strip, y float64) {
	switch {
	case s.rule:
		r.dashes(rollMargin, y+s.height/2, rollInner)
	case s.face == nil:
	default:
		r.use(s.face, s.size, ink)
		base := y + s.height*0.78
		if s.centred {
			r.centre(rollWidth/2, base, s.left)
			return
		}
		r.left(rollMargin+s.indent, base, s.left)
		r.right(rollWidth-rollMargin, base, s.right)
	}
}
