package edge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/postgres/postgrestest"
)

func TestAChunkIsSettledAndDebtIsWaitedFor(t *testing.T) {
	t.Parallel()
	share := NewShare(postgrestest.New(t).Open("makola_gateway"))
	share.Patience = time.Minute // a machine that is busy must not make each limiter count for itself
	here, there := NewLimiter("x", 20, time.Hour).Sharing(share, 5), NewLimiter("x", 20, time.Hour).Sharing(share, 5)
	ask := func(l *Limiter) bool {
		now := time.Now()
		left, settle, _, ok := l.take("k", now)
		if ok && settle > 0 {
			_, _, ok = l.settle(t.Context(), "k", settle, left, now)
		}
		return ok
	}
	admitted := 0
	for range 40 {
		for _, l := range []*Limiter{here, there} {
			if ask(l) {
				admitted++
			}
		}
	}
	require.GreaterOrEqual(t, admitted, 20)
	require.LessOrEqual(t, admitted, 20+2*5, "at most a chunk too many for each")
	require.False(t, ask(here) || ask(there))

	exact := []*Limiter{NewLimiter("y", 7, time.Hour).Sharing(share, 1), NewLimiter("y", 7, time.Hour).Sharing(share, 1)}
	admitted = 0
	for range 10 {
		for _, l := range exact {
			if ask(l) {
				admitted++
			}
		}
	}
	require.Equal(t, 7, admitted)
}

// What limiting costs a request: nearly nothing, and a twentieth of a round trip to the database.
func BenchmarkLimiter(b *testing.B) {
	share := NewShare(postgrestest.New(b).Open("makola_gateway"))
	for name, l := range map[string]*Limiter{
		"alone": NewLimiter("a", 1<<30, time.Second), "shared by twenties": NewLimiter("b", 1<<30, time.Second).Sharing(share, 20),
		"shared exactly": NewLimiter("c", 1<<30, time.Second).Sharing(share, 1),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				now := time.Now()
				left, settle, _, ok := l.take("k", now)
				if ok && settle > 0 {
					l.settle(b.Context(), "k", settle, left, now)
				}
			}
		})
	}
}
