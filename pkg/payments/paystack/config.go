package paystack

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"makola/pkg/outbound"
	"makola/pkg/payments"
)

// ProductionHost is where Paystack's API lives, in test mode and live mode alike; the key decides the mode.
const ProductionHost = "api.paystack.co"

// SimulatorSecretKey is the published key of the simulator in payments/fake. Production refuses it: anyone can sign with it.
const SimulatorSecretKey SecretKey = "sk_test_makola_simulator" //nolint:gosec // published on purpose, and refused in production

// maxSecretKeys is two, the old and the new one while a key is rotated.
const maxSecretKeys = 2

// SecretKey is a Paystack API secret key. It authenticates our requests and signs Paystack's webhooks. It prints as "***".
type SecretKey string

// String hides the key.
func (SecretKey) String() string { return "***" }

// GoString hides the key from %#v.
func (SecretKey) GoString() string { return "***" }

// LogValue hides the key from slog.
func (SecretKey) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText hides the key from JSON.
func (SecretKey) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Config is Paystack's part of a service's configuration; embed it and call Validate at start.
type Config struct {
	// BaseURL is the API's address. Change it to reach the simulator in development; production accepts only Paystack's own.
	BaseURL string `env:"PAYSTACK_BASE_URL" envDefault:"https://api.paystack.co" doc:"Address of Paystack's API. Development points it at the simulator; production accepts only Paystack's own."`
	// SecretKeys are the account's secret keys, comma separated. The first authenticates our requests; webhooks signed with either
	// are accepted. Name two only while rotating: put the new one first, drop the old one 72 hours later, when Paystack's
	// last retry of an old webhook is over.
	SecretKeys []SecretKey `env:"PAYSTACK_SECRET_KEYS" secret:"true" doc:"Secret keys of the Paystack account, comma separated. The first authenticates requests, webhooks signed with either are accepted: two only while rotating."`
	// Verify is evidence (a signed webhook is taken at its word) or always (Paystack is asked before every credit).
	Verify payments.VerifyPolicy `env:"PAYMENTS_VERIFY" envDefault:"evidence" doc:"evidence: a signed webhook is taken at its word. always: Paystack is asked before every credit."`
	// Outbound guards the connections; development allows loopback in it to reach the simulator.
	Outbound outbound.Config
}

// Validate reports every fault at once, without showing a key. Production accepts only Paystack's own address and live keys.
func (c Config) Validate(production bool) error {
	var faults []error
	if err := validateBaseURL(c.BaseURL, production); err != nil {
		faults = append(faults, fmt.Errorf("PAYSTACK_BASE_URL: %w", err))
	}
	for _, err := range validateKeys(c.SecretKeys, production) {
		faults = append(faults, fmt.Errorf("PAYSTACK_SECRET_KEYS: %w", err))
	}
	if c.Verify != "" {
		if err := new(payments.VerifyPolicy).UnmarshalText([]byte(c.Verify)); err != nil {
			faults = append(faults, fmt.Errorf("PAYMENTS_VERIFY: %w", err))
		}
	}
	if err := c.Outbound.Validate(production); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func validateBaseURL(text string, production bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return errors.New("must be an http or https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("must have no user, query or fragment")
	case production && (u.Scheme != "https" || u.Host != ProductionHost || strings.Trim(u.Path, "/") != ""):
		return fmt.Errorf("must be https://%s in production", ProductionHost)
	}
	return nil
}

func validateKeys(keys []SecretKey, production bool) []error {
	var faults []error
	if len(keys) == 0 || len(keys) > maxSecretKeys {
		faults = append(faults, fmt.Errorf("want 1 or %d keys, have %d", maxSecretKeys, len(keys)))
	}
	for i, key := range keys {
		switch text := string(key); {
		case strings.TrimSpace(text) == "":
			faults = append(faults, fmt.Errorf("key %d is empty", i+1))
		case strings.TrimSpace(text) != text || strings.ContainsAny(text, "\r\n\t "):
			faults = append(faults, fmt.Errorf("key %d contains white space", i+1))
		case production && (key == SimulatorSecretKey || strings.Contains(text, "simulator")):
			faults = append(faults, fmt.Errorf("key %d belongs to the simulator", i+1))
		case production && !strings.HasPrefix(text, "sk_live_"):
			faults = append(faults, fmt.Errorf("key %d is not a live secret key (sk_live_…)", i+1))
		}
	}
	return faults
}
