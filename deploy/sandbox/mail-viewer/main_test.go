package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/mail"
	"makola/pkg/mail/mailbox"
	"makola/pkg/service"
)

// start runs a viewer with its receiver and returns the page's address and a sender.
func start(t *testing.T, dir string) (string, *mail.Sender) {
	t.Helper()
	s, err := openStore(dir)
	require.NoError(t, err)
	receiver := &mailbox.Server{Addr: "127.0.0.1:0", Deliver: s.add}
	require.NoError(t, receiver.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, receiver.Stop(context.WithoutCancel(t.Context()))) })
	web := httptest.NewServer(newHandler(s))
	t.Cleanup(web.Close)
	sender, err := mail.New(mail.Config{URL: service.Secret("smtp://" + receiver.Addr), From: "Makola <no-reply@makola.example>"})
	require.NoError(t, err)
	return web.URL, sender
}

func do(t *testing.T, method, url string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body), res.Header
}

func list(t *testing.T, base, query string) []summary {
	t.Helper()
	code, body, _ := do(t, "GET", base+"/api/messages"+query)
	require.Equal(t, 200, code, body)
	var out struct{ Messages []summary }
	require.NoError(t, json.Unmarshal([]byte(body), &out))
	return out.Messages
}

func TestMailIsListedShownKeptAndCleared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base, sender := start(t, dir)
	for i, to := range []string{"ama@example.com", "kofi@example.com"} {
		require.NoError(t, sender.Send(t.Context(), mail.Message{
			ID: fmt.Sprintf("m%d", i), To: []string{to}, Subject: fmt.Sprintf("Mail %d ₵", i), Text: "the text",
			HTML: `<p onclick="x()">rich "quoted"</p><script>alert(1)</script>`,
		}))
	}
	all := list(t, base, "")
	require.Len(t, all, 2)
	require.Equal(t, "Mail 1 ₵", all[0].Subject, "newest first")
	mine := list(t, base, "?to=AMA@example.com")
	require.Len(t, mine, 1)
	require.Equal(t, "m0@makola.example", mine[0].MessageID)
	require.Len(t, list(t, base, "?since="+url.QueryEscape(mine[0].ReceivedAt.Format(time.RFC3339Nano))), 1)
	code, body, _ := do(t, "GET", base+"/api/messages?since=yesterday")
	require.Equal(t, 422, code, body)

	code, body, _ = do(t, "GET", base+"/api/messages/"+mine[0].ID)
	require.Equal(t, 200, code)
	require.Contains(t, body, `"text":"the text"`)
	code, _, _ = do(t, "GET", base+"/api/messages/none")
	require.Equal(t, 404, code)

	code, body, header := do(t, "GET", base+"/messages/"+mine[0].ID)
	require.Equal(t, 200, code)
	require.Contains(t, body, `<iframe sandbox="" srcdoc="`)
	require.NotContains(t, body, "<script", "a mail's markup stays inside the frame's attribute")
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	_, body, _ = do(t, "GET", base+"/messages/"+mine[0].ID+"?tab=raw")
	require.Contains(t, body, "Message-ID: &lt;m0@makola.example&gt;")

	restarted, _ := start(t, dir)
	require.Equal(t, all, list(t, restarted, ""), "a restart keeps the mails and their order")

	code, _, _ = do(t, "DELETE", base+"/api/messages", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, 403, code, "another site's page may not clear the mails")
	code, _, _ = do(t, "DELETE", base+"/api/messages")
	require.Equal(t, 204, code)
	require.Empty(t, list(t, base, ""))
	again, _ := start(t, dir)
	require.Empty(t, list(t, again, ""))
	code, _, _ = do(t, "GET", base+"/livez")
	require.Equal(t, 200, code)
}

func TestOnlyTheNewestMailsAreKept(t *testing.T) {
	t.Parallel()
	s, err := openStore(t.TempDir())
	require.NoError(t, err)
	for i := range keepMails + 3 {
		m, err := mailbox.Parse([]byte(fmt.Sprintf("Subject: %d\r\n\r\nx", i)))
		require.NoError(t, err)
		require.NoError(t, s.add(m))
	}
	require.Len(t, s.list("", time.Time{}.Add(-1)), keepMails)
	require.Equal(t, "3", s.entries[0].Subject)
	reopened, err := openStore(s.dir)
	require.NoError(t, err)
	require.Len(t, reopened.entries, keepMails)
}

func TestProductionIsRefused(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, service.Load(&Config{}, []string{"MAKOLA_ENV=production"}), "do not run the mail viewer")
}
