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
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		edge.Fail(c, problem.New(problem.NotFound, "", ""))
		return
	}
	last := c.GetHeader("Last-Event-ID")
	serve(c, s.Hub, id, s.Patience, func(ctx context.Context) (frames string, ended bool, err error) {
		now, err := s.Read(ctx, id)
		if err != nil || now.ETag == last {
			return "", now.Ended, err
		}
		last = now.ETag
		return frame("task", now.ETag, now.JSON), now.Ended, nil
	})
}

// look reads what a stream is about, and returns the frames to send because it is not as it was the last time; ended when nothing can follow them.
type look func(ctx context.Context) (frames string, ended bool, err error)

// serve answers with a stream of what see sees, looked at whenever the topic is rung for.
func serve(c *gin.Context, hub *Hub, topic uuid.UUID, patience time.Duration, see look) {
	ctx := c.Request.Context()
	who := auth.From(ctx)
	w, err := hub.watch(topic, who.User, who.Tenant) // before the first look, so that nothing falls between
	if err != nil {
		edge.Fail(c, err)
		return
	}
	defer hub.unwatch(w)
	frames, ended, err := see.once(ctx)
	if err != nil {
		edge.Fail(c, err)
		return
	}
	if ended && frames == "" { // the client has seen the end
		c.AbortWithStatus(http.StatusNoContent)
		return
	}
	out := &writer{Writer: c.Writer, control: http.NewResponseController(c.Writer), patience: patience}
	if out.patience <= 0 {
		out.patience = 10 * time.Second
	}
	if err := out.begin(); err != nil || edge.IsHead(ctx) {
		return
	}
	if err := follow(ctx, hub, w, out, see, frames, ended); err != nil {
		slog.InfoContext(ctx, "stream ended early", "error", err)
	}
}

// follow sends what see sees whenever it is not as it was sent last. An error means that the client is gone or too slow, or the database does not answer.
func follow(ctx context.Context, hub *Hub, w *watcher, out *writer, see look, frames string, ended bool) error {
	end := time.NewTimer(life)
	defer end.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	failed := 0
	for {
		if frames != "" {
			if err := out.send(frames); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // the client has left
		case <-hub.leaving:
			return out.bye("draining")
		case <-end.C:
			return out.bye("expired")
		case <-w.ring:
		case <-beat.C:
			if err := out.comment(); err != nil {
				return err
			}
		case <-poll.C:
			if hub.Hears() {
				frames = ""
				continue
			}
		}
		var err error
		frames, ended, err = see.once(ctx)
		switch known := (*problem.Error)(nil); {
		case err == nil:
			failed = 0
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

// once looks, within bounds. After an error there is nothing to send.
func (l look) once(ctx context.Context) (frames string, ended bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	if frames, ended, err = l(ctx); err != nil {
		return "", false, err
	}
	return frames, ended, nil
}

// frame is one event; without an id the client keeps the one before. The data has no line breaks: json.Marshal writes none.
func frame(name, id string, data []byte) string {
	if id != "" {
		id = "id: " + id + "\n"
	}
	return id + "event: " + name + "\ndata: " + string(data) + "\n\n"
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
