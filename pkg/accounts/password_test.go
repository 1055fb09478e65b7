package accounts

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The stored forms are in hashes_test.go.
func TestVerifyHashesOfDjango(t *testing.T) {
	t.Parallel()
	h := NewHasher()
	own, err := h.Hash(t.Context(), "correct horse battery")
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		stored       string
		ok, outdated bool
	}{
		"our own hash":                      {own, true, false},
		"PBKDF2 of Django":                  {pbkdf2Hash, true, true},
		"argon2id of Django":                {djangoArgon, true, true},
		"our hash at an older cost":         {olderArgon, true, true},
		"no password in Django":             {"!abcdefghijkl", false, false},
		"a person who does not exist":       {"", false, false},
		"a scheme we do not know":           {"bcrypt$$2b$12$abcdefghijklmnopqrstuv", false, false},
		"a cost that would stop the server": {"$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE", false, false},
		"half a hash":                       {own[:len(own)/2], false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ok, outdated, err := h.Verify(t.Context(), tc.stored, "correct horse battery")
			require.NoError(t, err)
			require.Equal(t, tc.ok, ok)
			require.Equal(t, tc.outdated, outdated)
			ok, outdated, err = h.Verify(t.Context(), tc.stored, "correct horse batterz")
			require.NoError(t, err)
			require.False(t, ok)
			require.False(t, outdated)
		})
	}
}

func TestHashRefusesPasswordsOutsideTheBounds(t *testing.T) {
	t.Parallel()
	h := NewHasher()
	for _, password := range []string{"", "1234567", strings.Repeat("x", MaxPassword+1), "bad\xffutf8bytes"} {
		_, err := h.Hash(t.Context(), password)
		require.ErrorIs(t, err, ErrPasswordLength)
	}
	_, err := h.Hash(t.Context(), "ẞẞẞẞẞẞẞẞ")
	require.NoError(t, err, "length is counted in characters, not bytes")
}

func TestNormalizeEmail(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" Ama.Mensah@Example.COM ": "ama.mensah@example.com", "a+b@x.co": "a+b@x.co", "jürgen@bücher.example": "jürgen@bücher.example",
		"": "", "ama": "", "ama@localhost": "", "Ama <ama@example.com>": "", "a b@example.com": "", "a@b@example.com": "",
		"a@example.com\r\nBcc: x@y.zz": "", "a\x00b@example.com": "", strings.Repeat("a", 250) + "@example.com": "", "\"a\"@example.com": "", "a@.": "",
	} {
		got, err := NormalizeEmail(in)
		require.Equal(t, want, got, "%q", in)
		if want == "" {
			require.ErrorIs(t, err, ErrInvalidEmail, "%q", in)
		}
	}
}
