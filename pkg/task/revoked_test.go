package task

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/celery"
)

func TestRevokedIDsAreRememberedForAWhile(t *testing.T) {
	t.Parallel()
	var s revokedSet
	now := time.Now()
	s.add(now.Add(-revokedFor), "old")
	require.False(t, s.has(celery.TaskUUID("old")), "three hours are enough")
	require.Empty(t, s.list())
	s.add(now, "a", "b", "a")
	require.True(t, s.has(celery.TaskUUID("a")))
	require.Len(t, s.order, 2, "the old one is gone, and nobody stands there twice")
	s.add(now.Add(time.Second), "a")
	require.Equal(t, now, s.since(celery.TaskUUID("a")), "who asks twice asks for the same")
	s.forget(celery.TaskUUID("a"))
	require.False(t, s.has(celery.TaskUUID("a")))
	require.Len(t, s.list(), 1)

	for i := range maxRevoked {
		s.add(now, fmt.Sprint(i))
	}
	require.False(t, s.has(celery.TaskUUID("b")), "the oldest makes room")
	require.True(t, s.has(celery.TaskUUID("0")))
	require.Len(t, s.list(), maxRevoked)
	require.Len(t, s.order, len(s.byID))
}
