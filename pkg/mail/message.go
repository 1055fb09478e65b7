package mail

import (
	"fmt"
	"io"
	"mime"
	netmail "net/mail"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// Message is one rendered mail.
type Message struct {
	// ID is the left part of the Message-ID: letters, digits, dots, hyphens and underscores, at most 100. The same mail must always have
	// the same ID, so take it from the row or task behind the mail.
	ID string
	// From is the sender, with or without a name; empty means Config.From.
	From string
	// To holds at least one recipient. All of them see each other.
	To []string
	// ReplyTo is where answers go; empty means to From.
	ReplyTo string
	Subject string
	// Text is the plain form and must not be empty. HTML is the rich form; when empty, the mail is plain text.
	Text, HTML string
	// Attachments are files that go with it.
	Attachments []Attachment
	// ListUnsubscribe is an https or mailto URL with which the reader can stop mails of this kind; empty for mail that belongs to the
	// service itself, such as receipts. An https URL must accept the POST of RFC 8058 (one click).
	ListUnsubscribe string
	// Headers are further header fields. Those the package writes itself are refused.
	Headers map[string]string
}

// Attachment is a file that goes with a message.
type Attachment struct {
	// Name is what it is called, without folders, and Type its media type, such as text/csv.
	Name, Type string
	// Open gives its bytes, from the beginning each time; it may be asked more than once.
	Open func() io.Reader
}

// maxHeaderBytes bounds one header value. RFC 5322 permits lines of 998 octets; a longer value is folded, and some servers refuse those.
const maxHeaderBytes = 900

var (
	idPattern         = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
	headerNamePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,75}$`)
)

// ownHeaders may not be set through Message.Headers.
var ownHeaders = []string{"From", "To", "Cc", "Bcc", "Sender", "Reply-To", "Return-Path", "Subject", "Date", "Message-Id", "Mime-Version",
	"Received", "List-Unsubscribe", "List-Unsubscribe-Post", "Dkim-Signature"}

// rendered is a message ready for the wire.
type rendered struct {
	msg  *gomail.Msg
	from string   // envelope sender, bare
	to   []string // envelope recipients, bare
}

// render checks m and builds its wire form. Its errors are all of type *PermanentError.
func (m Message) render(defaultFrom string) (*rendered, error) {
	if !idPattern.MatchString(m.ID) {
		return nil, refuse("", "the id %q is not 1 to 100 letters, digits, dots, hyphens and underscores", m.ID)
	}
	if m.From == "" {
		m.From = defaultFrom
	}
	from, err := address("From", m.From)
	if err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	out := &rendered{msg: msg, from: from.Address}
	msg.SetAddrHeaderFromMailAddress(gomail.HeaderFrom, from)
	for _, to := range m.To {
		a, err := address("To", to)
		if err != nil {
			return nil, err
		}
		out.to = append(out.to, a.Address)
		msg.AddToMailAddress(a)
	}
	if len(out.to) == 0 {
		return nil, refuse("", "the message has no recipient")
	}
	if m.ReplyTo != "" {
		a, err := address("Reply-To", m.ReplyTo)
		if err != nil {
			return nil, err
		}
		msg.SetAddrHeaderFromMailAddress(gomail.HeaderReplyTo, a)
	}
	if m.Subject == "" || m.Text == "" {
		return nil, refuse("", "the message has no subject or no text")
	}
	if err := m.setHeaders(msg); err != nil {
		return nil, err
	}
	msg.SetMessageIDWithValue(m.ID + "@" + from.Address[strings.LastIndexByte(from.Address, '@')+1:])
	msg.SetDate()
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	if err := m.attach(msg); err != nil {
		return nil, err
	}
	return out, nil
}

// attach adds the files. They are read when the message is written, not here.
func (m Message) attach(msg *gomail.Msg) error {
	for _, a := range m.Attachments {
		if a.Name == "" || strings.ContainsAny(a.Name, `/\"`) {
			return refuse("", "the attachment's name %q is none", a.Name)
		}
		if err := checkValue("Content-Disposition", a.Name); err != nil {
			return err
		}
		kind, _, err := mime.ParseMediaType(a.Type)
		if err != nil || !strings.Contains(kind, "/") {
			return refuse("", "the attachment's type %q is none", a.Type)
		}
		if a.Open == nil {
			return refuse("", "the attachment %s has no content", a.Name)
		}
		msg.SetAttachments(append(msg.GetAttachments(), &gomail.File{
			Name: a.Name, ContentType: gomail.ContentType(kind), Enc: gomail.EncodingB64, Header: textproto.MIMEHeader{},
			Writer: func(w io.Writer) (int64, error) { return io.Copy(w, a.Open()) },
		}))
	}
	return nil
}

// setHeaders sets the subject, the unsubscribe fields and the caller's own.
func (m Message) setHeaders(msg *gomail.Msg) error {
	if err := checkValue("Subject", m.Subject); err != nil {
		return err
	}
	msg.Subject(m.Subject)
	// Machines send these, so out-of-office answers are not wanted (RFC 3834).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.ListUnsubscribe != "" {
		u, err := url.Parse(m.ListUnsubscribe)
		if err != nil || u.Scheme != "https" && u.Scheme != "mailto" || strings.ContainsAny(m.ListUnsubscribe, "<>, ") {
			return refuse("", "the unsubscribe address is not an https or mailto URL")
		}
		if err := checkValue("List-Unsubscribe", m.ListUnsubscribe); err != nil {
			return err
		}
		msg.SetGenHeaderPreformatted(gomail.HeaderListUnsubscribe, "<"+m.ListUnsubscribe+">")
		if u.Scheme == "https" {
			msg.SetGenHeader(gomail.HeaderListUnsubscribePost, "List-Unsubscribe=One-Click")
		}
	}
	for name, value := range m.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if !headerNamePattern.MatchString(name) || slices.Contains(ownHeaders, canonical) || strings.HasPrefix(canonical, "Content-") {
			return refuse("", "the header %q may not be set", name)
		}
		if err := checkValue(name, value); err != nil {
			return err
		}
		msg.SetGenHeader(gomail.Header(canonical), value)
	}
	return nil
}

// address parses one address and refuses whatever could break out of its header.
func address(header, s string) (*netmail.Address, error) {
	if err := checkValue(header, s); err != nil {
		return nil, err
	}
	a, err := netmail.ParseAddress(s)
	if err != nil {
		return nil, refuse(s, "the %s address is not valid", header)
	}
	// The parser also decodes encoded words, so a line break may appear only now.
	if err := checkValue(header, a.Name+a.Address); err != nil {
		return nil, err
	}
	return a, nil
}

// checkValue refuses control characters, which is where header injection begins, and values that are too long for a header.
func checkValue(header, value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return refuse("", "the header %s holds a line break or another control character", header)
	}
	if len(value) > maxHeaderBytes {
		return refuse("", "the header %s is longer than %d bytes", header, maxHeaderBytes)
	}
	return nil
}

func refuse(recipient, format string, args ...any) error {
	return &PermanentError{Recipient: recipient, Text: fmt.Sprintf(format, args...)}
}
