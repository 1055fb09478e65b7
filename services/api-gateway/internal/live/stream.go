package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"makola/pkg/accounts"
	"makola/pkg/problem"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/edge"
)

const (
	// heartbeat keeps proxies from closing a quiet stream; many do after 60 s, some after 30 s. The row is looked at as often, for events that were lost.
	heartbeat = 15 * time.Second
	// pollEvery is how often the row is looked at while no events arrive.
	pollEvery = 2 * time.Second
	// life bounds a stream: an access token is believed so long, and a stream must not outlive the token that opened it by more.
	life = accounts.AccessLife
	// readTime bounds one look at the row.
	readTime = 5 * time.Second
	// failures is how many looks in a row may fail before the stream ends and leaves it to the client to come back.
	failures = 5
)

// Snapshot is a task as a client sees it.
type Snapshot struct {
	JSON []byte
	// ETag names this state; it is made of ASCII without spaces or line breaks.
	ETag  string
	Ended bool
}

// Streams answers GET /api/v1/tasks/{id}/events. Set its fields before the first request.
type Streams struct {
	Hub *Hub
	// Read returns the task as the caller's tenant sees it; another tenant's answers like one that does not exist.
	Read func(ctx context.Context, id uuid.UUID) (Snapshot, error)
	// Patience is how long a client may take to accept one event before it is dropped; 10 s when zero.
	Patience time.Duration
}

// Handle streams one task until it ends, the client leaves, the gateway stops or the stream has lived long enough.
func (s *Streams) Handle(c *gin.Context) {
	ctx := c.Request.Context()
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		edge.Fail(c, problem.New(problem.NotFound, "", ""))
		return
	}
	who := auth.From(ctx)
	w, err := s.Hub.watch(id, who.User, who.Tenant) // before the first look, so that nothing falls between
	if err != nil {
		edge.Fail(c, err)
		return
	}
	defer s.Hub.unwatch(w)
	now, err := s.look(ctx, id)
	if err != nil {
		edge.Fail(c, err)
		return
	}
	last := c.GetHeader("Last-Event-ID")
	if now.Ended && last == now.ETag {
		c.AbortWithStatus(http.StatusNoContent)
		return
	}
	out := &writer{Writer: c.Writer, control: http.NewResponseController(c.Writer), patience: s.Patience}
	if out.patience <= 0 {
		out.patience = 10 * time.Second
	}
	if err := out.begin(); err != nil || edge.IsHead(ctx) {
		return
	}
	if err := s.follow(ctx, w, out, now, last); err != nil {
		slog.InfoContext(ctx, "stream ended early", "error", err)
	}
}

// follow sends the row whenever it is not as it was sent last. An error means that the client is gone or too slow, or the database does not answer.
func (s *Streams) follow(ctx context.Context, w *watcher, out *writer, now Snapshot, last string) error {
	end := time.NewTimer(life)
	defer end.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	failed := 0
	for {
		if now.ETag != last {
			if err := out.event(now); err != nil {
				return err
			}
			last = now.ETag
		}
		if now.Ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // the client has left
		case <-s.Hub.leaving:
			return out.bye("draining")
		case <-end.C:
			return out.bye("expired")
		case <-w.ring:
		case <-beat.C:
			if err := out.comment(); err != nil {
				return err
			}
		case <-poll.C:
			if s.Hub.Hears() {
				continue
			}
		}
		next, err := s.look(ctx, w.task)
		switch known := (*problem.Error)(nil); {
		case err == nil:
			now, failed = next, 0
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &known): // it was deleted
			return out.bye("gone")
		default:
			if failed++; failed == failures {
				return errors.Join(out.bye("unavailable"), err)
			}
		}
	}
}

func (s *Streams) look(ctx context.Context, id uuid.UUID) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	return s.Read(ctx, id)
}

// writer writes a stream of events. Every write has a deadline of its own in place of the server's, which is for answers that end.
type writer struct {
	Writer   gin.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// begin sends the headers. X-Accel-Buffering asks a proxy not to gather what we send.
func (w *writer) begin() error {
	h := w.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.Writer.WriteHeader(http.StatusOK)
	if err := w.control.SetReadDeadline(time.Time{}); err != nil { // else the server would take a quiet client for one that has gone
		return fmt.Errorf("lift read deadline: %w", err)
	}
	return w.send("retry: 2000\n\n")
}

func (w *writer) event(s Snapshot) error {
	return w.send("id: " + s.ETag + "\nevent: task\ndata: " + string(s.JSON) + "\n\n") // json.Marshal writes no line breaks
}

func (w *writer) comment() error { return w.send(": still here\n\n") }

// bye says why a stream ends before its task, and spreads the clients' return over three seconds.
func (w *writer) bye(reason string) error {
	return w.send(fmt.Sprintf("retry: %d\nevent: bye\ndata: {\"reason\":%q}\n\n", 500+rand.N(2500), reason)) //nolint:gosec // spreads load, guards nothing
}

func (w *writer) send(text string) error {
	if err := w.control.SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := w.Writer.WriteString(text); err != nil {
		return fmt.Errorf("send event: %w", err)
	}
	if err := w.control.Flush(); err != nil {
		return fmt.Errorf("send event: %w", err)
	}
	return nil
}
