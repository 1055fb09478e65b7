package edge

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"makola/pkg/problem"
)

type headKey struct{}

// Head answers HEAD like GET, without a body (RFC 9110, section 9.3.2): net/http leaves the body out because its own request still says HEAD.
func Head(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(context.WithValue(r.Context(), headKey{}, true)) // a copy
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// IsHead reports whether the request behind ctx was a HEAD, for handlers that would otherwise answer without end.
func IsHead(ctx context.Context) bool {
	head, _ := ctx.Value(headKey{}).(bool)
	return head
}

// errPath refuses an address that we and a proxy in front of us might read differently.
var errPath = problem.New(problem.Malformed, "malformed_path", "The address hides a slash, a dot or a control character in percent-encoding.")

// PlainPath refuses paths in which a separator, a dot segment or a zero byte is percent-encoded. No address of ours has one, and whoever sends one hopes that a proxy's rules
// see another path than we do.
func PlainPath(c *gin.Context) {
	raw := strings.ToLower(c.Request.URL.EscapedPath())
	for _, trick := range []string{"%2f", "%5c", "%2e", "%00", "%25", "\\"} {
		if strings.Contains(raw, trick) {
			Fail(c, errPath)
			return
		}
	}
}

// MethodNotAllowed answers requests for an address that exists with a method it does not have. gin has set the Allow header. OPTIONS is answered by that
// header alone (RFC 9110, section 9.3.7).
func MethodNotAllowed(c *gin.Context) {
	allow := c.Writer.Header().Get("Allow")
	if strings.Contains(allow, http.MethodGet) {
		allow += ", " + http.MethodHead
	}
	c.Writer.Header().Set("Allow", allow+", "+http.MethodOptions)
	if c.Request.Method == http.MethodOptions {
		c.AbortWithStatus(http.StatusNoContent)
		return
	}
	Fail(c, problem.New(problem.MethodNotAllowed, "", ""))
}
