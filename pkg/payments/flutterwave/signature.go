package flutterwave

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"

	"makola/pkg/payments"
)

const (
	// SignatureHeader carries the base64 HMAC-SHA256 of the body.
	SignatureHeader = "Flutterwave-Signature"
	// HashHeader carries the secret itself.
	HashHeader = "Verif-Hash"
)

// Sign returns the signature that Flutterwave, holding secret, would send with body. For tests, simulators and load generators.
func Sign(secret payments.SecretKey, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body) // A hash never returns an error.
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// verify says how far the body may be believed, or ErrSignature. Every secret is tried, whatever the others gave, and compared in constant time.
func verify(mode WebhookMode, secrets []payments.SecretKey, body []byte, header http.Header) (payments.EventEvidence, error) {
	match := 0
	if mode == ModeHash {
		text := header.Get(HashHeader)
		if text == "" { // Older set-ups put the secret in the other header.
			text = header.Get(SignatureHeader)
		}
		got := sha256.Sum256([]byte(text)) // Hashed, so that not even the secret's length shows in the time taken.
		for _, secret := range secrets {
			want := sha256.Sum256([]byte(secret))
			match |= subtle.ConstantTimeCompare(want[:], got[:])
		}
		return evidence(match == 1 && text != "", payments.Hint)
	}
	got, err := base64.StdEncoding.Strict().DecodeString(header.Get(SignatureHeader))
	if err != nil || len(got) != sha256.Size {
		return "", payments.ErrSignature
	}
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		match |= subtle.ConstantTimeCompare(mac.Sum(nil), got)
	}
	return evidence(match == 1, payments.BodyBound)
}

func evidence(ok bool, level payments.EventEvidence) (payments.EventEvidence, error) {
	if !ok {
		return "", payments.ErrSignature
	}
	return level, nil
}
