package notifications

import (
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"makola/pkg/signature"
)

// ErrUnsubscribe is returned for a token that we did not sign.
var ErrUnsubscribe = errors.New("not an unsubscribe token of ours")

// linked are the switches that a link in a mail may turn off, by their number in a token. Their places are never changed.
var linked = []Switch{EmailNotifications, LowStockAlerts, SalesUpdates, SystemUpdates, ActivityReports}

// unsubscribe is the purpose of the tokens.
const unsubscribe = "unsubscribe"

// UnsubscribeKeys sign the links by which whoever reads a mail turns off mails of its kind. Safe for concurrent use.
type UnsubscribeKeys struct{ keys *signature.Keys }

// ParseUnsubscribeKeys reads comma-separated secrets of 32 bytes or more. The first signs, all are accepted: links of old mails work as long as their key is listed. No text
// gives nil, which signs nothing. Errors name a key's place, never the key.
func ParseUnsubscribeKeys(text string) (*UnsubscribeKeys, error) {
	keys, err := signature.ParseKeys(text)
	if err != nil || keys == nil {
		return nil, err
	}
	return &UnsubscribeKeys{keys: keys}, nil
}

// The first byte of a token says what it is for.
const (
	ofSwitch byte = 1 + iota
	ofRecipient
)

// Token returns what turns the switch off for the business, and can do nothing else. It has letters, digits, - and _ only.
func (k *UnsubscribeKeys) Token(business uuid.UUID, s Switch) string {
	return k.keys.Sign(unsubscribe, append(append([]byte{ofSwitch}, business[:]...), byte(slices.Index(linked, s))))
}

// Read returns what a token turns off, and for whom. Errors: ErrUnsubscribe.
func (k *UnsubscribeKeys) Read(token string) (business uuid.UUID, s Switch, err error) {
	payload, err := k.keys.Open(unsubscribe, token)
	if err != nil || len(payload) != 1+16+1 || payload[0] != ofSwitch || int(payload[17]) >= len(linked) {
		return uuid.Nil, "", ErrUnsubscribe
	}
	return uuid.UUID(payload[1:17]), linked[payload[17]], nil
}

// RecipientToken returns what stops the mails that the business sends to whomever it names, for one address, or lets them go on, and can do nothing else.
func (k *UnsubscribeKeys) RecipientToken(business uuid.UUID, address string) string {
	return k.keys.Sign(unsubscribe, append(append([]byte{ofRecipient}, business[:]...), strings.ToLower(address)...))
}

// ReadRecipient returns whose mails of which business such a token is about. Errors: ErrUnsubscribe.
func (k *UnsubscribeKeys) ReadRecipient(token string) (business uuid.UUID, address string, err error) {
	payload, err := k.keys.Open(unsubscribe, token)
	if err != nil || len(payload) <= 1+16 || payload[0] != ofRecipient {
		return uuid.Nil, "", ErrUnsubscribe
	}
	return uuid.UUID(payload[1:17]), string(payload[17:]), nil
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
