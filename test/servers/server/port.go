package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from a range below the kernel's ephemeral ports (32768 and up by default). A port from the ephemeral
// range could be taken by an outgoing connection while its server is down, and a client that dials such a port in a loop
// can even be connected to itself.
const (
	firstPort = 20000
	lastPort  = 31999
)

// freePorts returns n different TCP ports of 127.0.0.1 which nothing listens on. They are not reserved: another process
// may take one before the caller does, which then shows as a failed start.
func freePorts(ctx context.Context, n int) ([]int, error) {
	taken := map[int]bool{}
	var ports []int
	for range 1000 {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1) //nolint:gosec // a port, not a secret
		if taken[port] || !isFree(ctx, port) {
			continue
		}
		taken[port] = true
		ports = append(ports, port)
	}
	return nil, errors.New("no free TCP ports between " + strconv.Itoa(firstPort) + " and " + strconv.Itoa(lastPort))
}

func isFree(ctx context.Context, port int) bool {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// address is a port of this machine, in the form that net wants.
func address(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}
