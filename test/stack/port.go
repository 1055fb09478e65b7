package stack

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports are taken from below the range from which the kernel takes ports for outgoing connections, and from below those of the test servers.
const (
	firstPort = 12000
	ports     = 8000
)

// held keeps the names that stand for ports from being collected, and so closed, while this process lives.
var held sync.Map

// FreeAddr returns an address of 127.0.0.1 which nothing listens on, and which no test of this machine is given until this process ends.
func FreeAddr(t testing.TB) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for range 1000 {
		port := firstPort + rand.IntN(ports) //nolint:gosec // spreads ports, protects nothing
		// Whoever listens at this name, which is in no folder and vanishes with its process, has the port.
		hold, err := new(net.ListenConfig).Listen(ctx, "unix", fmt.Sprintf("@makola-test-port-%d", port))
		if err != nil {
			continue
		}
		held.Store(port, hold)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		_ = l.Close()
		return addr
	}
	t.Fatalf("no free port between %d and %d", firstPort, firstPort+ports-1)
	return ""
}
