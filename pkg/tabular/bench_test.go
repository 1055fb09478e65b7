package tabular_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/xuri/excelize/v2"

	"makola/pkg/tabular"
)

const benchRows = 100_000

func benchmark(b *testing.B, name string, content []byte) {
	b.Helper()
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		table := open(b, name, content, tabular.Options{})
		rows := 0
		for _, err := range table.Rows() {
			if err != nil {
				b.Fatal(err)
			}
			rows++
		}
		if rows != benchRows {
			b.Fatal(rows)
		}
	}
}

func BenchmarkCSV_100000rows(b *testing.B) {
	content := bytes.NewBufferString("name,sku,barcode,price,quantity\n")
	for i := range benchRows {
		fmt.Fprintf(content, "\"Gari, fine white %d\",GAR-%06d,6001234%06d,%d.50,%d\n", i, i, i, i%500, i%97)
	}
	benchmark(b, "a.csv", content.Bytes())
}

func BenchmarkXLSX_100000rows(b *testing.B) {
	f := excelize.NewFile()
	s, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		b.Fatal(err)
	}
	for i := range benchRows + 1 {
		row := []any{"name", "sku", "barcode", "price", "quantity"}
		if i > 0 {
			row = []any{fmt.Sprintf("Gari, fine white %d", i), fmt.Sprintf("GAR-%06d", i), 6001234000000 + i, float64(i%500) + 0.5, i % 97}
		}
		if err := s.SetRow(fmt.Sprintf("A%d", i+1), row); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		b.Fatal(err)
	}
	content, err := f.WriteToBuffer()
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	benchmark(b, "a.xlsx", content.Bytes())
}
