package main

import (
	"errors"
	"net/mail"

	"makola/pkg/assist"
	"makola/pkg/chat"
	"makola/pkg/payments/providers"
	"makola/pkg/service"
	"makola/pkg/workerapp"
)

// Config is the environment of billing-worker: what every worker has, the payment providers, and the language model.
type Config struct {
	workerapp.Config
	Payments providers.Config
	AI       chat.Config
	Prices   assist.Prices
	// PlatformEmail is where those who run Makola read of payments that they have to decide about, and of providers that are down.
	PlatformEmail string `env:"PLATFORM_EMAIL" doc:"Mail address of those who run Makola, who are told of each payment that is under review and waits for their decision, and of payment providers that go down and recover. Empty means no such mails: look at makola review list and makola gateways."`
}

// Validate refuses what the providers cannot work with and, in production, the simulator, test keys and unprotected connections; and an address that is none.
func (c Config) Validate() error {
	var fault error
	if a, err := mail.ParseAddress(c.PlatformEmail); c.PlatformEmail != "" && (err != nil || a.Address != c.PlatformEmail) {
		fault = service.Invalid("PLATFORM_EMAIL", "is not a mail address", "write payments@example.com")
	}
	return errors.Join(fault, c.Payments.Validate(c.IsProduction()))
}
