package flutterwave

import (
	"errors"
	"fmt"
	"net/url"

	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// ProductionURL is where Flutterwave's API lives, in test mode and live mode alike; the key decides the mode.
const ProductionURL = "https://api.flutterwave.com/v3"

// SimulatorSecretKey and SimulatorWebhookSecret are the published secrets of a simulator. Production refuses them.
const (
	SimulatorSecretKey     payments.SecretKey = "FLWSECK_TEST-makola-simulator" //nolint:gosec // published on purpose, and refused in production
	SimulatorWebhookSecret payments.SecretKey = "makola-simulator-flutterwave"  //nolint:gosec // published on purpose, and refused in production
)

// WebhookMode says how the account proves that a webhook is Flutterwave's.
type WebhookMode string

const (
	// ModeSignature expects flutterwave-signature over the body.
	ModeSignature WebhookMode = "signature"
	// ModeHash expects the secret itself in verif-hash. Such a webhook makes us ask, and proves nothing.
	ModeHash WebhookMode = "hash"
)

// UnmarshalText reads the mode from configuration and refuses unknown words.
func (m *WebhookMode) UnmarshalText(text []byte) error {
	switch v := WebhookMode(text); v {
	case ModeSignature, ModeHash:
		*m = v
		return nil
	default:
		return fmt.Errorf("webhook mode %.20q: want %q or %q", string(text), ModeSignature, ModeHash)
	}
}

// keys are what Flutterwave's secret keys look like: those of test mode begin with FLWSECK_TEST-.
var keys = exchange.Keys{Live: []string{"FLWSECK-"}, Simulator: SimulatorSecretKey}

// Config is Flutterwave's part of a service's configuration. Flutterwave is configured when it has a key.
type Config struct {
	// BaseURL is the API's address, with its version.
	BaseURL string `env:"FLUTTERWAVE_BASE_URL" envDefault:"https://api.flutterwave.com/v3" doc:"Address of Flutterwave's API, version 3. Development points it at the simulator; production accepts only Flutterwave's own."`
	// SecretKey authenticates our requests. Webhooks have secrets of their own.
	SecretKey payments.SecretKey `env:"FLUTTERWAVE_SECRET_KEY" secret:"true" doc:"Secret key of the Flutterwave account. Empty switches Flutterwave off."`
	// WebhookSecrets are what the account's dashboard calls the secret hash.
	WebhookSecrets []payments.SecretKey `env:"FLUTTERWAVE_WEBHOOK_SECRETS" secret:"true" doc:"Secret hashes of Flutterwave's webhooks, comma separated. Webhooks with either are accepted: two only while rotating."`
	// WebhookMode is what the account is set to.
	WebhookMode WebhookMode `env:"FLUTTERWAVE_WEBHOOK_MODE" envDefault:"signature" doc:"signature: webhooks are signed in flutterwave-signature and taken at their word. hash: they carry the bare secret in verif-hash, and Flutterwave is asked about each."`
	// ReturnURL is for payments that were asked for without a page to return to; Flutterwave insists on one.
	ReturnURL string `env:"FLUTTERWAVE_RETURN_URL" doc:"Page to which a payer's browser returns when the purchase named none. Empty means PUBLIC_URL."`
	// Outbound guards the connections.
	Outbound outbound.Config `env:"-"`
	// Observe is told of every call. Nil tells nobody.
	Observe payments.Observer `env:"-"`
}

// Configured reports whether the environment wants Flutterwave.
func (c Config) Configured() bool { return c.SecretKey != "" || len(c.WebhookSecrets) > 0 }

// Live reports whether the account moves real money.
func (c Config) Live() bool { return keys.IsLive(c.SecretKey) }

// Validate reports every fault at once, without showing a secret. Production accepts only Flutterwave's own address and a live key.
func (c Config) Validate(production bool) error {
	faults := []error{
		exchange.Name("FLUTTERWAVE_BASE_URL", exchange.CheckBaseURL(c.BaseURL, ProductionURL, production)),
		exchange.Name("FLUTTERWAVE_SECRET_KEY", keys.Check([]payments.SecretKey{c.SecretKey}, production)...),
		exchange.Name("FLUTTERWAVE_WEBHOOK_SECRETS", exchange.CheckSecrets(c.WebhookSecrets, SimulatorWebhookSecret, production)...),
		c.Outbound.Validate(production),
	}
	if u, err := url.Parse(c.ReturnURL); c.ReturnURL != "" && (err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http")) {
		faults = append(faults, errors.New("FLUTTERWAVE_RETURN_URL: must be an http or https URL"))
	}
	if c.WebhookMode != "" {
		faults = append(faults, exchange.Name("FLUTTERWAVE_WEBHOOK_MODE", new(WebhookMode).UnmarshalText([]byte(c.WebhookMode))))
	}
	return errors.Join(faults...)
}
