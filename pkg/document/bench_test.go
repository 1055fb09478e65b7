package document_test

import (
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"makola/pkg/document"
)

// benchRows is how many rows a benchmark writes. A PDF of so many shows them all: MaxRows is raised.
const benchRows = 100_000

// BenchmarkReadAndDiscard is the floor of the others: the same rows, made and thrown away.
func BenchmarkReadAndDiscard(b *testing.B) {
	bench(b, func(r *document.Report) error {
		var sum int
		for row, err := range r.Tables[0].Rows {
			if err != nil {
				return err
			}
			sum += len(row)
		}
		if sum != benchRows*len(saleColumns) {
			b.Fatal(sum)
		}
		return nil
	})
}

func BenchmarkCSV_100000rows(b *testing.B) {
	bench(b, func(r *document.Report) error { return document.WriteCSV(io.Discard, r) })
}

func BenchmarkXLSX_100000rows(b *testing.B) {
	bench(b, func(r *document.Report) error { return document.WriteXLSX(io.Discard, r) })
}

func BenchmarkPDF_100000rows(b *testing.B) {
	bench(b, func(r *document.Report) error { return document.WritePDF(io.Discard, r) })
}

func BenchmarkPDF_10000rows(b *testing.B) {
	bench(b, func(r *document.Report) error {
		r.MaxRows = 10_000
		r.Tables[0].Rows = rowsOf(r.MaxRows, fillSale)
		return document.WritePDF(io.Discard, r)
	})
}

// cpu is the processor time of the process so far, which neighbours on the machine do not disturb.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bench measures time, on the clock and of the processor, and the most memory in use at any 20,000th row, over what was in use before.
func bench(b *testing.B, write func(*document.Report) error) {
	b.Helper()
	b.ReportAllocs()
	var peak uint64
	var spent time.Duration
	for range b.N {
		r := sample(0)
		r.MaxRows = benchRows
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		before := m.HeapInuse
		begin := cpu(b)
		b.StartTimer()
		r.Tables[0].Rows = rowsOf(benchRows, func(i int, row []document.Cell) {
			fillSale(i, row)
			if i%20_000 == 19_999 {
				b.StopTimer()
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse-min(before, m.HeapInuse))
				b.StartTimer()
			}
		})
		if err := write(r); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		spent += cpu(b) - begin
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse-min(before, m.HeapInuse))
	}
	b.ReportMetric(float64(spent.Milliseconds())/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
}
