package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// flood posts the requests, which are whole HTTP requests as bytes, over conns connections that are kept open, as fast as the answers come, and fails the test unless
// every answer is 200. It returns how long all took and how long each took. It speaks HTTP by hand: with net/http the client would need more
// of the two cores than the server that is measured.
func flood(t testing.TB, addr string, conns int, requests [][]byte) (time.Duration, latencies) {
	t.Helper()
	took := make(latencies, len(requests))
	var next atomic.Int64
	lines := make([]*line, conns)
	for i := range lines {
		l, err := dial(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		lines[i] = l
	}
	began := time.Now()
	var group errgroup.Group
	for _, l := range lines {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return nil
				}
				start := time.Now()
				status, err := l.exchange(requests[i])
				if err != nil || status != 200 {
					return fmt.Errorf("request %d: status %d: %w", i, status, err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return time.Since(began), took
}

// line is one connection to an HTTP server.
type line struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(ctx context.Context, addr string) (*line, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return &line{conn: conn, in: bufio.NewReader(conn)}, nil
}

func (l *line) close() { _ = l.conn.Close() }

// exchange sends one request and reads its answer, of which it returns the status. Answers must tell their length.
func (l *line) exchange(request []byte) (status int, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, fmt.Errorf("set deadline: %w", err)
	}
	if _, err := l.conn.Write(request); err != nil {
		return 0, fmt.Errorf("send: %w", err)
	}
	length := -1
	for first := true; ; first = false {
		text, err := l.in.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("receive: %w", err)
		}
		text = bytes.TrimRight(text, "\r\n")
		switch {
		case first && len(text) >= 12:
			if status, err = strconv.Atoi(string(text[9:12])); err != nil {
				return 0, fmt.Errorf("receive: not HTTP: %q", text)
			}
		case len(text) == 0 && length < 0:
			return status, errors.New("receive: an answer without a length")
		case len(text) == 0:
			_, err = l.in.Discard(length)
			return status, err
		case len(text) > 15 && bytes.EqualFold(text[:15], []byte("Content-Length:")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(text[15:]))); err != nil {
				return 0, fmt.Errorf("receive: length %q: %w", text, io.ErrUnexpectedEOF)
			}
		}
	}
}
