package reporting_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/reporting"
	"makola/pkg/signature"
)

func TestALinkIsOneFileOfOneBusinessForAWhile(t *testing.T) {
	t.Parallel()
	const first, second = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	keys := func(text string) *reporting.LinkKeys {
		k, err := reporting.ParseLinkKeys(text)
		require.NoError(t, err)
		return k
	}
	now := time.Date(2026, 3, 31, 12, 0, 0, 5, time.UTC)
	gone := now.Add(20 * time.Minute)
	r := &reporting.Report{ID: id("aa"), ExpiresAt: &gone}
	link := reporting.LinkTo(id("10"), r, 10*time.Minute, now)
	require.Equal(t, reporting.Link{Business: id("10"), Report: id("aa"), Until: time.Date(2026, 3, 31, 12, 10, 0, 0, time.UTC)}, link)
	require.Equal(t, time.Date(2026, 3, 31, 12, 20, 0, 0, time.UTC), reporting.LinkTo(id("10"), r, time.Hour, now).Until, "not longer than the file")

	token := keys(first).Token(link)
	got, err := keys(second+","+first).Read(token, now)
	require.NoError(t, err)
	require.Equal(t, link, got)
	_, err = keys(first).Read(token, link.Until.Add(-time.Nanosecond))
	require.NoError(t, err)
	_, err = keys(first).Read(token, link.Until)
	require.ErrorIs(t, err, reporting.ErrLinkExpired)
	_, err = keys(second).Read(token, now)
	require.ErrorIs(t, err, reporting.ErrNoLink)
	_, err = (*reporting.LinkKeys)(nil).Read(token, now)
	require.ErrorIs(t, err, reporting.ErrNoLink)
	plain, err := signature.ParseKeys(first)
	require.NoError(t, err)
	for _, other := range []string{plain.Sign("unsubscribe", make([]byte, 41)), plain.Sign("download", make([]byte, 41)), plain.Sign("download", []byte{1}), "x"} {
		_, err = keys(first).Read(other, now)
		require.ErrorIs(t, err, reporting.ErrNoLink, other)
	}
}
