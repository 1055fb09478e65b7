// Package fake is a model's endpoint for development and tests: real HTTP, OpenAI's wire format, and no model behind it. It chooses functions by the words of the question, puts
// figures into a plain sentence, and misbehaves on command.
package fake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"makola/pkg/chat"
)

// DefaultKey is the published key of the stand-in, and Model a name that it takes; it takes any other too.
const (
	DefaultKey = "sk-makola-simulator"
	Model      = "simulator"
)

// maxBody bounds a request.
const maxBody = 1 << 20

// Request is one request as it came in.
type Request struct {
	Messages []chat.Message
	Tools    []chat.Tool
	Raw      []byte
}

// Server is the endpoint. Its zero value works; it is safe for concurrent use.
type Server struct {
	// Key is what callers must bring. Empty takes everybody.
	Key string
	// Answer, when set, is asked first. It writes the whole answer itself and returns true, or returns false to leave that to the Server.
	Answer func(w http.ResponseWriter, r *http.Request, asked Request) bool

	mu  sync.Mutex
	saw []Request
}

// Requests returns what came in so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.saw)
}

// ServeHTTP answers POST …/chat/completions.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !strings.HasSuffix(r.URL.Path, "/chat/completions") || r.Method != http.MethodPost:
		fail(w, http.StatusNotFound, "unknown_url")
		return
	case s.Key != "" && r.Header.Get("Authorization") != "Bearer "+s.Key:
		fail(w, http.StatusUnauthorized, "invalid_api_key")
		return
	}
	var body struct {
		Model    string         `json:"model"`
		Messages []chat.Message `json:"messages"`
		Tools    []struct {
			Function chat.Tool `json:"function"`
		} `json:"tools"`
	}
	var raw json.RawMessage
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&raw)
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil || body.Model == "" || len(body.Messages) == 0 {
		fail(w, http.StatusBadRequest, "invalid_request_error")
		return
	}
	asked := Request{Messages: body.Messages, Raw: raw}
	for _, t := range body.Tools {
		asked.Tools = append(asked.Tools, t.Function)
	}
	s.mu.Lock()
	s.saw = append(s.saw, asked)
	s.mu.Unlock()
	if s.Answer != nil && s.Answer(w, r, asked) {
		return
	}
	said := asked.Messages[len(asked.Messages)-1].Content
	if len(asked.Tools) > 0 {
		t := choose(asked.Tools, words(questionOf(said)))
		Call(w, t.Name, fill(t.Parameters, words(questionOf(said))))
		return
	}
	Say(w, sentence(said))
}

// Say answers in words.
func Say(w http.ResponseWriter, text string) { reply(w, "stop", map[string]any{"content": text}) }

// Call answers with one call of a function.
func Call(w http.ResponseWriter, name, arguments string) {
	Calls(w, chat.Call{Name: name, Arguments: arguments})
}

// Calls answers with several calls.
func Calls(w http.ResponseWriter, calls ...chat.Call) {
	list := make([]any, len(calls))
	for i, c := range calls {
		list[i] = map[string]any{"id": fmt.Sprintf("call_%d", i+1), "type": "function", "function": map[string]any{"name": c.Name, "arguments": c.Arguments}}
	}
	reply(w, "tool_calls", map[string]any{"content": nil, "tool_calls": list})
}

func reply(w http.ResponseWriter, reason string, message map[string]any) {
	message["role"] = "assistant"
	write(w, http.StatusOK, map[string]any{
		"id": "chatcmpl-simulator", "object": "chat.completion", "model": Model,
		"choices": []any{map[string]any{"index": 0, "finish_reason": reason, "message": message}},
		"usage":   map[string]any{"prompt_tokens": 600, "completion_tokens": 60, "total_tokens": 660},
	})
}

func fail(w http.ResponseWriter, status int, code string) {
	write(w, status, map[string]any{"error": map[string]any{"message": "The simulator refuses this.", "type": "invalid_request_error", "code": code}})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the caller has gone
}

// questionOf is the question within what was said, or all of it.
func questionOf(said string) string {
	var body struct{ Question string }
	if json.Unmarshal([]byte(said), &body) == nil && body.Question != "" {
		return body.Question
	}
	return said
}

// words are the words of a text, in lower case, and each without its plural's s.
func words(text string) map[string]bool {
	found := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		found[strings.TrimSuffix(w, "s")] = true
	}
	return found
}

// choose returns the function whose name shares most words with the question, or else its description.
func choose(tools []chat.Tool, asked map[string]bool) chat.Tool {
	score := func(t chat.Tool) (n int) {
		for w := range words(t.Name) {
			if asked[w] {
				n += 3
			}
		}
		for w := range words(t.Description) {
			if asked[w] && len(w) > 3 {
				n++
			}
		}
		return n
	}
	return slices.MaxFunc(tools, func(a, b chat.Tool) int { return cmp.Or(score(a)-score(b), 0) })
}

// fill makes arguments that the schema takes: of a list of values the one whose words are in the question, or else the first; nothing where there may be nothing.
func fill(schema json.RawMessage, asked map[string]bool) string {
	var object struct {
		Properties map[string]struct {
			Type    any   `json:"type"`
			Enum    []any `json:"enum"`
			Minimum int   `json:"minimum"`
			Default any   `json:"default"`
		} `json:"properties"`
	}
	if json.Unmarshal(schema, &object) != nil {
		return "{}"
	}
	args := map[string]any{}
	for name, p := range object.Properties {
		_, nullable := p.Type.([]any)
		switch {
		case len(p.Enum) > 0:
			args[name] = p.Enum[0]
			for _, v := range p.Enum {
				if text, _ := v.(string); text != "" && all(words(text), asked) {
					args[name] = v
				}
			}
		case nullable:
			args[name] = nil
		case p.Type == "integer":
			args[name] = max(p.Minimum, 5)
		case p.Type == "boolean":
			args[name] = false
		default:
			args[name] = ""
		}
	}
	raw, _ := json.Marshal(args) //nolint:errchkjson // strings, numbers and nil
	return string(raw)
}

func all(wanted, asked map[string]bool) bool {
	for w := range wanted {
		if !asked[w] {
			return false
		}
	}
	return len(wanted) > 0
}

// sentence puts what it was shown into words: the first row of each table of figures, or a product.
func sentence(said string) string {
	var shown struct {
		Figures []struct {
			Title   string
			Columns []string
			Rows    [][]string
		}
		Product struct{ Name, Category string }
	}
	if json.Unmarshal([]byte(said), &shown) != nil {
		return "There is nothing to say."
	}
	if shown.Product.Name != "" {
		return strings.TrimSpace("Meet " + shown.Product.Name + ", a favourite " + strings.ToLower(shown.Product.Category) + " for every day. Pick it up at our shop while it is here.")
	}
	var parts []string
	for _, f := range shown.Figures {
		if len(f.Rows) == 0 {
			parts = append(parts, f.Title+": nothing.")
			continue
		}
		var cells []string
		for i, c := range f.Columns {
			cells = append(cells, c+" "+f.Rows[0][i])
		}
		parts = append(parts, f.Title+": "+strings.Join(cells, ", ")+".")
	}
	return strings.Join(parts, " ")
}
