// Package providers opens the payment providers that the environment configures. It is the one place that knows all of them by name; everything else
// knows a payments.Provider.
package providers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/flutterwave"
	"makola/pkg/payments/paystack"
	"makola/pkg/payments/stripe"
)

// Config is the payment part of a service's configuration. A provider is configured by having keys.
type Config struct {
	Paystack    paystack.Config
	Flutterwave flutterwave.Config
	Stripe      stripe.Config
	// Verify is evidence (a signed webhook is taken at its word) or always (the provider is asked before every credit).
	Verify payments.VerifyPolicy `env:"PAYMENTS_VERIFY" envDefault:"evidence" doc:"evidence: a signed webhook is taken at its word. always: the provider is asked before every credit."`
	// Outbound guards the connections to all of them; development allows loopback in it to reach the simulator.
	Outbound outbound.Config
}

// Validate reports every fault at once, without showing a key: at least one provider, and those that are configured without fault. What is said of a provider that is
// not configured does not matter.
func (c Config) Validate(production bool) error {
	faults := []error{c.Outbound.Validate(production)}
	if c.Verify != "" {
		if err := new(payments.VerifyPolicy).UnmarshalText([]byte(c.Verify)); err != nil {
			faults = append(faults, fmt.Errorf("PAYMENTS_VERIFY: %w", err))
		}
	}
	// No provider at all is a Paystack without keys, which says what is missing.
	if c.Paystack.Configured() || (!c.Flutterwave.Configured() && !c.Stripe.Configured()) {
		faults = append(faults, c.Paystack.Validate(production))
	}
	if c.Flutterwave.Configured() {
		faults = append(faults, c.Flutterwave.Validate(production))
	}
	if c.Stripe.Configured() {
		faults = append(faults, c.Stripe.Validate(production))
	}
	return errors.Join(faults...)
}

// Set is the configured providers. It does not change; it is safe for concurrent use.
type Set struct {
	byName map[string]payments.Provider
	names  []string
	live   map[string]bool
	close  []func()
}

// Open makes the clients of the configured providers. observe is told of every call to any of them; it may be nil.
func Open(c Config, observe payments.Observer) (*Set, error) {
	s := &Set{byName: map[string]payments.Provider{}, live: map[string]bool{}}
	if c.Paystack.Configured() {
		c.Paystack.Outbound, c.Paystack.Observe = c.Outbound, observe
		p, err := paystack.New(c.Paystack)
		if err != nil {
			return nil, err
		}
		s.add(p, p.Close, c.Paystack.Live())
	}
	if c.Flutterwave.Configured() {
		c.Flutterwave.Outbound, c.Flutterwave.Observe = c.Outbound, observe
		p, err := flutterwave.New(c.Flutterwave)
		if err != nil {
			return nil, err
		}
		s.add(p, p.Close, c.Flutterwave.Live())
	}
	if c.Stripe.Configured() {
		c.Stripe.Outbound, c.Stripe.Observe = c.Outbound, observe
		p, err := stripe.New(c.Stripe)
		if err != nil {
			return nil, err
		}
		s.add(p, p.Close, c.Stripe.Live())
	}
	if len(s.names) == 0 {
		return nil, errors.New("no payment provider is configured")
	}
	return s, nil
}

func (s *Set) add(p payments.Provider, closeIdle func(), live bool) {
	s.byName[p.Name()] = p
	s.names = append(s.names, p.Name())
	s.live[p.Name()] = live
	s.close = append(s.close, closeIdle)
}

// ByName returns the configured providers by their names. The map is the caller's.
func (s *Set) ByName() map[string]payments.Provider { return maps.Clone(s.byName) }

// Names are the configured providers, the default first.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// String tells a log which providers are configured and in which mode: "paystack (live), stripe (test)".
func (s *Set) String() string {
	described := make([]string, len(s.names))
	for i, name := range s.names {
		mode := "test"
		if s.live[name] {
			mode = "live"
		}
		described[i] = name + " (" + mode + ")"
	}
	return strings.Join(described, ", ")
}

// Close lets idle connections go. Calls still running are not disturbed.
func (s *Set) Close() {
	for _, closeIdle := range s.close {
		closeIdle()
	}
}
