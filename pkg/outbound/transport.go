package outbound

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// ErrResponseTooLarge reports a body beyond MaxResponseBytes. What was read until then must be thrown away.
var ErrResponseTooLarge = errors.New("response too large")

// transport checks the scheme, bounds the body and writes the log line of one exchange.
type transport struct {
	cfg  Config
	next *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && (req.URL.Scheme != "http" || !t.cfg.AllowPlainHTTP) {
		if req.Body != nil {
			_ = req.Body.Close() // A RoundTripper owns the body; the refusal is the error that matters.
		}
		return nil, fmt.Errorf("%w, not %.16q", ErrInsecureScheme, req.URL.Scheme)
	}
	began := time.Now()
	resp, err := t.next.RoundTrip(req)
	logger := t.cfg.Logger.With("method", req.Method, "host", req.URL.Host, "duration_ms", time.Since(began).Milliseconds())
	if err != nil {
		// The transport's own errors name addresses and causes, never the path or the query.
		logger.LogAttrs(req.Context(), slog.LevelWarn, "outbound request failed", slog.Any("error", err))
		return nil, err
	}
	logger.LogAttrs(req.Context(), slog.LevelDebug, "outbound request", slog.Int("status", resp.StatusCode))
	if resp.ContentLength > t.cfg.MaxResponseBytes {
		_ = resp.Body.Close() // Nothing was read, so there is nothing to lose.
		return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", ErrResponseTooLarge, resp.ContentLength, t.cfg.MaxResponseBytes)
	}
	resp.Body = &limitedBody{body: resp.Body, left: t.cfg.MaxResponseBytes}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the real transport.
func (t *transport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// limitedBody fails, instead of ending quietly, when a body is longer than left bytes.
type limitedBody struct {
	body io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrResponseTooLarge
	}
	if int64(len(p)) > b.left+1 { // One byte more than allowed tells a body at the limit from one beyond it.
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, ErrResponseTooLarge
	}
	return n, err
}

// Close implements io.Closer.
func (b *limitedBody) Close() error { return b.body.Close() }
