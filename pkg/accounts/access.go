package accounts

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// AccessLife is how long an access token says who asks. What they may do is read anew for each request, see Authorize.
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

// claims is the payload of an access token. Tenant and Role are missing for a person of no business, Session in a token of an older build. Role is there
// for older builds, which believe it.
type claims struct {
	jwt.RegisteredClaims
	Tenant  string `json:"tenant,omitempty"`
	Session string `json:"sid,omitempty"`
	Role    Role   `json:"role,omitempty"`
}

// Sign returns an access token for p that lives AccessLife from now.
func (k *Keys) Sign(p Principal, now time.Time) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: Issuer, Audience: jwt.ClaimStrings{Audience}, Subject: p.User.String(), ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(AccessLife)),
		},
		Tenant: idText(p.Tenant), Session: idText(p.Session), Role: p.Role,
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
	p := Principal{Role: c.Role}
	for _, id := range []struct {
		text     string
		required bool
		to       *uuid.UUID
	}{{c.Subject, true, &p.User}, {c.Tenant, c.Role != "", &p.Tenant}, {c.Session, false, &p.Session}} {
		if id.text == "" && !id.required {
			continue
		}
		if *id.to, err = uuid.Parse(id.text); err != nil {
			return Principal{}, ErrTokenInvalid
		}
	}
	if (p.Tenant != uuid.Nil || p.Role != "") && p.Role.rank() == 0 {
		return Principal{}, ErrTokenInvalid
	}
	return p, nil
}

// idText is an id as a claim has it; the zero id is left out.
func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}
