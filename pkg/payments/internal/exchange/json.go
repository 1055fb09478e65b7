package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"makola/pkg/outbound"
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
		return nil, outbound.WithoutURL(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(j.Key))
	req.Header.Set("Accept", "application/json")
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := j.HTTP.Do(req)
	if err != nil {
		return nil, outbound.WithoutURL(err)
	}
	body, err := io.ReadAll(resp.Body)
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return &Answer{Status: resp.StatusCode, Body: body, RetryAfter: outbound.RetryAfter(resp.Header, MaxRetryAfter)}, nil
}

// MaxRetryAfter is the most of a provider's Retry-After that is believed.
const MaxRetryAfter = time.Hour

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
