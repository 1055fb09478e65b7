package edge

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
)

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-Id"
	corsExposed = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, Idempotent-Replayed"
	// corsMaxAge is how long a browser may remember a preflight: ten minutes, so that a changed configuration is seen soon.
	corsMaxAge = "600"
)

// CORS lets pages of exactly these origins read our answers and ask with their access tokens. Others get no permission, and browsers then refuse them. There is no
// wildcard and no Access-Control-Allow-Credentials: we use no cookies, so a browser has nothing to add to what the page itself sends.
func CORS(origins []string) gin.HandlerFunc {
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h.Add("Vary", "Origin") // also where it is not allowed: a cache must not give one origin's answer to another
		origin := c.GetHeader("Origin")
		if origin == "" || !slices.Contains(origins, origin) {
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
			h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Allow-Headers", corsHeaders)
			h.Set("Access-Control-Max-Age", corsMaxAge)
			c.AbortWithStatus(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Expose-Headers", corsExposed)
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
}
