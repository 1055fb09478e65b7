package billing

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
)

// removed stands for what was taken out.
const removed = "[removed]"

// personalNames are parts of member names whose values are about people.
var personalNames = []string{"name", "email", "mail", "phone", "mobile", "msisdn", "address", "street", "contact", "birth", "dob", "gender", "passport", "national", "ssn", "tin",
	"ghana_card", "account_number", "card", "pan", "iban", "token", "password", "secret", "authorization", "ip_address", "latitude", "longitude", "gps"}

// between is what people put between the digits of a number or the parts of a date: spaces, dots, brackets and dashes, also those of typesetters.
const between = `[ \x{a0}\x{2000}-\x{200b}\x{202f}().\-\x{2010}-\x{2015}]`

// personalText finds mail addresses and what looks like a telephone or card number: nine digits of any script and more.
var personalText = regexp.MustCompile(`[\p{L}\p{N}._%+\-]+@[\p{L}\p{N}.\-]+\.[\p{L}]{2,}|\+?\p{Nd}(?:` + between + `{0,2}\p{Nd}){8,}`)

// dates are two days or years and more, which have as many digits as a number of somebody.
var dates = regexp.MustCompile(`^` + aDate + `(?:` + between + `{1,2}` + aDate + `)+$`)

const (
	aMonth = `(?:0?[1-9]|1[0-2])`
	aDay   = `(?:0?[1-9]|[12][0-9]|3[01])`
	aYear  = `(?:19|20)[0-9]{2}`
	aDate  = `(?:` + aYear + `[.\-]` + aMonth + `[.\-]` + aDay + `|` + aDay + `[.\-]` + aMonth + `[.\-]` + aYear + `|` + aYear + `)`
)

// redactRequest returns a copy of a request without what is about people: by the names of members, and by how texts look.
func redactRequest(request map[string]any) map[string]any {
	clean := make(map[string]any, len(request))
	for name, v := range request {
		if personal(name) {
			clean[name] = removed
			continue
		}
		clean[redactText(name)] = redactValue(v)
	}
	return clean
}

func redactValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return redactRequest(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = redactValue(item)
		}
		return list
	case string:
		return redactText(v)
	case json.Number:
		if redactText(v.String()) != v.String() {
			return removed
		}
		return v
	case float64:
		if v >= 1e8 || v <= -1e8 { // nine digits and more
			return removed
		}
		return v
	default:
		return v
	}
}

func personal(name string) bool {
	folded := strings.ToLower(name)
	return slices.ContainsFunc(personalNames, func(part string) bool {
		return folded == part || len(part) > 3 && strings.Contains(folded, part) // "tin" and "pan" are in many words
	})
}

// RedactText returns a text in which mail addresses, and what looks like a telephone or card number, are replaced.
func RedactText(text string) string { return redactText(text) }

func redactText(text string) string {
	return personalText.ReplaceAllStringFunc(text, func(found string) string {
		if dates.MatchString(found) {
			return found
		}
		return removed
	})
}

// publicMembers are the members of a provider's event that speak of the payment and of nobody. Everything else is taken out when an event is shown.
var publicMembers = []string{"event", "type", "id", "status", "reference", "tx_ref", "transaction_reference", "refund_reference", "flw_ref", "client_reference_id", "amount", "amount_total", "amount_refunded",
	"currency", "paid_at", "paidat", "created_at", "createdat", "created", "channel", "fees", "gateway_response", "domain", "livemode", "payment_status", "requested_amount", "refund_amount",
	"resolution", "resolved_at", "due_at", "dueat", "category", "amount_minor", "transaction_id", "object", "api_version", "reason"}

// RedactEvent returns the body of a provider's event as indented JSON in which only what speaks of the payment is left; every other value is replaced. A body that is no
// JSON is taken out as a whole.
func RedactEvent(body []byte) string {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return removed
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return removed
	}
	out, err := json.MarshalIndent(redactMembers(v, false), "", "  ")
	if err != nil {
		return removed
	}
	return string(out)
}

// redactMembers keeps values under public names; the shape of the rest stays, so that a reader sees what was there.
func redactMembers(v any, public bool) any {
	switch v := v.(type) {
	case map[string]any:
		clean := make(map[string]any, len(v))
		for name, value := range v {
			clean[name] = redactMembers(value, slices.Contains(publicMembers, strings.ToLower(name)))
		}
		return clean
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = redactMembers(item, public)
		}
		return list
	case nil:
		return nil
	case string:
		if public && !strings.Contains(v, "@") {
			return v
		}
	default:
		if public {
			return v
		}
	}
	return removed
}
