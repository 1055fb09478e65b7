package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/emersion/go-smtp"
)

// Limits of the SMTP conversation. They are generous for a development tool and small enough that a mistake cannot fill its memory.
const (
	MaxMessageBytes = 10 << 20
	MaxRecipients   = 100
	idleTimeout     = time.Minute
)

// Stage is a step of the SMTP conversation at which a Server may be told to refuse.
type Stage int

const (
	// StageFrom is MAIL FROM; the value is the sender.
	StageFrom Stage = iota + 1
	// StageRecipient is RCPT TO; the value is the recipient.
	StageRecipient
	// StageContent is after the content has arrived; the value is the sender. Deliver has not been called.
	StageContent
)

// ErrDrop closes the connection without an answer, when Server.Decide returns it.
var ErrDrop = errors.New("drop the connection")

// Refusal is a server's answer of 4xx or 5xx.
type Refusal struct {
	Code int
	Text string
}

// Error is the answer as it goes over the wire.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s", r.Code, r.Text) }

// Server is an SMTP server that keeps what it receives. Set its fields before Start.
type Server struct {
	// Addr is where to listen; after Start it is where the server really listens.
	Addr string
	// Deliver takes one message; an error answers 451. It may be called by several goroutines at once.
	Deliver func(m *Mail) error
	// Decide, when set, is asked at each stage: nil goes on, a *Refusal answers, ErrDrop hangs up. The context ends when the server stops.
	Decide func(ctx context.Context, at Stage, value string) error

	smtp   *smtp.Server
	listen net.Listener
	ctx    context.Context // ends when the server stops; it outlives the call that made it
	cancel context.CancelFunc
	done   chan struct{} // closed when Serve has returned
}

// Start listens and serves until Stop.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return fmt.Errorf("listen for mail on %s: %w", s.Addr, err)
	}
	s.listen, s.Addr = listener, listener.Addr().String()
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.smtp = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	s.smtp.Domain = "localhost"
	s.smtp.MaxMessageBytes, s.smtp.MaxRecipients, s.smtp.MaxLineLength = MaxMessageBytes, MaxRecipients, 8192
	s.smtp.ReadTimeout, s.smtp.WriteTimeout = idleTimeout, idleTimeout
	s.smtp.EnableSMTPUTF8 = true
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		_ = s.smtp.Serve(listener) // ends when Stop closes the listener, and that is its error
	}()
	return nil
}

// Stop hangs up on everybody and waits until the server has ended.
func (s *Server) Stop(ctx context.Context) error {
	s.cancel()
	// The library closes only listeners that Serve has already taken note of, which may not have happened yet.
	_ = s.listen.Close()
	err := s.smtp.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	select {
	case <-s.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// session is one SMTP conversation.
type session struct {
	server *Server
	conn   *smtp.Conn
	from   string
	to     []string
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return s.decide(StageFrom, from)
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.decide(StageRecipient, to); err != nil {
		return err
	}
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.decide(StageContent, s.from); err != nil {
		return err
	}
	m, err := Parse(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "not a mail: " + err.Error()}
	}
	m.EnvelopeFrom, m.EnvelopeTo, m.ReceivedAt = s.from, slices.Clone(s.to), time.Now().UTC()
	if err := s.server.Deliver(m); err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "cannot keep the mail"}
	}
	return nil
}

// decide asks the server's owner and translates the answer.
func (s *session) decide(at Stage, value string) error {
	if s.server.Decide == nil {
		return nil
	}
	err := s.server.Decide(s.server.ctx, at, value)
	var refusal *Refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return &smtp.SMTPError{Code: refusal.Code, EnhancedCode: smtp.NoEnhancedCode, Message: refusal.Text}
	default:
		_ = s.conn.Close()
		return err
	}
}
