package signature_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/signature"
)

const first, second = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"

func parse(t *testing.T, text string) *signature.Keys {
	t.Helper()
	k, err := signature.ParseKeys(text)
	require.NoError(t, err)
	return k
}

func TestATokenIsGoodForItsPurposeAndKeysAlone(t *testing.T) {
	t.Parallel()
	token := parse(t, first).Sign("a", []byte("payload"))
	require.Regexp(t, `^[A-Za-z0-9_-]+$`, token)
	for name, tt := range map[string]struct {
		keys, purpose, token string
		good                 bool
	}{
		"as it was signed":       {first, "a", token, true},
		"after a rotation":       {second + ", " + first, "a", token, true},
		"when its key is gone":   {second, "a", token, false},
		"for something else":     {first, "b", token, false},
		"shortened":              {first, "a", token[:len(token)-2], false},
		"lengthened":             {first, "a", token + "AA", false},
		"no token":               {first, "a", "", false},
		"a signature of nothing": {first, "a", base64.RawURLEncoding.EncodeToString(make([]byte, 32)), false},
		"in another alphabet":    {first, "a", token + "==", false},
	} {
		payload, err := parse(t, tt.keys).Open(tt.purpose, tt.token)
		if !tt.good {
			require.ErrorIs(t, err, signature.ErrInvalid, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, "payload", string(payload), name)
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	for i := range raw {
		raw[i] ^= 1
		_, err := parse(t, first).Open("a", base64.RawURLEncoding.EncodeToString(raw))
		require.ErrorIs(t, err, signature.ErrInvalid, "byte %d", i)
		raw[i] ^= 1
	}
}

func TestKeysThatAreTooShortAreRefusedWithoutShowingThem(t *testing.T) {
	t.Parallel()
	k, err := signature.ParseKeys(" ")
	require.NoError(t, err)
	require.Nil(t, k)
	_, err = signature.ParseKeys(first + "," + first[1:])
	require.EqualError(t, err, "key 2 has 31 bytes and must have 32")
	require.False(t, strings.Contains(err.Error(), first[1:]))
}
