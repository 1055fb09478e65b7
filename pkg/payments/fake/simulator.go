package fake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"makola/pkg/outbound"
	"makola/pkg/payments/paystack"
)

// Secret is a key or a webhook secret of any provider. It prints as "***".
type Secret = paystack.SecretKey

// The published secrets of a simulator whose Config names none. Anyone can sign with them.
const (
	DefaultSecretKey           = paystack.SimulatorSecretKey
	DefaultFlutterwaveKey      = Secret("FLWSECK_TEST-makola-simulator")
	DefaultFlutterwaveSecret   = Secret("makola-simulator-flutterwave")
	DefaultStripeKey           = Secret("sk_test_makola_simulator")
	DefaultStripeWebhookSecret = Secret("whsec_makola_simulator")
)

const (
	// defaultMaxTransactions is a long afternoon of clicking or a short load run; each takes a few KiB, most of it webhooks that may be sent again.
	defaultMaxTransactions = 10_000
	// maxBody bounds a request, in bytes. The largest that the product sends is a few KiB.
	maxBody int64 = 1 << 20
)

// Config says how a simulator behaves. The zero value works for tests that ask only the APIs.
type Config struct {
	SecretKey  Secret // Paystack's: authenticates calls and signs webhooks. Empty means DefaultSecretKey. Live keys are refused.
	WebhookURL string // Where Paystack's webhooks go. Empty: none are sent.
	PublicURL  string // Base of the checkout page's address as browsers reach it. Empty: taken from each request's Host header.
	// RetryDelays are the pauses before the second and later attempts to deliver a webhook. Nil means DefaultRetryDelays; empty, no retries.
	RetryDelays []time.Duration
	// MaxTransactions bounds what is remembered; the oldest are forgotten first, paid or not. Zero means 10 000.
	MaxTransactions int

	Flutterwave FlutterwaveConfig
	Stripe      StripeConfig
}

// DefaultRetryDelays gives a gateway that is just starting half a minute to come up. The real providers go on for hours or days.
func DefaultRetryDelays() []time.Duration {
	return []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second}
}

// Simulator is three payment providers in memory. It is safe for concurrent use. Close it: deliveries may be waiting for their next attempt.
type Simulator struct {
	cfg         Config
	handler     http.Handler
	paystack    paystackFacade
	flutterwave flutterwaveFacade
	stripe      *stripeFacade
	client      *http.Client
	stop        context.CancelFunc
	life        context.Context // Ends with Close: deliveries outlive the requests that cause them.
	wg          sync.WaitGroup  // Deliveries under way.
	slots       chan struct{}   // Bounds how many webhooks are posted at once; never closed.

	mu         sync.Mutex
	closed     bool
	lastID     int64
	book       *book
	faults     []Fault
	parcels    int                       // Under way.
	held       map[int64][]chan struct{} // By transaction: parcels that wait to be overtaken.
	deliveries []Delivery                // The latest maxDeliveries.
}

// New returns a simulator, or an error if the configuration has a live key or unusable addresses.
func New(cfg Config) (*Simulator, error) {
	cfg.fillIn()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Simulator{
		cfg:    cfg,
		client: outbound.New(outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true}),
		slots:  make(chan struct{}, parallelDeliveries),
		lastID: time.Now().UnixMicro(), // Ids stay unique across restarts, as the product's tables expect of a provider.
		book:   newBook(cfg.MaxTransactions),
		held:   map[int64][]chan struct{}{},
	}
	s.paystack, s.flutterwave, s.stripe = paystackFacade{s}, flutterwaveFacade{s}, newStripeFacade(s)
	s.life, s.stop = context.WithCancel(context.Background()) //nolint:forbidigo // ends with Close
	// A page that the developer has open elsewhere must not pay or misbehave here.
	s.handler = http.NewCrossOriginProtection().Handler(s.routes())
	return s, nil
}

func (c *Config) fillIn() {
	set := func(secret *Secret, usual Secret) {
		if *secret == "" {
			*secret = usual
		}
	}
	set(&c.SecretKey, DefaultSecretKey)
	set(&c.Flutterwave.SecretKey, DefaultFlutterwaveKey)
	set(&c.Flutterwave.WebhookSecret, DefaultFlutterwaveSecret)
	set(&c.Stripe.SecretKey, DefaultStripeKey)
	set(&c.Stripe.WebhookSecret, DefaultStripeWebhookSecret)
	if c.Flutterwave.WebhookMode == "" {
		c.Flutterwave.WebhookMode = FlutterwaveSignature
	}
	if c.RetryDelays == nil {
		c.RetryDelays = DefaultRetryDelays()
	}
	if c.MaxTransactions == 0 {
		c.MaxTransactions = defaultMaxTransactions
	}
}

// check reports every fault of the configuration, and shows no key.
func (c *Config) check() error {
	var faults []error
	for _, key := range []Secret{c.SecretKey, c.Flutterwave.SecretKey, c.Stripe.SecretKey} {
		for _, live := range []string{"sk_live_", "rk_live_", "FLWSECK-"} {
			if strings.HasPrefix(string(key), live) {
				faults = append(faults, errors.New("a live key has no business in a simulator"))
			}
		}
	}
	for name, text := range map[string]string{
		"webhook URL": c.WebhookURL, "webhook URL of Flutterwave": c.Flutterwave.WebhookURL, "webhook URL of Stripe": c.Stripe.WebhookURL, "public URL": c.PublicURL,
	} {
		if text != "" && !webURL(text) {
			faults = append(faults, fmt.Errorf("%s must be an http or https URL", name))
		}
	}
	if mode := c.Flutterwave.WebhookMode; mode != FlutterwaveSignature && mode != FlutterwaveHash {
		faults = append(faults, fmt.Errorf("webhook mode of Flutterwave must be %s or %s", FlutterwaveSignature, FlutterwaveHash))
	}
	if c.MaxTransactions < 0 {
		faults = append(faults, errors.New("the number of transactions must not be negative"))
	}
	return errors.Join(faults...)
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	s.handler.ServeHTTP(w, r)
}

// Close gives up deliveries that are waiting or under way and returns when they have ended. The simulator answers on, but sends no more.
func (s *Simulator) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.wg.Wait()
	s.client.CloseIdleConnections()
}

func (s *Simulator) routes() *http.ServeMux {
	mux := http.NewServeMux()
	s.paystack.routes(mux)
	s.flutterwave.routes(mux)
	s.stripe.routes(mux)
	s.adminRoutes(mux)
	s.pageRoutes(mux)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return mux
}

// newID returns a number that no other transaction, refund, dispute, event or fault has. The caller holds s.mu.
func (s *Simulator) newID() int64 {
	s.lastID++
	return s.lastID
}

// base is the simulator's address as browsers reach it.
func (s *Simulator) base(r *http.Request) string {
	if s.cfg.PublicURL != "" {
		return strings.TrimRight(s.cfg.PublicURL, "/")
	}
	return "http://" + r.Host
}

// webURL reports whether text is an absolute http or https URL; nothing else is ever redirected to.
func webURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
