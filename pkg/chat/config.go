package chat

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"makola/pkg/service"
)

// maxTimeout keeps one call shorter than what a person waits for.
const maxTimeout = time.Minute

// tokenFields are the names by which endpoints are told how long an answer may be.
var tokenFields = []string{"max_tokens", "max_completion_tokens"}

// Config says which model to ask. Its zero value asks none.
type Config struct {
	URL        string         `env:"AI_URL" doc:"Base address of an endpoint that speaks OpenAI's chat completions, such as https://api.openai.com/v1. Empty: there is no model, and questions and descriptions fail without a charge."`
	Key        service.Secret `env:"AI_KEY" doc:"Key of AI_URL, sent as a bearer token. Empty sends none, for an endpoint of your own that wants none."`
	Model      string         `env:"AI_MODEL" doc:"Name of the model at AI_URL. It must be able to call functions."`
	Timeout    time.Duration  `env:"AI_TIMEOUT" envDefault:"20s" doc:"Bound of one call of the model, at most 1m. A question takes two calls. Raise it for a model of your own on slow hardware."`
	TokenField string         `env:"AI_TOKEN_FIELD" envDefault:"max_tokens" doc:"How AI_URL calls the bound of an answer's length: max_tokens, or max_completion_tokens, which OpenAI's newest models want."`
	// AllowNetworks is for a model of one's own.
	AllowNetworks []netip.Prefix `env:"AI_ALLOW_NETWORKS" doc:"Private networks (CIDR, comma separated) in which AI_URL may be, for a model of your own; outside production also without TLS. Empty: only the public internet, and https."`
	// Metrics receives the calls' metrics when not nil.
	Metrics prometheus.Registerer `env:"-"`
}

// Enabled reports whether there is a model at all.
func (c Config) Enabled() bool { return c.URL != "" }

// Validate reports every fault of the configuration at once.
func (c Config) Validate() (faults []error) {
	add := func(variable, problem, remedy string) {
		faults = append(faults, service.Invalid(variable, problem, remedy))
	}
	if !slices.Contains(tokenFields, c.TokenField) {
		add("AI_TOKEN_FIELD", fmt.Sprintf("is %q", c.TokenField), "write max_tokens or max_completion_tokens")
	}
	if c.Timeout <= 0 || c.Timeout > maxTimeout {
		add("AI_TIMEOUT", "is "+c.Timeout.String(), "choose more than 0s and at most "+maxTimeout.String())
	}
	if !c.Enabled() {
		return faults
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		add("AI_URL", "is not the base address of an API", "write https://api.example.com/v1")
	case u.Scheme == "http" && len(c.AllowNetworks) == 0:
		add("AI_URL", "is not https", "write https://…, or name the private network that it is in with AI_ALLOW_NETWORKS")
	}
	if c.Model == "" {
		add("AI_MODEL", "is not set", "name the model to ask at AI_URL")
	}
	return faults
}

// ValidateProduction refuses what only a developer's machine may have: questions and figures go to the model, so they go encrypted.
func (c Config) ValidateProduction() []error {
	if u, err := url.Parse(c.URL); c.Enabled() && err == nil && u.Scheme != "https" {
		return []error{service.Invalid("AI_URL", "is not https", "write https://…")}
	}
	return nil
}
