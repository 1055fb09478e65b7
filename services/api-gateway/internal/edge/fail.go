package edge

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"makola/pkg/problem"
)

// Fail answers with what problem.From makes of err and ends the chain. Our own faults are logged with all their causes; the client sees none of them.
// After the answer has begun nothing can be mended, so the error is only logged.
func Fail(c *gin.Context, err error) {
	ctx := c.Request.Context()
	c.Abort()
	if c.Writer.Written() {
		slog.ErrorContext(ctx, "answer broken off", "error", err)
		return
	}
	p := problem.From(err)
	switch {
	case p.Status == http.StatusInternalServerError:
		slog.ErrorContext(ctx, "request failed", "error", err)
	case p.Status > http.StatusInternalServerError && ctx.Err() == nil:
		slog.WarnContext(ctx, "request refused by a dependency", "error", err, "status", p.Status)
	}
	problem.Write(c.Writer, c.Request, p)
}

// NotFound answers requests for addresses that do not exist.
func NotFound(c *gin.Context) { Fail(c, problem.New(problem.NotFound, "", "")) }

var errPanic = errors.New("panic")
