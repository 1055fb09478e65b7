package service

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// Keys of the facts that follow one piece of work through the logs of every service.
const (
	LogTaskID    = "task_id"
	LogTenantID  = "tenant_id"
	LogAttempt   = "attempt"
	LogTraceID   = "trace_id"
	LogRequestID = "request_id"
)

type logAttrsKey struct{}

// WithLogAttrs returns a context whose log lines carry attrs. A key that is already there gets the new value.
// The task engine adds task, tenant and attempt this way, and the gateway the request.
func WithLogAttrs(ctx context.Context, attrs ...slog.Attr) context.Context {
	old, _ := ctx.Value(logAttrsKey{}).([]slog.Attr)
	merged := make([]slog.Attr, 0, len(old)+len(attrs))
	for _, a := range old {
		if !slices.ContainsFunc(attrs, func(n slog.Attr) bool { return n.Key == a.Key }) {
			merged = append(merged, a)
		}
	}
	return context.WithValue(ctx, logAttrsKey{}, append(merged, attrs...))
}

// LogAttrs returns the attributes that log lines of ctx carry. The caller must not change them.
func LogAttrs(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(logAttrsKey{}).([]slog.Attr)
	return attrs
}

// NewLogger returns a logger that writes JSON lines to w, adds the attributes of the line's context, and masks values whose key
// names a secret. It is safe for concurrent use.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(contextHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: redact})})
}

// contextHandler adds what WithLogAttrs put into the context. Under an open group the attributes land in that group.
type contextHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if attrs := LogAttrs(ctx); len(attrs) > 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

// redact masks attributes that should not have been logged, whoever logged them.
func redact(_ []string, a slog.Attr) slog.Attr {
	if isSecretKey(a.Key) && a.Value.Kind() != slog.KindGroup {
		return slog.String(a.Key, masked)
	}
	return a
}

// isSecretKey reports whether a log key names something secret: one of the words, alone or at the end after an underscore
// (refresh_token, db_password, stripe_api_key).
func isSecretKey(key string) bool {
	key = strings.ToLower(strings.ReplaceAll(key, "-", "_"))
	for _, word := range []string{"password", "secret", "token", "authorization", "cookie", "api_key", "secret_key", "signature", "dsn"} {
		if key == word || strings.HasSuffix(key, "_"+word) {
			return true
		}
	}
	return false
}
