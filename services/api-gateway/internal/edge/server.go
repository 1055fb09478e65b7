package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Server serves a handler from Start to Stop; it is a service.Component.
type Server struct {
	// DrainWait is how long Stop goes on serving before it takes no more connections: readiness fails from the first moment on, and whoever balances the load needs a while
	// to notice. Set it before Start.
	DrainWait time.Duration

	addr   string
	fail   func(error)
	server *http.Server
	bound  net.Addr
}

// NewServer makes a server for addr. fail is called when it dies on its own.
func NewServer(addr string, h http.Handler, fail func(error)) *Server {
	return &Server{addr: addr, fail: fail, server: &http.Server{
		Handler: lastIfChunked(h),
		// A request has to arrive within seconds; opening a payment may take its provider half a minute.
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
	}}
}

// lastIfChunked ends the connection after a request with a transfer coding. net/http reads its chunks and forgets a Content-Length beside them, which nobody then can see; a
// proxy in front that believed the length would take the rest for another client's request (RFC 9112, section 6.3).
func lastIfChunked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Start begins to listen. An address in use is an error.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen on LISTEN_ADDR %s: %w", s.addr, err)
	}
	s.bound = listener.Addr()
	s.server.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	slog.InfoContext(ctx, "gateway listens", "addr", s.bound.String())
	go func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serve: %w", err))
		}
	}()
	return nil
}

// Addr returns the address that Start bound.
func (s *Server) Addr() net.Addr { return s.bound }

// OnDrain adds a function to call when Stop begins to drain: for answers that would not end by themselves. Call it before Start.
func (s *Server) OnDrain(fn func()) { s.server.RegisterOnShutdown(fn) }

// Stop serves on for DrainWait, then takes no more connections and waits for the requests under way; when ctx ends it breaks them off.
func (s *Server) Stop(ctx context.Context) error {
	s.server.SetKeepAlivesEnabled(false) // whoever asks meanwhile opens the next connection elsewhere
	if s.DrainWait > 0 {
		select {
		case <-time.After(s.DrainWait):
		case <-ctx.Done():
		}
	}
	if err := s.server.Shutdown(ctx); err != nil {
		_ = s.server.Close()
		return fmt.Errorf("drain requests: %w", err)
	}
	return nil
}
