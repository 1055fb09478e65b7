package templates

import (
	"strconv"
	"strings"
	"time"

	"makola/pkg/money"
	"makola/pkg/notifications"
)

// lowStock tells who looks after a shelf what to reorder.
func (s *Set) lowStock(c notifications.LowStock) letter {
	shop := business(c.Business)
	out := 0
	t := table{Title: "To reorder", Columns: []string{"On hand", "Level", "Days left", "Value"}}
	for _, i := range c.Items {
		if i.Left == 0 {
			out++
		}
		row := tableRow{What: plain(i.Product, maxWord), Note: note(i.SKU, i.Place), Strong: i.Left == 0, Cells: []string{units(i.Left, i.Unit), number(i.Level), cover(i), worth(i.ValueMinor, c.Currency)}}
		if i.New {
			row.Note += ", new"
		}
		t.Rows = append(t.Rows, row)
	}
	l := letter{
		Subject: counted(c.Total, "item", "items") + " to reorder at " + shop,
		Title:   counted(c.Total, "item is", "items are") + " low or out of stock", Greeting: greeting(c.Name),
		Preview: counted(c.New, "item is", "items are") + " new since the last mail.",
		Tables:  []table{t}, Reason: reason(shop, c.Owner, "stock alerts"),
	}
	text := counted(c.Total, "item is", "items are") + " at or below the level at which " + shop + " reorders"
	if out > 0 {
		text += ", and " + counted(out, "of those listed here is", "of those listed here are") + " out of stock"
	}
	l.Paragraphs = []string{text + ". The most urgent come first. The days left are worked out from the sales of the last four weeks."}
	if old := c.Total - c.New; old > 0 {
		l.Paragraphs = append(l.Paragraphs, counted(c.New, "item is", "items are")+" new since the last mail, "+counted(old, "was", "were")+" in one a week or more ago and still low.")
	}
	if c.Recovered > 0 {
		l.Paragraphs = append(l.Paragraphs, "Since the last mail "+counted(c.Recovered, "item has", "items have")+" been stocked up again.")
	}
	if rest := c.Total - len(c.Items); rest > 0 {
		l.Closing = append(l.Closing, "And "+counted(rest, "more item", "more items")+".")
	}
	l.Closing = append(l.Closing, "We tell you of an item once when it falls to its level, and again after a week if it is still low. In Makola you can acknowledge an alert, put it off, or mute a product.")
	if s.appURL != "" {
		l.Button = &link{"Open stock alerts", s.appURL}
	}
	return l
}

// expiringStock tells who looks after a shelf what to sell soon, or to take off it.
func (s *Set) expiringStock(c notifications.ExpiringStock) letter {
	shop := business(c.Business)
	t := table{Title: "By expiry date", Columns: []string{"On hand", "Expires", "Value"}}
	for _, i := range c.Items {
		t.Rows = append(t.Rows, tableRow{What: plain(i.Product, maxWord), Note: note(i.SKU, i.Place), Strong: i.Days < 0, Cells: []string{units(i.Left, i.Unit), expires(i), worth(i.ValueMinor, c.Currency)}})
	}
	l := letter{
		Subject: counted(c.Total, "item expires", "items expire") + " soon at " + shop, Title: "Use or sell these soon", Greeting: greeting(c.Name),
		Preview: "Worth " + amount(c.ValueMinor, c.Currency) + " at cost.", Tables: []table{t}, Reason: reason(shop, c.Owner, "stock alerts"),
	}
	soon := c.Total - c.Expired
	switch {
	case c.Expired == 0:
		l.Paragraphs = []string{counted(soon, "item of stock expires", "items of stock expire") + " soon, worth " + amount(c.ValueMinor, c.Currency) + " at cost."}
	case soon == 0:
		l.Subject, l.Title = counted(c.Expired, "item has", "items have")+" expired at "+shop, "These have expired"
		fallthrough
	default:
		l.Paragraphs = []string{counted(c.Expired, "item of stock has", "items of stock have") + " expired, worth " + amount(c.ExpiredMinor, c.Currency) +
			" at cost. Take " + choose(c.Expired, "it", "them") + " off the shelf and write " + choose(c.Expired, "it", "them") + " off in Makola as expired."}
		if soon > 0 {
			l.Paragraphs = append(l.Paragraphs, counted(soon, "more expires", "more expire")+" soon, worth "+amount(c.ValueMinor-c.ExpiredMinor, c.Currency)+" at cost.")
		}
	}
	if rest := c.Total - len(c.Items); rest > 0 {
		l.Closing = append(l.Closing, "And "+counted(rest, "more item", "more items")+".")
	}
	l.Closing = append(l.Closing, "We tell you of each item 30, 14, 7 days and 1 day before it expires, and once more when it has expired.")
	if s.appURL != "" {
		l.Button = &link{"Open stock", s.appURL}
	}
	return l
}

// stockMovement is an owner's week in stock.
func (s *Set) stockMovement(c notifications.StockMovement) letter {
	shop := business(c.Business)
	span := days(c.From, c.To)
	before := "the " + counted(c.Days, "day", "days") + " before"
	title := "Your last " + counted(c.Days, "day", "days") + " in stock"
	if c.Days == 7 {
		before, title = "the week before", "Your week in stock"
	}
	sum := func(minor int64) string { return amount(minor, c.Currency) }
	l := letter{
		Subject: title + " at " + shop + ": " + sum(c.Now.RevenueMinor), Title: title, Greeting: greeting(c.Name), Preview: counted(int(c.Now.Sales), "sale", "sales") + ", " + sum(c.Now.RevenueMinor) + ".",
		Paragraphs: []string{"What " + shop + " sold and moved, " + span + ", compared with " + before + "."},
		Reason:     reason(shop, true, "stock reports"),
	}
	figures := table{Title: "In figures", Columns: []string{"Now", "Before", "Change"}}
	add := func(what string, now, then int64, show func(int64) string) {
		if now != 0 || then != 0 {
			figures.Rows = append(figures.Rows, tableRow{What: what, Cells: []string{show(now), show(then), change(now, then)}})
		}
	}
	add("Revenue", c.Now.RevenueMinor, c.Before.RevenueMinor, sum)
	add("Sales", c.Now.Sales, c.Before.Sales, number)
	add("Units sold", c.Now.UnitsSold, c.Before.UnitsSold, number)
	add("Units returned", c.Now.Returned, c.Before.Returned, number)
	add("Units received", c.Now.Received, c.Before.Received, number)
	add("Units transferred", c.Now.TransferredOut, c.Before.TransferredOut, number)
	add("Adjusted up", c.Now.AdjustedUp, c.Before.AdjustedUp, number)
	add("Adjusted down", c.Now.AdjustedDown, c.Before.AdjustedDown, number)
	add("Shrinkage, units", c.Now.LostUnits, c.Before.LostUnits, number)
	add("Shrinkage, at cost", c.Now.LostMinor, c.Before.LostMinor, sum)
	l.Tables = []table{figures}
	if len(c.Top) > 0 {
		top := table{Title: "Best sellers", Columns: []string{"Units", "Change", "Revenue"}}
		for _, t := range c.Top {
			top.Rows = append(top.Rows, tableRow{What: plain(t.Product, maxWord), Note: plain(t.SKU, maxWord) + ", in " + counted(int(t.Sales), "sale", "sales"),
				Cells: []string{number(t.Units), change(t.Units, t.UnitsBefore), sum(t.RevenueMinor)}})
		}
		l.Tables = append(l.Tables, top)
	}
	l.Closing = []string{"Revenue is with tax and without what was refunded. Shrinkage is theft, loss, damage, expiry, spoilage and write-offs."}
	if s.appURL != "" {
		l.Button = &link{"Open reports", s.appURL}
	}
	return l
}

// reason says why somebody gets a digest.
func reason(shop string, owner bool, what string) string {
	if owner {
		return "You get this mail because you own " + shop + " and its " + what + " are switched on."
	}
	return "You get this mail because you look after a storefront or warehouse of " + shop + " and its " + what + " are switched on."
}

// note is what stands in small below a product: its SKU and where it is.
func note(sku, place string) string { return plain(sku, maxWord) + ", " + plain(place, maxWord) }

// worth is amount for a cell: nothing for nothing.
func worth(minor int64, c money.Currency) string {
	if minor == 0 {
		return ""
	}
	return amount(minor, c)
}

// cover says how many days stock lasts.
func cover(i notifications.LowStockItem) string {
	switch {
	case i.Left == 0:
		return ""
	case i.CoverDays == nil:
		return "no sales"
	case *i.CoverDays == 0:
		return "under 1"
	case *i.CoverDays > 365:
		return "over 365"
	}
	return number(*i.CoverDays)
}

// expires says when an item does.
func expires(i notifications.ExpiringItem) string {
	switch {
	case i.Days < -1:
		return shortDay(i.Date) + " (" + number(int64(-i.Days)) + " days ago)"
	case i.Days == -1:
		return "yesterday"
	case i.Days == 0:
		return "today"
	case i.Days == 1:
		return "tomorrow"
	}
	return shortDay(i.Date) + " (in " + number(int64(i.Days)) + " days)"
}

// day prints a date of the form YYYY-MM-DD, and shortDay prints it for a narrow column.
func day(date string) string      { return dayAs(date, "2 January 2006") }
func shortDay(date string) string { return dayAs(date, "2 Jan 2006") }

func dayAs(date, layout string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return plain(date, maxWord)
	}
	return t.Format(layout)
}

// days prints the days from one date to another: "23 to 29 March 2026".
func days(from, to string) string {
	first, err := time.Parse(time.DateOnly, from)
	last, err2 := time.Parse(time.DateOnly, to)
	switch {
	case err != nil || err2 != nil || first.Year() != last.Year():
		return day(from) + " to " + day(to)
	case first.Month() != last.Month():
		return first.Format("2 January") + " to " + day(to)
	case first.Day() != last.Day():
		return strconv.Itoa(first.Day()) + " to " + day(to)
	}
	return day(to)
}

// number prints a whole number with commas: 12,345.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// units prints a quantity with its unit: "12 pcs".
func units(n int64, unit string) string {
	return strings.TrimSpace(number(n) + " " + plain(unit, 20))
}

// counted prints a number before a word in its number.
func counted(n int, one, many string) string {
	return number(int64(n)) + " " + choose(n, one, many)
}

func choose(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// change prints how much more or less now is than before, in per cent of before, rounded half away from zero.
func change(now, before int64) string {
	switch {
	case now == before:
		return "same"
	case before <= 0:
		return "new"
	}
	d := (now - before) * 1000 / before
	switch {
	case d >= 0:
		return "+" + number((d+5)/10) + "%"
	default:
		return number((d-5)/10) + "%"
	}
}
