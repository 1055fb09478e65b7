package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"makola/pkg/payments"
)

// JSON speaks to an API that takes and gives JSON and is authenticated by a bearer key.
type JSON struct {
	*Caller
	BaseURL string // Without a slash at the end.
	Key     payments.SecretKey
	HTTP    *http.Client
}

// Get asks a question, which may be repeated.
func (j *JSON) Get(ctx context.Context, path string) (*Answer, error) {
	return j.Repeat(ctx, func(ctx context.Context) (*Answer, error) { return j.attempt(ctx, http.MethodGet, path, nil) })
}

// Probe asks a question once, past the breaker.
func (j *JSON) Probe(ctx context.Context, path string) (*Answer, error) {
	return j.Caller.Probe(ctx, func(ctx context.Context) (*Answer, error) { return j.attempt(ctx, http.MethodGet, path, nil) })
}

// Post asks for something to be done, once.
func (j *JSON) Post(ctx context.Context, path string, in any) (*Answer, error) {
	payload, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("%w: encode: %w", payments.ErrInvalidRequest, err)
	}
	return j.Once(ctx, func(ctx context.Context) (*Answer, error) { return j.attempt(ctx, http.MethodPost, path, payload) })
}

func (j *JSON) attempt(ctx context.Context, method, path string, payload []byte) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, j.BaseURL+path, bytes.NewReader(payload))
	if err != nil {
		return nil, WithoutURL(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(j.Key))
	req.Header.Set("Accept", "application/json")
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := j.HTTP.Do(req)
	if err != nil {
		return nil, WithoutURL(err)
	}
	body, err := io.ReadAll(resp.Body)
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return &Answer{Status: resp.StatusCode, Body: body, RetryAfter: RetryAfter(resp.Header)}, nil
}

// maxRetryAfter is the most of a provider's Retry-After that is believed.
const maxRetryAfter = time.Hour

// RetryAfter reads the header in either of its forms, seconds or a date; zero when it is absent, past or unreadable.
func RetryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now := time.Now()
	if sent, err := http.ParseTime(header.Get("Date")); err == nil {
		now = sent // The provider's clock is the one it counts by.
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// WithoutURL drops the request's address from an error, which net/http puts there with path and query.
func WithoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// Redact removes words that look like an e-mail address or a key from a provider's message, and bounds its length.
func Redact(message string) string {
	words := strings.Fields(message)
	for i, word := range words {
		if strings.ContainsAny(word, "@") || secretWord.MatchString(word) {
			words[i] = "***"
		}
	}
	text := strings.ToValidUTF8(strings.Join(words, " "), "")
	return strings.ToValidUTF8(text[:min(len(text), maxMessage)], "")
}
