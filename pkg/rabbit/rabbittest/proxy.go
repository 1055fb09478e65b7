package rabbittest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"makola/pkg/rabbit"
)

// Proxy stands between a client and the broker and misbehaves on command. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	moved   *sync.Cond // signalled when stalled or closed changes
	stalled bool
	closed  bool
	clients map[net.Conn]net.Conn // client side → broker side
	work    sync.WaitGroup
}

// Proxy starts a proxy to the broker, and stops it when the test ends.
func (b *Broker) Proxy(t testing.TB) *Proxy {
	t.Helper()
	address, err := url.Parse(b.URL)
	if err != nil {
		t.Fatalf("parse broker address: %v", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p := &Proxy{listener: listener, target: address.Host, clients: map[net.Conn]net.Conn{}}
	p.moved = sync.NewCond(&p.mu)
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		p.closed = true
		p.moved.Broadcast()
		p.mu.Unlock()
		p.Cut()
		p.work.Wait()
	})
	return p
}

// Through returns cfg with its address led through the proxy.
func (p *Proxy) Through(t testing.TB, cfg rabbit.Config) rabbit.Config {
	t.Helper()
	address, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatalf("parse address: %v", err)
	}
	address.Host = p.listener.Addr().String()
	cfg.URL = address.String()
	return cfg
}

// Cut closes every connection that is open now; new ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for client, broker := range p.clients {
		_, _ = client.Close(), broker.Close()
	}
}

// Stall stops (or, with false, resumes) reading from clients, so that their writes hang once the buffers are full.
// What the broker sends still arrives.
func (p *Proxy) Stall(stalled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = stalled
	p.moved.Broadcast()
}

// Inject sends frame to every client as if the broker had sent it. Only for quiet connections: it must not fall into the middle of another frame.
func (p *Proxy) Inject(frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for client := range p.clients {
		_, _ = client.Write(frame) // a client that is gone misses nothing
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		broker, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		_ = client.(*net.TCPConn).SetReadBuffer(64 << 10) // small, so that a stall is felt soon
		p.mu.Lock()
		p.clients[client] = broker
		p.mu.Unlock()
		p.work.Go(func() { p.pipe(broker, gate{p, client}, client, broker) })
		p.work.Go(func() { p.pipe(client, broker, client, broker) })
	}
}

func (p *Proxy) pipe(to io.Writer, from io.Reader, client, broker net.Conn) {
	_, _ = io.Copy(struct{ io.Writer }{to}, from) // either end may go at any time
	_, _ = client.Close(), broker.Close()
	p.mu.Lock()
	delete(p.clients, client)
	p.mu.Unlock()
}

// gate reads from a client, unless the proxy is stalled.
type gate struct {
	p      *Proxy
	client net.Conn
}

// Read implements io.Reader.
func (g gate) Read(b []byte) (int, error) {
	n, err := g.client.Read(b)
	g.p.mu.Lock()
	defer g.p.mu.Unlock()
	for g.p.stalled && !g.p.closed {
		g.p.moved.Wait()
	}
	return n, err
}
