package edge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"makola/pkg/service"
)

// RequestIDHeader carries a request's id, in and out.
const RequestIDHeader = "X-Request-Id"

// requestIDRule is what we take over from a client; anything else could forge log lines or fill them.
var requestIDRule = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// RequestID gives every request an id, the client's own if it is well formed, sends it back and puts it into every log line.
func RequestID(c *gin.Context) {
	id := c.GetHeader(RequestIDHeader)
	if !requestIDRule.MatchString(id) {
		id = uuid.NewString()
	}
	c.Header(RequestIDHeader, id)
	c.Request = c.Request.WithContext(service.WithLogAttrs(c.Request.Context(), slog.String(service.LogRequestID, id)))
}

// Recover answers 500 to a request whose handler panicked. The process goes on.
func Recover(c *gin.Context) {
	defer func() {
		v := recover()
		switch v {
		case nil:
		case http.ErrAbortHandler: // net/http's way to break off without a word
			panic(v)
		default:
			slog.ErrorContext(c.Request.Context(), "handler panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			Fail(c, errPanic)
		}
	}()
	c.Next()
}

// Deadline bounds the time that a request may take; whoever waits longer has gone.
func Deadline(d time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), d)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}

// SecurityHeaders tells browsers to trust these answers with nothing. A page that needs more sets its own policy.
func SecurityHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
}
