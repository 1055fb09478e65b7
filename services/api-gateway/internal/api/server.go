// Package api answers the operations of openapi.yaml. Handlers are thin: they read the request, call the context that owns the rules, and write the answer.
// An error they return is answered by package problem, which alone picks the status.
package api

import (
	"context"
	"net/url"

	"github.com/gin-gonic/gin"

	"makola/pkg/accounts"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	accountspb "makola/proto/makola/accounts/v1"
	aifeatures "makola/proto/makola/ai_features/v1"
	"makola/services/api-gateway/internal/api/gen"
)

// Server answers every operation. Its fields are set once, before NewRouter; it is safe for concurrent use.
type Server struct {
	// DB is the gateway's own database role.
	DB *postgres.DB
	// Sessions signs people in.
	Sessions *accounts.Sessions
	// Accounts enqueues the tasks on users.
	Accounts *accountspb.Tasks
	// Credits enqueues the tasks on AI credits.
	Credits *aifeatures.Tasks
	// Provider opens payments; ProviderName is what purchases call it, such as "paystack".
	Provider     payments.Provider
	ProviderName string
	// TrialCredits is what a new business is given; zero gives nothing.
	TrialCredits money.Credits
	// CallbackOrigins are the origins (scheme, host and port) that a browser may be sent to after paying.
	CallbackOrigins []*url.URL
}

var _ gen.StrictServerInterface = (*Server)(nil)

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
