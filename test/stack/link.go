package stack

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Link is an address of our own that leads to a server, and can be cut: nobody listens, and whatever is connected breaks. It starts cut.
type Link struct {
	// Addr is where programs connect instead of the server.
	Addr string

	t      testing.TB
	target string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	work     sync.WaitGroup
}

// NewLink makes a link, still cut, to the server of the URL, and returns the URL led through it.
func NewLink(t testing.TB, address string) (*Link, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("read address: %v", err)
	}
	l := &Link{Addr: FreeAddr(t), t: t, target: u.Host, open: map[net.Conn]bool{}}
	u.Host = l.Addr
	t.Cleanup(l.Cut)
	return l, u.String()
}

// Join lets connections through.
func (l *Link) Join() {
	l.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(l.t.Context(), "tcp", l.Addr)
	if err != nil {
		l.t.Fatalf("listen: %v", err)
	}
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	l.work.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			l.work.Go(func() { l.carry(client) })
		}
	})
}

// carry copies both ways until one side ends.
func (l *Link) carry(client net.Conn) {
	var d net.Dialer
	server, err := d.DialContext(context.WithoutCancel(l.t.Context()), "tcp", l.target)
	if err != nil {
		_ = client.Close()
		return
	}
	l.mu.Lock()
	l.open[client], l.open[server] = true, true
	l.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // a broken connection is what links are for
			_, _ = way[0].Close(), way[1].Close()
		})
	}
	both.Wait()
	l.mu.Lock()
	delete(l.open, client)
	delete(l.open, server)
	l.mu.Unlock()
}

// Cut breaks every connection and lets no new one through. Cutting twice is no error.
func (l *Link) Cut() {
	l.mu.Lock()
	if l.listener != nil {
		_ = l.listener.Close()
		l.listener = nil
	}
	for conn := range l.open {
		_ = conn.Close()
	}
	l.mu.Unlock()
	l.work.Wait()
}
