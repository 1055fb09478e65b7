package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	netmail "net/mail"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

const (
	// dialTimeout bounds the connection attempt; a mail server that takes longer is not there.
	dialTimeout = 10 * time.Second
	// sendTimeout bounds one Send in all. RFC 5321 would wait minutes for some answers; a worker's slot is worth more, and the task is retried.
	sendTimeout = 30 * time.Second
	// filesTimeout is what a message with files gets instead: 14 MB, which 10 MiB are as base64, take it at 1 Mbit/s.
	filesTimeout = 2 * time.Minute
)

// Sender sends messages to one mail server. It is safe for concurrent use and holds no connection between two messages.
type Sender struct {
	server server
	from   string
	roots  *x509.CertPool // nil means the system's
}

// New makes a Sender. It makes no connection, so a mail server that is down does not keep a service from starting.
func New(cfg Config) (*Sender, error) {
	s, err := parseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("read SMTP_URL: it %w", err)
	}
	if _, err := netmail.ParseAddress(cfg.From); err != nil {
		return nil, fmt.Errorf("read MAIL_FROM: %w", err)
	}
	return &Sender{server: s, from: cfg.From}, nil
}

// Send sends m and returns nil once the server has accepted it for every recipient. Every other outcome is a *PermanentError or a
// *TemporaryError. It takes at most 30 s, two minutes with attachments, or until ctx ends.
func (s *Sender) Send(ctx context.Context, m Message) error {
	r, err := m.render(s.from)
	if err != nil {
		return err
	}
	timeout := sendTimeout
	if len(m.Attachments) > 0 {
		timeout = filesTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client, closeConn, err := s.connect(ctx, timeout)
	if err != nil {
		return classify(connecting, "", orContext(ctx, err))
	}
	defer closeConn()
	if err := deliver(ctx, client, r); err != nil {
		return err
	}
	_ = client.Quit() // the server has the message; a failed goodbye changes nothing
	return nil
}

// deliver is the conversation about one message. An answer that refuses one recipient ends it before the content is sent.
func deliver(ctx context.Context, client *smtp.Client, r *rendered) error {
	if err := client.Mail(angle(r.from)); err != nil {
		return classify(naming, "", orContext(ctx, err))
	}
	for _, to := range r.to {
		if err := client.Rcpt(angle(to)); err != nil {
			return classify(addressing, to, orContext(ctx, err))
		}
	}
	w, err := client.Data()
	if err != nil {
		return classify(content, "", orContext(ctx, err))
	}
	if _, err := r.msg.WriteTo(w); err != nil {
		return classify(content, "", orContext(ctx, err)) // the caller closes the connection, so the half message is never ended
	}
	if err := w.Close(); err != nil {
		return classify(content, "", orContext(ctx, err))
	}
	return nil
}

// connect dials, greets, encrypts and logs in. The connection is closed when ctx ends, whatever the library is waiting for.
func (s *Sender) connect(ctx context.Context, timeout time.Duration) (*smtp.Client, func(), error) {
	var conn net.Conn
	stop := func() bool { return true }
	dial := func(dialCtx context.Context, network, addr string) (net.Conn, error) {
		raw, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(dialCtx, network, addr)
		if err != nil {
			return nil, err
		}
		conn = raw
		stop = context.AfterFunc(ctx, func() { _ = raw.Close() })
		if s.server.tls {
			return tls.Client(raw, s.tlsConfig()), nil // shakes hands at the first read
		}
		return raw, nil
	}
	closeConn := func() {
		stop()
		if conn != nil {
			_ = conn.Close()
		}
	}
	options := []gomail.Option{
		gomail.WithPort(s.server.port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(s.tlsConfig()),
		gomail.WithTLSPolicy(s.server.policy), gomail.WithDialContextFunc(dial),
	}
	if s.server.user != "" {
		options = append(options, gomail.WithUsername(s.server.user), gomail.WithPassword(s.server.password), gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover))
	}
	client, err := gomail.NewClient(s.server.host, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("set up mail client: %w", err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		closeConn()
		return nil, nil, err
	}
	return session, closeConn, nil
}

// orContext prefers the reason why ctx ended over the broken connection that followed from it.
func orContext(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func angle(address string) string { return (&netmail.Address{Address: address}).String() }

func (s *Sender) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.server.host, MinVersion: tls.VersionTLS12, RootCAs: s.roots}
}
