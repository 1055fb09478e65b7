package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/timeout"

	"makola/pkg/outbound"
	"makola/pkg/service"
)

const (
	// maxResponse is the most that is read of an answer. A table's worth of words has 4 KiB; the rest is room for what endpoints add.
	maxResponse = 256 << 10
	// breakerFailures in a row open the breaker, and after breakerDelay one call probes.
	breakerFailures = 5
	breakerDelay    = 30 * time.Second
	// maxRetryAfter is the most of an endpoint's Retry-After that is believed: after that the call is no use to whoever waits for it.
	maxRetryAfter = 10 * time.Minute
)

// Client asks one model. It is safe for concurrent use; make one per process, because it holds the connections and the circuit breaker.
type Client struct {
	address, model, tokenField string
	key                        service.Secret
	http                       *http.Client
	breaker                    circuitbreaker.CircuitBreaker[*answer]
	run                        failsafe.Executor[*answer]
	metrics                    *metrics
}

// New returns a client, or every fault of cfg.
func New(cfg Config) (*Client, error) {
	if faults := cfg.Validate(); !cfg.Enabled() || len(faults) > 0 {
		return nil, fmt.Errorf("configure model: %w", errors.Join(append(faults, map[bool]error{true: errors.New("AI_URL is not set")}[!cfg.Enabled()])...))
	}
	breaker := circuitbreaker.NewBuilder[*answer]().HandleIf(atFault).WithFailureThreshold(breakerFailures).WithDelay(breakerDelay).Build()
	c := &Client{
		address: strings.TrimRight(cfg.URL, "/") + "/chat/completions", model: cfg.Model, tokenField: cfg.TokenField, key: cfg.Key,
		http: outbound.New(outbound.Config{
			AllowNetworks: cfg.AllowNetworks, AllowPlainHTTP: strings.HasPrefix(cfg.URL, "http://"), Timeout: cfg.Timeout, MaxResponseBytes: maxResponse,
		}),
		breaker: breaker,
		run:     failsafe.With[*answer](breaker, timeout.New[*answer](cfg.Timeout)),
	}
	c.metrics = newMetrics(cfg.Metrics, breaker)
	return c, nil
}

// Close lets idle connections go. Calls still running are not disturbed.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// answer is one HTTP response, read completely.
type answer struct {
	status     int
	body       []byte
	retryAfter time.Duration
}

// Ask makes one call, once: whoever has patience calls again. The reply's Usage is set as far as it is known, also beside an error: a useless answer is paid for
// too, and so is a question that somebody read whose answer we did not wait for.
// Errors: an UnavailableError, ErrMalformed, ErrDeclined, a RefusedError; ctx's own.
func (c *Client) Ask(ctx context.Context, r Request) (Reply, error) {
	payload, err := c.encode(r)
	if err != nil {
		return Reply{}, err
	}
	begun := time.Now()
	reply, err := c.ask(ctx, payload, len(r.Tools) > 0)
	c.metrics.observe(reply, err, time.Since(begun))
	return reply, err
}

func (c *Client) ask(ctx context.Context, payload []byte, wantCalls bool) (Reply, error) {
	//nolint:contextcheck // the execution's context is ctx with the policies' timeout
	got, err := c.run.WithContext(ctx).GetWithExecution(func(exec failsafe.Execution[*answer]) (*answer, error) { return c.post(exec.Context(), payload) })
	switch {
	case errors.Is(err, outbound.ErrResponseTooLarge):
		return Reply{Usage: guess(payload, maxResponse)}, fmt.Errorf("%w: it is longer than %d bytes", ErrMalformed, maxResponse)
	case err != nil && ctx.Err() != nil:
		return Reply{Usage: guess(payload, 0)}, fmt.Errorf("%w: %w", &UnavailableError{Err: err}, ctx.Err())
	case errors.Is(err, circuitbreaker.ErrOpen):
		return Reply{}, &UnavailableError{RetryAfter: max(c.breaker.RemainingDelay(), time.Second), Err: err}
	case errors.Is(err, timeout.ErrExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return Reply{Usage: guess(payload, 0)}, &UnavailableError{Err: err}
	case err != nil:
		return Reply{}, &UnavailableError{Err: err}
	case got.status == http.StatusTooManyRequests, got.status == http.StatusRequestTimeout, got.status >= http.StatusInternalServerError:
		return Reply{}, &UnavailableError{RetryAfter: got.retryAfter, Err: httpStatus(got.status)}
	case got.status != http.StatusOK:
		return Reply{}, &RefusedError{Status: got.status, Code: codeOf(got.body)}
	}
	return decode(payload, got.body, wantCalls)
}

func (c *Client) post(ctx context.Context, payload []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address, bytes.NewReader(payload))
	if err != nil {
		return nil, outbound.WithoutURL(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	}
	resp, err := c.http.Do(req)
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
	return &answer{status: resp.StatusCode, body: body, retryAfter: outbound.RetryAfter(resp.Header, maxRetryAfter)}, nil
}

// atFault decides what counts against the endpoint: no answer, or a 5xx. A caller that went away does not, and neither does an answer that is too long.
func atFault(a *answer, err error) bool {
	if err != nil {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, outbound.ErrResponseTooLarge)
	}
	return a.status >= http.StatusInternalServerError
}

// codeOf is an error body's code or type, if it is a plain word: the rest of it may repeat the request.
func codeOf(body []byte) string {
	var e struct {
		Error struct {
			Code any    `json:"code"`
			Type string `json:"type"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	code, _ := e.Error.Code.(string)
	for _, word := range []string{code, e.Error.Type} {
		if word != "" && len(word) <= 50 && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") == "" {
			return word
		}
	}
	return ""
}
