package webhooks

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// secretPrefix marks a secret of the Standard Webhooks convention, whose rest is base64.
const secretPrefix = "whsec_"

// secretBytes is how long a secret is; the convention wants 24 to 64.
const secretBytes = 32

// minKey is the least a key may have, in bytes.
const minKey = 32

// Keys encrypt the secrets of endpoints, so that neither a copy of the database nor whoever reads it can sign. Safe for concurrent use.
type Keys struct{ keys []key }

type key struct {
	id   [4]byte
	aead cipher.AEAD
}

// ParseKeys reads comma-separated secrets of 32 bytes or more. The first encrypts, all decrypt: what was encrypted with an older one is readable as long as that is listed. No text
// gives nil, which encrypts nothing. Errors name a key's place, never the key.
func ParseKeys(text string) (*Keys, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	k := &Keys{}
	for i, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); len(part) < minKey {
			return nil, fmt.Errorf("key %d has %d bytes and must have %d", i+1, len(part), minKey)
		}
		one, err := newKey(part)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		k.keys = append(k.keys, one)
	}
	return k, nil
}

func newKey(text string) (k key, err error) {
	derived, err := hkdf.Key(sha256.New, []byte(text), nil, "makola webhook secrets", 32+len(k.id)) // so that the text would do no harm elsewhere
	if err != nil {
		return k, err
	}
	block, err := aes.NewCipher(derived[:32])
	if err != nil {
		return k, err
	}
	copy(k.id[:], derived[32:])
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

// newSecret makes a secret.
func newSecret() (string, error) {
	raw := make([]byte, secretBytes)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make secret: %w", err)
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(raw), nil
}

// sealed is the first byte of what seal returns.
const sealed = 1

// seal encrypts the secret of an endpoint. It can be opened for that endpoint of that business alone.
func (k *Keys) seal(tenant, endpoint uuid.UUID, secret string) []byte {
	first := k.keys[0]
	return first.aead.Seal(append([]byte{sealed}, first.id[:]...), nil, []byte(secret), place(tenant, endpoint)) //nolint:gosec // NewGCMWithRandomNonce makes the nonce
}

// open decrypts what seal returned. Errors: ErrSecret.
func (k *Keys) open(tenant, endpoint uuid.UUID, raw []byte) (string, error) {
	if k == nil || len(raw) < 5 || raw[0] != sealed {
		return "", ErrSecret
	}
	for _, one := range k.keys {
		if one.id != [4]byte(raw[1:5]) {
			continue
		}
		if secret, err := one.aead.Open(nil, nil, raw[5:], place(tenant, endpoint)); err == nil {
			return string(secret), nil
		}
	}
	return "", ErrSecret
}

func place(tenant, endpoint uuid.UUID) []byte { return append(tenant[:], endpoint[:]...) }
