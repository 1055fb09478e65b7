package celery

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// maxControlBytes bounds a remote control message. A revoke of 10,000 ids is some 400 KiB.
const maxControlBytes = 1 << 20

// Control is one remote control command, as `celery inspect` and `celery control` broadcast it to all workers of a virtual host.
type Control struct {
	Method    string
	Arguments map[string]json.RawMessage
	// Destination, Pattern and Matcher say who is meant; see Addressed.
	Destination      []string
	Pattern, Matcher string
	// Ticket goes back with the reply, so that the client can tell it from a late one.
	Ticket  string
	ReplyTo ReplyTo
	// Clock is the client's logical clock.
	Clock int64
}

// ReplyTo is where a command's reply goes. The zero value means that nobody waits for one.
type ReplyTo struct {
	Exchange   string `json:"exchange"`
	RoutingKey string `json:"routing_key"`
}

// DecodeControl reads a command. An error means that the message is none; its text names no contents.
func DecodeControl(d *amqp.Delivery) (*Control, error) {
	if err := checkEncoding(d, Limits{BodyBytes: maxControlBytes}); err != nil {
		return nil, fmt.Errorf("read control message: %w", err)
	}
	var body struct {
		Method      *string                    `json:"method"`
		Arguments   map[string]json.RawMessage `json:"arguments"`
		Destination []string                   `json:"destination"`
		Pattern     *string                    `json:"pattern"`
		Matcher     *string                    `json:"matcher"`
		Ticket      *string                    `json:"ticket"`
		ReplyTo     *ReplyTo                   `json:"reply_to"`
	}
	if err := checkText(d.Body); err != nil {
		return nil, fmt.Errorf("read control message: %w", err)
	}
	if first(d.Body) != '{' {
		return nil, fmt.Errorf("read control message: not a JSON object")
	}
	if err := json.Unmarshal(d.Body, &body); err != nil {
		return nil, fmt.Errorf("read control message: not a command in JSON")
	}
	if body.Method == nil || *body.Method == "" || len(*body.Method) > maxText {
		return nil, fmt.Errorf("read control message: no method")
	}
	c := &Control{Method: *body.Method, Arguments: body.Arguments, Destination: body.Destination}
	for _, o := range []struct {
		from *string
		to   *string
	}{{body.Pattern, &c.Pattern}, {body.Matcher, &c.Matcher}, {body.Ticket, &c.Ticket}} {
		if o.from != nil {
			*o.to = *o.from
		}
		if len(*o.to) > maxText {
			return nil, fmt.Errorf("read control message: ticket, pattern or matcher is longer than %d bytes", maxText)
		}
	}
	if body.ReplyTo != nil {
		c.ReplyTo = *body.ReplyTo
	}
	c.Clock, _ = integer(d.Headers["clock"])
	return c, nil
}

// Addressed reports whether the command is for the node: named in Destination when there is one, else matched by Pattern, else everybody. An error means a pattern that
// cannot be read; then it is for nobody.
func (c *Control) Addressed(node string) (bool, error) {
	switch {
	case len(c.Destination) > 0:
		return slices.Contains(c.Destination, node), nil
	case c.Pattern == "" || c.Matcher == "":
		return true, nil
	}
	switch c.Matcher {
	case "glob":
		ok, err := path.Match(strings.ReplaceAll(strings.ReplaceAll(c.Pattern, `\`, `\\`), "[!", "[^"), node)
		if err != nil {
			return false, fmt.Errorf("read pattern: %w", err)
		}
		return ok, nil
	case "pcre":
		r, err := regexp.Compile("^(?:" + c.Pattern + ")") // Python's match begins at the beginning
		if err != nil {
			return false, fmt.Errorf("read pattern: not a regular expression that is known here")
		}
		return r.MatchString(node), nil
	default:
		return false, fmt.Errorf("unknown matcher %q", c.Matcher)
	}
}

// WantsReply reports whether somebody waits for a reply.
func (c *Control) WantsReply() bool { return c.ReplyTo.Exchange != "" || c.ReplyTo.RoutingKey != "" }

// Strings reads an argument that is one text or a list of texts. A missing one is an empty list.
func (c *Control) Strings(name string) ([]string, error) {
	raw := c.Arguments[name]
	if absent(raw) {
		return nil, nil
	}
	if first(raw) == '"' {
		var one string
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, fmt.Errorf("%s is not text", name)
		}
		return []string{one}, nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%s is neither text nor a list of texts", name)
	}
	return list, nil
}

// Bool reads an argument that is true or false. A missing one is false.
func (c *Control) Bool(name string) (bool, error) {
	raw := c.Arguments[name]
	if absent(raw) {
		return false, nil
	}
	var b bool
	if err := json.Unmarshal(raw, &b); err != nil {
		return false, fmt.Errorf("%s is not true or false", name)
	}
	return b, nil
}

// Text reads an argument that is a text. A missing one is empty.
func (c *Control) Text(name string) (string, error) {
	raw := c.Arguments[name]
	if absent(raw) {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%s is not text", name)
	}
	return s, nil
}

// Reply is the node's answer as a message for ReplyTo: the value under the node's name, with the command's ticket. It never expires: a client drops a reply whose
// time has passed, and its clock is not ours.
func (c *Control) Reply(node string, value any, clock int64) (amqp.Publishing, error) {
	body, err := encodeJSON(map[string]any{node: value})
	if err != nil {
		return amqp.Publishing{}, fmt.Errorf("encode reply to %s: %w", c.Method, err)
	}
	return amqp.Publishing{
		Headers: amqp.Table{"ticket": orNull(c.Ticket), "clock": clock}, ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Transient, Body: body,
	}, nil
}

// OK and Failed are the two shapes of an answer that only says whether something was done.
type (
	// OK says that it was.
	OK struct {
		OK string `json:"ok"`
	}
	// Failed says that it was not, and why.
	Failed struct {
		Error string `json:"error"`
	}
)

// Hello is the command by which a node that joins learns what the others know: the ids they were told to revoke, and their clocks.
func Hello(node, replyKey, ticket string, replyExchange string, clock int64) (amqp.Publishing, error) {
	body, err := encodeJSON(map[string]any{
		"method": "hello", "arguments": map[string]any{"from_node": node, "revoked": map[string]any{}}, "destination": nil, "pattern": nil, "matcher": nil,
		"ticket": ticket, "reply_to": ReplyTo{replyExchange, replyKey},
	})
	if err != nil {
		return amqp.Publishing{}, fmt.Errorf("encode hello: %w", err)
	}
	return amqp.Publishing{
		Headers: amqp.Table{"clock": clock, "expires": int64(0)}, ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Transient, Body: body,
	}, nil
}

// HelloReply is the answer to hello. The number beside an id is in seconds of the answering host's monotonic clock, which means nothing elsewhere.
type HelloReply struct {
	Revoked map[string][2]any `json:"revoked"`
	Clock   int64             `json:"clock"`
}

// RevokedEntry is an id as hello carries it. Python refuses a number that is written as an integer.
func RevokedEntry(id string, monotonic Seconds) [2]any { return [2]any{monotonic, id} }

// DecodeHelloReply reads the answer of one node to hello; nil for a node that has nothing to say, as the one that asked.
func DecodeHelloReply(d *amqp.Delivery) (*HelloReply, error) {
	if err := checkEncoding(d, Limits{BodyBytes: 16 * maxControlBytes}); err != nil {
		return nil, fmt.Errorf("read reply to hello: %w", err)
	}
	var byNode map[string]*HelloReply
	if err := json.Unmarshal(d.Body, &byNode); err != nil || len(byNode) != 1 {
		return nil, fmt.Errorf("read reply to hello: not one node's answer")
	}
	for _, r := range byNode {
		return r, nil
	}
	return nil, nil
}
