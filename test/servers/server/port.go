package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are taken from a range below the kernel's ephemeral ports (32768 and up by default). A port from the ephemeral
// range could be taken by an outgoing connection while its server is down, and a client that dials such a port in a loop
// can even be connected to itself.
const (
	firstPort = 20000
	lastPort  = 31999
)

// held keeps the names that stand for ports from being collected, and so closed, while this process lives.
var held sync.Map

// freePorts returns n different TCP ports of 127.0.0.1 which nothing listens on, and which no test of this machine is given until
// this process ends: RabbitMQ takes seconds until it listens. A stranger may take one before, which then shows as a failed start.
func freePorts(ctx context.Context, n int) ([]int, error) {
	var ports []int
	for range 1000 {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1) //nolint:gosec // a port, not a secret
		// Whoever listens at this name, which is in no folder and vanishes with its process, has the port.
		hold, err := new(net.ListenConfig).Listen(ctx, "unix", fmt.Sprintf("@makola-test-port-%d", port))
		if err != nil {
			continue
		}
		held.Store(port, hold)
		if !isFree(ctx, port) {
			continue
		}
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
