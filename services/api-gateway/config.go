package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"makola/pkg/accounts"
	"makola/pkg/assist"
	"makola/pkg/money"
	"makola/pkg/notifications"
	"makola/pkg/payments/providers"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/reporting"
	"makola/pkg/service"
	"makola/pkg/storage"
	"makola/pkg/tabular"
	"makola/pkg/webhooks"
)

// Config is everything the gateway reads from the environment.
type Config struct {
	service.Config
	HTTP HTTP
	PG   postgres.Config
	// Webhook is the pool that stores webhooks: its role may insert events and their tasks, and read nothing of anybody's.
	Webhook  postgres.Config `envPrefix:"WEBHOOK_"`
	AMQP     rabbit.Config
	Payments providers.Config
	Storage  storage.Config
	AI       AI
}

// AI is what the gateway has to know of the language model that billing-worker asks.
type AI struct {
	Enabled bool `env:"AI_ENABLED" envDefault:"false" doc:"true takes questions and descriptions, which billing-worker has its language model (AI_URL) answer. With false they are refused before any credit is set aside."`
	Limits  assist.Limits
	Prices  assist.Prices
}

// HTTP is how the gateway meets its clients.
type HTTP struct {
	ListenAddr string `env:"LISTEN_ADDR" envDefault:":8080" doc:"Address the API is served on. TLS ends in front of it."`
	PublicURL  string `env:"PUBLIC_URL" envDefault:"http://localhost:8080" doc:"Address under which clients reach the gateway. Payments may return to it."`
	// CallbackOrigins are further origins, besides PublicURL's.
	CallbackOrigins []string `env:"CALLBACK_ORIGINS" doc:"Comma-separated origins (https://shop.example.com) that a browser may be sent to after paying, besides PUBLIC_URL. Name the web application here."`
	// CORSOrigins is exact: no patterns, no wildcard.
	CORSOrigins []string `env:"CORS_ORIGINS" doc:"Comma-separated origins (https://shop.example.com) whose pages may call the API from a browser. Without it no other origin may. Name the web application here when it is served from another address."`
	// TrustedProxies decides whose X-Forwarded-For is believed.
	TrustedProxies []string `env:"TRUSTED_PROXIES" doc:"Comma-separated addresses and networks of our own proxies, whose X-Forwarded-For is believed. Without it every client behind a proxy shares the proxy's rate limit; with a wrong one anybody can forge an address."`
	// JWTKeys are kept out of sight by their type.
	JWTKeys service.Secret `env:"JWT_KEYS,required" doc:"Keys of access tokens, kid:secret,kid:secret with secrets of 32 bytes and more. The first signs, all are accepted: rotate by putting a new one in front and dropping the old one 15 minutes later."`
	// UnsubscribeKeys are notifier's as well.
	UnsubscribeKeys service.Secret `env:"UNSUBSCRIBE_KEYS" doc:"Comma-separated secrets of 32 bytes and more for the links by which readers turn off mails, the same as notifier's. The first signs, all are accepted: put a new one in front and keep the old ones as long as their links shall work. Without any the links lead nowhere."`
	// DownloadKeys are for links that are followed here.
	DownloadKeys service.Secret `env:"DOWNLOAD_KEYS" doc:"Comma-separated secrets of 32 bytes and more for links to the files of reports. The first signs, all are accepted: put a new one in front and drop the old one a week later, when its last link has ended. Without any no links are made."`
	// WebhookSecretKeys are notifier's as well.
	WebhookSecretKeys service.Secret `env:"WEBHOOK_SECRET_KEYS" doc:"Comma-separated secrets of 32 bytes and more that the secrets of webhook endpoints are encrypted with, the same as notifier's. The first encrypts, all decrypt: put a new one in front, and keep the old ones until every endpoint has had a new secret. Without any no endpoint can be registered."`
	// RequireVerifiedEmail is off, as before there were verification mails.
	RequireVerifiedEmail bool  `env:"REQUIRE_VERIFIED_EMAIL" envDefault:"false" doc:"true keeps people whose e-mail address is not confirmed out of their business. With false they may do everything but invite others, so that a new shop can begin at once."`
	TrialCredits         int64 `env:"TRIAL_CREDITS" envDefault:"50" doc:"AI credits that a new business is given; 0 gives none."`
	SignInPerMinute      int   `env:"RATE_SIGN_IN_PER_MINUTE" envDefault:"20" doc:"How often a minute one address may register, sign in or refresh, at all gateways together; one person may sign in half as often. Raise it when many people share one address."`
	RequestsPerSecond    int   `env:"RATE_REQUESTS_PER_SECOND" envDefault:"50" doc:"Requests a second that one address, one person and one business may make, at all gateways together. Raise it for load tests."`
	// Streams and DrainWait are about long answers.
	Streams     int           `env:"STREAMS_MAX" envDefault:"1000" doc:"Streams of task events that this gateway keeps open; each costs some 40 KiB and a query every 15 s. Raise it, and DATABASE_MAX_CONNS with it, when clients are refused with too_many_streams."`
	ImportBytes int64         `env:"IMPORT_MAX_BYTES" envDefault:"67108864" doc:"Most bytes of a file that may be uploaded for an import; 64 MiB hold a million lines. Files lie in STORAGE_URL for 7 days."`
	DrainWait   time.Duration `env:"DRAIN_WAIT" envDefault:"0s" doc:"How long the gateway goes on taking requests after SIGTERM while readiness already fails, at most 20 s. Set it to what the load balancer needs to notice, such as 5s in Kubernetes."`
}

// maxTrialCredits bounds a typing mistake; the largest package on sale has 250 credits.
const maxTrialCredits = 1000

// maxDrainWait leaves requests under way some time within SHUTDOWN_TIMEOUT.
const maxDrainWait = 20 * time.Second

// Validate checks the values that the types cannot.
func (h HTTP) Validate() []error {
	var faults []error
	add := func(variable, problem, remedy string) {
		faults = append(faults, service.Invalid(variable, problem, remedy))
	}
	if _, err := origin(h.PublicURL); err != nil {
		add("PUBLIC_URL", "is not an http or https address", "write https://api.example.com")
	}
	for _, o := range h.CallbackOrigins {
		if _, err := origin(o); err != nil {
			add("CALLBACK_ORIGINS", fmt.Sprintf("names %q, which is no origin", o), "write https://shop.example.com, without a path")
		}
	}
	for _, o := range h.CORSOrigins {
		if u, err := origin(o); err != nil || u.String() != o || u.Path != "" || u.Host != strings.ToLower(u.Host) || strings.Contains(u.Host, "*") {
			add("CORS_ORIGINS", fmt.Sprintf("names %q, which is no origin as a browser writes it", o), "write https://shop.example.com, in lower case, without a slash at the end")
		}
	}
	for _, p := range h.TrustedProxies {
		_, addrErr := netip.ParseAddr(p)
		if _, prefixErr := netip.ParsePrefix(p); addrErr != nil && prefixErr != nil {
			add("TRUSTED_PROXIES", fmt.Sprintf("names %q", p), "write addresses and networks, such as 10.0.0.0/8")
		}
	}
	if _, err := accounts.ParseKeys(h.JWTKeys.Reveal()); err != nil {
		add("JWT_KEYS", "cannot be used: "+err.Error(), "write kid:secret with a random secret of 32 bytes or more")
	}
	if _, err := notifications.ParseUnsubscribeKeys(h.UnsubscribeKeys.Reveal()); err != nil {
		add("UNSUBSCRIBE_KEYS", "cannot be used: "+err.Error(), "write random secrets of 32 bytes or more")
	}
	if _, err := reporting.ParseLinkKeys(h.DownloadKeys.Reveal()); err != nil {
		add("DOWNLOAD_KEYS", "cannot be used: "+err.Error(), "write random secrets of 32 bytes or more")
	}
	if _, err := webhooks.ParseKeys(h.WebhookSecretKeys.Reveal()); err != nil {
		add("WEBHOOK_SECRET_KEYS", "cannot be used: "+err.Error(), "write random secrets of 32 bytes or more")
	}
	if h.TrialCredits < 0 || h.TrialCredits > maxTrialCredits {
		add("TRIAL_CREDITS", fmt.Sprintf("is %d", h.TrialCredits), fmt.Sprintf("choose between 0 and %d", maxTrialCredits))
	}
	if h.SignInPerMinute < 1 || h.RequestsPerSecond < 1 {
		add("RATE_SIGN_IN_PER_MINUTE", "or RATE_REQUESTS_PER_SECOND is below 1", "choose at least 1")
	}
	if h.Streams < 1 {
		add("STREAMS_MAX", fmt.Sprintf("is %d", h.Streams), "choose at least 1")
	}
	if h.ImportBytes < 1 || h.ImportBytes > tabular.DefaultMaxBytes {
		add("IMPORT_MAX_BYTES", fmt.Sprintf("is %d", h.ImportBytes), fmt.Sprintf("choose between 1 and %d", tabular.DefaultMaxBytes))
	}
	if h.DrainWait < 0 || h.DrainWait > maxDrainWait {
		add("DRAIN_WAIT", "is "+h.DrainWait.String(), "choose between 0s and "+maxDrainWait.String())
	}
	return faults
}

// ValidateProduction refuses what only a developer's machine may have.
func (h HTTP) ValidateProduction() []error {
	var faults []error
	if !strings.HasPrefix(h.PublicURL, "https://") {
		faults = append(faults, service.Invalid("PUBLIC_URL", "is not https", "write https://…"))
	}
	return faults
}

// Validate checks what the providers' clients ask for, by the rules of the environment.
func (c Config) Validate() []error {
	faults := c.Config.Validate()
	if err := c.Payments.Validate(c.IsProduction()); err != nil {
		faults = append(faults, err)
	}
	return faults
}

// origins returns the origins that a payment may return to.
func (h HTTP) origins() ([]*url.URL, error) {
	var all []*url.URL
	for _, text := range append([]string{h.PublicURL}, h.CallbackOrigins...) {
		u, err := origin(text)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

// trialCredits returns TrialCredits in centicredits.
func (h HTTP) trialCredits() (money.Credits, error) { return money.WholeCredits(h.TrialCredits) }

func origin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is no origin", text)
	}
	return u, nil
}
