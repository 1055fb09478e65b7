package edge

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// AccessLog writes one line per request and counts it. Neither holds personal data: the route's pattern stands for the address, and there is no client
// address and no query. Requests for unknown addresses share one route, so that nobody can make metrics grow.
//
// Good answers on the quiet routes are logged at DEBUG: webhooks come by the thousand, and each has a row that says more than the line would.
func AccessLog(metrics prometheus.Registerer, quiet []string) gin.HandlerFunc {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "makola_http_request_seconds", Help: "Time from the request's header to the end of the answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"method", "route", "status"})
	if metrics != nil {
		metrics.MustRegister(seconds)
	}
	return func(c *gin.Context) {
		begin := time.Now()
		c.Next()
		method, route, status := knownMethod(c.Request.Method), c.FullPath(), c.Writer.Status()
		if IsHead(c.Request.Context()) {
			method = http.MethodHead
		}
		if route == "" {
			route = "unmatched"
		}
		took := time.Since(begin)
		seconds.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
		level := slog.LevelInfo
		if status < http.StatusBadRequest && slices.Contains(quiet, route) {
			level = slog.LevelDebug
		}
		slog.LogAttrs(c.Request.Context(), level, "request answered", slog.String("method", method), slog.String("route", route), slog.Int("status", status),
			slog.Int("bytes", max(c.Writer.Size(), 0)), slog.Float64("took_ms", float64(took.Microseconds())/1000))
	}
}

// knownMethod keeps made-up methods out of the metrics.
func knownMethod(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}
