package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"makola/pkg/mail/mailbox"
)

// keepMails and keepBytes bound what is kept, oldest out first.
const (
	keepMails = 500
	keepBytes = 128 << 20
)

// entry is one kept mail. Its id is a UUIDv7, so ids sort by arrival.
type entry struct {
	ID string
	*mailbox.Mail
}

// envelope is what a file keeps beside the message itself.
type envelope struct {
	From       string    `json:"from"`
	To         []string  `json:"to"`
	ReceivedAt time.Time `json:"received_at"`
}

// store keeps the newest mails. It is safe for concurrent use; entries are never changed.
type store struct {
	dir string // empty means memory only

	mu      sync.Mutex
	entries []entry // oldest first
	bytes   int
}

// openStore makes a store and reads what an earlier run left in dir.
func openStore(dir string) (*store, error) {
	s := &store{dir: dir}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	for _, file := range files {
		e, err := readEntry(file)
		if err != nil {
			slog.Warn("mail file not read", "file", file, "error", err.Error())
			continue
		}
		s.entries, s.bytes = append(s.entries, e), s.bytes+len(e.Raw)
	}
	s.trim()
	return s, nil
}

// readEntry reads a mail written by write: one line of JSON, then the message.
func readEntry(file string) (entry, error) {
	content, err := os.ReadFile(file) //nolint:gosec // a file of our own folder
	if err != nil {
		return entry{}, err
	}
	head, raw, _ := strings.Cut(string(content), "\n")
	var env envelope
	if err := json.Unmarshal([]byte(head), &env); err != nil {
		return entry{}, fmt.Errorf("read envelope: %w", err)
	}
	m, err := mailbox.Parse([]byte(raw))
	if err != nil {
		return entry{}, err
	}
	m.EnvelopeFrom, m.EnvelopeTo, m.ReceivedAt = env.From, env.To, env.ReceivedAt
	return entry{strings.TrimSuffix(filepath.Base(file), ".eml"), m}, nil
}

// add keeps one mail; it is the SMTP server's Deliver.
func (s *store) add(m *mailbox.Mail) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make id: %w", err)
	}
	e := entry{id.String(), m}
	if err := s.write(e); err != nil {
		slog.Error("mail not kept", "error", err.Error())
		return err
	}
	s.entries, s.bytes = append(s.entries, e), s.bytes+len(m.Raw)
	s.trim()
	slog.Info("mail received", "id", e.ID, "message_id", m.MessageID, "size_bytes", len(m.Raw))
	return nil
}

func (s *store) write(e entry) error {
	if s.dir == "" {
		return nil
	}
	head, err := json.Marshal(envelope{e.EnvelopeFrom, e.EnvelopeTo, e.ReceivedAt})
	if err != nil {
		return fmt.Errorf("write envelope: %w", err)
	}
	temporary := s.file(e.ID) + ".tmp"
	if err := os.WriteFile(temporary, append(append(head, '\n'), e.Raw...), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, s.file(e.ID)) // a reader never sees half a mail
}

// trim drops the oldest mails until the bounds are kept. The newest always stays.
func (s *store) trim() {
	for len(s.entries) > keepMails || len(s.entries) > 1 && s.bytes > keepBytes {
		s.forget(s.entries[0])
		s.bytes -= len(s.entries[0].Raw)
		s.entries = s.entries[1:]
	}
}

func (s *store) forget(e entry) {
	if s.dir == "" {
		return
	}
	if err := os.Remove(s.file(e.ID)); err != nil {
		slog.Warn("mail file not removed", "id", e.ID, "error", err.Error())
	}
}

func (s *store) file(id string) string { return filepath.Join(s.dir, id+".eml") }

// list returns the mails to a recipient (any when empty; case does not matter) that came after the instant, newest first.
func (s *store) list(to string, since time.Time) []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []entry{}
	for _, e := range slices.Backward(s.entries) {
		isTo := func(address string) bool { return strings.EqualFold(address, to) }
		if (to == "" || slices.ContainsFunc(e.EnvelopeTo, isTo)) && e.ReceivedAt.After(since) {
			found = append(found, e)
		}
	}
	return found
}

// get returns one mail.
func (s *store) get(id string) (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.entries, func(e entry) bool { return e.ID == id })
	if i < 0 {
		return entry{}, false
	}
	return s.entries[i], true
}

// clear forgets all mails.
func (s *store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		s.forget(e)
	}
	s.entries, s.bytes = nil, 0
}
