package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"makola/pkg/accounts"
	"makola/pkg/notifications"
	"makola/pkg/payments/paystack"
	"makola/pkg/problem"
	"makola/pkg/reporting"
	spec "makola/services/api-gateway/api"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/docs"
	"makola/services/api-gateway/internal/edge"
	"makola/services/api-gateway/internal/live"
	"makola/services/api-gateway/internal/once"
	"makola/services/api-gateway/internal/unsubscribe"
)

// requestTime bounds one request: a payment provider may take 30 s to open a payment, and the rest takes milliseconds.
const requestTime = 40 * time.Second

// Options says what stands around the handlers.
type Options struct {
	// TrustedProxies are the addresses and networks whose X-Forwarded-For is believed; none by default.
	TrustedProxies []string
	// SignInPerMinute is how many times a minute one address may register, sign in or refresh; one person may sign in half as often.
	SignInPerMinute int
	// RequestsPerSecond is what one address, one person and one business may ask for all in all.
	RequestsPerSecond int
	// CORSOrigins are the origins whose pages may read our answers; none by default.
	CORSOrigins []string
	// Share makes rate limits those of all gateways together. Nil: each counts for itself.
	Share *edge.Share
	// Hub feeds the streams of task events. Without one they look at their rows.
	Hub *live.Hub
	// StreamPatience is how long a client may take to accept one event; zero means ten seconds.
	StreamPatience time.Duration
	// Webhooks receive the providers' webhooks, raw, by the providers' names. A provider that is not here has no address.
	Webhooks map[string]gin.HandlerFunc
	// Unsubscribe reads the links in mails. Without it there is no page for them.
	Unsubscribe *notifications.UnsubscribeKeys
	// Metrics receives the request metrics when not nil.
	Metrics prometheus.Registerer
}

// webhookPaths are where a provider's webhooks arrive: ours, and for Paystack those that accounts have been set to by the Django application.
func webhookPaths(provider string) []string {
	paths := []string{"/api/webhooks/" + provider, "/api/webhooks/" + provider + "/", "/api/v1/webhooks/" + provider}
	if provider == paystack.Name {
		paths = append(paths, "/ai/api/webhooks/paystack/", "/subscriptions/api/webhooks/paystack/", "/subscriptions/api/webhooks/payment/")
	}
	return paths
}

// NewRouter puts everything together: what every request passes, the webhooks, the pages, and the operations of openapi.yaml.
func NewRouter(s *Server, o Options) (http.Handler, error) {
	r, err := newEngine(s, o)
	if err != nil {
		return nil, err
	}
	return edge.Head(r), nil
}

func newEngine(s *Server, o Options) (*gin.Engine, error) {
	doc, err := spec.Load()
	if err != nil {
		return nil, err
	}
	contract, err := edge.NewContract(doc)
	if err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	if err := checkPermissions(contract); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	gin.SetMode(gin.ReleaseMode) // else gin writes to standard output as it likes
	r := gin.New()
	r.ContextWithFallback = true // gin's context carries the request's values and deadline
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	if err := r.SetTrustedProxies(o.TrustedProxies); err != nil {
		return nil, fmt.Errorf("read TRUSTED_PROXIES: %w", err)
	}
	var quiet []string
	for name := range o.Webhooks {
		quiet = append(quiet, webhookPaths(name)...)
	}
	r.Use(edge.RequestID, edge.AccessLog(o.Metrics, quiet), edge.SecurityHeaders, edge.Recover, edge.PlainPath)
	if len(o.CORSOrigins) > 0 {
		r.Use(edge.CORS(o.CORSOrigins))
	}
	r.NoRoute(edge.NotFound)
	r.NoMethod(edge.MethodNotAllowed)

	// Webhooks stand outside: their bytes are signed as they are, and a provider is never limited by address.
	for name, handle := range o.Webhooks {
		for _, path := range webhookPaths(name) {
			r.POST(path, handle)
		}
	}
	l := newLimits(o)
	pages := r.Group("", l.address)
	if err := docs.Mount(pages, doc, spec.YAML()); err != nil {
		return nil, fmt.Errorf("make the documentation page: %w", err)
	}
	if o.Unsubscribe != nil {
		(&unsubscribe.Pages{DB: s.DB, Keys: o.Unsubscribe}).Mount(pages)
	}
	if o.Hub == nil {
		o.Hub = live.NewHub(nil, "", live.Limits{}, nil)
	}
	streams := &live.Streams{Hub: o.Hub, Read: s.watch, Patience: o.StreamPatience}
	r.GET("/api/v1/tasks/:id/events", l.address, s.admit(contract, l), streams.Handle) // no deadline: a stream ends when its task does
	feed := &live.Feed{Hub: o.Hub, Read: s.latestNews, Patience: o.StreamPatience}
	r.GET("/api/v1/notifications/stream", l.address, s.admit(contract, l), feed.Handle)
	r.POST("/api/v1/imports", l.address, s.admit(contract, l), s.CreateImport)         // a file may take longer to arrive than other requests may take at all
	r.GET("/api/v1/reports/:id/download", l.address, s.admit(contract, l), s.download) // no deadline but for each piece: a file may be large, and a line slow
	r.GET(reporting.LinkPath+":token", l.address, s.follow(contract))
	operations := r.Group("", l.address, edge.Deadline(requestTime), s.admit(contract, l), s.withCrossings)
	gen.RegisterHandlersWithOptions(operations, gen.NewStrictHandlerWithOptions(s, nil, gen.StrictGinServerOptions{
		RequestErrorHandlerFunc:  edge.Fail,
		HandlerErrorFunc:         edge.Fail,
		ResponseErrorHandlerFunc: edge.Fail,
	}), gen.GinServerOptions{ErrorHandler: func(c *gin.Context, err error, _ int) {
		edge.Fail(c, problem.New(problem.Malformed, "", err.Error()))
	}})
	return r, nil
}

// admit decides who may go on to an operation's handler: known people, within their limits, with a request that the description allows.
func (s *Server) admit(contract *edge.Contract, l limits) gin.HandlerFunc {
	requests := &once.Requests{DB: s.DB}
	return func(c *gin.Context) {
		op, err := contract.Operation(c)
		if err == nil && !op.Public {
			err = auth.Bearer(c, s.Sessions.Keys)
			if err == nil {
				err = l.signedIn(c)
			}
			if err == nil {
				err = s.permit(c, op)
			}
			if err == nil {
				err = s.requireSubscription(c, op)
			}
		}
		if err == nil && op.Public {
			err = l.signIn.Allow(c, edge.AddressKey(c))
		}
		if err == nil {
			err = op.Check(c)
		}
		if err == nil {
			err = l.guess(c, op)
		}
		if err != nil {
			edge.Fail(c, err)
			return
		}
		withClient(c)
		if !op.Once {
			c.Next()
			return
		}
		if err := requests.Serve(c, op.ID); err != nil {
			edge.Fail(c, err)
		}
	}
}

// limits are the token buckets of all gateways together. Those on signing in are exact, because they keep passwords from being guessed; the others may be exceeded by
// what a gateway settles at a time.
type limits struct {
	address                         gin.HandlerFunc
	signIn, person, account, tenant *edge.Limiter
}

// signedIn limits a person and their business, if they are of one.
func (l limits) signedIn(c *gin.Context) error {
	who := auth.From(c.Request.Context())
	if err := l.account.Allow(c, who.User.String()); err != nil {
		return err
	}
	if who.Tenant == uuid.Nil {
		return nil
	}
	return l.tenant.Allow(c, who.Tenant.String())
}

// guess limits the attempts on one person besides those from one address: so that many addresses cannot share the guessing of a password, and cannot fill an inbox.
func (l limits) guess(c *gin.Context, op *edge.Operation) error {
	switch op.ID {
	case "ChangePassword":
		return l.person.Allow(c, auth.From(c.Request.Context()).User.String())
	case "Login", "RequestPasswordReset":
	default:
		return nil
	}
	body, ok := c.Request.Body.(interface{ ValidatedValue() any }) // left by Check
	if !ok {
		return nil
	}
	members, _ := body.ValidatedValue().(map[string]any)
	text, _ := members["email"].(string)
	email, err := accounts.NormalizeEmail(text)
	if err != nil {
		return nil //nolint:nilerr // an address that cannot exist is nobody's; signing in will fail
	}
	return l.person.Allow(c, op.ID+" "+email)
}

// burst is how many seconds' worth of requests may come at once; a page of the console opens with a dozen.
const burst = 4

func newLimits(o Options) limits {
	general := func(name string) *edge.Limiter {
		n := max(1, o.RequestsPerSecond*burst)
		return edge.NewLimiter(name, n, burst*time.Second).Sharing(o.Share, n/10)
	}
	exact := func(name string, n int) *edge.Limiter {
		return edge.NewLimiter(name, max(1, n), time.Minute).Sharing(o.Share, 1)
	}
	all := general("address")
	return limits{
		address: func(c *gin.Context) {
			if err := all.Allow(c, edge.AddressKey(c)); err != nil {
				edge.Fail(c, err)
			}
		},
		signIn: exact("sign-in", o.SignInPerMinute), person: exact("person", o.SignInPerMinute/2),
		account: general("account"), tenant: general("business"),
	}
}
