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

// Validate refuses what Paystack cannot work with and, in production, the simulator, test keys and unprotected connections.
func (c Config) Validate() error { return c.Paystack.Validate(c.IsProduction()) }
