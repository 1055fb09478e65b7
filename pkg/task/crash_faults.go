//go:build faults

package task

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

var crashSeen atomic.Int64

// crash kills this process at the n-th passage of the point that MAKOLA_CRASH_AT names as "point:n". Only binaries of the fault suite have it.
func crash(point string) {
	name, nth, _ := strings.Cut(os.Getenv("MAKOLA_CRASH_AT"), ":")
	if name != point {
		return
	}
	n, err := strconv.ParseInt(nth, 10, 64)
	if err != nil {
		n = 1
	}
	if crashSeen.Add(1) == n {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
