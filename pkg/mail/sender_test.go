package mail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"makola/pkg/service"
)

// loginServer accepts mail after a PLAIN login and reports each content. It stands for the usual provider, which offers nothing else.
type loginServer struct{ got chan string }

func (s *loginServer) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *loginServer) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "mak" || password != "p@ss" {
			return errors.New("no")
		}
		return nil
	}), nil
}
func (s *loginServer) Reset()                               {}
func (s *loginServer) Logout() error                        { return nil }
func (s *loginServer) Mail(string, *smtp.MailOptions) error { return nil }
func (s *loginServer) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *loginServer) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	s.got <- string(content)
	return err
}

func TestSendLogsInOverTLS(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(web.Close)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	certificate := &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
	m := Message{ID: "1", To: []string{"a@b.example"}, Subject: "over TLS", Text: "x"}

	for _, url := range []string{"smtps://mak:p%40ss@ADDR", "smtp://mak:p%40ss@ADDR?starttls=always", "smtp://mak:p%40ss@ADDR"} {
		backend := &loginServer{got: make(chan string, 1)}
		server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return backend, nil }))
		server.Domain, server.TLSConfig = "localhost", certificate
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := listener.Addr().String()
		if strings.HasPrefix(url, "smtps") {
			listener = tls.NewListener(listener, certificate)
		}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })

		sender, err := New(Config{URL: service.Secret(strings.Replace(url, "ADDR", addr, 1)), From: "m@makola.example"})
		require.NoError(t, err)
		err = sender.Send(t.Context(), m)
		_, temporary := errors.AsType[*TemporaryError](err)
		require.True(t, temporary, "an unknown certificate is refused, and worth another try: %v", err)

		sender.roots = roots
		require.NoError(t, sender.Send(t.Context(), m), url)
		select {
		case content := <-backend.got:
			require.Contains(t, content, "Subject: over TLS")
		case <-time.After(time.Minute):
			require.FailNow(t, "no mail arrived")
		}

		sender.server.password = "wrong"
		refused, temporary := errors.AsType[*TemporaryError](sender.Send(t.Context(), m))
		require.True(t, temporary, "a wrong password is for an operator to mend, the mail waits")
		require.NotContains(t, refused.Error(), "wrong")
	}
}
