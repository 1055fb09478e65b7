package accounts

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// AccessLife is how long an access token is believed. Nobody can take one back, so it is short.
const AccessLife = 15 * time.Minute

// Issuer and Audience are the iss and aud of our access tokens.
const (
	Issuer   = "makola"
	Audience = "makola-api"
)

// clockLeeway is how far the clocks of two replicas may be apart.
const clockLeeway = 5 * time.Second

// minKeyBytes is the least a signing secret may have: HS256 asks for as many bytes as its hash has (RFC 7518, section 3.2).
const minKeyBytes = 32

// Keys signs access tokens and checks them. Safe for concurrent use.
//
// The one algorithm is HS256: the gateway signs and the gateway checks, so there is no second party for whom a public key would be worth its cost
// (an EdDSA check costs a hundred times an HMAC, on every request). It is pinned; what a token says of its algorithm is never asked.
type Keys struct {
	first  string
	byName map[string][]byte
}

// ParseKeys reads "kid:secret,kid:secret". The first signs; all are accepted, so a key is rotated by putting a new one in front and dropping the
// old one AccessLife later. A secret has 32 bytes at least. Errors name the key, never the secret.
func ParseKeys(text string) (*Keys, error) {
	k := &Keys{byName: map[string][]byte{}}
	for i, item := range strings.Split(text, ",") {
		name, secret, ok := strings.Cut(strings.TrimSpace(item), ":")
		switch {
		case !ok || name == "":
			return nil, fmt.Errorf("key %d: want kid:secret", i+1)
		case len(secret) < minKeyBytes:
			return nil, fmt.Errorf("key %d (%q): the secret has %d bytes and must have %d", i+1, name, len(secret), minKeyBytes)
		case k.byName[name] != nil:
			return nil, fmt.Errorf("key %d: the name %q is used twice", i+1, name)
		}
		if i == 0 {
			k.first = name
		}
		k.byName[name] = []byte(secret)
	}
	return k, nil
}

// claims is the payload of an access token.
type claims struct {
	jwt.RegisteredClaims
	Tenant string `json:"tenant"`
	Role   Role   `json:"role"`
}

// Sign returns an access token for p that lives AccessLife from now.
func (k *Keys) Sign(p Principal, now time.Time) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: Issuer, Audience: jwt.ClaimStrings{Audience}, Subject: p.User.String(), ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(AccessLife)),
		},
		Tenant: p.Tenant.String(), Role: p.Role,
	})
	t.Header["kid"] = k.first
	signed, err := t.SignedString(k.byName[k.first])
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return signed, nil
}

// Check returns whom a token speaks for. Errors: ErrTokenExpired, ErrTokenInvalid.
func (k *Keys) Check(token string, now time.Time) (Principal, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		key, ok := k.byName[kid]
		if !ok {
			return nil, errors.New("unknown key")
		}
		return key, nil
	},
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(Issuer), jwt.WithAudience(Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockLeeway), jwt.WithTimeFunc(func() time.Time { return now }))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return Principal{}, ErrTokenExpired
	case err != nil:
		return Principal{}, ErrTokenInvalid
	}
	user, userErr := uuid.Parse(c.Subject)
	business, tenantErr := uuid.Parse(c.Tenant)
	if userErr != nil || tenantErr != nil || len(c.Role.Permissions()) == 0 {
		return Principal{}, ErrTokenInvalid
	}
	return Principal{User: user, Tenant: business, Role: c.Role}, nil
}
