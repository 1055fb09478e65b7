// Package signature signs what is given away in a link and comes back with whoever follows it: nobody is signed in there, so the signature is the proof.
//
//	token := keys.Sign("download", payload) // letters, digits, - and _ only
//	payload, err := keys.Open("download", token)
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is returned for a token that none of the keys has signed for its purpose.
var ErrInvalid = errors.New("not a token of ours")

// minKey is the least a key may have, in bytes: what HMAC-SHA256 gives back.
const minKey = 32

// Keys sign tokens. Safe for concurrent use.
type Keys struct{ keys [][]byte }

// ParseKeys reads comma-separated secrets of 32 bytes or more. The first signs, all are accepted: a token works as long as its key is listed. No text gives nil, which signs
// nothing. Errors name a key's place, never the key.
func ParseKeys(text string) (*Keys, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	k := &Keys{}
	for i, key := range strings.Split(text, ",") {
		if key = strings.TrimSpace(key); len(key) < minKey {
			return nil, fmt.Errorf("key %d has %d bytes and must have %d", i+1, len(key), minKey)
		}
		k.keys = append(k.keys, []byte(key))
	}
	return k, nil
}

// Sign returns the payload with a signature that holds for the purpose alone. The payload can be read by everybody.
func (k *Keys) Sign(purpose string, payload []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(append([]byte{}, payload...), sign(k.keys[0], purpose, payload)...))
}

// Open returns the payload of a token that was signed for the purpose. It takes as long whatever is wrong with the signature. Errors: ErrInvalid.
func (k *Keys) Open(purpose, token string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < sha256.Size {
		return nil, ErrInvalid
	}
	payload, signature := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	good := false
	for _, key := range k.keys {
		good = hmac.Equal(sign(key, purpose, payload), signature) || good
	}
	if !good {
		return nil, ErrInvalid
	}
	return payload, nil
}

func sign(key []byte, purpose string, payload []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("makola " + purpose + "\x00")) // so that a token does nothing elsewhere
	mac.Write(payload)
	return mac.Sum(nil)
}
