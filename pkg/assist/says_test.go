package assist

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWordsMaySayWhatTheFiguresSayAndNoOtherNumber(t *testing.T) {
	t.Parallel()
	tables := []Table{{
		Title: "Sales, all storefronts, 2026-11-01 to 2026-11-26, GHS", Columns: []Column{{"Product", Text}, {"Customer", Customer}, {"Sales", Count}, {"Total", Money}},
		Rows: [][]string{{"Milo 500g", "01900000-0000-7000-8000-000000000777", "12", "1234.50"}, {"Rice", "01900000-0000-7000-8000-000000000888", "3", "90.00"}},
	}}
	for words, ok := range map[string]bool{
		"Milo 500g led with 12 sales.":                         true,
		"It came to GHS 1,234.50.":                             true,
		"It came to 1234.5 cedis, and rice to 90.":             true,
		"Rice is 2nd on the list.":                             true,
		"From 1 November to 26 November 2026 there were 12.":   true,
		"You asked for 5 and got 2.":                           true,
		"There is nothing to say.":                             true,
		"It came to GHS 1,234.51.":                             false,
		"It came to 1324.50.":                                  false,
		"About 1,235 cedis.":                                   false,
		"About 1.2k cedis.":                                    false,
		"Some 12 thousand cedis.":                              false,
		"12 million cedis.":                                    false,
		"Twice as much as last month.":                         false,
		"About 90 % up, or 1e3.":                               false,
		"12½ sales.":                                           false,
		"١٢ sales.":                                            false,
		"12 sales; see https://evil.example/?q=12 for more.":   false,
		"12 sales; write to kofi@evil.example.":                false,
		"12 sales; visit evil.com.":                            false,
		"12 sales; visit pay-here.shop now.":                   false,
		"12 sales; visit evil.co/x.":                           false,
		"12 sales; visit sub.evil.unheard/of.":                 false,
		"Customer 777 owes it.":                                false,
		"":                                                     false,
		string(make([]rune, maxAnswer+1)):                      false,
		"That is 12 sales, 3 sales, 90.00 and 1'234.50 cedis.": true,
	} {
		require.Equal(t, ok, saysOnly(words, "What were the 5 best of this month?", tables), "%q", words)
	}
}

func TestThePlacesOfAListCountNothing(t *testing.T) {
	t.Parallel()
	list := Table{Title: "Top products", Columns: []Column{{"Product", Text}, {"Units", Count}}}
	for i := range 10 {
		list.Rows = append(list.Rows, []string{"Milk 3%", strconv.Itoa(1000 + i)})
	}
	owing := Table{Columns: []Column{{"Customer", Customer}}, Rows: [][]string{{"01900000-0000-7000-8000-000000000777"}, {"01900000-0000-7000-8000-000000000888"}}}
	for words, ok := range map[string]bool{
		"1. Milk: 1000. 2. Milk: 1001.":                  true,
		"Milk is 4th, #5 and no. 6, and the 7th.":        true,
		"The top 8 sold well.":                           true,
		"These 10 sold well.":                            true,
		"Milk 3% led with 1000.":                         true,
		"Milk of 3 percent led with 1000.":               true,
		"customer 1 and customer 2 owe it.":              true,
		"Customers 1 and 2 owe it.":                      true,
		"You sold 7.":                                    false,
		"You sold 7 of them.":                            false,
		"It went up by 5%.":                              false,
		"It went up by 1000 %.":                          false,
		"It went up by 10 per cent.":                     false,
		"It is the 11th.":                                false,
		"customer 4 owes it.":                            false,
		"1000 sold, which is 1.000 more than last time.": false,
	} {
		require.Equal(t, ok, saysOnly(words, "What sold best?", []Table{list, owing}), "%q", words)
	}
}

func TestEveryCellMayBeSaidAsItStands(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.OneOf(rapid.StringMatching(`-?[0-9]{1,12}\.[0-9]{2}`), rapid.StringMatching(`[0-9]{1,9}`), rapid.StringMatching(`20[0-9]{2}-[01][0-9]-[0-3][0-9]`)).Draw(t, "cell")
		tables := []Table{{Columns: []Column{{"X", Money}}, Rows: [][]string{{cell}}}}
		if !saysOnly("It is "+cell+".", "", tables) {
			t.Fatalf("%q may not be said", cell)
		}
	})
}

func TestANumberIsTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1234.50": "1234.5", "1,234.50": "1234.5", "1.234,50": "1234.5", "1'234.5": "1234.5", "1,234": "1234", "1,234,567": "1234567", "1.234.567": "1234567", "0012": "12", "0": "0", "0.00": "0",
		"12.00": "12", "0.5": ".5", "1.234": "1.234", "12,5": "12.5",
	} {
		require.Equal(t, want, canonical(text), text)
	}
}
