package outbound

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Defaults of a Config whose fields are zero.
const (
	// DefaultTimeout bounds one exchange: dial, TLS, request, response and its body. Paystack itself gives up on webhooks after 30 s.
	DefaultTimeout = 30 * time.Second
	// DefaultMaxResponseBytes is plenty for a provider's JSON; one verify answer is about 2 KiB.
	DefaultMaxResponseBytes = 1 << 20
)

// ErrInsecureScheme reports a request that is not https, to a client that was not allowed plain HTTP.
var ErrInsecureScheme = errors.New("only https is allowed")

// ErrTooManyRedirects reports a chain of redirects longer than MaxRedirects.
var ErrTooManyRedirects = errors.New("too many redirects")

// Config says how a client may go out. Its zero value is the strictest: public addresses, https, no redirects. The env tags
// let a service embed it; MaxRedirects and Logger are set in code.
type Config struct {
	// AllowNetworks lists private networks (CIDR, comma separated) that may be dialled besides the public internet. Empty in
	// production; development sets 127.0.0.0/8 to reach a simulator.
	AllowNetworks []netip.Prefix `env:"OUTBOUND_ALLOW_NETWORKS" doc:"Private networks (CIDR, comma separated) that may be dialled besides the public internet. Empty in production; development names 127.0.0.0/8 to reach the simulator."`
	// AllowPlainHTTP permits http:// URLs. Off in production; a local simulator has no certificate.
	AllowPlainHTTP bool `env:"OUTBOUND_ALLOW_PLAIN_HTTP" doc:"Permit http addresses. Off in production; a local simulator has no certificate."`
	// Timeout bounds one exchange, body included. Zero means DefaultTimeout. Raise it for a provider known to be slow.
	Timeout time.Duration `env:"OUTBOUND_TIMEOUT" envDefault:"30s" doc:"Bound of one exchange, body included. Raise it for a provider known to be slow."`
	// MaxResponseBytes bounds a response body after decompression. Zero means DefaultMaxResponseBytes.
	MaxResponseBytes int64 `env:"OUTBOUND_MAX_RESPONSE_BYTES" envDefault:"1048576" doc:"Largest response body that is read, after decompression."`
	// MaxRedirects is how many redirects are followed; zero returns the 3xx answer itself. Each hop passes the same checks.
	MaxRedirects int `env:"-"`
	// Logger receives one redacted line per exchange; nil means slog.Default.
	Logger *slog.Logger `env:"-"`
}

// Validate reports every fault of the configuration at once. Production refuses private networks and plain HTTP: nothing that
// is paid for lives there, and each would be a way in.
func (c Config) Validate(production bool) error {
	var faults []error
	if c.Timeout < 0 {
		faults = append(faults, errors.New("OUTBOUND_TIMEOUT: must not be negative"))
	}
	if c.MaxResponseBytes < 0 {
		faults = append(faults, errors.New("OUTBOUND_MAX_RESPONSE_BYTES: must not be negative"))
	}
	if production && len(c.AllowNetworks) > 0 {
		faults = append(faults, errors.New("OUTBOUND_ALLOW_NETWORKS: must be empty in production"))
	}
	if production && c.AllowPlainHTTP {
		faults = append(faults, errors.New("OUTBOUND_ALLOW_PLAIN_HTTP: must be off in production"))
	}
	return errors.Join(faults...)
}

// New returns a guarded client. It is safe for concurrent use and keeps connections alive: make one per destination and keep it;
// CloseIdleConnections when done.
func New(cfg Config) *http.Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxResponseBytes == 0 {
		cfg.MaxResponseBytes = DefaultMaxResponseBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	dialer := &net.Dialer{
		Timeout:   5 * time.Second, // A healthy provider connects within one; the rest of the time is for its answer.
		KeepAlive: 30 * time.Second,
		Control:   guard{allowed: cfg.AllowNetworks}.control,
	}
	return &http.Client{
		Timeout: cfg.Timeout,
		Transport: &transport{
			cfg: cfg,
			next: &http.Transport{
				Proxy:                  nil, // See the package comment.
				DialContext:            dialer.DialContext,
				ForceAttemptHTTP2:      true,
				MaxIdleConnsPerHost:    16,
				IdleConnTimeout:        90 * time.Second,
				TLSHandshakeTimeout:    5 * time.Second,
				ExpectContinueTimeout:  time.Second,
				MaxResponseHeaderBytes: 64 << 10,
			},
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if cfg.MaxRedirects == 0 {
				return http.ErrUseLastResponse
			}
			if len(via) > cfg.MaxRedirects {
				return fmt.Errorf("%w: %d", ErrTooManyRedirects, len(via))
			}
			return nil
		},
	}
}
