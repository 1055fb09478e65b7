package accounts

import (
	"net/mail"
	"strings"
)

// maxEmail is the longest address a mail server must take (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const maxEmail = 254

// NormalizeEmail returns the address as it is stored and compared: without surrounding space and in lower case. Mail servers may tell
// upper from lower case before the @; no person does, and two accounts that differ in case alone would be a trap. Errors: ErrInvalidEmail.
func NormalizeEmail(text string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(text))
	if len(email) > maxEmail {
		return "", ErrInvalidEmail
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || parsed.Name != "" {
		return "", ErrInvalidEmail
	}
	_, domain, _ := strings.Cut(email, "@")
	if !strings.Contains(strings.Trim(domain, "."), ".") || strings.ContainsAny(email, "\"\\ ") {
		return "", ErrInvalidEmail
	}
	return email, nil
}
