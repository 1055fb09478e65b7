package main

import (
	"makola/pkg/payments/paystack"
	"makola/pkg/workerapp"
)

// Config is the environment of billing-worker: what every worker has, and the payment provider.
type Config struct {
	workerapp.Config
	Paystack paystack.Config
}

// Validate refuses what Paystack cannot work with.
func (c Config) Validate() error { return c.Paystack.Validate(false) }

// ValidateProduction refuses the simulator, test keys and unprotected connections.
func (c Config) ValidateProduction() error { return c.Paystack.Validate(true) }
