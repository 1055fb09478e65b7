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

// DefaultSecretKey is the key of a simulator whose Config names none.
const DefaultSecretKey = paystack.SimulatorSecretKey

// Config says how a simulator behaves. The zero value works for tests that ask only the API.
type Config struct {
	SecretKey  paystack.SecretKey // Authenticates calls and signs webhooks. Empty means DefaultSecretKey. Live keys are refused.
	WebhookURL string             // Where webhooks go. Empty: none are sent.
	PublicURL  string             // Base of the checkout page's address as browsers reach it. Empty: taken from each request's Host header.
	// RetryDelays are the pauses before the second and later attempts to deliver a webhook. Nil means DefaultRetryDelays; empty, no retries.
	RetryDelays []time.Duration
}

// DefaultRetryDelays gives a gateway that is just starting half a minute to come up. The real Paystack goes on for 72 hours.
func DefaultRetryDelays() []time.Duration {
	return []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second}
}

// Simulator is a Paystack in memory. It is safe for concurrent use. Close it: deliveries may be waiting for their next attempt.
type Simulator struct {
	cfg    Config
	mux    *http.ServeMux
	client *http.Client
	stop   context.CancelFunc
	life   context.Context // Ends with Close: deliveries outlive the requests that cause them.
	wg     sync.WaitGroup  // Deliveries under way.
	slots  chan struct{}   // Bounds how many webhooks are posted at once; never closed.

	mu         sync.Mutex
	closed     bool
	nextID     int64
	byRef      map[string]*Transaction
	byAccess   map[string]*Transaction
	order      []*Transaction // As initialized.
	deliveries []Delivery     // The latest maxDeliveries.
}

// maxDeliveries bounds the delivery log. A load run makes more; nobody reads them one by one.
const maxDeliveries = 10_000

// parallelDeliveries is how many webhooks are posted at the same time, enough to make neighbours of them at the gateway.
const parallelDeliveries = 64

// New returns a simulator, or an error if the configuration has a live key or unusable addresses.
func New(cfg Config) (*Simulator, error) {
	if cfg.SecretKey == "" {
		cfg.SecretKey = DefaultSecretKey
	}
	if strings.HasPrefix(string(cfg.SecretKey), "sk_live_") {
		return nil, errors.New("a live key has no business in a simulator")
	}
	for name, text := range map[string]string{"webhook URL": cfg.WebhookURL, "public URL": cfg.PublicURL} {
		if text != "" && !webURL(text) {
			return nil, fmt.Errorf("%s must be an http or https URL", name)
		}
	}
	if cfg.RetryDelays == nil {
		cfg.RetryDelays = DefaultRetryDelays()
	}
	s := &Simulator{
		cfg:      cfg,
		client:   outbound.New(outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true}),
		slots:    make(chan struct{}, parallelDeliveries),
		nextID:   time.Now().UnixMicro(), // Ids stay unique across restarts, as the product's tables expect of a provider.
		byRef:    map[string]*Transaction{},
		byAccess: map[string]*Transaction{},
	}
	s.life, s.stop = context.WithCancel(context.Background()) //nolint:forbidigo // ends with Close
	s.mux = s.routes()
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	s.mux.ServeHTTP(w, r)
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
	mux.HandleFunc("POST /transaction/initialize", s.authorized(s.initialize))
	mux.HandleFunc("GET /transaction/verify/{reference}", s.authorized(s.verify))
	mux.HandleFunc("GET /transaction", s.authorized(s.list))
	mux.HandleFunc("GET /checkout/{access_code}", s.checkoutPage)
	mux.HandleFunc("POST /checkout/{access_code}", s.checkoutAct)
	mux.HandleFunc("GET /assets/checkout.css", stylesheet)
	mux.HandleFunc("POST /_control/pay", s.controlPay)
	mux.HandleFunc("GET /_control/deliveries", s.controlDeliveries)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "not_found", "Route not found")
	})
	return mux
}

// webURL reports whether text is an absolute http or https URL; nothing else is ever redirected to.
func webURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
