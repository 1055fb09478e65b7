package assist

import (
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
		"Customer 777 owes it.":                                false,
		"":                                                     false,
		string(make([]rune, maxAnswer+1)):                      false,
		"That is 12 sales, 3 sales, 90.00 and 1'234.50 cedis.": true,
	} {
		require.Equal(t, ok, saysOnly(words, "What were the 5 best of this month?", tables), "%q", words)
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
