package mail

import (
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"strings"
)

// PermanentError means that this message can never be sent as it is: the server refused it for good (5xx), or it is not a valid message.
type PermanentError struct {
	// Recipient is whom the refusal is about; empty when it is about the message or its sender.
	Recipient string
	// Code is the server's answer, 500 to 599; zero when the message was refused before any server saw it.
	Code int
	// Text is the server's explanation, or ours.
	Text string
}

// Error names recipient, code and text.
func (e *PermanentError) Error() string {
	return "mail refused for good" + describe(e.Recipient, e.Code, e.Text)
}

// policy answers are about who sends or what is sent, not about whether there is such a mailbox (RFC 3463, section 3.8).
var policy = regexp.MustCompile(`^5\.7\.\d`)

// BadAddress reports whether the server has said that there is no such mailbox: it would refuse every mail to it, whoever sends it and whatever it says.
func (e *PermanentError) BadAddress() bool {
	switch e.Code {
	case 550, 551, 553, 556: // RFC 5321, section 4.2.3, and RFC 7504
		return e.Recipient != "" && !policy.MatchString(strings.TrimSpace(e.Text))
	}
	return false
}

// TemporaryError means that sending again later may work: a 4xx answer, a network fault, a time limit, or a server that does not accept
// our login (which an operator can mend without touching the message).
type TemporaryError struct {
	Recipient string
	// Code is the server's answer; zero when there was none.
	Code int
	Text string
	// Err is the network fault or time limit; nil when the server answered.
	Err error
}

// Error names recipient, code and text.
func (e *TemporaryError) Error() string {
	text := e.Text
	if e.Err != nil {
		text = e.Err.Error()
	}
	return "mail not sent yet" + describe(e.Recipient, e.Code, text)
}

// Unwrap returns the network fault or time limit.
func (e *TemporaryError) Unwrap() error { return e.Err }

func describe(recipient string, code int, text string) string {
	s := ""
	if recipient != "" {
		s = " for " + recipient
	}
	if code != 0 {
		return fmt.Sprintf("%s: %d %s", s, code, text)
	}
	return s + ": " + text
}

// stage is the part of the conversation in which an answer came.
type stage int

const (
	connecting stage = iota // up to and including the login
	naming                  // MAIL FROM
	addressing              // RCPT TO
	content                 // DATA and after
)

// classify turns what went wrong in a stage into one of the two errors.
func classify(at stage, recipient string, err error) error {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		return &TemporaryError{Recipient: recipient, Err: err}
	}
	if answer.Code < 500 || at == connecting || isAboutUs(at, answer.Code) {
		return &TemporaryError{Recipient: recipient, Code: answer.Code, Text: answer.Msg}
	}
	return &PermanentError{Recipient: recipient, Code: answer.Code, Text: answer.Msg}
}

// isAboutUs reports whether a 5xx answer is about the moment or our login rather than about the message. 53x are login answers (RFC 4954,
// section 6); 552 to a recipient is a full mailbox, to be treated like 452 (RFC 5321, section 4.5.3.1.10).
func isAboutUs(at stage, code int) bool {
	switch code {
	case 421, 530, 534, 535, 538:
		return true
	case 552:
		return at == addressing
	}
	return false
}
