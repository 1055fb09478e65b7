package edge

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// AccessLog writes one line per request and counts it. Neither holds personal data: the route's pattern stands for the address, and there is no client
// address and no query. Requests for unknown addresses share one route, so that nobody can make metrics grow.
func AccessLog(metrics prometheus.Registerer) gin.HandlerFunc {
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
		if route == "" {
			route = "unmatched"
		}
		took := time.Since(begin)
		seconds.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
		slog.InfoContext(c.Request.Context(), "request answered", "method", method, "route", route, "status", status,
			"bytes", max(c.Writer.Size(), 0), "took_ms", float64(took.Microseconds())/1000)
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
