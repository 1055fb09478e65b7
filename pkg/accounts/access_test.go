package accounts_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
)

const (
	keyA = "a:0123456789abcdef0123456789abcdef"
	keyB = "b:fedcba9876543210fedcba9876543210"
)

func keys(t *testing.T, text string) *accounts.Keys {
	t.Helper()
	k, err := accounts.ParseKeys(text)
	require.NoError(t, err)
	return k
}

func TestAccessTokenSurvivesARotationOfKeys(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := accounts.Principal{User: uuid.New(), Tenant: uuid.New(), Role: accounts.Manager}
	token, err := keys(t, keyA).Sign(p, now)
	require.NoError(t, err)

	got, err := keys(t, keyB+", "+keyA).Check(token, now.Add(14*time.Minute))
	require.NoError(t, err)
	require.Equal(t, p, got)
	_, err = keys(t, keyB).Check(token, now)
	require.ErrorIs(t, err, accounts.ErrTokenInvalid, "the key was dropped")
	_, err = keys(t, keyA).Check(token, now.Add(accounts.AccessLife+6*time.Second))
	require.ErrorIs(t, err, accounts.ErrTokenExpired)
}

func TestAccessTokenOfAnotherMakeIsRefused(t *testing.T) {
	t.Parallel()
	k, now := keys(t, keyA), time.Now()
	secret := []byte(strings.TrimPrefix(keyA, "a:"))
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": accounts.Issuer, "aud": accounts.Audience, "exp": now.Add(time.Minute).Unix(), "sub": uuid.NewString(), "tenant": uuid.NewString(), "role": "OWNER"}
	}
	sign := func(method jwt.SigningMethod, key any, kid any, c jwt.MapClaims) string {
		token := jwt.NewWithClaims(method, c)
		if kid != nil {
			token.Header["kid"] = kid
		}
		s, err := token.SignedString(key)
		require.NoError(t, err)
		return s
	}
	without := func(name string) jwt.MapClaims { c := good(); delete(c, name); return c }
	with := func(name string, v any) jwt.MapClaims { c := good(); c[name] = v; return c }
	_, err := k.Check(sign(jwt.SigningMethodHS256, secret, "a", good()), now)
	require.NoError(t, err)
	for name, token := range map[string]string{
		"no algorithm":            sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "a", good()),
		"another algorithm":       sign(jwt.SigningMethodHS512, secret, "a", good()),
		"another secret":          sign(jwt.SigningMethodHS256, []byte("another secret of 32 bytes......"), "a", good()),
		"no key id":               sign(jwt.SigningMethodHS256, secret, nil, good()),
		"a number as key id":      sign(jwt.SigningMethodHS256, secret, 7, good()),
		"no expiry":               sign(jwt.SigningMethodHS256, secret, "a", without("exp")),
		"no issuer":               sign(jwt.SigningMethodHS256, secret, "a", without("iss")),
		"another issuer":          sign(jwt.SigningMethodHS256, secret, "a", with("iss", "else")),
		"no audience":             sign(jwt.SigningMethodHS256, secret, "a", without("aud")),
		"another audience":        sign(jwt.SigningMethodHS256, secret, "a", with("aud", "else")),
		"a tenant, no role":       sign(jwt.SigningMethodHS256, secret, "a", without("role")),
		"a session that is no id": sign(jwt.SigningMethodHS256, secret, "a", with("sid", "7")),
		"no tenant":               sign(jwt.SigningMethodHS256, secret, "a", without("tenant")),
		"no subject":              sign(jwt.SigningMethodHS256, secret, "a", without("sub")),
		"an unknown role":         sign(jwt.SigningMethodHS256, secret, "a", with("role", "KING")),
		"nothing":                 "",
		"garbage":                 "a.b.c",
	} {
		_, err := k.Check(token, now)
		require.ErrorIs(t, err, accounts.ErrTokenInvalid, name)
	}
}

func TestParseKeysNamesTheFaultAndNotTheSecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "nosecret", "a:short-secret", ":0123456789abcdef0123456789abcdef", keyA + "," + keyA} {
		_, err := accounts.ParseKeys(text)
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "short-secret")
		require.NotContains(t, err.Error(), "0123456789abcdef")
	}
}
