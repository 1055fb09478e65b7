package task_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

// BenchmarkFanOut runs a task that enqueues one for each of so many businesses, commit included. The floor has the server do it alone, by one insert … select with ids that the
// server makes, in one transaction. "local" works out every business's own seven o'clock.
func BenchmarkFanOut_10000businesses(b *testing.B) { benchmarkFanOut(b, 10_000) }
func BenchmarkFanOut_40000businesses(b *testing.B) { benchmarkFanOut(b, 40_000) }
func BenchmarkFanOut_10000businesses_local(b *testing.B) {
	benchmarkFanOut(b, 10_000, task.EachDayAt(7*time.Hour))
}
func BenchmarkFanOutFloor_10000businesses(b *testing.B) { benchmarkFanOutFloor(b, 10_000) }

// crowd makes a database with n businesses in five time zones.
func crowd(b *testing.B, n int) (*postgres.DB, *pgx.Conn) {
	b.Helper()
	pg := postgrestest.New(b)
	look := pg.Admin()
	for i, zone := range []string{"Africa/Accra", "Africa/Lagos", "Europe/London", "America/New_York", "Asia/Kolkata"} {
		ids := make([]uuid.UUID, n/5)
		for j := range ids {
			ids[j] = uuid.UUID{0: byte(j), 1: byte(j >> 8), 6: 0x70, 8: 0x80, 15: byte(i)}
		}
		makeShops(b, look, ids, zone)
	}
	_, err := look.Exec(b.Context(), "vacuum analyze accounts.business")
	require.NoError(b, err)
	return pg.Open("makola_inventory"), look
}

// empty deletes what the last round inserted, so that each begins alike.
func empty(b *testing.B, look *pgx.Conn) {
	b.Helper()
	for _, sql := range []string{"truncate task.task", "checkpoint"} {
		_, err := look.Exec(b.Context(), sql)
		require.NoError(b, err)
	}
}

func benchmarkFanOut(b *testing.B, n int, opts ...task.EachOption) {
	b.Helper()
	db, look := crowd(b, n)
	h := tasktest.New(b, db)
	tasks := selftest.NewTasks(h.Queue)
	made, calls := 0, 0
	var before, last runtime.MemStats
	h.Register(contract.Handler{Descriptor: selftest.FailTask, Short: func(ctx context.Context, tx *gorm.DB, _ proto.Message) (_ proto.Message, err error) {
		made, err = task.Each(ctx, tx, tasks.Echo, func(shop uuid.UUID) *selftest.EchoArgs {
			if calls++; calls == n { // what is alive when most is done
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&last)
				b.StartTimer()
			}
			return &selftest.EchoArgs{Text: shop.String()}
		}, opts...)
		return &selftest.FailResult{}, err
	}})
	b.ReportAllocs()
	round := 0
	for b.Loop() {
		b.StopTimer()
		empty(b, look)
		round++
		require.NoError(b, db.InSystem(b.Context(), func(tx *gorm.DB) error {
			_, err := tasks.Fail(b.Context(), tx, &selftest.FailArgs{}, task.Unique(task.SlotKey(fmt.Sprint("bench", round), slot)))
			return err
		}))
		calls = 0
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		require.Equal(b, 1, h.Drain(b.Context()))
		require.Equal(b, n, made)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "businesses/s")
	b.ReportMetric(float64(last.HeapAlloc)-float64(before.HeapAlloc), "live-B")
}

func benchmarkFanOutFloor(b *testing.B, n int64) {
	b.Helper()
	db, look := crowd(b, int(n))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		empty(b, look)
		b.StartTimer()
		require.NoError(b, db.InSystem(b.Context(), func(tx *gorm.DB) error {
			made, err := postgres.Exec(tx, `insert into task.task (id, tenant_id, name, queue, args, unique_key)
				select gen_random_uuid(), id, 'selftest.echo', 'selftest', jsonb_build_object('text', id), 'bench:' || id from accounts.v_active_business
				on conflict (name, tenant_id, unique_key) where unique_key is not null do nothing`)
			require.Equal(b, n, made)
			return err
		}))
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "businesses/s")
}
