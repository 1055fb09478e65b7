package exchange

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMessage bounds a provider's words in an error.
	maxMessage = 200
	// maxText bounds event names, ids and references. Ours are far shorter, and so are the providers'.
	maxText = 200
	// maxKeyPart bounds what an event contributes to its dedupe key in clear; longer parts are replaced by a hash.
	maxKeyPart = 80
)

// secretWord matches what the providers' keys and webhook secrets look like: sk_live_…, rk_test_…, pk_…, whsec_…, FLWSECK-….
var secretWord = regexp.MustCompile(`(?i)\b[spr]k_|whsec_|FLW(SEC|PUB)K`)

// Storable reports whether text fits the text columns it is bound for: PostgreSQL refuses NUL, people are misled by control characters,
// and no name, id or reference of a payment is long.
func Storable(text string) bool {
	control := func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }
	return len(text) <= maxText && !strings.ContainsFunc(text, control)
}

// StorableOrEmpty is text if it is Storable, else nothing.
func StorableOrEmpty(text string) string {
	if !Storable(text) {
		return ""
	}
	return text
}

// Scalar returns the text of a JSON string or number, and "" for anything else.
func Scalar(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return ""
	case raw[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "" // Cannot happen: the outer decoder accepted it.
		}
		return s
	case raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9'):
		return string(raw)
	default:
		return ""
	}
}

// Time reads RFC 3339 and gives the zero time for anything else: no decision on money hangs on it.
func Time(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// DedupeKey is event:id:status, for providers whose events have no id of their own. An event about something without an id is told apart by its
// whole body.
func DedupeKey(event, id, status string, body []byte) string {
	if id == "" {
		sum := sha256.Sum256(body)
		id = "sha256-" + hex.EncodeToString(sum[:])
	}
	return bounded(event) + ":" + bounded(id) + ":" + bounded(status)
}

func bounded(part string) string {
	if len(part) <= maxKeyPart && Storable(part) && !strings.Contains(part, ":") {
		return part
	}
	sum := sha256.Sum256([]byte(part))
	return "sha256-" + hex.EncodeToString(sum[:])
}
