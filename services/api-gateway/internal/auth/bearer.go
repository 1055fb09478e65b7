// Package auth finds out who asks, from the access token that a request carries.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"makola/pkg/accounts"
	"makola/pkg/problem"
	"makola/pkg/service"
	"makola/pkg/tenant"
)

// maxToken is the longest token worth looking at. Ours have some 400 bytes.
const maxToken = 4096

// errMissing reports a request without a token.
var errMissing = problem.New(problem.Unauthenticated, "", "")

type key struct{}

// Bearer reads the access token of c and puts the person, and the business as the tenant if they have one, into the request's context. What they may do is
// known only after Authorize. After an error it has set the
// challenge that a 401 must carry (RFC 6750, section 3). Errors: accounts.ErrTokenExpired, accounts.ErrTokenInvalid, and one for no token at all.
func Bearer(c *gin.Context, keys *accounts.Keys) error {
	p, err := check(c.Request.Header.Values("Authorization"), keys)
	if err != nil {
		c.Header("WWW-Authenticate", challenge(err))
		return err
	}
	ctx := tenant.With(context.WithValue(c.Request.Context(), key{}, p), p.Tenant)
	if p.Tenant != uuid.Nil {
		ctx = service.WithLogAttrs(ctx, slog.String(service.LogTenantID, p.Tenant.String()))
	}
	c.Request = c.Request.WithContext(ctx)
	return nil
}

// Authorize puts what the person may do now into the request's context; Bearer came before. Errors: accounts.ErrSessionEnded, accounts.ErrNotMember.
func Authorize(c *gin.Context, sessions *accounts.Sessions) error {
	ctx := c.Request.Context()
	p, err := sessions.Authorize(ctx, From(ctx))
	if err != nil {
		if errors.Is(err, accounts.ErrSessionEnded) {
			c.Header("WWW-Authenticate", challenge(accounts.ErrTokenInvalid))
		}
		return err
	}
	c.Request = c.Request.WithContext(context.WithValue(ctx, key{}, p))
	return nil
}

func check(values []string, keys *accounts.Keys) (accounts.Principal, error) {
	if len(values) == 0 {
		return accounts.Principal{}, errMissing
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return accounts.Principal{}, accounts.ErrTokenInvalid
	}
	return keys.Check(strings.TrimSpace(token), time.Now())
}

func challenge(err error) string {
	switch {
	case errors.Is(err, accounts.ErrTokenExpired):
		return `Bearer realm="makola", error="invalid_token", error_description="expired"`
	case errors.Is(err, accounts.ErrTokenInvalid):
		return `Bearer realm="makola", error="invalid_token"`
	default:
		return `Bearer realm="makola"`
	}
}

// From returns who asks. It panics for a request that did not pass Bearer: such a handler must not run.
func From(ctx context.Context) accounts.Principal {
	p, ok := ctx.Value(key{}).(accounts.Principal)
	if !ok {
		panic("auth: no principal in the context of this request")
	}
	return p
}
