package main

import (
	"net/url"

	"makola/pkg/mail"
	"makola/pkg/service"
	"makola/pkg/workerapp"
)

// Config is the environment of notifier.
type Config struct {
	workerapp.Config
	Mail  mail.Config
	Links Links
}

// Links are the addresses that mails point to.
type Links struct {
	// AppURL is where people use the application.
	AppURL string `env:"APP_URL" doc:"Address of the application that people sign in to, as mails link to it, for example https://app.example.com. Empty means mails without links."`
}

// Validate refuses what a reader could not follow.
func (l Links) Validate() error {
	if u, err := url.Parse(l.AppURL); l.AppURL != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http") {
		return service.Invalid("APP_URL", "is not an http or https address", "write https://app.example.com")
	}
	return nil
}

// ValidateProduction refuses links that anybody on the way could change.
func (l Links) ValidateProduction() []error {
	if u, err := url.Parse(l.AppURL); err == nil && u.Scheme == "http" {
		return []error{service.Invalid("APP_URL", "is not https", "write https://…")}
	}
	return nil
}
