package payments

import (
	"fmt"
	"io"
	"log/slog"
)

// SecretKey is a key or a webhook secret of a provider's account. However it is printed, logged or encoded it shows as "***"; string(key) is the
// way to its value, for the code that signs, checks or authenticates.
type SecretKey string

// String hides the key.
func (SecretKey) String() string { return "***" }

// Format hides the key from every verb: %x and %#v too.
func (SecretKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// LogValue hides the key from slog.
func (SecretKey) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText hides the key from JSON.
func (SecretKey) MarshalText() ([]byte, error) { return []byte("***"), nil }
