package main

import (
	"net/netip"
	"net/url"

	"makola/pkg/mail"
	"makola/pkg/notifications"
	"makola/pkg/outbound"
	"makola/pkg/reporting"
	"makola/pkg/service"
	"makola/pkg/storage"
	"makola/pkg/webhooks"
	"makola/pkg/workerapp"
)

// Config is the environment of notifier.
type Config struct {
	workerapp.Config
	Mail     mail.Config
	Links    Links
	Storage  storage.Config
	Webhooks Webhooks
}

// Webhooks is what is needed to send events to the endpoints of businesses.
type Webhooks struct {
	// SecretKeys are api-gateway's as well.
	SecretKeys service.Secret `env:"WEBHOOK_SECRET_KEYS" doc:"Comma-separated secrets of 32 bytes and more that the secrets of webhook endpoints are encrypted with, the same as api-gateway's. The first encrypts, all decrypt. Empty means no webhooks."`
	// AllowNetworks and AllowPlainHTTP open what is closed: for an endpoint on the developer's own machine.
	AllowNetworks  []netip.Prefix `env:"OUTBOUND_ALLOW_NETWORKS" doc:"Private networks (CIDR, comma separated) in which webhook endpoints may be, besides the public internet. Empty in production."`
	AllowPlainHTTP bool           `env:"OUTBOUND_ALLOW_PLAIN_HTTP" doc:"Permit endpoints with http addresses. Off in production."`
}

// outbound is what may be dialled.
func (w Webhooks) outbound() outbound.Config {
	return outbound.Config{AllowNetworks: w.AllowNetworks, AllowPlainHTTP: w.AllowPlainHTTP}
}

// ValidateProduction refuses ways into the private network.
func (w Webhooks) ValidateProduction() []error {
	if err := w.outbound().Validate(true); err != nil {
		return []error{err}
	}
	return nil
}

// Validate refuses keys that cannot be used.
func (w Webhooks) Validate() error {
	if _, err := webhooks.ParseKeys(w.SecretKeys.Reveal()); err != nil {
		return service.Invalid("WEBHOOK_SECRET_KEYS", "cannot be used: "+err.Error(), "write random secrets of 32 bytes or more")
	}
	return nil
}

// Links are the addresses that mails point to.
type Links struct {
	// AppURL is where people use the application.
	AppURL string `env:"APP_URL" doc:"Address of the application that people sign in to, as mails link to it, for example https://app.example.com. Empty means mails without links."`
	// PublicURL and UnsubscribeKeys are api-gateway's as well.
	PublicURL       string         `env:"PUBLIC_URL" doc:"Address under which clients reach api-gateway, as it is told there. Links to turn off mails lead to it; in mail headers only when it is https. Empty means mails without such links."`
	UnsubscribeKeys service.Secret `env:"UNSUBSCRIBE_KEYS" doc:"Comma-separated secrets of 32 bytes and more that sign the links by which readers turn off mails, the same as api-gateway's. The first signs. Empty means mails without such links."`
	// DownloadKeys are api-gateway's as well.
	DownloadKeys service.Secret `env:"DOWNLOAD_KEYS" doc:"Comma-separated secrets of 32 bytes and more that sign the links to files which are too large for a mail, the same as api-gateway's. The first signs. Empty means that readers have to sign in."`
}

// Validate refuses what a reader could not follow.
func (l Links) Validate() error {
	if u, err := url.Parse(l.AppURL); l.AppURL != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http") {
		return service.Invalid("APP_URL", "is not an http or https address", "write https://app.example.com")
	}
	if u, err := url.Parse(l.PublicURL); l.PublicURL != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http") {
		return service.Invalid("PUBLIC_URL", "is not an http or https address", "write https://api.example.com")
	}
	if _, err := notifications.ParseUnsubscribeKeys(l.UnsubscribeKeys.Reveal()); err != nil {
		return service.Invalid("UNSUBSCRIBE_KEYS", "cannot be used: "+err.Error(), "write random secrets of 32 bytes or more")
	}
	if _, err := reporting.ParseLinkKeys(l.DownloadKeys.Reveal()); err != nil {
		return service.Invalid("DOWNLOAD_KEYS", "cannot be used: "+err.Error(), "write random secrets of 32 bytes or more")
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
