package paystack

import (
	"errors"

	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// ProductionHost is where Paystack's API lives, in test mode and live mode alike; the key decides the mode.
const ProductionHost = "api.paystack.co"

// SimulatorSecretKey is the published key of the simulator in payments/fake. Production refuses it: anyone can sign with it.
const SimulatorSecretKey SecretKey = "sk_test_makola_simulator" //nolint:gosec // published on purpose, and refused in production

// SecretKey is a Paystack API secret key. It authenticates our requests and signs Paystack's webhooks. It prints as "***".
type SecretKey = payments.SecretKey

// keys are what Paystack's secret keys look like.
var keys = exchange.Keys{Live: []string{"sk_live_"}, Simulator: SimulatorSecretKey}

// Config is Paystack's part of a service's configuration. Paystack is configured when it has keys.
type Config struct {
	// BaseURL is the API's address. Change it to reach the simulator in development; production accepts only Paystack's own.
	BaseURL string `env:"PAYSTACK_BASE_URL" envDefault:"https://api.paystack.co" doc:"Address of Paystack's API. Development points it at the simulator; production accepts only Paystack's own."`
	// SecretKeys are the account's secret keys, comma separated. The first authenticates our requests; webhooks signed with either
	// are accepted. Name two only while rotating: put the new one first, drop the old one 72 hours later, when Paystack's
	// last retry of an old webhook is over.
	SecretKeys []SecretKey `env:"PAYSTACK_SECRET_KEYS" secret:"true" doc:"Secret keys of the Paystack account, comma separated. The first authenticates requests, webhooks signed with either are accepted: two only while rotating. Empty switches Paystack off."`
	// Outbound guards the connections; development allows loopback in it to reach the simulator.
	Outbound outbound.Config `env:"-"`
	// Observe is told of every call. Nil tells nobody.
	Observe payments.Observer `env:"-"`
}

// Configured reports whether the environment wants Paystack.
func (c Config) Configured() bool { return len(c.SecretKeys) > 0 }

// Live reports whether the account moves real money.
func (c Config) Live() bool { return c.Configured() && keys.IsLive(c.SecretKeys[0]) }

// Validate reports every fault at once, without showing a key. Production accepts only Paystack's own address and live keys.
func (c Config) Validate(production bool) error {
	return errors.Join(
		exchange.Name("PAYSTACK_BASE_URL", exchange.CheckBaseURL(c.BaseURL, "https://"+ProductionHost, production)),
		exchange.Name("PAYSTACK_SECRET_KEYS", keys.Check(c.SecretKeys, production)...),
		c.Outbound.Validate(production),
	)
}
