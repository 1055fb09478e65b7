// Package mailtest is a mail server for tests: it receives real SMTP on the loopback interface, keeps the parsed mails, and fails as told.
package mailtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"makola/pkg/mail/mailbox"
)

// Mail is one received message.
type Mail = mailbox.Mail

// Server is a mail server that lives as long as its test. Its methods are safe for concurrent use.
type Server struct {
	t      testing.TB
	server *mailbox.Server

	mu      sync.Mutex
	mails   []*Mail
	arrived chan struct{} // closed and replaced at every arrival
	rules   []*rule
}

// rule is one scripted failure.
type rule struct {
	at    mailbox.Stage
	value string // lower case; empty means any
	times int    // how often it still applies; negative means always
	err   error
	delay time.Duration
}

// New starts a server on a free port and stops it when the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, arrived: make(chan struct{})}
	s.server = &mailbox.Server{Addr: "127.0.0.1:0", Deliver: s.keep, Decide: s.decide}
	if err := s.server.Start(t.Context()); err != nil {
		t.Fatalf("start mail server: %v", err)
	}
	t.Cleanup(func() {
		if err := s.server.Stop(context.Background()); err != nil {
			t.Errorf("stop mail server: %v", err)
		}
	})
	return s
}

// URL is the server's address in the form of SMTP_URL.
func (s *Server) URL() string { return "smtp://" + s.server.Addr + "?starttls=never" }

// Addr is the server's address as host:port.
func (s *Server) Addr() string { return s.server.Addr }

// Mails returns what has arrived so far, in order.
func (s *Server) Mails() []*Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Mail(nil), s.mails...)
}

// To returns the mails for one recipient, in order.
func (s *Server) To(recipient string) []*Mail {
	var found []*Mail
	for _, m := range s.Mails() {
		for _, to := range m.EnvelopeTo {
			if strings.EqualFold(to, recipient) {
				found = append(found, m)
				break
			}
		}
	}
	return found
}

// Wait returns the mails once at least n have arrived, and fails the test when that takes longer than limit.
func (s *Server) Wait(n int, limit time.Duration) []*Mail {
	s.t.Helper()
	deadline := time.After(limit)
	for {
		s.mu.Lock()
		mails, arrived := append([]*Mail(nil), s.mails...), s.arrived
		s.mu.Unlock()
		if len(mails) >= n {
			return mails
		}
		select {
		case <-arrived:
		case <-deadline:
			s.t.Fatalf("%d of %d mails arrived within %v", len(mails), n, limit)
		}
	}
}

// RejectRecipient answers the next times RCPT commands for the address with the code; times < 0 means always.
func (s *Server) RejectRecipient(address string, code int, text string, times int) {
	s.add(&rule{at: mailbox.StageRecipient, value: strings.ToLower(address), times: times, err: &mailbox.Refusal{Code: code, Text: text}})
}

// RejectContent answers the next times messages with the code, after their content.
func (s *Server) RejectContent(code int, text string, times int) {
	s.add(&rule{at: mailbox.StageContent, times: times, err: &mailbox.Refusal{Code: code, Text: text}})
}

// DropAfterContent hangs up on the next times messages without an answer, after their content: the sender cannot know whether they were kept.
// They were not.
func (s *Server) DropAfterContent(times int) {
	s.add(&rule{at: mailbox.StageContent, times: times, err: mailbox.ErrDrop})
}

// Delay makes the server wait before it answers MAIL FROM, for every message from now on.
func (s *Server) Delay(d time.Duration) {
	s.add(&rule{at: mailbox.StageFrom, times: -1, delay: d})
}

// Heal forgets all failures.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

func (s *Server) add(r *rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, r)
}

func (s *Server) keep(m *Mail) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	close(s.arrived)
	s.arrived = make(chan struct{})
	return nil
}

func (s *Server) decide(ctx context.Context, at mailbox.Stage, value string) error {
	r := s.match(at, strings.ToLower(value))
	if r == nil {
		return nil
	}
	if r.delay > 0 {
		select {
		case <-time.After(r.delay):
		case <-ctx.Done():
		}
	}
	return r.err
}

func (s *Server) match(at mailbox.Stage, value string) *rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if r.at == at && r.times != 0 && (r.value == "" || r.value == value) {
			r.times--
			return r
		}
	}
	return nil
}
