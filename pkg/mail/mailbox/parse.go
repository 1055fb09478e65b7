// Package mailbox receives mail instead of delivering it: an SMTP server that parses what it is sent and hands it to a function.
// The development mail viewer and the tests' sink (mailtest) are built on it. It is not part of any service.
package mailbox

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
)

// maxDepth bounds nested multiparts. Mail programs use three or four levels.
const maxDepth = 10

// Mail is one received message, parsed.
type Mail struct {
	// EnvelopeFrom and EnvelopeTo are what the SMTP conversation said, which is what counts for delivery.
	EnvelopeFrom string
	EnvelopeTo   []string
	// From, To and Subject are the header's, decoded.
	From, To, Subject string
	// MessageID is without its angle brackets.
	MessageID string
	Date      time.Time
	// Header holds every field, undecoded.
	Header mail.Header
	// Text and HTML are the first parts of these types, decoded.
	Text, HTML string
	// Attachments are the files that came with it.
	Attachments []Attachment
	// ReceivedAt is when the content had arrived.
	ReceivedAt time.Time
	// Raw is the message as it came.
	Raw []byte
}

// Attachment is one file of a message, decoded.
type Attachment struct {
	Name, Type string
	Content    []byte
}

// Parse reads one message. Broken parts are left out rather than refused, because a viewer must show what came; only a message whose
// header cannot be read is an error.
func Parse(raw []byte) (*Mail, error) {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read mail header: %w", err)
	}
	m := &Mail{
		From: decode(msg.Header.Get("From")), To: decode(msg.Header.Get("To")), Subject: decode(msg.Header.Get("Subject")),
		MessageID: strings.Trim(msg.Header.Get("Message-Id"), "<> "), Header: msg.Header, Raw: raw,
	}
	if date, err := msg.Header.Date(); err == nil {
		m.Date = date
	}
	m.read(textproto.MIMEHeader(msg.Header), msg.Body, 0)
	return m, nil
}

// read walks one part, and with a multipart all parts within it.
func (m *Mail) read(header textproto.MIMEHeader, body io.Reader, depth int) {
	encoding := header.Get("Content-Transfer-Encoding")
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		media = "text/plain" // RFC 2045, section 5.2: the default
	}
	if strings.HasPrefix(media, "multipart/") && depth < maxDepth {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err != nil {
				return
			}
			m.read(part.Header, part, depth+1)
		}
	}
	disposition, file, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	attached := err == nil && disposition == "attachment"
	target := map[string]*string{"text/plain": &m.Text, "text/html": &m.HTML}[media]
	if !attached && (target == nil || *target != "") {
		return
	}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, _ := io.ReadAll(body) // what could be read before a fault is worth showing
	if attached {
		m.Attachments = append(m.Attachments, Attachment{Name: decode(file["filename"]), Type: media, Content: content})
		return
	}
	*target = strings.ToValidUTF8(strings.ReplaceAll(string(content), "\r\n", "\n"), "\uFFFD")
}

// decode resolves encoded words; a header that cannot be decoded is shown as it is.
func decode(header string) string {
	if decoded, err := new(mime.WordDecoder).DecodeHeader(header); err == nil {
		return decoded
	}
	return header
}
