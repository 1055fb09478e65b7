package notifications

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// ErrUnsubscribe is returned for a token that we did not sign.
var ErrUnsubscribe = errors.New("not an unsubscribe token of ours")

// minUnsubscribeKey is the least a key may have, in bytes: what HMAC-SHA256 gives back.
const minUnsubscribeKey = 32

// linked are the switches that a link in a mail may turn off, by their number in a token. Their places are never changed.
var linked = []Switch{EmailNotifications, LowStockAlerts, SalesUpdates, SystemUpdates, ActivityReports}

// UnsubscribeKeys sign the links by which whoever reads a mail turns off mails of its kind. Safe for concurrent use.
type UnsubscribeKeys struct{ keys [][]byte }

// ParseUnsubscribeKeys reads comma-separated secrets of 32 bytes or more. The first signs, all are accepted: links of old mails work as long as their key is listed. No text
// gives nil, which signs nothing. Errors name a key's place, never the key.
func ParseUnsubscribeKeys(text string) (*UnsubscribeKeys, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	k := &UnsubscribeKeys{}
	for i, key := range strings.Split(text, ",") {
		if key = strings.TrimSpace(key); len(key) < minUnsubscribeKey {
			return nil, fmt.Errorf("key %d has %d bytes and must have %d", i+1, len(key), minUnsubscribeKey)
		}
		k.keys = append(k.keys, []byte(key))
	}
	return k, nil
}

// Token returns what turns the switch off for the business, and can do nothing else. It has letters, digits, - and _ only.
func (k *UnsubscribeKeys) Token(business uuid.UUID, s Switch) string {
	payload := append(append([]byte{1}, business[:]...), byte(slices.Index(linked, s)))
	return base64.RawURLEncoding.EncodeToString(append(payload, sign(k.keys[0], payload)...))
}

// Read returns what a token turns off, and for whom. Errors: ErrUnsubscribe.
func (k *UnsubscribeKeys) Read(token string) (business uuid.UUID, s Switch, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 1+16+1+sha256.Size || raw[0] != 1 || int(raw[17]) >= len(linked) {
		return uuid.Nil, "", ErrUnsubscribe
	}
	for _, key := range k.keys {
		if hmac.Equal(sign(key, raw[:18]), raw[18:]) {
			return uuid.UUID(raw[1:17]), linked[raw[17]], nil
		}
	}
	return uuid.Nil, "", ErrUnsubscribe
}

func sign(key, payload []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("makola unsubscribe\x00")) // so that the key would do no harm elsewhere
	mac.Write(payload)
	return mac.Sum(nil)
}

// UnsubscribeFrom returns the switch that a link in a mail of that template turns off: the narrowest that it obeys. Mails on security and payments, and those that come but
// once, have none.
func UnsubscribeFrom(template string) (s Switch, ok bool) {
	switches := switchesOf[template]
	if len(switches) == 0 {
		return "", false
	}
	return switches[len(switches)-1], true
}
