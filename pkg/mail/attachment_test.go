package mail_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/mail"
	"makola/pkg/mail/mailtest"
	"makola/pkg/service"
)

func TestAFileArrivesAsItWas(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	sender, err := mail.New(mail.Config{URL: service.Secret(server.URL()), From: "Makola <no-reply@makola.example>"})
	require.NoError(t, err)
	content := bytes.Repeat([]byte("\xef\xbb\xbf\"Ẹ̀bùn\",\"₵ 1.00\"\r\n.\r\n"), 20_000)
	m := mail.Message{ID: "1", To: []string{"a@b.example"}, Subject: "a file", Text: "text", HTML: "<p>html</p>", Attachments: []mail.Attachment{
		{Name: "sales_2026.csv", Type: "text/csv; charset=utf-8", Open: func() io.Reader { return bytes.NewReader(content) }},
		{Name: "note.txt", Type: "text/plain", Open: func() io.Reader { return strings.NewReader("not the text") }},
	}}
	require.NoError(t, sender.Send(t.Context(), m))
	require.NoError(t, sender.Send(t.Context(), m), "a message may be sent again")
	for _, got := range server.Mails() {
		require.Equal(t, []string{"text", "<p>html</p>"}, []string{strings.TrimSpace(got.Text), strings.TrimSpace(got.HTML)})
		require.Len(t, got.Attachments, 2)
		require.Equal(t, []string{"sales_2026.csv", "text/csv"}, []string{got.Attachments[0].Name, got.Attachments[0].Type})
		require.True(t, bytes.Equal(content, got.Attachments[0].Content))
		require.Equal(t, "not the text", string(got.Attachments[1].Content))
	}
	require.Len(t, server.Mails(), 2)
}

// broken is a file that cannot be read to its end.
type broken struct{ read bool }

func (b *broken) Read(p []byte) (int, error) {
	if b.read {
		return 0, errors.New("disk on fire")
	}
	b.read = true
	return copy(p, strings.Repeat("x", 100)), nil
}

func TestHalfAFileIsNotSent(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	sender, err := mail.New(mail.Config{URL: service.Secret(server.URL()), From: "no-reply@makola.example"})
	require.NoError(t, err)
	m := mail.Message{ID: "1", To: []string{"a@b.example"}, Subject: "a file", Text: "text"}
	m.Attachments = []mail.Attachment{{Name: "a.csv", Type: "text/csv", Open: func() io.Reader { return &broken{} }}}
	err = sender.Send(t.Context(), m)
	_, temporary := errors.AsType[*mail.TemporaryError](err)
	require.True(t, temporary, "%v", err)
	require.ErrorContains(t, err, "disk on fire")
	for name, bad := range map[string]mail.Attachment{
		"a name that breaks out":  {Name: "a\r\nBcc: all@example.com", Type: "text/csv", Open: m.Attachments[0].Open},
		"a name that is a path":   {Name: "../a.csv", Type: "text/csv", Open: m.Attachments[0].Open},
		"no name":                 {Type: "text/csv", Open: m.Attachments[0].Open},
		"a type that is none":     {Name: "a.csv", Type: "text", Open: m.Attachments[0].Open},
		"a type that breaks out":  {Name: "a.csv", Type: "text/csv\r\nX-Evil: 1", Open: m.Attachments[0].Open},
		"nothing to be read from": {Name: "a.csv", Type: "text/csv"},
	} {
		m.Attachments = []mail.Attachment{bad}
		_, permanent := errors.AsType[*mail.PermanentError](sender.Send(t.Context(), m))
		require.True(t, permanent, name)
	}
	require.Empty(t, server.Mails())
}
