package groupcommit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/groupcommit"
)

// item counts how often it was settled.
type item struct{ settled atomic.Int32 }

func settle(items []*item) {
	for _, i := range items {
		i.settled.Add(1)
	}
}

func TestALoneItemIsSettledAtOnceInItsOwnGoroutine(t *testing.T) {
	t.Parallel()
	type key struct{}
	g := groupcommit.Group[*item]{Max: 10, Leaders: 1}
	g.Run = func(ctx context.Context, items []*item) {
		require.Equal(t, "mine", ctx.Value(key{}))
		require.Len(t, items, 1)
		settle(items)
	}
	var i item
	require.NoError(t, g.Do(context.WithValue(t.Context(), key{}, "mine"), &i))
	require.EqualValues(t, 1, i.settled.Load())
}

func TestWhatArrivesDuringARunIsSettledByTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		g := groupcommit.Group[*item]{Max: 8, Leaders: 1}
		g.Run = func(_ context.Context, items []*item) {
			sizes = append(sizes, len(items))
			<-time.After(time.Second) // of the bubble's clock
			settle(items)
		}
		items := make([]item, 21)
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, g.Do(t.Context(), &items[0])) })
		synctest.Wait()
		for i := range items[1:] {
			wg.Go(func() { require.NoError(t, g.Do(t.Context(), &items[i+1])) })
		}
		wg.Wait()
		require.Equal(t, []int{1, 8, 8, 4}, sizes)
		for i := range items {
			require.EqualValues(t, 1, items[i].settled.Load())
		}
	})
}

func TestTwoLeadersRunAtOnceAndNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		g := groupcommit.Group[*item]{Max: 3, Leaders: 2}
		g.Run = func(_ context.Context, items []*item) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-time.After(time.Second)
			settle(items)
			now.Add(-1)
		}
		items := make([]item, 30)
		var wg sync.WaitGroup
		for i := range items {
			wg.Go(func() { require.NoError(t, g.Do(t.Context(), &items[i])) })
		}
		wg.Wait()
		require.EqualValues(t, 2, most.Load())
	})
}

func TestTooManyAreTurnedAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := groupcommit.Group[*item]{Max: 1, Leaders: 1, Waiting: 2}
		g.Run = func(_ context.Context, items []*item) { <-time.After(time.Second); settle(items) }
		items := make([]item, 4)
		var wg sync.WaitGroup
		for i := range 3 { // one runs, two wait
			wg.Go(func() { require.NoError(t, g.Do(t.Context(), &items[i])) })
			synctest.Wait()
		}
		require.ErrorIs(t, g.Do(t.Context(), &items[3]), groupcommit.ErrBusy)
		wg.Wait()
		require.Zero(t, items[3].settled.Load())
	})
}

func TestACallerThatGivesUpSaysWhetherItsItemWasTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := groupcommit.Group[*item]{Max: 2, Leaders: 1}
		g.Run = func(_ context.Context, items []*item) { <-time.After(time.Second); settle(items) }
		var first, waiting, under, next item
		var wg sync.WaitGroup
		gone := errors.New("gone")
		wg.Go(func() { require.NoError(t, g.Do(t.Context(), &first)) })
		synctest.Wait()
		wg.Go(func() { require.NoError(t, g.Do(t.Context(), &next)) }) // leads the second run
		synctest.Wait()
		ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, gone)
		defer cancel()
		err := g.Do(ctx, &waiting)
		require.ErrorIs(t, err, gone)
		require.NotErrorIs(t, err, groupcommit.ErrUnderWay)
		late, cancelLate := context.WithTimeoutCause(t.Context(), time.Second, gone) // in the middle of the second run
		defer cancelLate()
		require.ErrorIs(t, g.Do(late, &under), groupcommit.ErrUnderWay)
		wg.Wait()
		synctest.Wait()
		require.Zero(t, waiting.settled.Load())
		require.EqualValues(t, 1, under.settled.Load())
	})
}

func TestCloseSettlesWhatWasTakenAndTakesNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := groupcommit.Group[*item]{Max: 2, Leaders: 1}
		g.Run = func(_ context.Context, items []*item) { <-time.After(time.Second); settle(items) }
		items := make([]item, 7)
		var wg sync.WaitGroup
		for i := range items {
			wg.Go(func() { require.NoError(t, g.Do(t.Context(), &items[i])) })
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.Error(t, g.Close(short))
		require.NoError(t, g.Close(t.Context()))
		for i := range items {
			require.EqualValues(t, 1, items[i].settled.Load())
		}
		var late item
		require.ErrorIs(t, g.Do(t.Context(), &late), groupcommit.ErrClosed)
		wg.Wait()
	})
}

// The lead must survive every caller that gives up: were it lost, nobody would ever be settled again.
func TestNoGivingUpLosesTheLead(t *testing.T) {
	t.Parallel()
	for leaders := 1; leaders <= 3; leaders++ {
		g := groupcommit.Group[*item]{Max: 3, Leaders: leaders}
		g.Run = func(_ context.Context, items []*item) {
			for range rand.IntN(300) {
				_ = rand.IntN(2)
			}
			settle(items)
		}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 500 {
					ctx, cancel := context.WithCancel(t.Context())
					if rand.IntN(2) == 0 {
						go cancel()
					}
					var i item
					err := g.Do(ctx, &i)
					switch {
					case err == nil:
						if i.settled.Load() != 1 {
							t.Error("settled, they say")
						}
					case !errors.Is(err, groupcommit.ErrUnderWay):
						if i.settled.Load() != 0 {
							t.Error("not taken, they say")
						}
					}
					cancel()
				}
			})
		}
		wg.Wait()
		var last item
		require.NoError(t, g.Do(t.Context(), &last))
		require.NoError(t, g.Close(t.Context()))
	}
}
