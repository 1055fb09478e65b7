package chat_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"makola/pkg/chat"
	"makola/pkg/chat/fake"
	"makola/pkg/service"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// endpoint is a client of a server that answers with what the test says.
func endpoint(t *testing.T, answer http.HandlerFunc, change ...func(*chat.Config)) *chat.Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	cfg := chat.Config{URL: server.URL + "/v1", Key: "sk-secret", Model: "m", Timeout: time.Minute, TokenField: "max_tokens", AllowNetworks: loopback}
	for _, fn := range change {
		fn(&cfg)
	}
	c, err := chat.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

var (
	inWords = chat.Request{Messages: []chat.Message{{Role: chat.System, Content: "Be brief."}, {Role: chat.User, Content: "Hello"}}, MaxTokens: 10}
	byTool  = chat.Request{Messages: inWords.Messages, MaxTokens: 10, Tools: []chat.Tool{{Name: "greet", Description: "Greets.", Parameters: json.RawMessage(`{"type":"object"}`)}}}
)

func TestARequestIsWhatEndpointsExpect(t *testing.T) {
	t.Parallel()
	var got map[string]any
	c := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer sk-secret" || r.Method != http.MethodPost {
			http.Error(w, "no", http.StatusTeapot)
			return
		}
		got = map[string]any{}
		_ = json.NewDecoder(r.Body).Decode(&got)
		if got["tools"] != nil {
			fake.Call(w, "greet", `{}`)
			return
		}
		fake.Say(w, " Hello to you. ")
	})
	reply, err := c.Ask(t.Context(), inWords)
	require.NoError(t, err)
	require.Equal(t, chat.Reply{Text: "Hello to you.", Usage: chat.Usage{Prompt: 600, Completion: 60}}, reply)
	require.Equal(t, map[string]any{"model": "m", "max_tokens": 10.0, "messages": []any{
		map[string]any{"role": "system", "content": "Be brief."}, map[string]any{"role": "user", "content": "Hello"}}}, got)
	reply, err = c.Ask(t.Context(), byTool)
	require.NoError(t, err)
	require.Equal(t, []chat.Call{{Name: "greet", Arguments: "{}"}}, reply.Calls)
	require.Equal(t, "required", got["tool_choice"])
	require.Equal(t, []any{map[string]any{"type": "function", "function": map[string]any{"name": "greet", "description": "Greets.", "strict": true, "parameters": map[string]any{"type": "object"}}}}, got["tools"])
}

func TestAnAnswerIsReadStrictly(t *testing.T) {
	t.Parallel()
	whole := func(message, more string) string {
		return `{"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", ` + message + `}}]` + more + `, "unheard_of": {"x": [1]}}`
	}
	for _, tc := range []struct {
		name, body string
		request    chat.Request
		want       error
	}{
		{"an answer", whole(`"content": "Hi"`, ``), inWords, nil},
		{"no JSON", `<html>502</html>`, inWords, chat.ErrMalformed},
		{"nothing at all", ``, inWords, chat.ErrMalformed},
		{"half of it", whole(`"content": "Hi"`, ``)[:60], inWords, chat.ErrMalformed},
		{"two answers in one", whole(`"content": "Hi"`, ``) + whole(`"content": "Hi"`, ``), inWords, chat.ErrMalformed},
		{"null", `null`, inWords, chat.ErrMalformed},
		{"no choice", `{"choices": []}`, inWords, chat.ErrMalformed},
		{"empty words", whole(`"content": "  "`, ``), inWords, chat.ErrMalformed},
		{"content that is a list", whole(`"content": [{"text": "Hi"}]`, ``), inWords, chat.ErrMalformed},
		{"a function where none was offered", whole(`"content": null, "tool_calls": [{"function": {"name": "x", "arguments": "{}"}}]`, ``), inWords, chat.ErrMalformed},
		{"arguments that are an object", whole(`"content": null, "tool_calls": [{"function": {"name": "greet", "arguments": {}}}]`, ``), byTool, chat.ErrMalformed},
		{"words where a function was wanted are for the caller to judge", whole(`"content": "I cannot"`, ``), byTool, nil},
		{"cut off", strings.Replace(whole(`"content": "Hi"`, ``), `"stop"`, `"length"`, 1), inWords, chat.ErrMalformed},
		{"filtered", strings.Replace(whole(`"content": "Hi"`, ``), `"stop"`, `"content_filter"`, 1), inWords, chat.ErrDeclined},
		{"refused in words", whole(`"content": null, "refusal": "I will not"`, ``), inWords, chat.ErrDeclined},
		{"tokens beyond every number", whole(`"content": "Hi"`, `, "usage": {"prompt_tokens": 1e400, "completion_tokens": 1}`), inWords, chat.ErrMalformed},
		{"tokens as text", whole(`"content": "Hi"`, `, "usage": {"prompt_tokens": "1e400", "completion_tokens": 1}`), inWords, chat.ErrMalformed},
		{"fewer tokens than none", whole(`"content": "Hi"`, `, "usage": {"prompt_tokens": -1, "completion_tokens": 1}`), inWords, chat.ErrMalformed},
		{"more tokens than any model takes", whole(`"content": "Hi"`, `, "usage": {"prompt_tokens": 9223372036854775807, "completion_tokens": 1}`), inWords, chat.ErrMalformed},
		{"a fraction of a token", whole(`"content": "Hi"`, `, "usage": {"prompt_tokens": 1.5, "completion_tokens": 1}`), inWords, chat.ErrMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := endpoint(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tc.body) })
			reply, err := c.Ask(t.Context(), tc.request)
			require.ErrorIs(t, err, tc.want)
			require.Positive(t, reply.Usage.Total(), "what nobody counted is counted by its bytes")
			if err != nil {
				require.NotContains(t, err.Error(), "Hi", "an error repeats nothing of the answer")
			}
		})
	}
}

func TestAnAnswerOfTenMebibytesIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	c := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"choices": [{"message": {"content": "`)
		page := strings.Repeat("a", 1<<16)
		for range 160 {
			if _, err := io.WriteString(w, page); err != nil {
				return
			}
		}
	})
	_, err := c.Ask(t.Context(), inWords)
	require.ErrorIs(t, err, chat.ErrMalformed)
}

func TestFailuresAreToldApart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status   int
		header   string
		refused  bool
		wait     time.Duration
		codeText string
	}{
		{status: 500}, {status: 502}, {status: 503, header: "7", wait: 7 * time.Second}, {status: 408},
		{status: 429, header: "2", wait: 2 * time.Second}, {status: 429, header: "86400", wait: 10 * time.Minute}, {status: 429, header: "-5"}, {status: 429, header: "soon"}, {status: 429, header: "Fri, 01 Jan 2100 00:00:00 GMT", wait: 10 * time.Minute},
		{status: 400, refused: true, codeText: "context_length_exceeded"}, {status: 401, refused: true, codeText: "invalid_api_key"}, {status: 404, refused: true}, {status: 302, refused: true},
	} {
		t.Run(fmt.Sprintf("%d %s", tc.status, tc.header), func(t *testing.T) {
			t.Parallel()
			c := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tc.header)
				w.Header().Set("Location", "http://10.0.0.1/")
				w.WriteHeader(tc.status)
				_, _ = fmt.Fprintf(w, `{"error": {"code": %q, "message": "sk-secret said Hello"}}`, tc.codeText)
			})
			_, err := c.Ask(t.Context(), inWords)
			refused, isRefused := errors.AsType[*chat.RefusedError](err)
			require.Equal(t, tc.refused, isRefused, "%v", err)
			require.Equal(t, !tc.refused, errors.Is(err, chat.ErrUnavailable))
			require.NotContains(t, err.Error(), "Hello")
			if isRefused {
				require.Equal(t, tc.codeText, refused.Code)
				return
			}
			unavailable, ok := errors.AsType[*chat.UnavailableError](err)
			require.True(t, ok)
			require.Equal(t, tc.wait, unavailable.RetryAfter)
		})
	}
}

func TestAnEndpointThatIsSilentIsLeft(t *testing.T) {
	t.Parallel()
	release := make(chan struct{}) // closed when the test is over
	c := endpoint(t, func(http.ResponseWriter, *http.Request) { <-release }, func(cfg *chat.Config) { cfg.Timeout = 200 * time.Millisecond })
	t.Cleanup(func() { close(release) })
	reply, err := c.Ask(t.Context(), inWords)
	require.EqualError(t, err, "model unavailable: no answer in time")
	require.ErrorIs(t, err, chat.ErrUnavailable)
	require.Positive(t, reply.Usage.Prompt, "whoever has read the question is paid for it, though we did not wait for the answer")
}

func TestTheBreakerOpensAfterFiveFailuresAndSaysWhenItProbes(t *testing.T) {
	t.Parallel()
	asked := 0
	metrics := prometheus.NewRegistry()
	c := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusInternalServerError)
	}, func(cfg *chat.Config) { cfg.Metrics = metrics })
	for range 8 {
		_, err := c.Ask(t.Context(), inWords)
		require.ErrorIs(t, err, chat.ErrUnavailable)
	}
	require.Equal(t, 5, asked)
	_, err := c.Ask(t.Context(), inWords)
	unavailable, ok := errors.AsType[*chat.UnavailableError](err)
	require.True(t, ok)
	require.Positive(t, unavailable.RetryAfter)
	families, err := metrics.Gather()
	require.NoError(t, err)
	seen := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			seen[f.GetName()] += m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	require.InDelta(t, 2, seen["makola_ai_breaker"], 0)
	require.InDelta(t, 9, seen["makola_ai_call_seconds"], 0)
}

func TestWhatDoesNotAnswerIsNamedWithoutItsAddress(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]chat.Config{
		"address is not on the public internet": {URL: "https://127.0.0.1:1/v1"},
		"connection failed":                     {URL: "http://127.0.0.1:1/v1", AllowNetworks: loopback},
		"host name not found":                   {URL: "https://models.invalid/v1"},
	} {
		cfg.Model, cfg.Timeout, cfg.TokenField = "m", time.Minute, "max_tokens"
		c, err := chat.New(cfg)
		require.NoError(t, err)
		_, err = c.Ask(t.Context(), inWords)
		require.EqualError(t, err, "model unavailable: "+want, "every member of a business may read it")
	}
}

func TestTheConfigurationNamesItsFaults(t *testing.T) {
	t.Parallel()
	load := func(environ ...string) error { return service.Load(new(chat.Config), environ) }
	require.NoError(t, load(), "without a model all is well")
	require.NoError(t, load("AI_URL=https://api.example.com/v1", "AI_MODEL=m", "AI_KEY=k"))
	require.NoError(t, load("AI_URL=http://10.0.0.7/v1", "AI_MODEL=m", "AI_ALLOW_NETWORKS=10.0.0.0/8"))
	require.ErrorContains(t, load("AI_URL=http://10.0.0.7/v1", "AI_MODEL=m"), "AI_ALLOW_NETWORKS")
	require.ErrorContains(t, load("AI_URL=https://api.example.com/v1"), "AI_MODEL")
	require.ErrorContains(t, load("AI_URL=ftp://api.example.com", "AI_MODEL=m"), "AI_URL")
	require.ErrorContains(t, load("AI_URL=https://u:p@api.example.com", "AI_MODEL=m"), "AI_URL")
	require.ErrorContains(t, load("AI_TIMEOUT=2m"), "AI_TIMEOUT")
	require.ErrorContains(t, load("AI_TOKEN_FIELD=tokens"), "AI_TOKEN_FIELD")
	require.ErrorContains(t, load("MAKOLA_ENV=production", "AI_URL=http://10.0.0.7/v1", "AI_MODEL=m", "AI_ALLOW_NETWORKS=10.0.0.0/8"), "AI_URL is not https")
	_, err := chat.New(chat.Config{Timeout: time.Second, TokenField: "max_tokens"})
	require.ErrorContains(t, err, "AI_URL is not set")
}
