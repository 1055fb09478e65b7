package monitor

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/celery"
)

func TestTheRingKeepsTheLatestEvents(t *testing.T) {
	t.Parallel()
	r := newRing()
	event := func(i int) celery.Event { return celery.TaskStarted(time.Time{}, fmt.Sprint(i)) }
	next, added := 0, 0
	expect := func(n, wantDropped int) {
		t.Helper()
		events, dropped := r.take(n)
		require.EqualValues(t, wantDropped, dropped)
		next += wantDropped
		for _, e := range events {
			require.Equal(t, event(next), e)
			next++
		}
	}
	add := func(n int) {
		for range n {
			r.add(event(added))
			added++
		}
	}
	add(40)
	expect(30, 0)
	add(200) // grows while the oldest is not in the first place
	expect(10, 0)
	add(ringSize - 200)
	expect(0, 0)
	add(123)
	expect(50, 123)
	expect(ringSize, 0)
	require.Equal(t, added, next)
	events, dropped := r.take(1)
	require.Empty(t, events)
	require.Zero(t, dropped)
	require.Len(t, r.ready, 1, "rung once, however many came")
}
