package accounts

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHasherTurnsPeopleAwayInsteadOfTakingAllMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &Hasher{slots: make(chan struct{}, 2), decoy: pbkdf2Hash}
		require.NoError(t, h.enter(t.Context()))
		require.NoError(t, h.enter(t.Context()))
		begin := time.Now()
		_, err := h.Hash(t.Context(), "correct horse")
		require.ErrorIs(t, err, ErrBusy)
		require.Equal(t, hashWait, time.Since(begin))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err = h.Verify(ctx, "", "x")
		require.ErrorIs(t, err, context.Canceled)
		h.leave()
		require.NoError(t, h.enter(t.Context()))
	})
}
