package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// answerLimit bounds what is read of one answer, in bytes.
const answerLimit = 4 << 20

// caller talks JSON to one server.
type caller struct {
	name, base string // name is for messages
	token      string // bearer token; empty for none
	http       *http.Client
}

func newCaller(name, base string) *caller {
	return &caller{name: name, base: strings.TrimRight(base, "/"), http: &http.Client{Timeout: 10 * time.Second}}
}

// call sends in (nothing when nil) and reads the answer into out (ignored when nil). An answer that is not 2xx is an error with the server's own words.
func (c *caller) call(ctx context.Context, method, path string, headers map[string]string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.name, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("reach the %s; does it run there? %w", c.name, err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, answerLimit))
	if err != nil {
		return fmt.Errorf("read the answer of the %s to %s %s: %w", c.name, method, path, err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the %s refused %s %s: %d %s", c.name, method, path, res.StatusCode, reason(raw))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("read the answer of the %s to %s %s: %w", c.name, method, path, err)
	}
	return nil
}

// reason finds the words in a problem document, or in the simulator's {"message"}.
func reason(raw []byte) string {
	var p struct {
		Title, Detail, Code, Message string
		RequestID                    string `json:"request_id"`
	}
	if json.Unmarshal(raw, &p) != nil || p.Title+p.Detail+p.Message == "" {
		return strings.TrimSpace(string(raw[:min(len(raw), 300)]))
	}
	words := strings.TrimSpace(strings.Join([]string{p.Title, p.Detail, p.Message}, " "))
	if p.RequestID != "" {
		words += " (request " + p.RequestID + ")"
	}
	return words
}

// await calls done every 50 ms until it reports true, for at most patience; then the error says what did not happen and, where there is one, why.
func await(ctx context.Context, what string, patience time.Duration, done func(ctx context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		ok, err := done(ctx)
		if ok {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if last != nil {
				return fmt.Errorf("%s did not happen within %s: %w", what, patience, last)
			}
			return fmt.Errorf("%s did not happen within %s; `makola task list` and `makola dead list` tell where it stands", what, patience)
		case <-tick.C:
		}
	}
}
