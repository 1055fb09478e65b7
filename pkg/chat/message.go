package chat

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Who says a message.
const (
	System = "system" // ourselves
	User   = "user"   // whoever asks, and whatever we show the model
)

// Message is one thing said.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Tool is a function that a model may call.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"` // a JSON schema that refuses unknown members and requires every one, as strict endpoints want it
	Strict      bool            `json:"strict"`
}

// Request is one call of the model. With Tools the model must call one or more of them; without, it must answer in words.
type Request struct {
	Messages  []Message
	Tools     []Tool
	MaxTokens int // of the answer
}

// Call is a function that the model chose, with its arguments as it wrote them. Nothing about them has been checked.
type Call struct{ Name, Arguments string }

// Usage is what a call took, in tokens.
type Usage struct{ Prompt, Completion int64 }

// Add sums two usages.
func (u Usage) Add(o Usage) Usage { return Usage{u.Prompt + o.Prompt, u.Completion + o.Completion} }

// Total is all tokens.
func (u Usage) Total() int64 { return u.Prompt + u.Completion }

// Reply is what the model answered: Calls when functions were offered, Text otherwise.
type Reply struct {
	Text  string
	Calls []Call
	Usage Usage
}

func (c *Client) encode(r Request) ([]byte, error) {
	body := map[string]any{"model": c.model, "messages": r.Messages, c.tokenField: r.MaxTokens}
	if len(r.Tools) > 0 {
		type function struct {
			Type     string `json:"type"`
			Function Tool   `json:"function"`
		}
		tools := make([]function, len(r.Tools))
		for i, t := range r.Tools {
			t.Strict = true
			tools[i] = function{"function", t}
		}
		body["tools"], body["tool_choice"] = tools, "required"
	}
	payload, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode request to model: %w", err)
	}
	return payload, nil
}

// completion is the part of an answer that is read. What endpoints add is ignored; what is of another type than this is no answer.
type completion struct {
	Choices []struct {
		FinishReason string `json:"finish_reason"`
		Message      struct {
			Content   *string `json:"content"`
			Refusal   *string `json:"refusal"`
			ToolCalls []struct {
				Function struct {
					Name      string `json:"name"`
					Arguments string `json:"arguments"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"message"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
	} `json:"usage"`
}

// maxTokens is more than any model takes; an endpoint that counts more is not believed.
const maxTokens = 10_000_000

// bytesPerToken is a careful guess for an endpoint that does not count: English has four, and no language fewer than two.
const bytesPerToken = 2

// guess counts tokens by their bytes.
func guess(payload []byte, answered int) Usage {
	return Usage{Prompt: int64(len(payload)/bytesPerToken + 1), Completion: int64(answered/bytesPerToken + 1)}
}

// decode reads an answer. wantCalls says that functions were offered.
func decode(payload, body []byte, wantCalls bool) (reply Reply, err error) {
	reply.Usage = guess(payload, len(body))
	var got completion
	if err := json.Unmarshal(body, &got); err != nil {
		return reply, fmt.Errorf("%w: %s", ErrMalformed, kindOf(err))
	}
	if u := got.Usage; u != nil {
		if u.Prompt < 0 || u.Completion < 0 || u.Prompt > maxTokens || u.Completion > maxTokens {
			return reply, fmt.Errorf("%w: it counts impossible tokens", ErrMalformed)
		}
		reply.Usage = Usage{u.Prompt, u.Completion}
	}
	if len(got.Choices) == 0 {
		return reply, fmt.Errorf("%w: it has no choice", ErrMalformed)
	}
	choice := got.Choices[0]
	switch {
	case choice.FinishReason == "content_filter", choice.Message.Refusal != nil && *choice.Message.Refusal != "":
		return reply, ErrDeclined
	case choice.FinishReason == "length":
		return reply, fmt.Errorf("%w: it was cut off", ErrMalformed)
	}
	if choice.Message.Content != nil {
		reply.Text = strings.TrimSpace(*choice.Message.Content)
	}
	for _, call := range choice.Message.ToolCalls {
		reply.Calls = append(reply.Calls, Call{call.Function.Name, call.Function.Arguments})
	}
	switch {
	case !wantCalls && len(reply.Calls) > 0:
		return reply, fmt.Errorf("%w: it calls a function where none was offered", ErrMalformed)
	case !wantCalls && reply.Text == "", wantCalls && reply.Text == "" && len(reply.Calls) == 0:
		return reply, fmt.Errorf("%w: it is empty", ErrMalformed)
	}
	return reply, nil
}

// kindOf says what is wrong with JSON without repeating any of it.
func kindOf(err error) string {
	if _, ok := err.(*json.UnmarshalTypeError); ok { //nolint:errorlint // json returns it bare
		return "a member has another type"
	}
	return "it is no JSON"
}
