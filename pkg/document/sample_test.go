package document_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"makola/pkg/document"
	"makola/pkg/money"
)

func cedis(minor int64) money.Amount { return money.FromMinor(minor, money.GHS) }

// lagos is an hour ahead of UTC, so that a sale late at night is of the next day there.
var lagos = time.FixedZone("WAT", 60*60)

// rowsOf makes a source of n rows that reuses its slice, as a cursor does.
func rowsOf(n int, fill func(i int, row []document.Cell)) iter.Seq2[[]document.Cell, error] {
	return func(yield func([]document.Cell, error) bool) {
		row := make([]document.Cell, 8)
		for i := range n {
			clear(row)
			fill(i, row)
			if !yield(row, nil) {
				return
			}
		}
	}
}

// these makes a source of the rows given.
func these(rows ...[]document.Cell) iter.Seq2[[]document.Cell, error] {
	return func(yield func([]document.Cell, error) bool) {
		for _, row := range rows {
			if !yield(slices.Clone(row), nil) {
				return
			}
		}
	}
}

var saleColumns = []document.Column{
	{Title: "Receipt", Width: 18},
	{Title: "Sold", Kind: document.KindInstant},
	{Title: "Customer", Width: 24},
	{Title: "Items", Kind: document.KindInteger, Width: 6, Total: true},
	{Title: "Total", Kind: document.KindMoney, Total: true},
	{Title: "Margin", Kind: document.KindPercent},
	{Title: "Day", Kind: document.KindDate},
	{Title: "At", Kind: document.KindTime},
}

var lateAtNight = time.Date(2026, 11, 25, 23, 30, 5, 0, time.UTC)

// fillSale makes believable rows, each a function of its number alone.
func fillSale(i int, row []document.Cell) {
	names := []string{"Walk-in", "Akosua Ẹ̀bùn Ọláníyan", "Ɔheneba Kwabena & Sons, Ɛjura", "Łukasz, ПРОДУКТЫ ₦", "Adwoa's Provision Store"}
	at := lateAtNight.Add(time.Duration(i) * 37 * time.Minute)
	row[0] = document.Text(fmt.Sprintf("MKL-20261125-%04d", i+1))
	row[1] = document.Instant(at)
	row[2] = document.Text(names[i%len(names)])
	row[3] = document.Integer(int64(i%7 + 1))
	row[4] = document.Money(cedis(int64(i)*12_345 + 999))
	row[5] = document.Percent(int64(i*137%5000) - 300)
	row[6] = document.Instant(at)
	row[7] = document.Instant(at)
}

func sample(rows int) *document.Report {
	return &document.Report{
		Business: "Adwoa's Provision Store", Address: []string{"14 Ring Road Central", "Accra"}, TIN: "C0012345678",
		Title: "Sales", Period: "1 to 30 November 2026", Filters: []string{"Storefront: Makola Market"},
		GeneratedAt: lateAtNight, Zone: lagos, Currency: money.GHS,
		Summary: []document.Figure{
			{Label: "Sales", Kind: document.KindInteger, Value: document.Integer(1234)},
			{Label: "Revenue", Kind: document.KindMoney, Value: document.Money(cedis(123_456_789_012_345))},
			{Label: "Margin", Kind: document.KindPercent, Value: document.Percent(2375)},
			{Label: "Refunded", Kind: document.KindMoney, Value: document.Money(cedis(-50))},
			{Label: "Best day", Kind: document.KindDate, Value: document.Date(lateAtNight)},
		},
		Tables: []document.Table{{Name: "Sales Detail", Columns: saleColumns, Rows: rowsOf(rows, fillSale)}},
	}
}

func sampleReceipt() *document.Receipt {
	return &document.Receipt{
		Shop: "Adwoa's Provision Store", Header: "Fresh every morning", Address: []string{"14 Ring Road Central", "Accra"}, TIN: "C0012345678",
		Number: "MKL-20261125-0001", At: lateAtNight, Zone: lagos, Cashier: "Kofi Ẹ̀bùn", Customer: "Ɔheneba Kwabena", Currency: money.GHS,
		Lines: []document.ReceiptLine{
			{Name: "Gari, fine white, 1 kg", Quantity: 2, Price: cedis(1250), Total: cedis(2500)},
			{Name: "Rice " + strings.Repeat("long grain perfumed ", 10), Note: "25 kg bag", Quantity: 12, Price: cedis(99_999_999_999), Discount: cedis(100), Total: cedis(1_199_999_999_888)},
			{Name: strings.Repeat("W", 200), Quantity: 1, Price: cedis(5), Total: cedis(5)},
		},
		Subtotal: cedis(1_200_000_002_393), Discount: cedis(393),
		Taxes: []document.ReceiptAmount{{Label: "VAT 15.0 %", Amount: cedis(37)}, {Label: "NHIL 2.5 %", Amount: cedis(6)}},
		Total: cedis(1_200_000_002_043),
		Payments: []document.ReceiptAmount{
			{Label: "Cash", Amount: cedis(1_200_000_000_000)},
			{Label: "Mobile money", Amount: cedis(2000)},
		},
		Due: cedis(43), Footer: "Goods once sold are exchanged within 7 days.\nMedaase! Ẹ ṣé! ₵ ₦",
	}
}
