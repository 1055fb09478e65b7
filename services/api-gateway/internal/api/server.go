// Package api answers the operations of openapi.yaml. Handlers are thin: they read the request, call the context that owns the rules, and write the answer.
// An error they return is answered by package problem, which alone picks the status.
package api

import (
	"context"
	"net/url"

	"github.com/gin-gonic/gin"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/inventory"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
	"makola/proto/contract"
	accountspb "makola/proto/makola/accounts/v1"
	aifeatures "makola/proto/makola/ai_features/v1"
	inventorypb "makola/proto/makola/inventory/v1"
	reportspb "makola/proto/makola/reports/v1"
	salespb "makola/proto/makola/sales/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/api-gateway/internal/api/gen"
)

// Server answers every operation. Its fields are set once, before NewRouter; it is safe for concurrent use.
type Server struct {
	// DB is the gateway's own database role.
	DB *postgres.DB
	// Sessions signs people in.
	Sessions *accounts.Sessions
	// Queue announces what is cancelled, and what was read, to those who watch. Nil announces nothing.
	Queue *task.Queue
	// Accounts enqueues the tasks on users.
	Accounts *accountspb.Tasks
	// Credits enqueues the tasks on AI credits.
	Credits *aifeatures.Tasks
	// Subscriptions enqueues the tasks on subscriptions.
	Subscriptions *subscriptionspb.Tasks
	// Inventory enqueues the tasks on stock, Sales those on sales, and Reports those that make reports.
	Inventory *inventorypb.Tasks
	Sales     *salespb.Tasks
	Reports   *reportspb.Tasks
	// Schedule enqueues the runs of scheduled jobs that somebody asks for.
	Schedule contract.Enqueuer
	// Webhooks enqueues the deliveries of events to the endpoints that Endpoints keeps.
	Webhooks  *webhookspb.Tasks
	Endpoints *webhooks.Endpoints
	// Files keeps what is uploaded, at most ImportBytes each, and the files of reports. Nil keeps nothing.
	Files       *storage.Files
	ImportBytes int64
	// Links sign links to files, which lead to PublicURL, an address without a slash at its end. Nil makes none, and follows none.
	Links     *reporting.LinkKeys
	PublicURL string
	// Providers open payments, by the names that purchases call them by. ProviderNames lists the same, the default first.
	Providers     map[string]payments.Provider
	ProviderNames []string
	// Answers says what may be asked of a language model. Nil asks none.
	Answers *Answers
	// TrialCredits is what a new business is given; zero gives nothing.
	TrialCredits money.Credits
	// RequireVerifiedEmail keeps people whose address is not confirmed out of their business.
	RequireVerifiedEmail bool
	// Storefronts tells which storefronts a business has. Nil: what the inventory says.
	Storefronts accounts.Storefronts
	// CallbackOrigins are the origins (scheme, host and port) that a browser may be sent to after paying.
	CallbackOrigins []*url.URL
}

var _ gen.StrictServerInterface = (*Server)(nil)

// storefronts is Storefronts, or what stands in for it.
func (s *Server) storefronts() accounts.Storefronts {
	if s.Storefronts == nil {
		return inventory.UnknownStorefronts
	}
	return s.Storefronts
}

// asPerson runs fn for the business of whoever asks, or for the platform when they have none.
func (s *Server) asPerson(ctx context.Context, fn func(tx *gorm.DB) error) error {
	if _, ok := tenant.From(ctx); ok {
		return s.DB.InTenant(ctx, fn)
	}
	return s.DB.InSystem(ctx, fn)
}

type clientKey struct{}

// withClient remembers who calls, for the list of a person's sessions.
func withClient(c *gin.Context) {
	client := accounts.Client{IP: c.ClientIP(), UserAgent: c.Request.UserAgent()}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), clientKey{}, client))
}

// clientOf returns what withClient remembered.
func clientOf(ctx context.Context) accounts.Client {
	client, _ := ctx.Value(clientKey{}).(accounts.Client)
	return client
}

// optional turns a text that may be missing into a member that may be null.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
