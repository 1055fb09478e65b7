package mail_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/mail"
	"makola/pkg/mail/mailtest"
	"makola/pkg/service"
)

func newSender(t *testing.T, url string) *mail.Sender {
	t.Helper()
	s, err := mail.New(mail.Config{URL: service.Secret(url), From: "Makola <no-reply@makola.example>"})
	require.NoError(t, err)
	return s
}

func receipt() mail.Message {
	return mail.Message{
		ID: "0190-abc", To: []string{"Ama Ọlá <ama@example.com>"}, ReplyTo: "help@makola.example", Subject: "Reçu: 500 credits – ₵96.00",
		Text: "Thank you.\nBalance: 500.00\n.\na line with one dot above", HTML: "<p>Thank you, Ọlá.</p>",
		ListUnsubscribe: "https://makola.example/u?k=1", Headers: map[string]string{"X-Task": "notifications.send_email"},
	}
}

func TestSendDeliversBothForms(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	require.NoError(t, newSender(t, server.URL()).Send(t.Context(), receipt()))

	got := server.Wait(1, 5*time.Second)[0]
	require.Equal(t, "no-reply@makola.example", got.EnvelopeFrom)
	require.Equal(t, []string{"ama@example.com"}, got.EnvelopeTo)
	require.Equal(t, "0190-abc@makola.example", got.MessageID)
	require.Equal(t, "Reçu: 500 credits – ₵96.00", got.Subject)
	require.Equal(t, `"Makola" <no-reply@makola.example>`, got.From)
	require.Contains(t, got.To, "Ọlá")
	require.Equal(t, "Thank you.\nBalance: 500.00\n.\na line with one dot above", strings.TrimSpace(got.Text))
	require.Equal(t, "<p>Thank you, Ọlá.</p>", strings.TrimSpace(got.HTML))
	require.Equal(t, "<help@makola.example>", got.Header.Get("Reply-To"))
	require.Equal(t, "<https://makola.example/u?k=1>", got.Header.Get("List-Unsubscribe"))
	require.Equal(t, "List-Unsubscribe=One-Click", got.Header.Get("List-Unsubscribe-Post"))
	require.Equal(t, "notifications.send_email", got.Header.Get("X-Task"))
	require.True(t, strings.HasPrefix(got.Header.Get("Content-Type"), "multipart/alternative"))
	require.WithinDuration(t, time.Now(), got.Date, time.Minute)
	require.Len(t, server.To("AMA@example.com"), 1)
}

func TestSendOfTextAlone(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	require.NoError(t, newSender(t, server.URL()).Send(t.Context(), mail.Message{ID: "1", To: []string{"a@b.example"}, Subject: "s", Text: "t"}))
	got := server.Wait(1, 5*time.Second)[0]
	require.Empty(t, got.HTML)
	require.True(t, strings.HasPrefix(got.Header.Get("Content-Type"), "text/plain"))
}

func TestSendTellsPermanentFromTemporary(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		script    func(s *mailtest.Server)
		permanent bool
		recipient string
		code      int
	}{
		"unknown mailbox":         {func(s *mailtest.Server) { s.RejectRecipient("ama@example.com", 550, "no such user", 1) }, true, "ama@example.com", 550},
		"busy mailbox":            {func(s *mailtest.Server) { s.RejectRecipient("ama@example.com", 450, "try later", 1) }, false, "ama@example.com", 450},
		"full mailbox":            {func(s *mailtest.Server) { s.RejectRecipient("ama@example.com", 552, "full", 1) }, false, "ama@example.com", 552},
		"content refused":         {func(s *mailtest.Server) { s.RejectContent(554, "spam", 1) }, true, "", 554},
		"content too big for now": {func(s *mailtest.Server) { s.RejectContent(452, "disk full", 1) }, false, "", 452},
		"login demanded":          {func(s *mailtest.Server) { s.RejectContent(530, "authenticate", 1) }, false, "", 530},
		"connection lost":         {func(s *mailtest.Server) { s.DropAfterContent(1) }, false, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.New(t)
			tc.script(server)
			sender := newSender(t, server.URL())
			err := sender.Send(t.Context(), receipt())
			if permanent, ok := errors.AsType[*mail.PermanentError](err); tc.permanent {
				require.True(t, ok, "%v", err)
				require.Equal(t, tc.recipient, permanent.Recipient)
				require.Equal(t, tc.code, permanent.Code)
			} else {
				temporary, ok := errors.AsType[*mail.TemporaryError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, tc.recipient, temporary.Recipient)
				require.Equal(t, tc.code, temporary.Code)
			}
			require.Empty(t, server.Mails())
			require.NoError(t, sender.Send(t.Context(), receipt()), "the failure was scripted once")
			require.Len(t, server.Wait(1, 5*time.Second), 1)
		})
	}
}

func TestOneRefusedRecipientKeepsTheMailFromAll(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	server.RejectRecipient("b@example.com", 550, "no", -1)
	m := receipt()
	m.To = []string{"a@example.com", "b@example.com"}
	permanent, ok := errors.AsType[*mail.PermanentError](newSender(t, server.URL()).Send(t.Context(), m))
	require.True(t, ok)
	require.Equal(t, "b@example.com", permanent.Recipient)
	require.Empty(t, server.Mails())
}

func TestServerThatIsNotThereIsTemporary(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	err = newSender(t, "smtp://user:hunter2@"+l.Addr().String()).Send(t.Context(), receipt())
	_, ok := errors.AsType[*mail.TemporaryError](err)
	require.True(t, ok, "%v", err)
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestSendEndsWithItsContext(t *testing.T) {
	t.Parallel()
	slow := mailtest.New(t)
	slow.Delay(time.Minute)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never greets
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	for _, url := range []string{slow.URL(), "smtp://" + silent.Addr().String(), "smtps://" + silent.Addr().String()} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := newSender(t, url).Send(ctx, receipt())
		_, ok := errors.AsType[*mail.TemporaryError](err)
		require.True(t, ok, "%v", err)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(began), 30*time.Second, "and not with the server")
	}
}

func TestInsistingOnEncryptionRefusesAPlainServer(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	err := newSender(t, "smtp://"+server.Addr()+"?starttls=always").Send(t.Context(), receipt())
	_, ok := errors.AsType[*mail.TemporaryError](err)
	require.True(t, ok, "%v", err)
	require.Empty(t, server.Mails())
}

func TestHeaderInjectionIsRefused(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	sender := newSender(t, server.URL())
	for name, change := range map[string]func(m *mail.Message){
		"subject":             func(m *mail.Message) { m.Subject = "hi\r\nBcc: victim@example.com" },
		"subject, bare LF":    func(m *mail.Message) { m.Subject = "hi\nBcc: victim@example.com" },
		"recipient":           func(m *mail.Message) { m.To = []string{"a@b.example\r\nBcc: victim@example.com"} },
		"two recipients":      func(m *mail.Message) { m.To = []string{"a@b.example, victim@example.com"} },
		"encoded name":        func(m *mail.Message) { m.To = []string{"=?utf-8?q?a=0D=0ABcc:_v@e.example?= <a@b.example>"} },
		"sender":              func(m *mail.Message) { m.From = "a@b.example\nX: y" },
		"reply":               func(m *mail.Message) { m.ReplyTo = "\"a\r\nX: y\" <a@b.example>" },
		"header value":        func(m *mail.Message) { m.Headers = map[string]string{"X-A": "b\r\nX: y"} },
		"header name":         func(m *mail.Message) { m.Headers = map[string]string{"X-A: b\r\nX": "y"} },
		"a header of ours":    func(m *mail.Message) { m.Headers = map[string]string{"bCC": "victim@example.com"} },
		"a content header":    func(m *mail.Message) { m.Headers = map[string]string{"content-type": "text/html"} },
		"unsubscribe":         func(m *mail.Message) { m.ListUnsubscribe = "https://a.example/>\r\nX: y" },
		"unsubscribe, scheme": func(m *mail.Message) { m.ListUnsubscribe = "javascript:alert(1)" },
		"id":                  func(m *mail.Message) { m.ID = "a>\r\nX: y" },
		"no recipient":        func(m *mail.Message) { m.To = nil },
		"no text":             func(m *mail.Message) { m.Text = "" },
	} {
		m := receipt()
		change(&m)
		_, ok := errors.AsType[*mail.PermanentError](sender.Send(t.Context(), m))
		require.True(t, ok, name)
	}
	require.Empty(t, server.Mails())
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	for url, problem := range map[string]string{
		"http://h": "scheme", "smtp://": "host", "smtp://h:99999": "port", "smtp://h?starttls=maybe": "starttls", "smtps://h?starttls=auto": "parameter",
		"smtp://h/x": "path", "smtp://u:hunter2@h\x7f": "URL",
	} {
		err := service.Load(&mail.Config{}, []string{"SMTP_URL=" + url, "MAIL_FROM=a@b.example"})
		require.ErrorContains(t, err, problem, url)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.ErrorContains(t, service.Load(&mail.Config{}, []string{"SMTP_URL=smtp://h", "MAIL_FROM=nobody"}), "MAIL_FROM")
	production := []string{"MAKOLA_ENV=production", "MAIL_FROM=a@b.example"}
	require.ErrorContains(t, service.Load(&mail.Config{}, append(production, "SMTP_URL=smtp://h")), "does not insist on encryption")
	for _, url := range []string{"smtps://h", "smtp://h?starttls=always", "smtp://localhost:1025"} {
		require.NoError(t, service.Load(&mail.Config{}, append(production, "SMTP_URL="+url)), url)
	}
}
