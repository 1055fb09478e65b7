package mailbox_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/mail/mailbox"
)

func TestParseKeepsWhatCanBeRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ raw, text, html string }{
		"nested, base64 and quoted": {"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n" +
			"--i\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nT2zDoQ==\n--i\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<b>=E2=82=B5</b>\n--i--\n" +
			"--o\nContent-Type: text/plain\n\nan attachment\n--o--\n", "Olá", "<b>₵</b>"},
		"no type at all":        {"Subject: x\n\nhello", "hello", ""},
		"broken base64":         {"Content-Transfer-Encoding: base64\n\nT2zDoQ==!!!", "Olá", ""},
		"a multipart cut short": {"Content-Type: multipart/alternative; boundary=i\n\n--i\nContent-Type: text/plain\n\nhalf", "half", ""},
		"no boundary":           {"Content-Type: multipart/alternative\n\nx", "", ""},
		"bytes of no text":      {"Subject: x\n\na\xffb", "a\uFFFDb", ""},
	} {
		m, err := mailbox.Parse([]byte(strings.ReplaceAll(tc.raw, "\n", "\r\n")))
		require.NoError(t, err, name)
		require.Equal(t, tc.text, m.Text, name)
		require.Equal(t, tc.html, m.HTML, name)
	}
	_, err := mailbox.Parse([]byte("no header"))
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("Subject: =?utf-8?q?a?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"))
	f.Fuzz(func(_ *testing.T, raw []byte) { _, _ = mailbox.Parse(raw) })
}
