package service

import (
	"fmt"
	"io"
	"log/slog"
)

// masked is what stands in every output in place of a secret.
const masked = "***"

// Secret is a string that never shows itself: printing, logging and JSON all yield "***". Its value is had with Reveal alone.
// A configuration field of this type is also read from the file named by its variable with _FILE appended. The zero value is no secret.
type Secret string

// Reveal returns the secret itself. Hand it to the library that needs it and nowhere else.
func (s Secret) Reveal() string { return string(s) }

// String returns "***", or nothing when there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// Format prints String for every verb, so that %q, %x and %#v cannot show the value either.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, and with it JSON, by the masked form.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer by the masked form.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
