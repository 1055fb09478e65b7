package stripe

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// ProductionURL is where Stripe's API lives, in test mode and live mode alike; the key decides the mode. The library appends /v1.
const ProductionURL = "https://api.stripe.com"

// SimulatorSecretKey and SimulatorWebhookSecret are the published secrets of a simulator. Production refuses them.
const (
	SimulatorSecretKey     payments.SecretKey = "sk_test_makola_simulator" //nolint:gosec // published on purpose, and refused in production
	SimulatorWebhookSecret payments.SecretKey = "whsec_makola_simulator"   //nolint:gosec // published on purpose, and refused in production
)

// keys are what Stripe's secret keys look like; a restricted key begins with rk_.
var keys = exchange.Keys{Live: []string{"sk_live_", "rk_live_"}, Simulator: SimulatorSecretKey}

// Config is Stripe's part of a service's configuration. Stripe is configured when it has a key.
type Config struct {
	// BaseURL is the API's address, without its version.
	BaseURL string `env:"STRIPE_BASE_URL" envDefault:"https://api.stripe.com" doc:"Address of Stripe's API, without /v1. Development points it at the simulator; production accepts only Stripe's own."`
	// SecretKey authenticates our requests. Webhooks have secrets of their own.
	SecretKey payments.SecretKey `env:"STRIPE_SECRET_KEY" secret:"true" doc:"Secret or restricted key of the Stripe account. Empty switches Stripe off."`
	// WebhookSecrets belong to the webhook endpoint in Stripe's dashboard.
	WebhookSecrets []payments.SecretKey `env:"STRIPE_WEBHOOK_SECRETS" secret:"true" doc:"Signing secrets of Stripe's webhook endpoint (whsec_…), comma separated. Webhooks signed with either are accepted: two only while rotating."`
	// ReturnURL is for payments that were asked for without a page to return to; Stripe insists on one.
	ReturnURL string `env:"STRIPE_RETURN_URL" doc:"Page to which a payer's browser returns when the purchase named none. Empty means PUBLIC_URL."`
	// Outbound guards the connections.
	Outbound outbound.Config `env:"-"`
	// Observe is told of every call. Nil tells nobody.
	Observe payments.Observer `env:"-"`
}

// Configured reports whether the environment wants Stripe.
func (c Config) Configured() bool { return c.SecretKey != "" || len(c.WebhookSecrets) > 0 }

// Live reports whether the account moves real money.
func (c Config) Live() bool { return keys.IsLive(c.SecretKey) }

// Validate reports every fault at once, without showing a secret. Production accepts only Stripe's own address and a live key.
func (c Config) Validate(production bool) error {
	faults := []error{
		exchange.Name("STRIPE_BASE_URL", exchange.CheckBaseURL(c.BaseURL, ProductionURL, production)),
		exchange.Name("STRIPE_SECRET_KEY", keys.Check([]payments.SecretKey{c.SecretKey}, production)...),
		exchange.Name("STRIPE_WEBHOOK_SECRETS", exchange.CheckSecrets(c.WebhookSecrets, SimulatorWebhookSecret, production)...),
		c.Outbound.Validate(production),
	}
	for i, secret := range c.WebhookSecrets {
		if text := strings.TrimSpace(string(secret)); text != "" && !strings.HasPrefix(text, "whsec_") {
			faults = append(faults, exchange.Name("STRIPE_WEBHOOK_SECRETS", fmt.Errorf("key %d is not a signing secret (whsec_…)", i+1)))
		}
	}
	if u, err := url.Parse(c.ReturnURL); c.ReturnURL != "" && (err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http")) {
		faults = append(faults, errors.New("STRIPE_RETURN_URL: must be an http or https URL"))
	}
	return errors.Join(faults...)
}
