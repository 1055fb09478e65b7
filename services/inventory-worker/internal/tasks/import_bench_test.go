package tasks_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/imports"
	"makola/pkg/inventory"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/sales"
	"makola/pkg/tabular"
	"makola/pkg/tenant"
)

// BenchmarkImport imports files of as many rows as one may have, and compares with reading the same rows and dropping them. Peak is the most memory that the heap held
// while it ran, above what the file itself takes here.
func BenchmarkImport(b *testing.B) {
	kinds := []imports.Kind{imports.Products, imports.OpeningStock, imports.Customers}
	for _, kind := range kinds {
		file := manyRows(kind, imports.MaxRows)
		b.Run(fmt.Sprintf("%s/reading", kind), func(b *testing.B) {
			for b.Loop() {
				table, err := tabular.Open(strings.NewReader(file), int64(len(file)), "f.csv", tabular.Options{})
				require.NoError(b, err)
				for _, err := range table.Rows() {
					require.NoError(b, err)
				}
			}
			b.ReportMetric(float64(imports.MaxRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
	pg := postgrestest.New(b)
	db, look := pg.Open("makola_inventory"), pg.Admin()
	s := openShop(b, look, "bench")
	ctx := tenant.With(b.Context(), s.id)
	in := func(ctx context.Context, fn func(tx *gorm.DB) error) error { return db.InTenant(ctx, fn) }
	for _, kind := range kinds {
		file := manyRows(kind, imports.MaxRows)
		b.Run(fmt.Sprintf("%s/import", kind), func(b *testing.B) {
			if b.N > 1 {
				b.Skip("the rows are there after the first; run with -benchtime 1x")
			}
			stop := peak(b)
			check, write := 0.0, 0.0
			switch kind {
			case imports.Products:
				check, write = through(ctx, b, file, in, &inventory.ProductImport{})
			case imports.OpeningStock:
				sink := &inventory.StockImport{Place: s.place, Reference: "bench", User: s.owner, Now: time.Now()}
				require.NoError(b, in(ctx, func(tx *gorm.DB) error { return sink.ReadRules(tx) }))
				check, write = through(ctx, b, file, in, sink)
			case imports.Customers:
				sink := &sales.CustomerImport{Business: s.id, User: s.owner}
				require.NoError(b, in(ctx, func(tx *gorm.DB) error { return sink.ReadTerms(tx) }))
				check, write = through(ctx, b, file, in, sink)
			}
			b.ReportMetric(float64(stop())/(1<<20), "peak-MiB")
			b.ReportMetric(check, "check-s")
			b.ReportMetric(write, "commit-s")
			b.ReportMetric(imports.MaxRows/(check+write), "rows/s")
		})
	}
}

func through[R any](ctx context.Context, b *testing.B, file string, in func(context.Context, func(*gorm.DB) error) error, sink imports.Sink[R]) (check, write float64) {
	b.Helper()
	job := &imports.Job[R]{File: strings.NewReader(file), Size: int64(len(file)), Name: "f.csv", Sink: sink, In: in, Progress: func(int64, int64, string) {}}
	begin := time.Now()
	out, err := job.Check(ctx)
	require.NoError(b, err)
	require.Zero(b, out.Faults, "%v", out.Kept)
	check = time.Since(begin).Seconds()
	begin = time.Now()
	require.NoError(b, in(ctx, func(tx *gorm.DB) error {
		_, err := job.Write(ctx, tx)
		return err
	}))
	return check, time.Since(begin).Seconds()
}

// peak watches the heap; the function it returns gives the most it held above the beginning.
func peak(b *testing.B) func() uint64 {
	b.Helper()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	begin := m.HeapAlloc
	var most atomic.Uint64
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapAlloc))
			}
		}
	})
	return func() uint64 { close(done); wg.Wait(); return most.Load() - min(begin, most.Load()) }
}
