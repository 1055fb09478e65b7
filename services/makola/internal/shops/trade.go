package shops

import "time"

// good is one line of a catalogue. Prices are in pesewas, as of the beginning of the year that is lived through.
type good struct {
	name, category, unit    string
	cost, retail, wholesale int64 // wholesale 0: none
	life                    int   // days it keeps when it arrives; 0: it does not expire
	most                    int   // the most that a household takes at once
}

// trade is a kind of shop. The catalogue is in order of popularity.
type trade struct {
	name      string
	goods     []good
	suppliers []string // a category buys from one of them
	sales     float64  // a usual day, all branches together
	more      float64  // probability that a customer takes one more thing
	hours     [24]int  // weights of the hours in which it sells
	week      [7]float64
	payday    float64 // how much busier the days around a month's end are
	christmas float64 // the same for the days before Christmas
	holidays  bool    // open on public holidays
	cover     cover
	cash      [3]float64 // cash, mobile money, card
	named     float64    // share of sales to customers known by name
	credit    float64    // share of sales to customers who pay later
	wholesale float64    // share of sales at wholesale prices
	back      float64    // share of sales of which something comes back
	restock   float64    // share of returns that can be sold again
	customers int
	debtors   int
	limit     [2]int // credit limits, in cedis
	receipt   string // what a delivery is described as
}

// cover says how much is kept, in days of expected sales, and at least in pieces.
type cover struct {
	low, fill, full, order, lot      float64
	lowMin, fillMin, fullMin, lotMin int64
}

// closed holds the public holidays of fixed date on which Ghana's shops are shut; a pharmacy opens for some hours.
var closed = map[[2]int]bool{{1, 1}: true, {3, 6}: true, {5, 1}: true, {12, 25}: true, {12, 26}: true}

// demand is how many sales a day brings, relative to a usual one.
func (t *trade) demand(day time.Time) float64 {
	d := t.week[day.Weekday()]
	if closed[[2]int{int(day.Month()), day.Day()}] {
		if !t.holidays {
			return 0
		}
		d *= 0.4
	}
	if last := day.AddDate(0, 1, -day.Day()).Day(); day.Day() >= last-4 || day.Day() <= 2 {
		d *= t.payday
	}
	if day.Month() == time.December && day.Day() >= 8 && day.Day() <= 24 {
		d *= 1 + (t.christmas-1)*float64(day.Day()-7)/17
	}
	if day.Month() == time.January && day.Day() >= 4 && day.Day() <= 24 {
		d *= 0.82 // school fees
	}
	return d
}

// trades are the three kinds, in the order of the first three shops.
var trades = []*trade{
	{
		name: "Provisions", goods: provisions, suppliers: []string{"Makola Wholesale Depot", "Tema Foods Distribution", "Kaneshie Cold Store", "Nsawam Bakery Supplies", "Volta Soap Works"},
		sales: 27, more: 0.56, hours: [24]int{6: 3, 7: 8, 8: 7, 9: 5, 10: 5, 11: 5, 12: 7, 13: 6, 14: 4, 15: 5, 16: 7, 17: 10, 18: 12, 19: 9, 20: 4},
		week: [7]float64{0.6, 0.95, 0.9, 0.95, 1, 1.2, 1.4}, payday: 1.25, christmas: 2,
		cover: cover{low: 3, fill: 8, full: 18, order: 21, lot: 40, lowMin: 3, fillMin: 6, fullMin: 14, lotMin: 24},
		cash:  [3]float64{0.52, 0.45, 0.03}, named: 0.12, credit: 0.085, wholesale: 0.03, back: 0.006, restock: 0.9,
		customers: 48, debtors: 24, limit: [2]int{4, 30}, receipt: "Delivery",
	},
	{
		name: "Pharmacy", goods: pharmacy, suppliers: []string{"Ernest Medical Supplies", "Gold Coast Pharma Ltd", "Okaishie Drug House", "Tobinco Road Surgicals"},
		sales: 25, more: 0.42, hours: [24]int{7: 4, 8: 8, 9: 9, 10: 8, 11: 7, 12: 6, 13: 5, 14: 5, 15: 6, 16: 7, 17: 9, 18: 10, 19: 8, 20: 5, 21: 2},
		week: [7]float64{0.5, 1.1, 1, 0.95, 1, 1.1, 1.1}, payday: 1.12, christmas: 1.15, holidays: true,
		cover: cover{low: 3, fill: 8, full: 18, order: 24, lot: 45, lowMin: 3, fillMin: 5, fullMin: 10, lotMin: 20},
		cash:  [3]float64{0.42, 0.5, 0.08}, named: 0.2, credit: 0.012, wholesale: 0.02, back: 0.005, restock: 0.35,
		customers: 40, debtors: 4, limit: [2]int{20, 60}, receipt: "Consignment",
	},
	{
		name: "Electronics", goods: electronics, suppliers: []string{"Circle Phone Importers", "Accra Digital Wholesale", "Adum Appliances Ltd", "Shenzhen Direct Ghana"},
		sales: 14, more: 0.24, hours: [24]int{8: 2, 9: 5, 10: 8, 11: 9, 12: 8, 13: 7, 14: 8, 15: 9, 16: 10, 17: 9, 18: 4},
		week: [7]float64{0, 0.9, 0.85, 0.9, 1, 1.25, 1.5}, payday: 1.4, christmas: 2.2,
		cover: cover{low: 3, fill: 7, full: 18, order: 20, lot: 38, lowMin: 1, fillMin: 3, fullMin: 5, lotMin: 8},
		cash:  [3]float64{0.3, 0.52, 0.18}, named: 0.35, credit: 0.03, wholesale: 0.03, back: 0.02, restock: 0.7,
		customers: 44, debtors: 8, limit: [2]int{30, 150}, receipt: "Container part",
	},
}
