package task

import (
	"testing"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// A relay may tell that a task was published after its worker told that it is done. One event of it goes out, and that is the end.
func TestALatePublishedDoesNotHideTheEnd(t *testing.T) {
	t.Parallel()
	a := newAnnouncer(nil, prometheus.NewRegistry())
	id, other, retried := uuid.New(), uuid.New(), uuid.New()
	for _, e := range []Event{
		{ID: id, State: Running, Attempt: 1}, {ID: id, State: Succeeded, Attempt: 1}, {ID: other, State: Published, Attempt: 1}, {ID: id, State: Published, Attempt: 1},
		{ID: retried, State: Pending, Attempt: 1}, {ID: retried, State: Published, Attempt: 2},
	} {
		a.waiting <- e
	}
	require.Equal(t, []Event{
		{ID: id, State: Succeeded, Attempt: 1}, {ID: other, State: Published, Attempt: 1}, {ID: retried, State: Published, Attempt: 2},
	}, a.gather(nil))
}
