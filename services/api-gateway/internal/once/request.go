package once

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/services/api-gateway/internal/auth"
)

// Header names a request's key; Replayed marks an answer that was given before.
const (
	Header   = "Idempotency-Key"
	Replayed = "Idempotent-Replayed"
)

// keepTime bounds the keeping of an answer, counted anew: the client may have gone while the handler worked.
const keepTime = 5 * time.Second

// keptHeaders are the headers that belong to an answer. All others belong to the request at hand: its id, its limits.
var keptHeaders = []string{"Content-Type", "Location", "Retry-After", "ETag", "Cache-Control"}

// Requests answers requests with an Idempotency-Key. Safe for concurrent use.
type Requests struct {
	DB *postgres.DB
}

// Serve runs the rest of the chain under the request's key, once; operation says what the key belongs to. A request without a key just goes on. It must
// come after the access token and the check of the body.
func (r *Requests) Serve(c *gin.Context, operation string) error {
	keys := c.Request.Header.Values(Header)
	switch {
	case len(keys) > 1:
		return errMany
	case len(keys) == 0 || keys[0] == "":
		c.Next()
		return nil
	}
	who := auth.From(c.Request.Context())
	hash, err := hashOf(c.Request)
	if err != nil {
		return err
	}
	claim := &Claim{tenant: who.Tenant, user: who.User, operation: operation, key: keys[0], hash: hash, holder: uuid.New()}
	var before *kept
	err = r.DB.InTenant(c.Request.Context(), func(tx *gorm.DB) (err error) {
		before, err = claim.take(tx)
		return err
	})
	if err != nil {
		return err
	}
	if before != nil {
		before.replay(c)
		return nil
	}
	r.run(c, claim)
	return nil
}

// run lets the handler answer into memory, keeps the answer or lets the key go, and only then answers the client: whoever has an answer gets the same one again.
func (r *Requests) run(c *gin.Context, claim *Claim) {
	ctx := c.Request.Context()
	c.Request = c.Request.WithContext(context.WithValue(ctx, claimKey{}, claim))
	real, answer := c.Writer, &recorder{ResponseWriter: c.Writer, status: http.StatusOK}
	c.Writer = answer
	settled := false
	settle := func(fn func(tx *gorm.DB) error) {
		settled = true
		kctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
		defer cancel()
		if err := r.DB.InTenant(kctx, fn); err != nil { // the hold runs out, and asking again goes on with what was made
			slog.WarnContext(ctx, "answer to an Idempotency-Key not kept", "error", err)
		}
	}
	defer func() { // a handler that panicked: the next one may try
		if c.Writer = real; !settled {
			settle(claim.release)
		}
	}()
	c.Next()
	if answer.final(claim) {
		settle(func(tx *gorm.DB) error { return claim.finish(tx, answer.kept()) })
		if answer.status < http.StatusBadRequest && claim.made == uuid.Nil {
			slog.ErrorContext(ctx, "operation does not keep what its Idempotency-Key made; after a crash it would be done twice", "operation", claim.operation)
		}
	} else {
		settle(claim.release)
	}
	c.Writer = real
	answer.send(real)
}

// hashOf covers what makes two requests the same: method, address and the body's bytes.
func hashOf(r *http.Request) ([]byte, error) {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s %s\n", r.Method, r.URL.RequestURI())
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, fmt.Errorf("read body again: %w", err)
		}
		if _, err := io.Copy(h, body); err != nil {
			return nil, fmt.Errorf("hash body: %w", err)
		}
	}
	return h.Sum(nil), nil
}

func (k *kept) replay(c *gin.Context) {
	for name, value := range k.headers {
		c.Header(name, value)
	}
	c.Header(Replayed, "true")
	c.Abort()
	c.Status(k.status)
	_, _ = c.Writer.Write(k.body) // an error means that the client has gone
}

// recorder is an answer in memory. Its headers are those of the real one.
type recorder struct {
	gin.ResponseWriter
	status  int
	written bool
	body    bytes.Buffer
}

// final reports whether asking again should give this answer again. A refusal after something was made is not the end of it: asking again goes on.
func (a *recorder) final(claim *Claim) bool {
	switch {
	case a.status < http.StatusBadRequest:
		return true
	case a.status >= http.StatusInternalServerError || claim.made != uuid.Nil:
		return false
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return true
}

func (a *recorder) kept() *kept {
	k := &kept{status: a.status, headers: map[string]string{}, body: a.body.Bytes()}
	for _, name := range keptHeaders {
		if v := a.Header().Get(name); v != "" {
			k.headers[name] = v
		}
	}
	return k
}

func (a *recorder) send(w gin.ResponseWriter) {
	w.WriteHeader(a.status)
	w.WriteHeaderNow()
	_, _ = w.Write(a.body.Bytes()) // an error means that the client has gone; the answer is kept
}

// Write implements gin.ResponseWriter, as do the methods below.
func (a *recorder) Write(b []byte) (int, error) {
	a.written = true
	return a.body.Write(b)
}

// WriteString adds to the answer.
func (a *recorder) WriteString(s string) (int, error) {
	a.written = true
	return a.body.WriteString(s)
}

// WriteHeader sets the status.
func (a *recorder) WriteHeader(status int) {
	if status > 0 {
		a.status = status
	}
}

// WriteHeaderNow ends the headers.
func (a *recorder) WriteHeaderNow() { a.written = true }

// Status is the answer's status so far.
func (a *recorder) Status() int { return a.status }

// Size is the number of bytes so far.
func (a *recorder) Size() int { return a.body.Len() }

// Written reports whether the answer has begun.
func (a *recorder) Written() bool { return a.written }

// Flush does nothing: the answer goes out as a whole.
func (a *recorder) Flush() {}
