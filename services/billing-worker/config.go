package main

import (
	"makola/pkg/payments/providers"
	"makola/pkg/workerapp"
)

// Config is the environment of billing-worker: what every worker has, and the payment providers.
type Config struct {
	workerapp.Config
	Payments providers.Config
}

// Validate refuses what the providers cannot work with and, in production, the simulator, test keys and unprotected connections.
func (c Config) Validate() error { return c.Payments.Validate(c.IsProduction()) }
