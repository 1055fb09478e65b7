package paystack

import (
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"net/http"
	"sync"

	"makola/pkg/payments"
)

// SignatureHeader carries the hex HMAC-SHA512 of the body.
const SignatureHeader = "X-Paystack-Signature"

// Sign returns the signature that Paystack, holding key, would send with body. For tests, simulators and load generators.
func Sign(key SecretKey, body []byte) string {
	mac := hmac.New(sha512.New, []byte(key))
	mac.Write(body) // A hash never returns an error.
	return hex.EncodeToString(mac.Sum(nil))
}

// verifier checks signatures against one or two keys. Keyed hashes are pooled: keying one costs as much as hashing 256 bytes,
// and the gateway checks thousands a second.
type verifier struct {
	pools []*sync.Pool // of hash.Hash, one pool per key
}

func newVerifier(keys []SecretKey) *verifier {
	v := &verifier{}
	for _, key := range keys {
		secret := []byte(key)
		v.pools = append(v.pools, &sync.Pool{New: func() any { return hmac.New(sha512.New, secret) }})
	}
	return v
}

// verify reports whether the header signs body with any active key. Every key is tried, whatever the others gave, so the time
// taken depends on the length of the body alone.
func (v *verifier) verify(body []byte, header http.Header) error {
	text := header.Get(SignatureHeader)
	var got [sha512.Size]byte
	if len(text) != hex.EncodedLen(len(got)) {
		return payments.ErrSignature
	}
	if _, err := hex.Decode(got[:], []byte(text)); err != nil {
		return payments.ErrSignature
	}
	match := 0
	for _, pool := range v.pools {
		match |= matches(pool, body, got[:])
	}
	if match != 1 {
		return payments.ErrSignature
	}
	return nil
}

func matches(pool *sync.Pool, body, got []byte) int {
	mac, ok := pool.Get().(hash.Hash)
	if !ok {
		return 0
	}
	defer pool.Put(mac)
	mac.Reset()
	mac.Write(body)
	var want [sha512.Size]byte
	return subtle.ConstantTimeCompare(mac.Sum(want[:0]), got)
}
